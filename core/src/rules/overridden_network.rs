#![doc = include_str!("overridden_network.md")]

use super::{Check, Rule, Statement};
use crate::cni;
use crate::fault::MAX_FAULTS;
use crate::finding::Level;
use crate::json::Document;
use crate::network::Network;
use crate::text::shorten;
use crate::view::Attach;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "overridden-network",
    page: include_str!("overridden_network.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for asked in world.newly_asked(attach) {
        let Some(network) = asked.known() else {
            continue;
        };
        let selection = asked.selection;
        let is_own = selection.namespace == attach.object.namespace;
        let ceiling = if is_own { Level::Warn } else { Level::Deny };
        let of = if is_own { "" } else { " of another namespace" };
        if ["cni-args", "deviceID"].map(|key| selection.request(key)) == [None; 2] {
            continue;
        }
        let shown = selection.network();
        let shown = shorten(&shown);
        let mut report = |problem: String, ceiling: Level| {
            if statements.len() < MAX_FAULTS {
                let place = attach.place(asked.annotation, selection);
                let statement = Statement::at(&attach.object, place, problem);
                statements.push(statement.at_most(ceiling));
            }
        };
        let arguments = selection.request("cni-args").unwrap_or_default();
        let mut unknown = None;
        for key in keys(arguments) {
            match reader(network, &key) {
                Reader::Known(plugin) => report(
                    format!(
                        "cni-args sets \"{}\", which {plugin} of network \"{shown}\"{of} reads \
                         although the network does not declare such a capability: remove it, or \
                         have the network declare a capability and request that",
                        shorten(&key)
                    ),
                    ceiling,
                ),
                Reader::Unknown(plugin) => {
                    unknown.get_or_insert((key, plugin));
                }
                Reader::Absent => {}
            }
        }
        if let Some((key, plugin)) = unknown.filter(|_| !is_own) {
            report(
                format!(
                    "cni-args sets \"{}\" for network \"{shown}\"{of}, whose plugin \"{}\" may use \
                     it instead of the network's own configuration: remove it unless that is \
                     intended",
                    shorten(&key),
                    shorten(plugin)
                ),
                Level::Warn,
            );
        }
        if selection.request("deviceID").is_some() && network.declares("deviceID") {
            report(
                format!(
                    "deviceID selects a device of the node for network \"{shown}\"{of}, whether or \
                     not a device plugin has allocated it to this Pod: remove it, and request the \
                     device as a resource"
                ),
                ceiling,
            );
        }
    }
    statements
}

/// The plugin of a network that reads a key of `args.cni`.
enum Reader<'n> {
    /// No plugin reads it.
    Absent,
    /// This plugin reads it.
    Known(&'n str),
    /// This plugin, which is not known here, may read it.
    Unknown(&'n str),
}

fn reader<'n>(network: &'n Network, key: &str) -> Reader<'n> {
    let of_plugin = |plugin: &'n cni::PluginConf| {
        let ipam = plugin.ipam.iter().map(|ipam| &*ipam.kind);
        [&*plugin.kind].into_iter().chain(ipam)
    };
    let kinds = || network.config.plugins.iter().flat_map(of_plugin);
    if let Some(kind) = kinds().find(|kind| cni::reads_argument(kind, key) == Some(true)) {
        return Reader::Known(kind);
    }
    match kinds().find(|kind| cni::reads_argument(kind, key).is_none()) {
        Some(kind) => Reader::Unknown(kind),
        None => Reader::Absent,
    }
}

/// The keys of an object in JSON.
fn keys(object: &str) -> Vec<String> {
    let Ok(document) = Document::parse(object) else {
        return Vec::new();
    };
    let members = document.root().members();
    members
        .filter_map(|member| Some(member.key.str()?.into_owned()))
        .collect()
}
