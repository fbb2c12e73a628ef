#![doc = include_str!("invalid_node_interface.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Cluster;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-node-interface",
    page: include_str!("invalid_node_interface.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Cluster(check),
    fix: None,
};

fn check(cluster: &Cluster<'_>, _: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (index, interface) in cluster.interfaces().iter().enumerate() {
        let mut say = |field: &str, problem: String| {
            let field = format!("network.additionalNodeInterfaces[{index}]{field}");
            statements.push(Statement::at(&cluster.object, Place::field(field), problem));
        };
        if interface.network.is_empty() {
            let problem = "networkName is missing: name the network in vSphere";
            say("", problem.to_owned());
        }
        match (&*interface.kind, &*interface.ip_block_file) {
            ("static", "") => say(
                "",
                "type is static, and ipBlockFilePath is missing: name the file with the addresses \
                 of the nodes, or set type: dhcp"
                    .to_owned(),
            ),
            ("dhcp", file) if !file.is_empty() => say(
                ".ipBlockFilePath",
                format!(
                    "type is dhcp, so the addresses in \"{}\" would not be used: remove it, or set \
                     type: static",
                    shorten(file)
                ),
            ),
            ("static" | "dhcp", _) => {}
            ("", _) => say("", "type is missing: set dhcp or static".to_owned()),
            (kind, _) => say(
                ".type",
                format!("expected dhcp or static, found \"{}\"", shorten(kind)),
            ),
        }
    }
    statements
}
