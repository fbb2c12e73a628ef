#![doc = include_str!("suspicious_networks.md")]

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::networks::{NETWORKS, Selection};
use crate::view::{Attach, Carrier};
use crate::world::{World, asked_networks};

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
    let mut statements = Vec::new();
    for (selection, annotation, network) in asked_networks(attach, world) {
        if statements.len() >= MAX_FAULTS {
            break;
        }
        for fault in selection.requests.suspicious.iter() {
            let place = Place::inside(attach.path(annotation), fault.at.clone());
            statements.push(Statement::at(&attach.object, place, &fault.message));
        }
        if let Some(network) = network
            && network.needs_addresses()
            && !asks_for_addresses(selection)
        {
            let name = selection.network();
            let problem = format_args!(
                "network \"{}\" gives each Pod the addresses that it asks for, because its IPAM \
                 plugin is static and has no \"addresses\", and this element asks for none: add \
                 \"ips\": [\"10.1.1.7/24\"] with an address of the network, else the Pod hangs \
                 (IPAM plugin returned missing IP config)",
                shorten(&name),
            );
            let place = attach.place(annotation, selection);
            statements.push(Statement::at(&attach.object, place, problem));
        }
        let bound = network.is_some_and(|network| !network.requirements().is_empty());
        let unscheduled = matches!(attach.carrier, Carrier::NewPod | Carrier::Template { .. });
        if bound && unscheduled && attach.node_name && attach.placement.is_some() {
            let place = attach.place(annotation, selection);
            let message = format!(
                "{} names its node itself (nodeName), and network \"{}\" has a nodeSelector: no \
                 scheduler chooses, and on a node without the labels the kubelet fails the Pod \
                 with NodeAffinity; remove nodeName",
                attach.object,
                shorten(&selection.network()),
            );
            statements.push(Statement::new(place, message));
        }
    }
    if attach.host_network && attach.networks.new().is_some() {
        let place = Place::field(attach.path(NETWORKS));
        let message = format!(
            "{} asks for networks and uses the node's own (hostNetwork: true), where Multus \
             attaches nothing: remove one of the two",
            attach.object
        );
        statements.push(Statement::new(place, message));
    }
    statements
}

/// Whether an element asks for addresses: with the key for it, or with the CNI arguments that static
/// reads as well (`args.cni.ips`).
fn asks_for_addresses(selection: &Selection) -> bool {
    let arguments = selection.request("cni-args");
    selection.request("ips").is_some() || arguments.is_some_and(|args| args.contains("\"ips\""))
}
