#![doc = include_str!("malformed_config.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, Place};
use crate::view::Define;

/// The rule.
pub static RULE: Rule = Rule {
    name: "malformed-config",
    page: include_str!("malformed_config.md"),
    level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Said> {
    if let Some(found) = define.config_not_text.filter(|_| define.config_changed) {
        let place = Place::field("spec.config");
        let message = format!(
            "{}: {place} is a {found}, and must be a string with JSON in it: write it as a block \
             scalar (config: |)",
            define.object
        );
        return vec![Said::new(place, message)];
    }
    super::config_faults(define, define.network.config.malformed.as_ref())
}
