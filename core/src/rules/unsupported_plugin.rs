#![doc = include_str!("unsupported_plugin.md")]

use super::{Check, Rule, Statement};
use crate::cni::PluginConf;
use crate::finding::{Level, Place};
use crate::nearest::nearest;
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unsupported-plugin",
    page: include_str!("unsupported_plugin.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let Some(config) = define.config.new() else {
        return Vec::new();
    };
    let plugins = &config.plugins;
    let listed =
        |list: &[String], plugin: &PluginConf| list.iter().any(|kind| **kind == *plugin.kind);
    let supported = &world.policy.supported_plugins;
    let mut interface = None;
    let mut statements = Vec::new();
    for plugin in plugins {
        let problem = if listed(&supported.interface, plugin) {
            let first = interface.replace(&plugin.kind);
            first.map(|first| {
                let kind = shorten(&plugin.kind);
                format!(
                    "plugin \"{kind}\" is the second interface plugin of the chain, after \
                     \"{}\", which has already made the Pod's interface: keep one of them, and \
                     define a second network for the other",
                    shorten(first)
                )
            })
        } else if listed(&supported.meta, plugin) {
            interface.is_none().then(|| {
                let kind = shorten(&plugin.kind);
                format!(
                    "plugin \"{kind}\" changes an interface, and no plugin before it makes one: \
                     put it into \"plugins\" after one of {}",
                    supported.interface.join(", ")
                )
            })
        } else {
            Some(unsupported(&shorten(&plugin.kind), world))
        };
        if let Some(problem) = problem {
            let place = Place::inside("spec.config", plugin.place());
            statements.push(Statement::at(&define.object, place, problem));
        }
    }
    statements
}

fn unsupported(kind: &str, world: &World<'_>) -> String {
    let supported = &world.policy.supported_plugins;
    if supported.ipam.iter().any(|ipam| ipam == kind) {
        return format!(
            "plugin \"{kind}\" assigns addresses and does not make an interface: use it as \
             \"ipam\": {{\"type\": \"{kind}\"}} of an interface plugin"
        );
    }
    let known = supported
        .interface
        .iter()
        .chain(&supported.meta)
        .map(String::as_str);
    let interface = supported.interface.join(", ");
    let meta = supported.meta.join(", ");
    match nearest(kind, known) {
        Some(near) => format!(
            "plugin \"{kind}\" is not supported here: did you mean \"{near}\"? Use one of the \
             interface plugins {interface}, and after it one of {meta}"
        ),
        None => format!(
            "plugin \"{kind}\" is not supported here: use one of the interface plugins \
             {interface}, and after it one of {meta}, or ask the administrator to add it"
        ),
    }
}
