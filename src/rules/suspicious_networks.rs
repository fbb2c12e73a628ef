#![doc = include_str!("suspicious_networks.md")]

use super::{Check, Rule, Said, World};
use crate::finding::{Level, MOST, Place, shorten};
use crate::view::networks::NETWORKS;
use crate::view::{Attach, Carrier};

/// The rule.
pub static RULE: Rule = Rule {
    name: "suspicious-networks",
    page: include_str!("suspicious_networks.md"),
    level: Level::Warn,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Said> {
    let mut said = Vec::new();
    for (selection, annotation, network) in super::asked_networks(attach, world) {
        if said.len() >= MOST {
            break;
        }
        for fault in selection.requests.suspicious.iter() {
            let place = Place::inside(attach.path(annotation), fault.at.clone());
            said.push(Said::at(&attach.object, place, &fault.message));
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
            said.push(Said::new(place, message));
        }
    }
    if attach.host_network && attach.networks.new().is_some() {
        let place = Place::field(attach.path(NETWORKS));
        let message = format!(
            "{} asks for networks and uses the node's own (hostNetwork: true), where Multus \
             attaches nothing: remove one of the two",
            attach.object
        );
        said.push(Said::new(place, message));
    }
    said
}
