#![doc = include_str!("unenforced_node_selector.md")]

use std::collections::HashSet;

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::limits::{MAX_PATCH, MAX_PLACEMENT, MAX_REQUIREMENTS};
use crate::network::Network;
use crate::patch::{self, Fix};
use crate::selector::Requirement;
use crate::text::shorten;
use crate::view::placement::{Patchable, Placement, Required};
use crate::view::{Attach, Carrier};
use crate::world::{Asked, World};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unenforced-node-selector",
    page: include_str!("unenforced_node_selector.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: Some(fix),
};

/// The number of networks that are named in a message.
const MAX_NETWORKS: usize = 10;

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
    let lacking: Vec<_> = world
        .newly_asked(attach)
        .filter(|Asked { selection, .. }| seen.insert((&*selection.namespace, &*selection.name)))
        .filter_map(|asked| {
            let own: Vec<_> = asked.known()?.requirements().iter().collect();
            let lacking = lacking(placement, &own);
            (!lacking.is_empty()).then_some((asked, lacking))
        })
        .collect();
    let Some((first, _)) = lacking.first() else {
        return Vec::new();
    };
    let place = attach.place(first.annotation, first.selection);
    let mut networks: Vec<_> = lacking
        .iter()
        .take(MAX_NETWORKS)
        .map(|(asked, lacking)| {
            let network = asked.selection.network();
            format!("\"{}\" ({})", shorten(&network), list(lacking))
        })
        .collect();
    if let more @ 1.. = lacking.len() - networks.len() {
        networks.push(format!("and {more} more"));
    }
    let message = format!(
        "{}: the required node affinity does not imply the nodeSelector of network {}: {}",
        attach.object,
        networks.join(", "),
        advice(attach, placement, wanted(attach, world))
    );
    vec![Statement::new(place, message)]
}

/// What all networks of the Pod require together, whether or not they are to be judged: what is
/// stored may have to be written again.
fn fix(attach: &Attach<'_>, world: &World<'_>) -> Option<Fix> {
    let placement = attach.placement.as_ref()?;
    let wanted = wanted(attach, world)?;
    let lacking = !placement.lacking(&wanted).is_empty();
    lacking.then(|| Fix::Require(wanted.into_iter().cloned().collect()))
}

fn binding(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    world
        .newly_asked(attach)
        .filter_map(|asked| {
            let own: Vec<_> = asked.known()?.requirements().iter().collect();
            (!own.is_empty()).then(|| {
                let message = format!(
                    "{} adds network \"{}\" with a nodeSelector ({}), and a Binding does not show \
                     the node affinity: write the annotation on the Pod, before it is scheduled",
                    attach.object,
                    shorten(&asked.selection.network()),
                    list(&own),
                );
                Statement::new(attach.place(asked.annotation, asked.selection), message)
            })
        })
        .collect()
}

/// What is not implied. If nothing can be added any more, `spec.nodeSelector` counts as well: it is
/// as binding as the affinity.
fn lacking<'w>(placement: &Placement<'_>, wanted: &[&'w Requirement]) -> Vec<&'w Requirement> {
    let mut lacking = placement.lacking(wanted);
    if !matches!(placement.patchable, Patchable::Additions) {
        lacking.retain(|wanted| !placement.selects(wanted));
    }
    lacking
}

fn advice(
    attach: &Attach<'_>,
    placement: &Placement<'_>,
    wanted: Option<Vec<&Requirement>>,
) -> String {
    if matches!(placement.required, Required::TooLarge) {
        return format!(
            "spec.affinity has more than {MAX_PLACEMENT} bytes, and no more are read: select the \
             nodes by a label that they share"
        );
    }
    let owned = wanted.map(|wanted| wanted.into_iter().cloned().collect::<Vec<_>>());
    let owned = owned.filter(|owned| !patch::is_too_large(placement, owned));
    let Some(owned) = owned else {
        return format!(
            "the networks have more than {MAX_REQUIREMENTS} requirements, or what has to be added \
             to the terms of the affinity has more than {MAX_PATCH} bytes: write fewer terms, or \
             attach fewer networks"
        );
    };
    match attach.carrier {
        Carrier::Template { .. } => match patch::merged(placement, &owned) {
            Some(affinity) => format!(
                "the controller of a DaemonSet chooses nodes from its template, so write into \
                 spec.template.spec: affinity: {affinity}"
            ),
            None => "add it to every term of the template's required node affinity".to_owned(),
        },
        Carrier::ExistingPod => "the affinity of a Pod that exists cannot be changed: delete it \
                                 and create it again with the annotation"
            .to_owned(),
        Carrier::NewPod if matches!(placement.patchable, Patchable::Nothing) => {
            "an update of the status does not change the affinity: write the annotation with an \
             update of the Pod itself, while it is gated"
                .to_owned()
        }
        Carrier::NewPod | Carrier::Binding | Carrier::Claim => {
            "another webhook added the network after multinic, or the mutating call of multinic \
             failed: retry"
                .to_owned()
        }
    }
}

/// Returns what all networks of the carrier require, each requirement once; `None` if there are
/// more than [`MAX_REQUIREMENTS`].
fn wanted<'w>(attach: &'w Attach<'_>, world: &'w World<'_>) -> Option<Vec<&'w Requirement>> {
    let mut wanted: Vec<&Requirement> = Vec::new();
    for asked in world.asked(attach) {
        for requirement in asked.known().into_iter().flat_map(Network::requirements) {
            if !wanted.contains(&requirement) {
                if wanted.len() == MAX_REQUIREMENTS {
                    return None;
                }
                wanted.push(requirement);
            }
        }
    }
    Some(wanted)
}

fn list(requirements: &[&Requirement]) -> String {
    let written: Vec<_> = requirements.iter().map(ToString::to_string).collect();
    shorten(&written.join(",")).into_owned()
}
