#![doc = include_str!("multi_nic_disabled.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::view::networks::Annotation;
use crate::view::{Attach, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "multi-nic-disabled",
    page: include_str!("multi_nic_disabled.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Both(attach, define),
    fix: None,
};

const SWITCH: &str = "additional networks are switched off in this cluster \
                      (multipleNetworkInterfaces: false): ask the administrator";

fn attach(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    if world.policy.multiple_network_interfaces || attach.networks.new().is_none() {
        return Vec::new();
    }
    let message = format!("{} may not request networks: {SWITCH}", attach.object);
    vec![Statement::new(
        Place::field(attach.path(Annotation::Networks)),
        message,
    )]
}

fn define(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let changed = define.config.new().is_some() || define.selector.new().is_some();
    if world.policy.multiple_network_interfaces || !changed {
        return Vec::new();
    }
    vec![Statement::new(
        Place::field("spec"),
        format!("{} is refused: {SWITCH}", define.object),
    )]
}
