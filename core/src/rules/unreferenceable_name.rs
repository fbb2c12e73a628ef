#![doc = include_str!("unreferenceable_name.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unreferenceable-name",
    page: include_str!("unreferenceable_name.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let name = &define.object.name;
    if define.existence.new().is_none() || !name.contains('.') {
        return Vec::new();
    }
    let name = shorten(name);
    let message = format!(
        "{}: the name has a dot, so Pods can request the network in the JSON form only, as in \
         [{{\"name\": \"{name}\"}}]: use a name without dots",
        define.object
    );
    vec![Statement::new(Place::field("metadata.name"), message)]
}
