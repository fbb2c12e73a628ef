#![doc = include_str!("missing_cni_version.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, Place};
use crate::view::Define;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-cni-version",
    page: include_str!("missing_cni_version.md"),
    level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Said> {
    if !define.network.config.version_missing || !define.config_changed {
        return Vec::new();
    }
    let place = Place::field("spec.config");
    let message = format!(
        "{}: {place} has no cniVersion and is read as 0.1.0, whose results have no interfaces and \
         which cannot do without addresses: write \"cniVersion\": \"1.0.0\"",
        define.object
    );
    vec![Said::new(place, message)]
}
