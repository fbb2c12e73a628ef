#![doc = include_str!("duplicate_interface.md")]

use std::collections::HashMap;

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::{DEFAULT_NETWORK, NETWORKS};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "duplicate-interface",
    page: include_str!("duplicate_interface.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

const DEFAULT_NETWORK_ASKS: &str = "the default network asks for it";

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    // A default network may ask for another name than its own (Multus: `getIfname`); what is left
    // of the Pod then is not for this rule to say.
    let default = attach.default_network.any().into_iter();
    let default = default.flat_map(|asked| &asked.selections);
    let default = default
        .filter(|selection| selection.interface.as_deref() != Some("eth0"))
        .map(|selection| (selection, DEFAULT_NETWORK, attach.default_network.new()));
    let others = attach.networks.any().into_iter();
    let others = others
        .flat_map(|asked| &asked.selections)
        .map(|selection| (selection, NETWORKS, attach.networks.new()));
    let mut taken = HashMap::from([
        ("eth0", "the default network has it"),
        ("lo", "every Pod has it already"),
    ]);
    let mut statements = Vec::new();
    for (selection, annotation, new) in default.chain(others) {
        let Some(interface) = selection.interface.as_deref() else {
            continue;
        };
        let Some(by) = taken.get(interface).copied() else {
            let by = match annotation {
                DEFAULT_NETWORK => DEFAULT_NETWORK_ASKS,
                _ => "another element of the annotation asks for it",
            };
            taken.insert(interface, by);
            continue;
        };
        let taken_now = by == DEFAULT_NETWORK_ASKS && attach.default_network.new().is_some();
        if new.is_none() && !taken_now {
            continue;
        }
        let place = Place::inside(attach.path(annotation), selection.at.clone());
        let network = selection.network();
        let problem = format_args!(
            "interface \"{}\" is asked for by network \"{}\", and {by} (Multus: \
             interface name {} already exists): choose another name, or none",
            shorten(interface),
            shorten(&network),
            shorten(interface),
        );
        statements.push(Statement::at(&attach.object, place, problem));
        if statements.len() == MAX_FAULTS {
            break;
        }
    }
    statements
}
