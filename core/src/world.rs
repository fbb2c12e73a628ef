//! What a rule may know in addition to its subject, and what has to be looked up for that.

use crate::name::{is_label, is_subdomain};
use crate::network::{Fetched, Network, Snapshot};
use crate::policy::Policy;
use crate::usage::Usage;
use crate::view::devices::Writable;
use crate::view::networks::{Annotation, Selection};
use crate::view::placement::Patchable;
use crate::view::{Attach, Subject};

/// What a rule may know in addition to its subject.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The networks of the cluster.
    pub snapshot: &'a Snapshot,
    /// Those that were looked up for this review, because the snapshot lacks them.
    pub fetched: &'a Fetched,
    /// The decisions of the administrator.
    pub policy: &'a Policy,
    /// Which Pods use which networks, if that is known.
    pub usage: Option<&'a Usage>,
}

/// A network that a carrier asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The element that names it.
    pub selection: &'a Selection,
    /// The annotation that the element is in.
    pub annotation: Annotation,
    /// Whether the annotation is new or changed, so that the element is to be judged.
    pub is_new: bool,
    /// The network that the element names.
    pub network: Resolved<'a>,
}

/// The network that an element names.
#[derive(Clone, Copy, Debug)]
pub enum Resolved<'a> {
    /// Isolation does not permit it. It is not looked up, so that the answer does not reveal
    /// whether it exists.
    Isolated,
    /// It does not exist.
    Absent,
    /// The network.
    Known(&'a Network),
}

impl<'a> World<'a> {
    /// Returns the networks that a carrier asks for, in the order in which Multus attaches them:
    /// the default network first.
    pub fn asked<'s>(&'s self, attach: &'s Attach<'_>) -> impl Iterator<Item = Asked<'s>> {
        attach.elements().map(|(selection, annotation, is_new)| {
            let (namespace, name) = (&*selection.namespace, &*selection.name);
            let is_default = annotation == Annotation::DefaultNetwork;
            let own = &*attach.object.namespace;
            let network = if self
                .policy
                .isolation_allows(own, namespace, name, is_default)
            {
                self.network(namespace, name)
                    .map_or(Resolved::Absent, Resolved::Known)
            } else {
                Resolved::Isolated
            };
            Asked {
                selection,
                annotation,
                is_new,
                network,
            }
        })
    }

    /// Returns the networks that are to be judged: those of [`Self::asked`] that are new.
    pub fn newly_asked<'s>(&'s self, attach: &'s Attach<'_>) -> impl Iterator<Item = Asked<'s>> {
        self.asked(attach).filter(|asked| asked.is_new)
    }

    /// The network of that name.
    fn network(&self, namespace: &str, name: &str) -> Option<&'a Network> {
        let known = self.snapshot.get(namespace, name);
        known
            .or_else(|| self.fetched.get(namespace, name))
            .map(|network| &**network)
    }
}

impl<'a> Asked<'a> {
    /// The network, if it may be used and exists.
    pub fn known(&self) -> Option<&'a Network> {
        match self.network {
            Resolved::Known(network) => Some(network),
            Resolved::Isolated | Resolved::Absent => None,
        }
    }
}

impl Subject<'_> {
    /// The networks that isolation permits, that a rule will need, and that the snapshot lacks, as
    /// namespace and name: to be looked up one by one before the rules are evaluated.
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
        let world = World {
            snapshot,
            fetched: &Fetched::default(),
            policy,
            usage: None,
        };
        let absent = |asked: &Asked<'_>| matches!(asked.network, Resolved::Absent);
        let mut wanted: Vec<_> = attach
            .elements()
            .zip(world.asked(attach))
            .filter(|(_, asked)| absent(asked))
            .map(|((selection, ..), _)| (&*selection.namespace, &*selection.name))
            // The names in a claim or a virtual machine were not checked when they were read.
            .filter(|(namespace, name)| is_label(namespace) && is_subdomain(name))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

impl Attach<'_> {
    /// Whether a patch could still narrow its placement or request devices for it, or write these
    /// again.
    fn may_be_patched(&self) -> bool {
        let patchable = self
            .placement
            .as_ref()
            .map(|placement| &placement.patchable);
        let is_placed = matches!(
            patchable,
            Some(Patchable::Additions | Patchable::Restore(Some(_)))
        );
        let writable = self.devices.map(|devices| devices.writable);
        let is_given = matches!(
            writable,
            Some(Writable::Additions | Writable::Restore(Some(_)))
        );
        is_placed || is_given
    }
}
