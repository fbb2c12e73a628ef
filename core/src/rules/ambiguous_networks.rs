#![doc = include_str!("ambiguous_networks.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Attach;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "ambiguous-networks",
    page: include_str!("ambiguous_networks.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    let faults = attach.newly_asking().flat_map(|(asking, annotation)| {
        let faults = asking.ambiguous.iter();
        faults.map(move |fault| (fault, annotation))
    });
    faults
        .map(|(fault, annotation)| {
            let place = Place::inside(attach.path(annotation), fault.at.clone());
            Statement::at(&attach.object, place, &fault.message)
        })
        .collect()
}
