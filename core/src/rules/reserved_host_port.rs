#![doc = include_str!("reserved_host_port.md")]

use super::{Check, Rule, Statement};
use crate::cni::{NodeUse, Used};
use crate::fault::MAX_FAULTS;
use crate::finding::{Level, Place};
use crate::view::{Attach, Define};
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "reserved-host-port",
    page: include_str!("reserved_host_port.md"),
    default_level: Level::Deny,
    by_namespace_only: true,
    check: Check::Both(attach, define),
    fix: None,
};

fn attach(attach: &Attach<'_>, world: &World<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (asking, annotation) in attach.newly_asking() {
        let selections = asking.selections.iter();
        for (port, at) in selections.flat_map(|selection| &selection.requests.host_ports) {
            if statements.len() < MAX_FAULTS
                && let Some(problem) = problem(*port, world)
            {
                let place = Place::inside(attach.path(annotation), at.clone());
                statements.push(Statement::at(&attach.object, place, problem));
            }
        }
    }
    statements
}

fn define(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let ports = define
        .new_uses()
        .filter_map(|NodeUse { at, used }| match used {
            Used::HostPort(port) => Some((at, problem(*port, world)?)),
            _ => None,
        });
    ports
        .map(|(at, problem)| {
            let place = Place::inside("spec.config", at.clone());
            Statement::at(&define.object, place, problem)
        })
        .collect()
}

fn problem(port: i64, world: &World<'_>) -> Option<String> {
    let number = u16::try_from(port).ok()?;
    let reserved = &world.policy.reserved_host_ports;
    let range = reserved.iter().find(|range| range.contains(number))?;
    Some(format!(
        "port {port} of the node is reserved (reservedHostPorts: {range}): a program that listens \
         on it would lose its connections to the Pod; use another hostPort"
    ))
}
