#![doc = include_str!("shared_address_store.md")]

use std::collections::{HashMap, HashSet};

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
    let name = &*define.object.name;
    let stores = uses.filter_map(|NodeUse { at, used }| match used {
        Used::AddressStore(store) if world.snapshot.is_shared(*store, own, name) => {
            Some((at, *store))
        }
        _ => None,
    });
    let stores: Vec<_> = stores.collect();
    let others = others(stores.iter().map(|(_, store)| *store), own, world);
    let mut statements = Vec::new();
    for (at, store) in stores {
        let other = match others.get(&store) {
            Some(Some(name)) => format!("network \"{}\"", shorten(name)),
            Some(None) => "a network of another namespace".to_owned(),
            None => continue,
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

/// The stores that networks of other namespaces use, each with the name of one of these networks;
/// `None` if the namespace may use none of them, because a network is named only if it may be used.
/// All networks are visited once, however many stores there are.
fn others(
    stores: impl Iterator<Item = u64>,
    own: &str,
    world: &World<'_>,
) -> HashMap<u64, Option<String>> {
    let stores: HashSet<u64> = stores.collect();
    let mut found = HashMap::new();
    if stores.is_empty() {
        return found;
    }
    let foreign = world.snapshot.iter();
    for (namespace, name, network) in foreign.filter(|(namespace, ..)| *namespace != own) {
        for store in network
            .config
            .stores()
            .filter(|store| stores.contains(store))
        {
            let known: &mut Option<String> = found.entry(store).or_default();
            if known.is_none() && world.policy.isolation_allows(own, namespace, name, false) {
                *known = Some(format!("{namespace}/{name}"));
            }
        }
    }
    found
}
