#![doc = include_str!("unrequested_resource.md")]

use std::collections::HashMap;

use super::{Check, Rule, Statement};
use crate::finding::{Level, Place};
use crate::patch::Fix;
use crate::text::shorten;
use crate::view::devices::{Writable, is_extended_resource};
use crate::view::networks::Selection;
use crate::view::{Attach, Carrier};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unrequested-resource",
    page: include_str!("unrequested_resource.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: Some(fix),
};

/// A resource of which the Pod requests fewer devices than its attachments take.
struct Lack<'w> {
    resource: &'w str,
    /// How many attachments take one.
    needed: u64,
    /// How many are requested.
    requested: u64,
}

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    if attach.carrier == Carrier::Binding {
        return world
            .newly_asked(attach)
            .filter_map(|asked| {
                let resource = asked.known()?.resource.as_deref()?;
                let message = format!(
                    "{} adds network \"{}\", which takes a device of the resource \"{}\", and a \
                     Binding does not show what the Pod requests: write the annotation on the Pod \
                     when you create it",
                    attach.object,
                    shorten(&asked.selection.network()),
                    shorten(resource),
                );
                Some(Statement::new(
                    attach.place(asked.annotation, asked.selection),
                    message,
                ))
            })
            .collect();
    }
    let statements = lacking(attach, world).into_iter().filter_map(|lack| {
        let asked = world.newly_asked(attach).find(|asked| {
            let network = asked.known();
            network.is_some_and(|network| network.resource.as_deref() == Some(lack.resource))
        })?;
        // The Pods of a template are given what they lack when they are created.
        let is_template = matches!(attach.carrier, Carrier::Template { .. });
        if is_template && is_extended_resource(lack.resource) {
            return None;
        }
        let place = attach.place(asked.annotation, asked.selection);
        Some(statement(attach, place, asked.selection, &lack))
    });
    statements.collect()
}

fn statement(
    attach: &Attach<'_>,
    place: Place,
    selection: &Selection,
    lack: &Lack<'_>,
) -> Statement {
    let resource = shorten(lack.resource);
    let advice = if !is_extended_resource(lack.resource) {
        format!(
            "no container can request \"{resource}\", because it is not the name of an extended \
             resource: get the device from a ResourceClaim (spec.resourceClaims), or annotate the \
             network with a name like \"example.com/sriov\""
        )
    } else if let Some(Writable::Additions) = attach.devices.map(|devices| devices.writable) {
        "another webhook added the network after multinic, or the mutating call of multinic \
         failed: try again, or request the devices in the limits of a container"
            .to_owned()
    } else {
        "the requests of a Pod that exists cannot be changed: delete the Pod and create it again \
         with the annotation"
            .to_owned()
    };
    let network = selection.network();
    let problem = format_args!(
        "network \"{}\" takes a device of the resource \"{resource}\" for each attachment: the \
         Pod needs {} and requests {}: {advice}",
        shorten(&network),
        lack.needed,
        lack.requested,
    );
    Statement::at(&attach.object, place, problem)
}

/// What all attachments of the Pod take together, whether or not they are to be judged: what is
/// stored may have to be written again.
fn fix(attach: &Attach<'_>, world: &World<'_>) -> Option<Fix> {
    let lacking = lacking(attach, world).into_iter();
    let devices: Vec<_> = lacking
        .filter(|lack| is_extended_resource(lack.resource))
        .map(|lack| (lack.resource.into(), lack.needed - lack.requested))
        .collect();
    let container = world.policy.device_container.clone();
    (!devices.is_empty()).then_some(Fix::Request { container, devices })
}

/// The resources of which too few are requested, in the order in which the networks name them;
/// empty if the Pod gets devices from a ResourceClaim.
fn lacking<'w>(attach: &'w Attach<'_>, world: &'w World<'_>) -> Vec<Lack<'w>> {
    let Some(devices) = &attach.devices else {
        return Vec::new();
    };
    let mut order: Vec<&str> = Vec::new();
    let mut needed: HashMap<&str, u64> = HashMap::new();
    for asked in world.asked(attach) {
        let Some(resource) = asked
            .known()
            .and_then(|network| network.resource.as_deref())
        else {
            continue;
        };
        let count = needed.entry(resource).or_default();
        if *count == 0 {
            order.push(resource);
        }
        *count += 1;
    }
    if order.is_empty() || devices.are_claimed() {
        return Vec::new();
    }
    let requested = devices.requested(&order);
    let lack = |resource| {
        let needed = needed.get(resource).copied()?;
        let requested = requested.get(resource).copied()??;
        (requested < needed).then_some(Lack {
            resource,
            needed,
            requested,
        })
    };
    order.into_iter().filter_map(lack).collect()
}
