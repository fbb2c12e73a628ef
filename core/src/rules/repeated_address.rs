#![doc = include_str!("repeated_address.md")]

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::network::Network;
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::Selection;
use crate::world::{Resolved, World};

/// The rule.
pub static RULE: Rule = Rule {
    name: "repeated-address",
    page: include_str!("repeated_address.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

/// Keys of an element that fix an address of the interface.
const FIXED: [&str; 3] = ["ips", "mac", "infiniband-guid"];

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    if !attach.copies.are_several() {
        return Vec::new();
    }
    let copies = attach.copies;
    let statements = world.newly_asked(attach).filter_map(|asked| {
        if matches!(asked.network, Resolved::Isolated) {
            return None;
        }
        let fixed = fixed(asked.selection, asked.known())?;
        let problem = format_args!(
            "{fixed}, and the {} creates {copies}: they all get the same address, and only one of \
             them can be reached; let an IPAM plugin assign the addresses (whereabouts across \
             nodes, host-local on one), or run one Pod",
            attach.object.kind,
        );
        let place = attach.place(asked.annotation, asked.selection);
        Some(Statement::at(&attach.object, place, problem))
    });
    statements.collect()
}

/// What fixes the address of an attachment.
fn fixed(selection: &Selection, network: Option<&Network>) -> Option<String> {
    let name = selection.network();
    let asked: Vec<_> = FIXED
        .into_iter()
        .filter(|key| selection.request(key).is_some())
        .collect();
    if !asked.is_empty() {
        return Some(format!(
            "{} of network \"{}\" {} fixed in the template",
            asked.join(" and "),
            shorten(&name),
            if asked.len() == 1 && asked != ["ips"] {
                "is"
            } else {
                "are"
            },
        ));
    }
    network?.has_static_addresses().then(|| {
        format!(
            "network \"{}\" has static addresses, the same for every Pod",
            shorten(&name)
        )
    })
}
