#![doc = include_str!("unusable_network.md")]

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Attach;
use crate::world::{World, asked_networks};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unusable-network",
    page: include_str!("unusable_network.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (selection, annotation, network) in asked_networks(attach, world) {
        if statements.len() >= MAX_FAULTS {
            break;
        }
        let Some(network) = network else { continue };
        let refusal = super::refusal(&selection.namespace, &selection.name, network, world);
        if let Some((rule, refused)) = refusal {
            let message = format!(
                "{} may not use network \"{}\", which would itself be refused now: {}: {}",
                attach.object,
                shorten(&selection.network()),
                rule.name,
                refused.message,
            );
            let place = Place::inside(attach.path(annotation), selection.at.clone());
            statements.push(Statement::new(place, message));
        }
    }
    statements
}
