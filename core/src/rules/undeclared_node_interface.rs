#![doc = include_str!("undeclared_node_interface.md")]

use super::{Check, Rule, Statement};
use crate::cni::Used;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undeclared-node-interface",
    page: include_str!("undeclared_node_interface.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let Some(declared) = world.policy.declared_interfaces else {
        return Vec::new();
    };
    let config = define.config.new();
    let uses = config.into_iter().flat_map(|config| &config.uses);
    let masters = uses.filter(|used| used.at.path.ends_with("master"));
    let mut statements = Vec::new();
    for used in masters {
        let Used::Interface(Some(name)) = &used.used else {
            continue;
        };
        if declared.contains(&&**name) {
            continue;
        }
        let problem = format!(
            "the cluster configuration makes no interface \"{}\" on the nodes, which have {}: use \
             one of these, or declare another (network.additionalNodeInterfaces)",
            shorten(name),
            declared.join(", ")
        );
        let place = Place::inside("spec.config", used.at.clone());
        statements.push(Statement::at(&define.object, place, problem));
    }
    statements
}
