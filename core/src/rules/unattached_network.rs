#![doc = include_str!("unattached_network.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Attach;
use crate::world::{Resolved, World};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unattached-network",
    page: include_str!("unattached_network.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    if !attach.is_running || attach.host_network {
        return Vec::new();
    }
    let mut asked = world.newly_asked(attach);
    let Some(asked) = asked.find(|asked| !matches!(asked.network, Resolved::Isolated)) else {
        return Vec::new();
    };
    let place = Place::field(attach.path(asked.annotation));
    let problem = "the Pod is already running, and Multus attaches networks when a Pod is started: \
                   nothing is attached until the Pod is deleted and created again, unless the \
                   multus-dynamic-networks-controller runs in the cluster";
    vec![Statement::at(&attach.object, place, problem)]
}
