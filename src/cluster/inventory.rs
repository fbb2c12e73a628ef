//! The networks and the nodes of a cluster, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use multinic_core::network::{Network, Snapshot};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::Object;
use super::reader::{Reader, Unread, Wanted};
use crate::stored::NETWORK;

/// The labels of the nodes, by the names of the nodes.
pub type Nodes = BTreeMap<String, BTreeMap<String, String>>;

/// The networks of a cluster, as far as they could be read.
#[derive(Debug, Default)]
pub struct Networks {
    /// The networks.
    pub snapshot: Snapshot,
    /// Namespaces whose networks could not be read.
    pub unread: BTreeSet<String>,
    /// Whether the networks of all namespaces were read.
    pub is_complete: bool,
}

#[derive(Deserialize)]
struct Node {
    metadata: NodeMetadata,
}

#[derive(Deserialize)]
struct NodeMetadata {
    name: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Reads the labels of all nodes.
///
/// # Errors
/// If the nodes cannot be listed.
pub async fn nodes(reader: &Reader) -> Result<Nodes, Unread> {
    let mut nodes = Nodes::new();
    let wanted = Wanted {
        path: "/api/v1/nodes",
        metadata_only: true,
        ..Wanted::default()
    };
    reader
        .list(&wanted, |item, _| {
            if let Ok(Node { metadata }) = serde_json::from_str(item.get()) {
                nodes.insert(metadata.name, metadata.labels.unwrap_or_default());
            }
        })
        .await?;
    Ok(nodes)
}

/// Reads the networks of all namespaces; where that is forbidden, those of `namespaces`.
///
/// # Errors
/// If the networks cannot be listed for another reason than a missing right. That the cluster has no
/// definition of networks means that there are none.
pub async fn networks(reader: &Reader, namespaces: &[&str]) -> Result<Networks, Unread> {
    let mut networks = Networks::default();
    match list(reader, None, &mut networks.snapshot).await {
        Ok(()) => {
            networks.is_complete = true;
            return Ok(networks);
        }
        Err(Unread::Forbidden(_)) if !namespaces.is_empty() => {}
        Err(error) => return Err(error),
    }
    for namespace in namespaces {
        match list(reader, Some(namespace), &mut networks.snapshot).await {
            Ok(()) => {}
            Err(Unread::Forbidden(_)) => {
                networks.unread.insert((*namespace).to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(networks)
}

async fn list(
    reader: &Reader,
    namespace: Option<&str>,
    snapshot: &mut Snapshot,
) -> Result<(), Unread> {
    let path = NETWORK.path(namespace);
    let wanted = Wanted {
        path: &path,
        ..Wanted::default()
    };
    let listed = reader.list(&wanted, |item, _| {
        let (namespace, name, network) = network(item);
        snapshot.insert(&namespace, &name, Arc::new(network));
    });
    match listed.await {
        Ok(_) | Err(Unread::Absent(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A network in JSON, with its namespace and name.
fn network(item: &RawValue) -> (String, String, Network) {
    let object = Object::decode(item.get());
    let (network, _) = object.network();
    (
        object.namespace().to_owned(),
        object.name().to_owned(),
        network,
    )
}
