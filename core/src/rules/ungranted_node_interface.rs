#![doc = include_str!("ungranted_node_interface.md")]

use super::{Check, Rule, Statement};
use crate::cni::{NodeUse, Used};
use crate::finding::{Level, Place};
use crate::policy::pattern::Pattern;
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "ungranted-node-interface",
    page: include_str!("ungranted_node_interface.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let grants = &world.policy.node_interfaces;
    if grants.is_empty() {
        return Vec::new();
    }
    let namespace = &*define.object.namespace;
    let granted: Vec<_> = grants
        .iter()
        .filter(|grant| grant.namespaces.iter().any(|own| own.matches(namespace)))
        .flat_map(|grant| &grant.interfaces)
        .collect();
    let mut statements = Vec::new();
    for NodeUse { at, used } in define.new_uses() {
        let Used::Interface(name) = used else {
            continue;
        };
        let problem = match name.as_deref() {
            Some(name) if granted.iter().any(|pattern| pattern.matches(name)) => continue,
            Some(name) => format!(
                "the interface \"{}\" of the node is not granted to namespace \"{namespace}\" \
                 (nodeInterfaces)",
                shorten(name)
            ),
            None => format!(
                "no interface of the node is named, so the one of the node's default route would \
                 be used, which is not granted to namespace \"{namespace}\" by name \
                 (nodeInterfaces)"
            ),
        };
        let place = Place::inside("spec.config", at.clone());
        let problem = format_args!("{problem}: {}", advice(&granted));
        statements.push(Statement::at(&define.object, place, problem));
    }
    statements
}

fn advice(granted: &[&Pattern]) -> String {
    const SHOWN: usize = 8;
    if granted.is_empty() {
        return "ask the administrator for an interface, since none is granted".to_owned();
    }
    let shown: Vec<_> = granted
        .iter()
        .map(|pattern| pattern.as_str())
        .take(SHOWN)
        .collect();
    let more = if granted.len() > SHOWN { ", …" } else { "" };
    format!(
        "use one that is granted ({}{more}), or ask the administrator",
        shown.join(", ")
    )
}
