#![doc = include_str!("invalid_node_selector.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, Place};
use crate::view::Define;
use crate::view::selector::NODE_SELECTOR;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-node-selector",
    page: include_str!("invalid_node_selector.md"),
    level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Said> {
    let fault = define
        .network
        .selector
        .as_ref()
        .err()
        .filter(|_| define.selector_changed);
    fault
        .into_iter()
        .map(|fault| {
            let field = format!("metadata.annotations[{NODE_SELECTOR}]");
            let place = Place::inside(field, fault.at.clone());
            let problem = format_args!("invalid nodeSelector: {}", fault.message);
            Said::at(&define.object, place, problem)
        })
        .collect()
}
