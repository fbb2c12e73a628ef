#![doc = include_str!("on_disk_config.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "on-disk-config",
    page: include_str!("on_disk_config.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let on_disk = define.config.new().is_some_and(|config| config.on_disk);
    if !on_disk || define.config_not_text.is_some() {
        return Vec::new();
    }
    let place = Place::field("spec.config");
    let message = format!(
        "{}: {place} is empty, so Multus would read a file with this name on each node, which \
         cannot be checked here: write the configuration, or ask the administrator to exempt the \
         namespace",
        define.object
    );
    vec![Statement::new(place, message)]
}
