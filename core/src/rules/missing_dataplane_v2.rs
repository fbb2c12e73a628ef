#![doc = include_str!("missing_dataplane_v2.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Cluster;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-dataplane-v2",
    page: include_str!("missing_dataplane_v2.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Cluster(check),
    fix: None,
};

fn check(cluster: &Cluster<'_>, _: &World<'_>) -> Vec<Statement> {
    let config = &cluster.config;
    let lacks = config.vmware.as_ref().is_some_and(|own| !own.dataplane_v2);
    if !config.multiple_network_interfaces || !lacks {
        return Vec::new();
    }
    vec![Statement::at(
        &cluster.object,
        Place::field("multipleNetworkInterfaces"),
        "networks beside the default one need Dataplane V2: set enableDataplaneV2: true, or \
         multipleNetworkInterfaces: false",
    )]
}
