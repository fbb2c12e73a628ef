#![doc = include_str!("shadowed_interface.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, Place, shorten};
use crate::view::Attach;
use crate::view::networks::NETWORKS;

/// The rule.
pub static RULE: Rule = Rule {
    name: "shadowed-interface",
    page: include_str!("shadowed_interface.md"),
    level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Said> {
    let Some(networks) = attach.networks.new() else {
        return Vec::new();
    };
    // Multus calls the first element's interface net1, for the default network is net0.
    let generated = networks.selections.iter().zip(1..);
    let generated = generated.filter(|(selection, _)| selection.interface.is_none());
    generated
        .filter_map(|(unnamed, number)| {
            let name = format!("net{number}");
            let asking = networks
                .selections
                .iter()
                .find(|selection| selection.interface.as_deref() == Some(&*name))?;
            let place = Place::inside(attach.path(NETWORKS), asking.at.clone());
            let message = format!(
                "{}: {place}: interface \"{name}\" is asked for by network \"{}\", and it is the \
                 name that Multus generates for \"{}\", element {number} of the annotation: choose \
                 another name, or name both",
                attach.object,
                shorten(&asking.network()),
                shorten(&unnamed.network()),
            );
            Some(Said::new(place, message))
        })
        .collect()
}
