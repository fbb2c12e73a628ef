#![doc = include_str!("shadowed_interface.md")]

use std::collections::HashMap;

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::{DEFAULT_NETWORK, NETWORKS, Selection};
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
    // The first to ask for a name is the one to be named: the default network comes before all.
    let default = attach.default_network.any().into_iter();
    let default = default
        .flat_map(|asked| &asked.selections)
        .map(|selection| (selection, DEFAULT_NETWORK));
    let others = networks.selections.iter().rev();
    let asked: HashMap<&str, (&Selection, &str)> = others
        .map(|selection| (selection, NETWORKS))
        .chain(default)
        .filter_map(|asking| Some((asking.0.interface.as_deref()?, asking)))
        .collect();
    if asked.is_empty() {
        return Vec::new();
    }
    // Multus calls the first element's interface net1, for the default network is net0.
    let generated = networks.selections.iter().zip(1..);
    let generated = generated.filter(|(selection, _)| selection.interface.is_none());
    generated
        .filter_map(|(unnamed, number)| {
            let name = format!("net{number}");
            let (asking, annotation) = asked.get(&*name)?;
            let place = Place::inside(attach.path(annotation), asking.at.clone());
            let (asking_for, generated_for) = (asking.network(), unnamed.network());
            let problem = format_args!(
                "interface \"{name}\" is asked for by network \"{}\", and it is the \
                 name that Multus generates for \"{}\", element {number} of the annotation: choose \
                 another name, or name both",
                shorten(&asking_for),
                shorten(&generated_for),
            );
            Some(Statement::at(&attach.object, place, problem))
        })
        .take(MAX_FAULTS)
        .collect()
}
