#![doc = include_str!("misplaced_networks.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::Attach;
use crate::view::networks::{Annotation, NETWORKS};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "misplaced-networks",
    page: include_str!("misplaced_networks.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    if !attach.misplaced {
        return Vec::new();
    }
    let place = Place::field(format!("metadata.annotations[{NETWORKS}]"));
    let problem = format_args!(
        "the annotation is on the {} itself, where nothing reads it: move it to {}, from where its \
         Pods get it",
        attach.object.kind,
        attach.path(Annotation::Networks),
    );
    vec![Statement::at(&attach.object, place, problem)]
}
