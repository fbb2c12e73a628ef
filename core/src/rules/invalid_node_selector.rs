#![doc = include_str!("invalid_node_selector.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::selector::NODE_SELECTOR;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-node-selector",
    page: include_str!("invalid_node_selector.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let fault = define
        .selector
        .new()
        .and_then(|selector| selector.as_ref().as_ref().err());
    fault
        .into_iter()
        .map(|fault| {
            let field = format!("metadata.annotations[{NODE_SELECTOR}]");
            let place = Place::inside(field, fault.at.clone());
            let problem = format_args!("invalid nodeSelector: {}", fault.message);
            Statement::at(&define.object, place, problem)
        })
        .collect()
}
