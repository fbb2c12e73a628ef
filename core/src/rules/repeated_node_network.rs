#![doc = include_str!("repeated_node_network.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Cluster;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "repeated-node-network",
    page: include_str!("repeated_node_network.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Cluster(check),
    fix: None,
};

fn check(cluster: &Cluster<'_>, _: &World<'_>) -> Vec<Statement> {
    let interfaces = cluster.interfaces();
    let names = interfaces.iter().map(|interface| &*interface.network);
    let mut statements = Vec::new();
    for (index, name) in names
        .clone()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        let Some(first) = names.clone().take(index).position(|other| other == name) else {
            continue;
        };
        let field = format!("network.additionalNodeInterfaces[{index}].networkName");
        let problem = format!(
            "each node already has an interface in network \"{}\" \
             (additionalNodeInterfaces[{first}]): name another network, or remove this one",
            shorten(name)
        );
        statements.push(Statement::at(&cluster.object, Place::field(field), problem));
    }
    statements
}
