#![doc = include_str!("undeclared_capability.md")]

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::text::shorten;
use crate::view::Attach;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undeclared-capability",
    page: include_str!("undeclared_capability.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

/// Keys of an element, and the capability that a plugin declares to be given them.
const CAPABILITIES: [(&str, &str); 5] = [
    ("bandwidth", "bandwidth"),
    ("infiniband-guid", "infinibandGUID"),
    ("ips", "ips"),
    ("mac", "mac"),
    ("portMappings", "portMappings"),
];

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for asked in world.newly_asked(attach) {
        let network = asked.known();
        let Some(network) = network.filter(|network| !network.config.plugins.is_empty()) else {
            continue;
        };
        for (key, capability) in CAPABILITIES {
            if asked.selection.request(key).is_none() || network.declares(capability) {
                continue;
            }
            let network = asked.selection.network();
            let problem = format_args!(
                "{key} is asked of network \"{}\", in which no plugin declares the \
                 capability \"{capability}\": it may be ignored; declare \"capabilities\": \
                 {{\"{capability}\": true}} in the plugin that is to be given it",
                shorten(&network),
            );
            let place = attach.place(asked.annotation, asked.selection);
            statements.push(Statement::at(&attach.object, place, problem));
        }
    }
    statements
}
