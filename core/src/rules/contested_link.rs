#![doc = include_str!("contested_link.md")]

use super::{Check, Rule, Statement};
use crate::cni::attachment::Link;
use crate::finding::Level;
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::Selection;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "contested-link",
    page: include_str!("contested_link.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

/// The number of networks of one Pod that are compared with each other.
const MAX_COMPARED: usize = 64;

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut earlier: Vec<(&Selection, &Link)> = Vec::new();
    for asked in world.newly_asked(attach) {
        let selection = asked.selection;
        let network = asked.known();
        let Some(link) = network.and_then(|network| network.config.link.as_ref()) else {
            continue;
        };
        let conflict = earlier.iter().find_map(|(other, before)| {
            let macs = [mac(other), mac(selection)];
            Some((other, before.conflict(link, macs)?))
        });
        if let Some((other, why)) = conflict {
            let place = attach.place(asked.annotation, selection);
            let name = match &*link.name {
                "" => "the interface of the node's default route".to_owned(),
                name => format!("the interface \"{}\" of the node", shorten(name)),
            };
            let (other, own) = (other.network(), selection.network());
            let problem = format_args!(
                "networks \"{}\" and \"{}\" both use {name}, and one Pod cannot have both: {why}; \
                 let them use different interfaces, or remove one of them",
                shorten(&other),
                shorten(&own),
            );
            statements.push(Statement::at(&attach.object, place, problem));
        }
        if earlier.len() < MAX_COMPARED {
            earlier.push((selection, link));
        }
    }
    statements
}

/// The hardware address that the Pod requests.
fn mac(selection: &Selection) -> Option<&str> {
    selection.request("mac").map(|text| text.trim_matches('"'))
}
