#![doc = include_str!("dangerous_value.md")]

use super::{Check, Rule, Statement, config_faults};
use crate::finding::{Level, Place};
use crate::view::{Attach, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "dangerous-value",
    page: include_str!("dangerous_value.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Both(attach, define),
    fix: None,
};

fn attach(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    // Of all networks, whether or not isolation permits them: that rule can be switched off.
    for (asking, annotation) in attach.newly_asking() {
        let faults = asking.dangerous.iter();
        statements.extend(faults.map(|fault| {
            let place = Place::inside(attach.path(annotation), fault.at.clone());
            Statement::at(&attach.object, place, &fault.message)
        }));
    }
    statements
}

fn define(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    config_faults(define, |config| &config.dangerous)
}
