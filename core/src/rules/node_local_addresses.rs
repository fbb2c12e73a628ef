#![doc = include_str!("node_local_addresses.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::selector::{Operator, Requirement};
use crate::view::{Change, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "node-local-addresses",
    page: include_str!("node_local_addresses.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

/// Interface plugins that connect the Pods of all nodes to what the node's interface is connected
/// to.
const SHARED: [&str; 3] = ["ipvlan", "macvlan", "vlan"];

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let Change::New(config) = &define.config else {
        return Vec::new();
    };
    let is_of_one_node = match &define.selector {
        Change::Absent => false,
        // It is not read again.
        Change::Kept(()) => true,
        Change::New(selector) => selector
            .as_ref()
            .as_ref()
            .is_ok_and(|requirements| requirements.iter().any(names_one_node)),
    };
    if config.link.is_none() || is_of_one_node {
        return Vec::new();
    }
    let plugins = config.plugins.iter();
    plugins
        .filter(|plugin| SHARED.contains(&&*plugin.kind))
        .filter_map(|plugin| Some((plugin, plugin.ipam.as_ref()?)))
        .filter(|(_, ipam)| ipam.kind == "host-local")
        .map(|(plugin, ipam)| {
            let place = Place::inside("spec.config", plugin.ipam_place(ipam));
            let problem = format_args!(
                "host-local keeps the addresses in use for each node separately, and {} connects \
                 the Pods of all nodes: two Pods on two nodes can get the same address; use \
                 whereabouts, or a network with its own range for each node, with \
                 kubernetes.io/hostname in its nodeSelector",
                plugin.kind
            );
            Statement::at(&define.object, place, problem)
        })
        .collect()
}

/// Whether only nodes with one name meet it.
fn names_one_node(requirement: &Requirement) -> bool {
    &*requirement.key == "kubernetes.io/hostname"
        && requirement.operator == Operator::In
        && requirement.values.len() == 1
}
