//! What a rule may know beside its subject, and what has to be looked up for that.

use crate::network::{Fetched, Network, Snapshot};
use crate::policy::Policy;
use crate::view::networks::{DEFAULT_NETWORK, NETWORKS, Networks, Selection};
use crate::view::placement::Patchable;
use crate::view::{Attach, Change, Subject};

/// What a rule may know beside its subject.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The networks of the cluster.
    pub snapshot: &'a Snapshot,
    /// Those that were looked up for this review, because the snapshot lacks them.
    pub fetched: &'a Fetched,
    /// What the administrator decided.
    pub policy: &'a Policy,
}

impl<'a> World<'a> {
    /// The network of that name.
    pub fn network(&self, namespace: &str, name: &str) -> Option<&'a Network> {
        let known = self.snapshot.get(namespace, name);
        known
            .or_else(|| self.fetched.get(namespace, name))
            .map(|network| &**network)
    }
}

impl Subject<'_> {
    /// The networks that isolation lets through, that a rule will ask for, and that the snapshot
    /// lacks, as namespace and name: to be looked up one by one before a rule is asked.
    pub fn unknown<'s>(
        &'s self,
        policy: &'s Policy,
        snapshot: &Snapshot,
    ) -> Vec<(&'s str, &'s str)> {
        let Self::Attach(attach) = self else {
            return Vec::new();
        };
        if !attach.is_new() && !attach.may_be_patched() {
            return Vec::new();
        }
        let mut wanted: Vec<_> = attach
            .used(policy)
            .map(|selection| (&*selection.namespace, &*selection.name))
            .filter(|(namespace, name)| snapshot.get(namespace, name).is_none())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

impl Attach<'_> {
    /// The elements of both annotations that isolation lets through, the default network first: in
    /// the order in which Multus attaches them.
    pub fn used<'s>(&'s self, policy: &'s Policy) -> impl Iterator<Item = &'s Selection> {
        let allowed = move |own: bool| {
            move |selection: &&Selection| {
                policy.isolation_allows(
                    &self.object.namespace,
                    &selection.namespace,
                    &selection.name,
                    own,
                )
            }
        };
        let default = self
            .default_network
            .any()
            .into_iter()
            .flat_map(|networks| &networks.selections);
        let others = self
            .networks
            .any()
            .into_iter()
            .flat_map(|networks| &networks.selections);
        default
            .filter(allowed(true))
            .chain(others.filter(allowed(false)))
    }

    /// Whether a patch could still narrow where it runs, or write again what narrows it.
    fn may_be_patched(&self) -> bool {
        let patchable = self
            .placement
            .as_ref()
            .map(|placement| &placement.patchable);
        matches!(
            patchable,
            Some(Patchable::Additions | Patchable::Restore(Some(_)))
        )
    }
}

/// The elements to be judged that isolation lets through, the default network first, with the
/// annotation they stand in and the network they name.
pub fn asked_networks<'s>(
    attach: &'s Attach<'_>,
    world: &'s World<'_>,
) -> impl Iterator<Item = (&'s Selection, &'static str, Option<&'s Network>)> {
    let of = |asked: &'s Change<Networks>, annotation| {
        let selections = asked
            .new()
            .into_iter()
            .flat_map(|networks| &networks.selections);
        selections.map(move |selection| (selection, annotation))
    };
    of(&attach.default_network, DEFAULT_NETWORK)
        .chain(of(&attach.networks, NETWORKS))
        .filter(|(selection, annotation)| {
            let Selection {
                namespace, name, ..
            } = selection;
            let default = *annotation == DEFAULT_NETWORK;
            world
                .policy
                .isolation_allows(&attach.object.namespace, namespace, name, default)
        })
        .map(|(selection, annotation)| {
            let network = world.network(&selection.namespace, &selection.name);
            (selection, annotation, network)
        })
}
