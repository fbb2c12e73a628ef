#![doc = include_str!("malformed_config.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "malformed-config",
    page: include_str!("malformed_config.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    if let Some(found) = define
        .config_not_text
        .filter(|_| define.config.new().is_some())
    {
        let place = Place::field("spec.config");
        let message = format!(
            "{}: {place}: expected a string with JSON, found {found}: write it as a block scalar \
             (config: |)",
            define.object
        );
        return vec![Statement::new(place, message)];
    }
    super::config_faults(define, |config| config.malformed.as_ref())
}
