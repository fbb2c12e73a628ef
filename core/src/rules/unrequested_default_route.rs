#![doc = include_str!("unrequested_default_route.md")]

use super::{Check, Rule, Statement, config_faults};
use crate::finding::Level;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unrequested-default-route",
    page: include_str!("unrequested_default_route.md"),
    default_level: Level::Warn,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    config_faults(define, |config| &config.default_routes)
}
