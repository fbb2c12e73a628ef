#![doc = include_str!("unusable_network.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, MOST, Place, shorten};
use crate::view::Attach;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unusable-network",
    page: include_str!("unusable_network.md"),
    level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for (selection, annotation, network) in super::asked_networks(attach, world) {
        if said.len() >= MOST {
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
            said.push(Said::new(place, message));
        }
    }
    said
}
