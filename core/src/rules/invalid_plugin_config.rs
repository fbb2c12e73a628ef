#![doc = include_str!("invalid_plugin_config.md")]

use super::{Check, Rule, Statement, unsupported_plugin};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::{Define, Object};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-plugin-config",
    page: include_str!("invalid_plugin_config.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = super::config_faults(define, |config| &config.invalid);
    // For a plugin that may not be used, or not in its place, one finding is enough.
    if super::is_enabled(&unsupported_plugin::RULE, &define.object, world.policy) {
        let others = unsupported_plugin::check(define, world);
        statements.retain(|statement| !others.iter().any(|other| other.place == statement.place));
    }
    statements.extend(foreign_name(define));
    statements
}

/// OVN-Kubernetes ignores a NetworkAttachmentDefinition whose `netAttachDefName` is not its own
/// name.
fn foreign_name(define: &Define<'_>) -> Option<Statement> {
    let own = define.config.new()?.own_name.as_ref()?;
    let Object {
        namespace, name, ..
    } = &define.object;
    let is_right = own
        .text
        .split_once('/')
        .is_some_and(|(own_namespace, own_name)| own_namespace == *namespace && own_name == *name);
    // Without a name, the API server has yet to generate one.
    (!is_right && !name.is_empty()).then(|| {
        let place = Place::inside("spec.config", own.at.clone());
        let problem = format_args!(
            "\"netAttachDefName\" is \"{}\": write \"{namespace}/{name}\", the namespace and the \
             name of this NetworkAttachmentDefinition (OVN-Kubernetes: net-attach-def name \
             ({namespace}/{name}) is inconsistent with config)",
            shorten(&own.text)
        );
        Statement::at(&define.object, place, problem)
    })
}
