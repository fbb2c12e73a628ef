#![doc = include_str!("beyond_limits.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::{Attach, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "beyond-limits",
    page: include_str!("beyond_limits.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Both(attach, define),
    fix: None,
};

fn attach(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    let faults = attach.newly_asking().filter_map(|(asking, annotation)| {
        let fault = asking.beyond_limits.as_ref()?;
        let place = Place::inside(attach.path(annotation), fault.at.clone());
        Some(Statement::at(&attach.object, place, &fault.message))
    });
    faults.collect()
}

fn define(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    super::config_faults(define, |config| &config.beyond_limits)
}
