#![doc = include_str!("unusable_request.md")]

use super::{Check, Rule, Statement};
use crate::cni::attachment::{Addresses, unusable_mac};
use crate::finding::Level;
use crate::json::{Document, Value};
use crate::network::Network;
use crate::text::shorten;
use crate::view::Attach;
use crate::view::networks::{Annotation, Selection};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unusable-request",
    page: include_str!("unusable_request.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

/// Plugins that give the interface the hardware address that the Pod requests, declared or not:
/// they read `CNI_ARGS`.
pub(super) const MAC_READERS: [&str; 6] =
    ["bridge", "macvlan", "macvtap", "ovs", "sriov", "tuning"];

/// Interface plugins whose interface has no other end on the node, which bandwidth needs.
const SINGLE_ENDED: [&str; 8] = [
    "bond",
    "dummy",
    "host-device",
    "ipvlan",
    "macvlan",
    "macvtap",
    "sriov",
    "vlan",
];

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for asked in world.newly_asked(attach) {
        let network = asked.known();
        let Some(network) = network.filter(|network| !network.config.plugins.is_empty()) else {
            continue;
        };
        let request = Request {
            selection: asked.selection,
            network,
        };
        let mut problems = Vec::from_iter(request.mac());
        // Multus passes capabilities to additional networks only.
        if asked.annotation == Annotation::Networks {
            problems.extend(request.addresses());
            problems.extend(request.bandwidth().map(|problem| (problem, Level::Deny)));
        }
        for (problem, ceiling) in problems {
            let place = attach.place(asked.annotation, asked.selection);
            let statement = Statement::at(&attach.object, place, problem);
            statements.push(statement.at_most(ceiling));
        }
    }
    statements
}

/// A network, and the element that requests it.
struct Request<'a> {
    selection: &'a Selection,
    network: &'a Network,
}

impl Request<'_> {
    fn name(&self) -> String {
        shorten(&self.selection.network()).into_owned()
    }

    fn has(&self, plugins: &[&str]) -> bool {
        let mut own = self.network.config.plugins.iter();
        own.any(|plugin| plugins.contains(&&*plugin.kind))
    }

    /// Addresses that the IPAM plugin refuses, or that nothing reads, if they are passed to it as a
    /// capability. Without one, undeclared-capability reports.
    fn addresses(&self) -> Option<(String, Level)> {
        let is_given = self.selection.request("ips").is_some() && self.network.declares("ips");
        if !is_given || self.selection.request("cni-args").is_some() {
            return None;
        }
        let name = self.name();
        let addresses = &self.network.config.addresses;
        if *addresses == Addresses::Ignored {
            return Some((
                format!(
                    "\"ips\" is requested from network \"{name}\", which has no IPAM plugin to \
                     read it, so the Pod gets no address: remove \"ips\" from the element, or name \
                     an IPAM plugin in the network"
                ),
                Level::Warn,
            ));
        }
        let asked = ips(self.selection);
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let problem = addresses.problem(&asked)?;
        // CNI_ARGS alone may not be passed by every release of Multus.
        let ceiling = if addresses.reads_capability() {
            Level::Deny
        } else {
            Level::Warn
        };
        Some((format!("network \"{name}\": {problem}"), ceiling))
    }

    /// bandwidth limits the end of a pair that is on the node.
    fn bandwidth(&self) -> Option<String> {
        self.selection.request("bandwidth")?;
        let mut plugins = self.network.config.plugins.iter();
        let interface = &plugins.next()?.kind;
        let limits = plugins.any(|plugin| {
            let mut declared = plugin.capabilities.iter();
            plugin.kind == "bandwidth" && declared.any(|own| **own == *"bandwidth")
        });
        (limits && SINGLE_ENDED.contains(&&**interface)).then(|| {
            format!(
                "\"bandwidth\" is requested from network \"{}\", whose plugin bandwidth cannot \
                 limit an interface of {interface}, which has no other end on the node: remove \
                 \"bandwidth\" from the element (bandwidth: container interface has no veth peer)",
                self.name(),
            )
        })
    }

    /// A hardware address that no interface can have.
    fn mac(&self) -> Option<(String, Level)> {
        let raw = self.selection.request("mac")?;
        let text = Document::parse(raw).ok()?;
        let text = text.root().str()?;
        let name = self.name();
        if self.has(&["ipvlan"]) && self.has(&["tuning"]) {
            return Some((
                format!(
                    "\"mac\" is requested from network \"{name}\", and an ipvlan interface has the \
                     hardware address of its master: remove \"mac\" from the element (tuning: \
                     operation not supported)"
                ),
                Level::Deny,
            ));
        }
        let why = unusable_mac(&text)?;
        // It is not known whether an unknown plugin uses it.
        let ceiling = if self.has(&MAC_READERS) {
            Level::Deny
        } else {
            Level::Warn
        };
        let text = shorten(&text);
        Some((
            format!(
                "\"mac\": \"{text}\", requested from network \"{name}\", {why}, which no interface \
                 can have: write a unicast address, as in \"02:00:00:00:00:01\" (cannot assign \
                 requested address)"
            ),
            ceiling,
        ))
    }
}

/// The addresses that an element requests.
pub(super) fn ips(selection: &Selection) -> Vec<String> {
    let Some(document) = selection.request("ips").map(Document::parse) else {
        return Vec::new();
    };
    let Ok(document) = document else {
        return Vec::new();
    };
    let texts = document.root().elements().filter_map(Value::str);
    texts.map(Into::into).collect()
}
