#![doc = include_str!("misspelled_annotation.md")]

use super::{Check, Rule, Statement};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::nearest::nearest;
use crate::network::RESOURCE_NAME;
use crate::selector::NODE_SELECTOR;
use crate::text::shorten;
use crate::view::networks::{DEFAULT_NETWORK, NETWORKS};
use crate::view::{Attach, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "misspelled-annotation",
    page: include_str!("misspelled_annotation.md"),
    default_level: Level::Warn,
    by_namespace_only: false,
    check: Check::Both(of_pod, of_network),
    fix: None,
};

/// Annotations of the same domain that others read or write.
const OTHERS: [&str; 3] = [
    "k8s.v1.cni.cncf.io/bridgeName",
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.v1.cni.cncf.io/networks-status",
];

fn of_pod(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    if !attach.is_new() {
        return Vec::new();
    }
    let statements = attach.annotation_keys().filter_map(|key| {
        let meant = meant(&key, [NETWORKS, DEFAULT_NETWORK])?;
        let place = Place::field(format!("{}[{}]", attach.annotations, shorten(&key)));
        Some(Statement::at(&attach.object, place, problem(meant)))
    });
    statements.take(MAX_FAULTS).collect()
}

fn of_network(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let statements = define.new_annotation_keys().filter_map(|key| {
        let meant = meant(&key, [NODE_SELECTOR, RESOURCE_NAME])?;
        let place = Place::field(format!("metadata.annotations[{}]", shorten(&key)));
        Some(Statement::at(&define.object, place, problem(meant)))
    });
    statements.take(MAX_FAULTS).collect()
}

fn problem(meant: &str) -> String {
    format!("nothing reads an annotation of this name: did you mean \"{meant}\"?")
}

/// The annotation that was probably meant by another name: its domain and its name are those of a
/// known one, or near.
fn meant(key: &str, known: [&'static str; 2]) -> Option<&'static str> {
    // Nothing else is looked at twice.
    if !key.contains("cni")
        || OTHERS.contains(&key)
        || [NETWORKS, DEFAULT_NETWORK, NODE_SELECTOR, RESOURCE_NAME].contains(&key)
    {
        return None;
    }
    let (domain, name) = key.split_once('/')?;
    known.into_iter().find(|known| {
        known.split_once('/').is_some_and(|(own_domain, own_name)| {
            nearest(domain, [own_domain]).is_some() && nearest(name, [own_name]).is_some()
        })
    })
}
