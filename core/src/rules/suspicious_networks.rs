#![doc = include_str!("suspicious_networks.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::network::Network;
use crate::text::shorten;
use crate::view::networks::{Annotation, Selection};
use crate::view::{Attach, Carrier};
use crate::world::{Resolved, World};

/// The rule.
pub static RULE: Rule = Rule {
    name: "suspicious-networks",
    page: include_str!("suspicious_networks.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let is_unscheduled = matches!(attach.carrier, Carrier::NewPod | Carrier::Template { .. });
    let skips_scheduler = is_unscheduled && attach.node_name && attach.placement.is_some();
    let mut statements = Vec::new();
    for asked in world.newly_asked(attach) {
        if matches!(asked.network, Resolved::Isolated) {
            continue;
        }
        for fault in asked.selection.requests.suspicious.iter() {
            let place = Place::inside(attach.path(asked.annotation), fault.at.clone());
            statements.push(Statement::at(&attach.object, place, &fault.message));
        }
        let network = asked.known();
        if network.is_some_and(Network::needs_addresses) && !requests_addresses(asked.selection) {
            let name = asked.selection.network();
            let problem = format_args!(
                "network \"{}\" has the IPAM plugin static without \"addresses\", so that each Pod \
                 has to request its own, and this element requests none: add \"ips\": \
                 [\"10.1.1.7/24\"] with an address of the network, or the Pod hangs (IPAM plugin \
                 returned missing IP config)",
                shorten(&name),
            );
            let place = attach.place(asked.annotation, asked.selection);
            statements.push(Statement::at(&attach.object, place, problem));
        }
        let is_bound = network.is_some_and(|network| !network.requirements().is_empty());
        if is_bound && skips_scheduler {
            let message = format!(
                "{} sets nodeName, and network \"{}\" has a nodeSelector: the scheduler is \
                 bypassed, and on a node without the labels the kubelet rejects the Pod with \
                 NodeAffinity; remove nodeName",
                attach.object,
                shorten(&asked.selection.network()),
            );
            let place = attach.place(asked.annotation, asked.selection);
            statements.push(Statement::new(place, message));
        }
    }
    if attach.host_network && attach.networks.new().is_some() {
        let place = Place::field(attach.path(Annotation::Networks));
        let message = format!(
            "{} requests networks and uses the node's network (hostNetwork: true), to which Multus \
             attaches nothing: remove one of the two",
            attach.object
        );
        statements.push(Statement::new(place, message));
    }
    statements
}

/// Whether an element requests addresses: with `ips`, or with the CNI arguments that static reads
/// as well (`args.cni.ips`).
fn requests_addresses(selection: &Selection) -> bool {
    let arguments = selection.request("cni-args");
    selection.request("ips").is_some() || arguments.is_some_and(|args| args.contains("\"ips\""))
}
