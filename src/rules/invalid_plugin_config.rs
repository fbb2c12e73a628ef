#![doc = include_str!("invalid_plugin_config.md")]

use super::{Check, Rule, Said, World};
use crate::finding::Level;
use crate::view::Define;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-plugin-config",
    page: include_str!("invalid_plugin_config.md"),
    level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Said> {
    super::config_faults(define, &define.network.config.invalid)
}
