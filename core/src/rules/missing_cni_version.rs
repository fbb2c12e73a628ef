#![doc = include_str!("missing_cni_version.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-cni-version",
    page: include_str!("missing_cni_version.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    if !define
        .config
        .new()
        .is_some_and(|config| config.version_missing)
    {
        return Vec::new();
    }
    let place = Place::field("spec.config");
    let message = format!(
        "{}: {place} has no cniVersion and counts as 0.1.0, in which results have no interfaces and \
         networks need addresses: add \"cniVersion\": \"1.0.0\"",
        define.object
    );
    vec![Statement::new(place, message)]
}
