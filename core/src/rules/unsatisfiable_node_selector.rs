#![doc = include_str!("unsatisfiable_node_selector.md")]

use super::{Check, Rule, Statement};
use crate::fault::Inside;
use crate::finding::{Level, Place};
use crate::selector::{NODE_SELECTOR, Requirement};
use crate::text::shorten;
use crate::view::placement::{Required, Term, contradiction};
use crate::view::{Attach, Define};
use crate::world::{World, asked_networks};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unsatisfiable-node-selector",
    page: include_str!("unsatisfiable_node_selector.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Both(attach, define),
    fix: None,
};

/// A requirement, and who demands it.
type Demand<'d> = (String, &'d Requirement);

fn attach(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let Some(placement) = &attach.placement else {
        return Vec::new();
    };
    let mut networks: Vec<Demand<'_>> = Vec::new();
    let mut place = None;
    for (selection, annotation, network) in asked_networks(attach, world) {
        let Some(network) = network else { continue };
        for requirement in network.requirements() {
            let whose = format!("network \"{}\"", shorten(&selection.network()));
            networks.push((whose, requirement));
            place.get_or_insert_with(|| {
                Place::inside(attach.path(annotation), selection.at.clone())
            });
        }
    }
    let Some(place) = place else {
        return Vec::new();
    };
    let own: Vec<Demand<'_>> = placement
        .node_selector
        .iter()
        .map(|requirement| ("spec.nodeSelector".to_owned(), requirement))
        .collect();
    let Some((one, other)) = conflict(&networks, &own, &placement.required) else {
        return Vec::new();
    };
    let message = if one == other {
        format!(
            "{} can run on no node: {one}, which no label can meet",
            attach.object
        )
    } else {
        format!(
            "{} can run on no node: {one}, and {other}; change one of the two, or use networks \
             that are on the same nodes",
            attach.object
        )
    };
    vec![Statement::new(place, message)]
}

fn define(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let selector = define
        .selector
        .new()
        .and_then(|one| one.as_ref().as_ref().ok());
    let requirements: Vec<_> = selector.into_iter().flatten().collect();
    let pair = contradiction(&requirements)
        .and_then(|(one, other)| Some((requirements.get(one)?, requirements.get(other)?)));
    let Some((one, other)) = pair else {
        return Vec::new();
    };
    let at = Inside {
        path: String::new(),
        line: 1,
        column: 1,
    };
    let place = Place::inside(format!("metadata.annotations[{NODE_SELECTOR}]"), at);
    let problem =
        format_args!("no node can match the nodeSelector: {one} and {other} cannot both hold");
    vec![Statement::at(&define.object, place, problem).at_most(Level::Warn)]
}

/// Who and who contradict each other, so that no node is left. Only what is certain.
fn conflict(
    networks: &[Demand<'_>],
    own: &[Demand<'_>],
    required: &Required,
) -> Option<(String, String)> {
    let selected: Vec<&Demand<'_>> = networks.iter().chain(own).collect();
    let terms = match required {
        Required::Absent => return first(&selected),
        Required::Terms(terms) => terms,
        Required::Unreadable => return None,
    };
    let mut found = None;
    for term in terms.iter().filter(|term| !term.is_empty()) {
        let demands: Vec<Demand<'_>> = term
            .expressions
            .iter()
            .map(|requirement| ("the required node affinity".to_owned(), requirement))
            .collect();
        let all: Vec<&Demand<'_>> = selected.iter().copied().chain(&demands).collect();
        // One term that may match is enough.
        let conflict = first(&all).or_else(|| fields(term))?;
        found = found.or(Some(conflict));
    }
    found
}

/// The same among the `matchFields` of a term, which networks say nothing of.
fn fields(term: &Term) -> Option<(String, String)> {
    let fields: Vec<_> = term.fields.iter().collect();
    let (one, other) = contradiction(&fields)?;
    let describe = |index: usize| {
        let requirement = fields.get(index)?;
        Some(format!("the required node affinity requires {requirement}"))
    };
    Some((describe(one)?, describe(other)?))
}

fn first(demands: &[&Demand<'_>]) -> Option<(String, String)> {
    let requirements: Vec<_> = demands
        .iter()
        .map(|(_, requirement)| *requirement)
        .collect();
    let (one, other) = contradiction(&requirements)?;
    let describe = |index: usize| {
        let (whose, requirement) = demands.get(index)?;
        Some(format!("{whose} requires {requirement}"))
    };
    Some((describe(one)?, describe(other)?))
}
