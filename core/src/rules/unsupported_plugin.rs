#![doc = include_str!("unsupported_plugin.md")]

use super::{Check, Rule, Statement};
use crate::cni::PluginConf;
use crate::cni::known_plugins::{Purpose, purpose};
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

pub(super) fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let Some(config) = define.config.new() else {
        return Vec::new();
    };
    let listed =
        |list: &[String], plugin: &PluginConf| list.iter().any(|kind| **kind == *plugin.kind);
    let supported = &world.policy.supported_plugins;
    let mut interface = None;
    // Whether a plugin that is not listed may have made the interface.
    let mut may_have_interface = false;
    let mut statements = Vec::new();
    for plugin in &config.plugins {
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
            (interface.is_none() && !may_have_interface).then(|| {
                let kind = shorten(&plugin.kind);
                format!(
                    "plugin \"{kind}\" changes an interface, and no plugin before it makes one: \
                     put it into \"plugins\" after one of {}",
                    supported.interface.join(", ")
                )
            })
        } else {
            let purpose = purpose(&plugin.kind);
            may_have_interface |= !matches!(purpose, Some(Purpose::Ipam | Purpose::Meta));
            Some(unsupported(&plugin.kind, world))
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
    let shown = shorten(kind);
    let is_ipam =
        supported.ipam.iter().any(|ipam| ipam == kind) || purpose(kind) == Some(Purpose::Ipam);
    if is_ipam {
        return format!(
            "plugin \"{shown}\" assigns addresses and does not make an interface: use it as \
             \"ipam\": {{\"type\": \"{shown}\"}} of an interface plugin"
        );
    }
    let known = supported.interface.iter().chain(&supported.meta);
    let choice = if kind == OVN_KUBERNETES {
        format!(
            "OVN-Kubernetes creates such networks for UserDefinedNetworks: {ASK}, or to exempt the \
             controller by its user in exemptions"
        )
    } else {
        format!(
            "use one of the interface plugins {}, and after it one of {}, or {ASK}",
            supported.interface.join(", "),
            supported.meta.join(", ")
        )
    };
    match meant(kind, known.map(String::as_str)) {
        Some(near) => format!(
            "plugin \"{shown}\" is not supported here: did you mean \"{near}\"? Otherwise {choice}"
        ),
        None => format!("plugin \"{shown}\" is not supported here: {choice}"),
    }
}

const OVN_KUBERNETES: &str = "ovn-k8s-cni-overlay";

/// What a user can do about a plugin that is not listed.
pub(super) const ASK: &str = "ask the administrator to add it to supportedPlugins";

/// The listed plugin that was probably meant. One that exists is not a misspelled one.
pub(super) fn meant<'a>(
    kind: &str,
    supported: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    match purpose(kind) {
        Some(_) => None,
        None => nearest(kind, supported),
    }
}
