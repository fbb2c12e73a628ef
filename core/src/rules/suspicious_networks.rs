#![doc = include_str!("suspicious_networks.md")]

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::networks::Annotation;
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
            "{} asks for networks and uses the node's network (hostNetwork: true), to which Multus \
             attaches nothing: remove one of the two",
            attach.object
        );
        statements.push(Statement::new(place, message));
    }
    statements
}
