#![doc = include_str!("unusable_network.md")]

use std::collections::HashMap;

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::text::shorten;
use crate::view::Attach;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unusable-network",
    page: include_str!("unusable_network.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    // One network may be requested repeatedly.
    let mut refusals = HashMap::new();
    for asked in world.newly_asked(attach) {
        let Some(network) = asked.known() else {
            continue;
        };
        let (namespace, name) = (&*asked.selection.namespace, &*asked.selection.name);
        let refusal = refusals
            .entry((namespace, name))
            .or_insert_with(|| super::refusal(namespace, name, network, world));
        if let Some((rule, refused)) = refusal {
            let message = format!(
                "{} may not use network \"{}\", which would itself be refused now: {}: {}",
                attach.object,
                shorten(&asked.selection.network()),
                rule.name,
                refused.message,
            );
            let place = attach.place(asked.annotation, asked.selection);
            statements.push(Statement::new(place, message));
        }
    }
    statements
}
