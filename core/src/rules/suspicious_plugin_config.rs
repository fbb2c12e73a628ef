#![doc = include_str!("suspicious_plugin_config.md")]

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "suspicious-plugin-config",
    page: include_str!("suspicious_plugin_config.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    super::config_faults(define, |config| &config.suspicious)
}
