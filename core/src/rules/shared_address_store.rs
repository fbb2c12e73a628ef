#![doc = include_str!("shared_address_store.md")]

use super::{Check, Rule, Statement};
use crate::cni::{NodeUse, Used};
use crate::finding::{Level, Place};
use crate::text::shorten;
use crate::view::Define;
use crate::world::World;

/// The rule.
pub static RULE: Rule = Rule {
    name: "shared-address-store",
    page: include_str!("shared_address_store.md"),
    default_level: Level::Warn,
    by_namespace_only: true,
    check: Check::Define(check),
    fix: None,
};

fn check(define: &Define<'_>, world: &World<'_>) -> Vec<Statement> {
    let own = &*define.object.namespace;
    let uses = define
        .config
        .new()
        .into_iter()
        .flat_map(|config| &config.uses);
    let stores = uses.filter_map(|NodeUse { at, used }| match used {
        Used::AddressStore(store) => Some((at, *store)),
        _ => None,
    });
    let mut statements = Vec::new();
    for (at, store) in stores {
        let mut others = world.snapshot.sharing(store, own, &define.object.name);
        let Some(first) = others.next() else {
            continue;
        };
        // A network is named only if it may be used.
        let known = [first]
            .into_iter()
            .chain(others)
            .find(|(namespace, name, _)| {
                world.policy.isolation_allows(own, namespace, name, false)
            });
        let other = match known {
            Some((namespace, name, _)) => {
                format!("network \"{}\"", shorten(&format!("{namespace}/{name}")))
            }
            None => "a network of another namespace".to_owned(),
        };
        let place = Place::inside("spec.config", at.clone());
        let problem = format_args!(
            "{other} keeps its addresses in the same store, so each takes addresses from the \
             other: choose another name or range, or leave it if both are one network"
        );
        statements.push(Statement::at(&define.object, place, problem));
    }
    statements
}
