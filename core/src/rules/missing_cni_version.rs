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
    let Some(config) = define.config.new().filter(|config| config.version_missing) else {
        return Vec::new();
    };
    let field = Place::field("spec.config");
    let consequence = "it is read as 0.1.0, whose results name no interface: the Pod's \
                       network-status annotation does not list the network, and a network without \
                       addresses fails";
    let message = match &config.misplaced_version {
        Some(inside) => format!(
            "{}: {} is inside a plugin, where libcni replaces it with that of the list, which has \
             none: {consequence}; move it beside \"plugins\"",
            define.object,
            Place::inside("spec.config", inside.clone())
        ),
        None => format!(
            "{}: {field} has no cniVersion: {consequence}; write \"cniVersion\": \"1.0.0\"",
            define.object
        ),
    };
    vec![Statement::new(field, message)]
}
