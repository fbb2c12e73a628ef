#![doc = include_str!("undeclared_capability.md")]

use std::borrow::Cow;

use super::{Check, Rule, Statement, unusable_request};
use crate::cni::PluginConf;
use crate::cni::attachment::Addresses;
use crate::finding::Level;
use crate::network::Network;
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::Selection;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undeclared-capability",
    page: include_str!("undeclared_capability.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

/// Keys of an element, and the capability that a plugin declares to receive them.
const CAPABILITIES: [(&str, &str); 5] = [
    ("bandwidth", "bandwidth"),
    ("infiniband-guid", "infinibandGUID"),
    ("ips", "ips"),
    ("mac", "mac"),
    ("portMappings", "portMappings"),
];

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for asked in world.newly_asked(attach) {
        let network = asked.known();
        let Some(network) = network.filter(|network| !network.config.plugins.is_empty()) else {
            continue;
        };
        for (key, capability) in CAPABILITIES {
            if asked.selection.request(key).is_none() || network.declares(capability) {
                continue;
            }
            let Some(fate) = fate(key, asked.selection, network) else {
                continue;
            };
            let name = asked.selection.network();
            let problem = format_args!(
                "{key} is requested from network \"{}\", in which no plugin declares the \
                 capability \"{capability}\": {fate}; declare \"capabilities\": \
                 {{\"{capability}\": true}} in the plugin that should receive it",
                shorten(&name),
            );
            let place = attach.place(asked.annotation, asked.selection);
            statements.push(Statement::at(&attach.object, place, problem));
        }
    }
    statements
}

/// Plugins that read the networks annotation themselves, and need no capability.
const READERS: [&str; 2] = ["kube-ovn", "ovn-k8s-cni-overlay"];

/// What happens to a request without a capability. `None` if it reaches the plugin.
fn fate(key: &str, selection: &Selection, network: &Network) -> Option<Cow<'static, str>> {
    let has = |kinds: &[&str]| {
        let mut plugins = network.config.plugins.iter();
        plugins.any(|plugin| kinds.contains(&&*plugin.kind))
    };
    let is_judged = network.config.plugins.iter().all(PluginConf::is_judged);
    match key {
        "ips" | "mac" if has(&READERS) => None,
        "ips" => Some(addresses(selection, network)),
        // Multus passes it as CNI_ARGS, with or without a capability.
        "mac" if has(&unusable_request::MAC_READERS) => None,
        _ if is_judged => Some("no plugin receives it, so it is ignored".into()),
        _ => Some("it may be ignored".into()),
    }
}

/// Multus passes addresses as `CNI_ARGS` too, which is deprecated.
fn addresses(selection: &Selection, network: &Network) -> Cow<'static, str> {
    let asked = unusable_request::ips(selection);
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let reader = match &network.config.addresses {
        Addresses::Ignored => return "there is no IPAM plugin to read it, so it is ignored".into(),
        Addresses::Unknown => return "it may be ignored".into(),
        Addresses::Ranges(_) if asked.len() > 1 => {
            return "it reaches host-local as CNI_ARGS only, which can hold one address, so \
                    host-local fails (host-local: invalid IP address)"
                .into();
        }
        Addresses::Ranges(_) => "host-local",
        Addresses::Static { .. } => "static",
        Addresses::Whereabouts => "whereabouts",
    };
    match network.config.addresses.problem(&asked) {
        Some(problem) => format!("it reaches {reader} as CNI_ARGS, and {problem}").into(),
        None => {
            format!("it reaches {reader} as CNI_ARGS only, which Multus calls deprecated").into()
        }
    }
}
