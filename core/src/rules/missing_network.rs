#![doc = include_str!("missing_network.md")]

use super::{Check, Rule, Statement};
use crate::finding::Level;
use crate::nearest::nearest;
use crate::text::shorten;
use crate::view::networks::{Annotation, Selection};
use crate::view::{Attach, Carrier};
use crate::world::{Asked, Resolved, World};

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-network",
    page: include_str!("missing_network.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Attach(check),
    fix: None,
};

/// The number of findings that come with advice, for which all names of a namespace are compared.
const MAX_ADVICE: usize = 3;

fn check(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    // A workload may be written before its networks are.
    let ceiling = match attach.carrier {
        Carrier::Template { .. } => Level::Warn,
        _ => Level::Deny,
    };
    let asked = world.newly_asked(attach);
    let absent = asked.filter(|asked| matches!(asked.network, Resolved::Absent));
    absent
        .enumerate()
        .map(|(index, asked)| {
            let Selection {
                namespace, name, ..
            } = asked.selection;
            let message = format!(
                "{} requests network \"{}\", which does not exist (Multus: cannot find a \
                 network-attachment-definition ({}) in namespace ({})){}",
                attach.object,
                shorten(&asked.selection.network()),
                shorten(name),
                shorten(namespace),
                if index < MAX_ADVICE {
                    advice(attach, world, &asked)
                } else {
                    String::new()
                },
            );
            let place = attach.place(asked.annotation, asked.selection);
            Statement::new(place, message).at_most(ceiling)
        })
        .collect()
}

/// What the user may have meant: never a network that the Pod may not use.
fn advice(attach: &Attach<'_>, world: &World<'_>, asked: &Asked<'_>) -> String {
    let (policy, own) = (world.policy, &*attach.object.namespace);
    let Selection {
        namespace, name, ..
    } = asked.selection;
    let is_default = asked.annotation == Annotation::DefaultNetwork;
    let elsewhere = policy.global_namespaces.iter().map(String::as_str);
    let elsewhere = elsewhere.chain([own]);
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
    // A grant can be for some networks of a namespace only.
    let names = world.snapshot.names(namespace);
    let names = names.filter(|near| policy.isolation_allows(own, namespace, near, is_default));
    if let Some(near) = nearest(name, names) {
        let near = format!("{namespace}/{near}");
        let near = shorten(&near);
        return format!(": did you mean \"{near}\"?");
    }
    let searched = if *namespace == own {
        "the Pod's own namespace"
    } else if is_default && *namespace == policy.multus_namespace {
        "Multus' own namespace"
    } else {
        "that namespace"
    };
    format!(": {searched} was searched; create the NetworkAttachmentDefinition first")
}
