#![doc = include_str!("shadowed_interface.md")]

use std::collections::HashMap;

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::text::shorten;
use crate::view::Attach;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "shadowed-interface",
    page: include_str!("shadowed_interface.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    let Some(networks) = attach.networks.new() else {
        return Vec::new();
    };
    // The first element that requests a name is the one that is reported.
    let mut asking = HashMap::new();
    for (selection, annotation, _) in attach.elements() {
        if let Some(interface) = selection.interface.as_deref() {
            asking.entry(interface).or_insert((selection, annotation));
        }
    }
    if asking.is_empty() {
        return Vec::new();
    }
    // Multus calls the first element's interface net1, because the default network is net0.
    let generated = networks.selections.iter().zip(1..);
    let generated = generated.filter(|(selection, _)| selection.interface.is_none());
    generated
        .filter_map(|(unnamed, number)| {
            let name = format!("net{number}");
            let (selection, annotation) = *asking.get(&*name)?;
            let (asking_for, generated_for) = (selection.network(), unnamed.network());
            let problem = format_args!(
                "network \"{}\" requests the interface \"{name}\", which is the name that Multus \
                 generates for \"{}\", element {number} of the annotation: choose another name, or \
                 name both",
                shorten(&asking_for),
                shorten(&generated_for),
            );
            let place = attach.place(annotation, selection);
            Some(Statement::at(&attach.object, place, problem))
        })
        .collect()
}
