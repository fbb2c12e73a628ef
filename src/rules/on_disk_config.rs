#![doc = include_str!("on_disk_config.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, Place};
use crate::view::Define;

/// The rule.
pub static RULE: Rule = Rule {
    name: "on-disk-config",
    page: include_str!("on_disk_config.md"),
    level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Said> {
    let on_disk = define.network.config.on_disk && define.config_not_text.is_none();
    if !on_disk || !define.config_changed {
        return Vec::new();
    }
    let place = Place::field("spec.config");
    let message = format!(
        "{}: {place} is empty: Multus would read a file of this name on each node, which nobody can \
         check here; write the configuration, or have the administrator exempt this network",
        define.object
    );
    vec![Said::new(place, message)]
}
