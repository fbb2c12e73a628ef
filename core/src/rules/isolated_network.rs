#![doc = include_str!("isolated_network.md")]

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::{DEFAULT_NETWORK, NETWORKS, Networks};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "isolated-network",
    page: include_str!("isolated_network.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let networks = attach.networks.new().map(|asked| (asked, NETWORKS));
    let default = attach
        .default_network
        .new()
        .map(|asked| (asked, DEFAULT_NETWORK));
    let asked = default.into_iter().chain(networks);
    asked
        .flat_map(|(asked, annotation)| isolated(attach, world, asked, annotation))
        .collect()
}

fn isolated(
    attach: &Attach<'_>,
    world: &World<'_>,
    asked: &Networks,
    annotation: &'static str,
) -> Vec<Statement> {
    let default_network = annotation == DEFAULT_NETWORK;
    let own = &attach.object.namespace;
    let isolated = asked.selections.iter().filter(|selection| {
        !world
            .policy
            .isolation_allows(own, &selection.namespace, &selection.name, default_network)
    });
    isolated
        .take(MAX_FAULTS)
        .map(|selection| {
            let role = if default_network {
                " as its default network"
            } else {
                ""
            };
            let message = format!(
                "{} may not use network \"{}\"{role}: it belongs to namespace \"{}\", and a Pod \
                 may use networks of {}",
                attach.object,
                shorten(&selection.network()),
                shorten(&selection.namespace),
                world.policy.allowed_namespaces(default_network),
            );
            Statement::new(
                Place::inside(attach.path(annotation), selection.at.clone()),
                message,
            )
        })
        .collect()
}
