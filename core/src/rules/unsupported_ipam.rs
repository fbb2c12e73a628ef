#![doc = include_str!("unsupported_ipam.md")]

use super::unsupported_plugin::{ASK, meant};
use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unsupported-ipam",
    page: include_str!("unsupported_ipam.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let Some(config) = define.config.new() else {
        return Vec::new();
    };
    let supported = &world.policy.supported_plugins.ipam;
    let plugins = config.plugins.iter();
    plugins
        .filter_map(|plugin| Some((plugin, plugin.ipam.as_ref()?)))
        .filter(|(_, ipam)| !supported.iter().any(|kind| **kind == *ipam.kind))
        .map(|(plugin, ipam)| {
            let near = meant(&ipam.kind, supported.iter().map(String::as_str));
            let all = supported.join(", ");
            let advice = match near {
                Some(near) => {
                    format!("did you mean \"{near}\"? Otherwise use one of {all}, or {ASK}")
                }
                None => format!("use one of {all}, or {ASK}"),
            };
            let place = Place::inside("spec.config", plugin.ipam_place(ipam));
            let problem = format_args!(
                "IPAM plugin \"{}\" is not supported here: {advice}",
                shorten(&ipam.kind)
            );
            Statement::at(&define.object, place, problem)
        })
        .collect()
}
