#![doc = include_str!("isolated_network.md")]

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::Annotation;
use crate::world::{Resolved, World};

/// The rule.
pub static RULE: Rule = Rule {
    name: "isolated-network",
    page: include_str!("isolated_network.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let asked = world.newly_asked(attach);
    let isolated = asked.filter(|asked| matches!(asked.network, Resolved::Isolated));
    isolated
        .map(|asked| {
            let is_default = asked.annotation == Annotation::DefaultNetwork;
            let role = if is_default {
                " as its default network"
            } else {
                ""
            };
            let message = format!(
                "{} may not use network \"{}\"{role}: it belongs to namespace \"{}\", and a Pod \
                 may use networks of {}",
                attach.object,
                shorten(&asked.selection.network()),
                shorten(&asked.selection.namespace),
                world.policy.allowed_namespaces(is_default),
            );
            Statement::new(attach.place(asked.annotation, asked.selection), message)
        })
        .collect()
}
