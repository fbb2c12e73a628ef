#![doc = include_str!("missing_network.md")]

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::nearest::nearest;
use crate::text::shorten;
use crate::view::networks::{DEFAULT_NETWORK, NETWORKS, Selection};
use crate::view::{Attach, Carrier};
use crate::world::{World, asked_networks};

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-network",
    page: include_str!("missing_network.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

/// Names are compared with all others of the namespace for as many findings as are shown.
const MOST_ADVISED: usize = 10;

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    // A workload may be written before its networks are.
    let ceiling = match attach.carrier {
        Carrier::Template { .. } => Level::Warn,
        _ => Level::Deny,
    };
    asked_networks(attach, world)
        .filter(|(selection, _, network)| {
            network.is_none() && !selection.namespace.is_empty() && !selection.name.is_empty()
        })
        .take(MAX_FAULTS)
        .enumerate()
        .map(|(index, (selection, annotation, _))| {
            let place = Place::inside(attach.path(annotation), selection.at.clone());
            let message = format!(
                "{} asks for network \"{}\", which does not exist (Multus: cannot find a \
                 network-attachment-definition ({}) in namespace ({})){}",
                attach.object,
                shorten(&selection.network()),
                shorten(&selection.name),
                shorten(&selection.namespace),
                if index < MOST_ADVISED {
                    advice(attach, world, selection, annotation)
                } else {
                    String::new()
                },
            );
            Statement::new(place, message).at_most(ceiling)
        })
        .collect()
}

/// What the user may have meant.
fn advice(
    attach: &Attach<'_>,
    world: &World<'_>,
    selection: &Selection,
    annotation: &str,
) -> String {
    let Selection {
        namespace, name, ..
    } = selection;
    let elsewhere = world.policy.global_namespaces.iter().map(String::as_str);
    let elsewhere = elsewhere.chain([&*attach.object.namespace]);
    let mut elsewhere =
        elsewhere.filter(|other| other != namespace && world.snapshot.get(other, name).is_some());
    if let Some(other) = elsewhere.next() {
        let other = format!("{other}/{name}");
        let other = shorten(&other);
        return format!(
            ": {other} exists and may be used: a name without a namespace is looked up in \
             \"{namespace}\" only, so write {other}"
        );
    }
    if let Some(near) = nearest(name, world.snapshot.names(namespace)) {
        let near = format!("{namespace}/{near}");
        let near = shorten(&near);
        return format!(": did you mean \"{near}\"?");
    }
    let searched = match annotation {
        NETWORKS if *namespace == *attach.object.namespace => "the Pod's own namespace",
        DEFAULT_NETWORK if *namespace == world.policy.multus_namespace => "Multus' own namespace",
        _ => "that namespace",
    };
    format!(": {searched} was searched; create the NetworkAttachmentDefinition first")
}
