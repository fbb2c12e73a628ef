#![doc = include_str!("duplicate_interface.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, Place, shorten};
use crate::view::Attach;
use crate::view::networks::NETWORKS;

/// The rule.
pub static RULE: Rule = Rule {
    name: "duplicate-interface",
    page: include_str!("duplicate_interface.md"),
    level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Said> {
    let Some(networks) = attach.networks.new() else {
        return Vec::new();
    };
    let mut taken: Vec<&str> = vec!["eth0", "lo"];
    let mut said = Vec::new();
    for selection in &networks.selections {
        let Some(interface) = selection.interface.as_deref() else {
            continue;
        };
        if taken.contains(&interface) {
            let by = match interface {
                "eth0" => "the default network has it",
                "lo" => "every Pod has it already",
                _ => "another element of the annotation asks for it",
            };
            let place = Place::inside(attach.path(NETWORKS), selection.at.clone());
            let message = format!(
                "{}: {place}: interface \"{}\" is asked for by network \"{}\", and {by} (Multus: \
                 interface name {} already exists): choose another name, or none",
                attach.object,
                shorten(interface),
                shorten(&selection.network()),
                shorten(interface),
            );
            said.push(Said::new(place, message));
        }
        taken.push(interface);
    }
    said
}
