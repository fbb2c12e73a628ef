//! Networks as the rules know them, and what is known of those of a cluster.
//!
//! A [`Snapshot`] is plain data that is published whole, behind an `Arc`, by what watches the
//! networks; a review takes it once and sees one state of the cluster.

use std::collections::HashMap;
use std::sync::Arc;

use rpds::HashTrieMapSync;

use crate::cni::Config;
use crate::fault::{Fault, Inside};
use crate::selector::{self, Requirement, SelectorError};

/// The annotation of a NAD that names a resource; each attachment takes one device of it.
pub const RESOURCE_NAME: &str = "k8s.v1.cni.cncf.io/resourceName";

/// A NetworkAttachmentDefinition as the rules know it: read once, at arrival, and without the
/// configuration of multinic, so that a changed configuration re-reads nothing. Its text is not
/// kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Network {
    /// Its nodeSelector annotation.
    pub selector: Selector,
    /// Its `spec.config`.
    pub config: Config,
    /// The resource of which each attachment takes a device: its resourceName annotation.
    pub resource: Option<Box<str>>,
}

/// A nodeSelector annotation: the requirements, or why it does not parse (rule
/// `invalid-node-selector`).
pub type Selector = Result<Vec<Requirement>, Fault>;

/// The networks of a cluster at one moment.
///
/// Maps in maps that share what did not change: an event costs the depth of two tries, whatever the
/// number of networks and however they are spread over namespaces.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    namespaces: HashTrieMapSync<Arc<str>, Namespace>,
    len: usize,
    stores: Stores,
}

type Namespace = HashTrieMapSync<Arc<str>, Arc<Network>>;

/// The answers to the look-ups of one review: networks that the snapshot lacked and that were looked
/// up one by one. `None` is a network that does not exist, unlike one that was not looked up.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    networks: HashMap<(String, String), Option<Arc<Network>>>,
}

impl Network {
    /// Reads the parts of a NAD: its name, its `spec.config` (empty if there is none) and its nodeSelector
    /// annotation.
    pub fn read(name: &str, config: &str, selector: Option<&str>) -> Self {
        Self {
            selector: read_selector(selector.unwrap_or_default()),
            config: Config::read(name, config),
            resource: None,
        }
    }

    /// The same with its resourceName annotation. An empty one names nothing.
    #[must_use]
    pub fn with_resource(self, resource: Option<&str>) -> Self {
        let resource = resource.filter(|name| !name.is_empty()).map(Into::into);
        Self { resource, ..self }
    }

    /// Whether the Pod has to ask for the addresses of its interface.
    pub fn needs_addresses(&self) -> bool {
        let mut ipam = self
            .config
            .plugins
            .iter()
            .filter_map(|plugin| plugin.ipam.as_ref());
        ipam.any(|ipam| ipam.kind == "static" && ipam.addresses == 0)
    }

    /// Whether the addresses of its interfaces are written in its config, the same for every Pod.
    pub fn has_static_addresses(&self) -> bool {
        let mut ipam = self
            .config
            .plugins
            .iter()
            .filter_map(|plugin| plugin.ipam.as_ref());
        ipam.any(|ipam| ipam.kind == "static" && ipam.addresses > 0)
    }

    /// What the network requires of nodes; empty if its selector does not parse.
    pub fn requirements(&self) -> &[Requirement] {
        self.selector.as_deref().unwrap_or_default()
    }

    /// Whether one of its plugins declares the capability.
    pub fn declares(&self, capability: &str) -> bool {
        let mut declared = self
            .config
            .plugins
            .iter()
            .flat_map(|plugin| &plugin.capabilities);
        declared.any(|own| **own == *capability)
    }
}

/// Reads the text of a nodeSelector annotation.
pub fn read_selector(text: &str) -> Selector {
    selector::parse(text).map_err(|SelectorError { offset, message }| Fault {
        at: Inside::offset(text, offset, ""),
        message,
    })
}

impl Snapshot {
    /// The network of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Network>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// The names of all networks of a namespace, in no order.
    pub fn names(&self, namespace: &str) -> impl Iterator<Item = &str> {
        self.namespaces
            .get(namespace)
            .into_iter()
            .flat_map(|names| names.keys().map(|name| &**name))
    }

    /// All networks with their namespaces and names, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Network)> {
        self.namespaces.iter().flat_map(|(namespace, networks)| {
            let networks = networks.iter();
            networks.map(|(name, network)| (&**namespace, &**name, &**network))
        })
    }

    /// Whether a network other than `namespace`/`name` uses the address store. Visits no other network.
    pub fn is_shared(&self, store: u64, namespace: &str, name: &str) -> bool {
        let of_own = || {
            let own = self.get(namespace, name);
            let stores = own.into_iter().flat_map(|own| own.config.stores());
            stores.filter(|used| *used == store).count()
        };
        match self.stores.uses(store) {
            0 => false,
            all => all > of_own(),
        }
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a network, or replaces the one of that name.
    pub fn insert(&mut self, namespace: &str, name: &str, network: Arc<Network>) {
        let mut names = self.namespaces.get(namespace).cloned().unwrap_or_default();
        let before = names.size();
        self.stores.add(&network);
        if let Some(replaced) = names.get(name) {
            self.stores.remove(replaced);
        }
        names.insert_mut(Arc::from(name), network);
        self.len += names.size() - before;
        self.namespaces.insert_mut(Arc::from(namespace), names);
    }

    /// Removes the network of that name, if there is one.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        let Some(names) = self.namespaces.get(namespace) else {
            return;
        };
        let mut names = names.clone();
        if let Some(removed) = names.get(name) {
            self.stores.remove(removed);
        }
        if names.remove_mut(name) {
            self.len -= 1;
            if names.is_empty() {
                self.namespaces.remove_mut(namespace);
            } else {
                self.namespaces.insert_mut(Arc::from(namespace), names);
            }
        }
    }
}

/// How many uses of each address store there are, so that a store that no other network uses is
/// known not to be shared without a visit of all networks.
#[derive(Clone, Debug, Default)]
struct Stores(HashTrieMapSync<u64, u32>);

impl Stores {
    fn uses(&self, store: u64) -> usize {
        self.0.get(&store).map_or(0, |count| *count as usize)
    }

    fn add(&mut self, network: &Network) {
        for store in network.config.stores() {
            let count = self.0.get(&store).copied().unwrap_or_default();
            self.0.insert_mut(store, count.saturating_add(1));
        }
    }

    fn remove(&mut self, network: &Network) {
        for store in network.config.stores() {
            match self.0.get(&store).copied().unwrap_or_default() {
                0 | 1 => drop(self.0.remove_mut(&store)),
                count => self.0.insert_mut(store, count - 1),
            }
        }
    }
}

impl Fetched {
    /// Notes the answer of a look-up.
    pub fn insert(&mut self, namespace: &str, name: &str, network: Option<Arc<Network>>) {
        self.networks
            .insert((namespace.to_owned(), name.to_owned()), network);
    }

    /// The network of that name, if it was asked for and is there.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Network>> {
        if self.networks.is_empty() {
            return None;
        }
        self.networks
            .get(&(namespace.to_owned(), name.to_owned()))?
            .as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(range: u8) -> Network {
        let ipam = format!(r#"{{"type":"whereabouts","range":"10.0.{range}.0/24"}}"#);
        let config = format!(r#"{{"cniVersion":"1.0.0","type":"macvlan","ipam":{ipam}}}"#);
        Network::read("n", &config, None)
    }

    proptest! {
        /// The counts of stores only spare visits: they never change what is found.
        #[test]
        fn networks_that_share_a_store_are_found_after_any_events(
            events in prop::collection::vec((0..3_u8, 0..3_u8, prop::option::of(0..3_u8)), 0..40),
        ) {
            let mut snapshot = Snapshot::default();
            for (namespace, name, range) in events {
                let (namespace, name) = (format!("ns-{namespace}"), format!("net-{name}"));
                match range {
                    Some(range) => snapshot.insert(&namespace, &name, Arc::new(network(range))),
                    None => snapshot.remove(&namespace, &name),
                }
            }
            for range in 0..3 {
                let store = network(range).config.stores().next().unwrap();
                for (namespace, name) in [("ns-0", "net-0"), ("ns-1", "net-2"), ("ns-9", "net-0")] {
                    let mut others = snapshot.iter().filter(|(other, named, _)| {
                        (*other, *named) != (namespace, name)
                    });
                    let is_shared = others.any(|(_, _, network)| {
                        network.config.stores().any(|own| own == store)
                    });
                    prop_assert_eq!(snapshot.is_shared(store, namespace, name), is_shared);
                }
            }
        }
    }
}
