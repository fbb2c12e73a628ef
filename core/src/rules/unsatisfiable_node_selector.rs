#![doc = include_str!("unsatisfiable_node_selector.md")]

use super::{Check, Rule, Statement};
use crate::fault::Inside;
use crate::finding::{Level, Place};
use crate::network::Network;
use crate::selector::{NODE_SELECTOR, Requirement};
use crate::text::shorten;
use crate::view::networks::Selection;
use crate::view::placement::{Demands, Placement, Required, Term};
use crate::view::{Attach, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unsatisfiable-node-selector",
    page: include_str!("unsatisfiable_node_selector.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Both(attach, define),
    fix: None,
};

/// Each term of a Pod is compared with all that its networks require. Of a Pod with more terms
/// nothing is reported: it waits for a node instead.
const MAX_TERMS: usize = 64;

fn attach(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let Some(placement) = &attach.placement else {
        return Vec::new();
    };
    let mut first = None;
    let mut networks = Vec::new();
    for asked in world.newly_asked(attach) {
        let requirements = asked.known().into_iter().flat_map(Network::requirements);
        for requirement in requirements {
            first.get_or_insert(asked);
            networks.push((asked.selection, requirement));
        }
    }
    let Some(first) = first else {
        return Vec::new();
    };
    let Some((one, other)) = conflict(&networks, placement) else {
        return Vec::new();
    };
    let message = if one == other {
        format!(
            "{} cannot run on any node: {one}, which no label can meet",
            attach.object
        )
    } else {
        format!(
            "{} cannot run on any node: {one}, and {other}; change one of the two, or use networks \
             that are on the same nodes",
            attach.object
        )
    };
    let place = attach.place(first.annotation, first.selection);
    vec![Statement::new(place, message)]
}

fn define(define: &Define<'_>, _: &World<'_>) -> Vec<Statement> {
    let selector = define.selector.new();
    let requirements = selector.and_then(|selector| selector.as_ref().as_ref().ok());
    let requirements = requirements.map(Vec::as_slice).unwrap_or_default();
    let conflict = Demands::of(requirements).conflict();
    let pair =
        conflict.and_then(|(one, other)| Some((requirements.get(one)?, requirements.get(other)?)));
    let Some((one, other)) = pair else {
        return Vec::new();
    };
    let field = format!("metadata.annotations[{NODE_SELECTOR}]");
    let place = Place::inside(field, Inside::whole());
    let problem =
        format_args!("no node can match the nodeSelector: {one} and {other} cannot both hold");
    vec![Statement::at(&define.object, place, problem).at_most(Level::Warn)]
}

/// Two requirements that contradict each other, so that no node is left. Only what is certain.
fn conflict(
    networks: &[(&Selection, &Requirement)],
    placement: &Placement<'_>,
) -> Option<(String, String)> {
    let of_networks = networks.iter().map(|(_, requirement)| *requirement);
    let demands = Demands::of(of_networks.chain(&placement.node_selector));
    let explain = |numbers: (usize, usize), term: &[Requirement]| {
        let explain = |number: usize| {
            if let Some((selection, requirement)) = networks.get(number) {
                let network = selection.network();
                return Some(format!(
                    "network \"{}\" requires {requirement}",
                    shorten(&network)
                ));
            }
            let number = number - networks.len();
            if let Some(requirement) = placement.node_selector.get(number) {
                return Some(format!("spec.nodeSelector requires {requirement}"));
            }
            let requirement = term.get(number - placement.node_selector.len())?;
            Some(format!("the required node affinity requires {requirement}"))
        };
        Some((explain(numbers.0)?, explain(numbers.1)?))
    };
    let terms = match &placement.required {
        Required::Absent | Required::TooLarge => {
            return demands.conflict().and_then(|numbers| explain(numbers, &[]));
        }
        Required::Terms(terms) => terms,
        Required::Unreadable => return None,
    };
    if terms.len() > MAX_TERMS {
        return None;
    }
    let mut found = None;
    for term in terms.iter().filter(|term| !term.is_empty()) {
        let conflict = demands.conflict_with(&term.expressions);
        // One term that may match is enough.
        let fields = || fields(term);
        if found.is_some() {
            conflict.map(drop).or_else(|| fields().map(drop))?;
        } else {
            let explained = conflict.and_then(|numbers| explain(numbers, &term.expressions));
            found = Some(explained.or_else(fields)?);
        }
    }
    found
}

/// The same among the `matchFields` of a term, which networks do not select by.
fn fields(term: &Term) -> Option<(String, String)> {
    let (one, other) = Demands::of(&term.fields).conflict()?;
    let explain = |number: usize| {
        let requirement = term.fields.get(number)?;
        Some(format!("the required node affinity requires {requirement}"))
    };
    Some((explain(one)?, explain(other)?))
}
