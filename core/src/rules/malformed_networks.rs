#![doc = include_str!("malformed_networks.md")]

use super::{Check, Rule, Statement};
use crate::fault::Inside;
use crate::finding::{Level, Place};
use crate::view::Attach;
use crate::view::networks::{Annotation, ECMP, Networks};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "malformed-networks",
    page: include_str!("malformed_networks.md"),
    default_level: Level::Deny,
    by_namespace_only: false,
    check: Check::Attach(check),
    fix: None,
};

fn check(attach: &Attach<'_>, _: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    if let Some(annotation) = attach.not_text {
        let place = Place::field(attach.path(annotation));
        let problem = "the annotation is not a string: put its value in quotes";
        statements.push(Statement::at(&attach.object, place, problem));
    }
    for (asking, annotation) in attach.newly_asking() {
        for fault in asking.malformed.iter() {
            let place = Place::inside(attach.path(annotation), fault.at.clone());
            statements.push(Statement::at(&attach.object, place, &fault.message));
        }
        if annotation == Annotation::DefaultNetwork
            && let Some(problem) = not_one(asking)
        {
            let at = Inside::whole();
            let place = Place::inside(attach.path(annotation), at);
            statements.push(Statement::at(&attach.object, place, problem));
        }
    }
    if let (Some(one), Some(other)) = (attach.default_network.any(), attach.networks.any())
        && attach.is_new()
        && (one.default_routes.iter().zip(&other.default_routes))
            .any(|counts| matches!(counts, (1, 1)))
    {
        let place = Place::field(attach.path(Annotation::DefaultNetwork));
        statements.push(Statement::at(&attach.object, place, ECMP));
    }
    statements
}

/// A Pod has exactly one default network (Multus: `tryLoadK8sPodDefaultNetwork`).
fn not_one(asking: &Networks) -> Option<&'static str> {
    match asking.selections.len() {
        0 if asking.malformed.is_empty() => Some(
            "the list is empty, which makes Multus panic: name exactly one default network, or \
             remove the annotation",
        ),
        0 | 1 => None,
        _ => Some(
            "a Pod has exactly one default network (Multus: more than one default network is \
             specified): keep one, and move the others to k8s.v1.cni.cncf.io/networks",
        ),
    }
}
