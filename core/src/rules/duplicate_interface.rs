#![doc = include_str!("duplicate_interface.md")]

use std::collections::HashMap;

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::Annotation;
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

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    // The name, what has it already, and whether that is to be judged.
    let mut taken = HashMap::from([
        ("eth0", ("the default network has it", false)),
        ("lo", ("every Pod already has it", false)),
    ]);
    let mut statements = Vec::new();
    for (selection, annotation, is_new) in attach.elements() {
        let Some(interface) = selection.interface.as_deref() else {
            continue;
        };
        let is_default = annotation == Annotation::DefaultNetwork;
        // A default network may request its own name or another one (Multus: `getIfname`); what is
        // left of the Pod then is not a matter of this rule.
        if is_default && interface == "eth0" {
            continue;
        }
        let Some((by, is_taken_now)) = taken.get(interface).copied() else {
            let by = if is_default {
                ("the default network requests it too", is_new)
            } else {
                ("another element of the annotation requests it too", false)
            };
            taken.insert(interface, by);
            continue;
        };
        if !is_new && !is_taken_now {
            continue;
        }
        let network = selection.network();
        let interface = shorten(interface);
        let problem = format_args!(
            "network \"{}\" requests the interface \"{interface}\", and {by} (Multus: interface \
             name {interface} already exists): choose another name, or none",
            shorten(&network),
        );
        let place = attach.place(annotation, selection);
        statements.push(Statement::at(&attach.object, place, problem));
    }
    statements
}
