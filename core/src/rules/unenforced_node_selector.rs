#![doc = include_str!("unenforced_node_selector.md")]

use std::collections::HashSet;

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::network::Network;
use crate::patch;
use crate::patch::Fix;
use crate::selector::Requirement;
use crate::text::shorten;
use crate::view::placement::{Patchable, Placement};
use crate::view::{Attach, Carrier};
use crate::world::{World, asked_networks};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unenforced-node-selector",
    page: include_str!("unenforced_node_selector.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: Some(fix),
};

/// As many networks are named in a message.
const MOST_NETWORKS: usize = 10;

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    if attach.carrier == (Carrier::Template { daemon_set: false }) {
        return Vec::new();
    }
    if attach.carrier == Carrier::Binding {
        return binding(attach, world);
    }
    let Some(placement) = &attach.placement else {
        return Vec::new();
    };
    let mut seen = HashSet::new();
    let asked: Vec<_> = asked_networks(attach, world)
        .filter(|(selection, ..)| seen.insert((&*selection.namespace, &*selection.name)))
        .filter_map(|(selection, annotation, network)| {
            let own: Vec<_> = network?.requirements().iter().collect();
            let lacking = lacking(placement, &own);
            (!lacking.is_empty()).then_some((selection, annotation, lacking))
        })
        .collect();
    let Some((first, annotation, _)) = asked.first() else {
        return Vec::new();
    };
    let place = Place::inside(attach.path(annotation), first.at.clone());
    let mut networks: Vec<_> = asked
        .iter()
        .take(MOST_NETWORKS)
        .map(|(selection, _, lacking)| {
            format!("\"{}\" ({})", shorten(&selection.network()), list(lacking))
        })
        .collect();
    if let more @ 1.. = asked.len() - networks.len() {
        networks.push(format!("and {more} more"));
    }
    let message = format!(
        "{}: the required node affinity does not imply the nodeSelector of network {}: {}",
        attach.object,
        networks.join(", "),
        advice(attach, placement, &wanted(attach, world))
    );
    vec![Statement::new(place, message)]
}

/// What all networks of the Pod demand together, whether or not they are to be judged: what is
/// stored may have to be written again.
fn fix(attach: &Attach<'_>, world: &World<'_>) -> Option<Fix> {
    let placement = attach.placement.as_ref()?;
    let wanted = wanted(attach, world);
    let lacking = !placement.lacking(&wanted).is_empty();
    lacking.then(|| Fix::Require(wanted.into_iter().cloned().collect()))
}

fn binding(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    asked_networks(attach, world)
        .filter_map(|(selection, annotation, network)| {
            let own: Vec<_> = network?.requirements().iter().collect();
            (!own.is_empty()).then(|| {
                let place = Place::inside(attach.path(annotation), selection.at.clone());
                let message = format!(
                    "{} adds network \"{}\", whose nodeSelector ({}) a Binding cannot show to \
                     hold: write the annotation on the Pod, before it is scheduled",
                    attach.object,
                    shorten(&selection.network()),
                    list(&own),
                );
                Statement::new(place, message)
            })
        })
        .take(MAX_FAULTS)
        .collect()
}

/// What is not implied. Where nothing can be added any more, `spec.nodeSelector` counts as well: it
/// holds as much as the affinity does.
fn lacking<'w>(placement: &Placement<'_>, wanted: &[&'w Requirement]) -> Vec<&'w Requirement> {
    let mut lacking = placement.lacking(wanted);
    if !matches!(placement.patchable, Patchable::Additions) {
        lacking.retain(|wanted| !placement.selects(wanted));
    }
    lacking
}

fn advice(attach: &Attach<'_>, placement: &Placement<'_>, wanted: &[&Requirement]) -> String {
    match attach.carrier {
        Carrier::Template { .. } => {
            let owned: Vec<_> = wanted
                .iter()
                .map(|&requirement| requirement.clone())
                .collect();
            match patch::merged(placement, &owned) {
                Some(affinity) => format!(
                    "the controller of a DaemonSet chooses nodes from its template, so write there \
                     (spec.template.spec): affinity: {affinity}"
                ),
                None => "add it to every term of the template's required node affinity".to_owned(),
            }
        }
        Carrier::ExistingPod => "the affinity of a Pod that exists cannot be changed: delete it \
                                 and create it again with the annotation"
            .to_owned(),
        Carrier::NewPod if matches!(placement.patchable, Patchable::Nothing) => {
            "the affinity is not written with the status: write the annotation with an update of \
             the Pod itself, while it is gated"
                .to_owned()
        }
        Carrier::NewPod | Carrier::Binding => "another webhook added the network after multinic, \
                                               or the mutating call of multinic failed: retry"
            .to_owned(),
    }
}

fn wanted<'w>(attach: &Attach<'_>, world: &World<'w>) -> Vec<&'w Requirement> {
    let mut wanted: Vec<&Requirement> = Vec::new();
    for selection in attach.used(world.policy) {
        let network = world.network(&selection.namespace, &selection.name);
        for requirement in network.into_iter().flat_map(Network::requirements) {
            if !wanted.contains(&requirement) {
                wanted.push(requirement);
            }
        }
    }
    wanted
}

fn list(requirements: &[&Requirement]) -> String {
    let written: Vec<_> = requirements.iter().map(ToString::to_string).collect();
    shorten(&written.join(",")).into_owned()
}
