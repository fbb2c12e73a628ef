#![doc = include_str!("suspicious_networks.md")]

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::networks::NETWORKS;
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
        let bound = network.is_some_and(|network| !network.requirements().is_empty());
        let unscheduled = matches!(attach.carrier, Carrier::NewPod | Carrier::Template { .. });
        if bound && unscheduled && attach.node_name && attach.placement.is_some() {
            let place = Place::inside(attach.path(annotation), selection.at.clone());
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
