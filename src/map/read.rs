//! Reads a cluster for a map.

use multinic_core::policy::Policy;
use multinic_core::usage::asked;
use serde::Deserialize;
use serde_json::Value;

use super::Known;
use crate::cluster::inventory;
use crate::cluster::reader::{Reader, Wanted};
use crate::stored::POD;

/// A Pod that has ended has no interfaces any more.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Default, Deserialize)]
struct Annotations {
    #[serde(default, rename = "k8s.v1.cni.cncf.io/networks")]
    networks: Option<String>,
    #[serde(default, rename = "v1.multus-cni.io/default-network")]
    default_network: Option<String>,
}

/// Reads networks, nodes, namespaces and the metadata of Pods: of one namespace, or of all. What may
/// not be read is noted.
pub async fn read(
    reader: &Reader,
    namespace: Option<&str>,
    labels: &str,
    policy: &Policy,
) -> Known {
    let mut known = Known::default();
    let mut namespaces: Vec<&str> = namespace.into_iter().collect();
    if namespace.is_some() {
        namespaces.extend(policy.global_namespaces.iter().map(String::as_str));
    }
    match inventory::networks(reader, &namespaces).await {
        Ok(networks) => {
            let unread = networks.unread.iter();
            known
                .unread
                .extend(unread.map(|own| format!("networks of namespace {own}")));
            known.networks = networks.snapshot;
        }
        Err(error) => known.unread.push(format!("networks: {error}")),
    }
    match inventory::nodes(reader).await {
        Ok(nodes) => known.nodes = Some(nodes),
        Err(error) => known.unread.push(format!("the labels of nodes: {error}")),
    }
    if namespace.is_none() {
        let wanted = Wanted {
            path: "/api/v1/namespaces",
            metadata_only: true,
            ..Wanted::default()
        };
        let mut names = Vec::new();
        let listed = reader.list(&wanted, |item, _| {
            let item: Value = serde_json::from_str(item.get()).unwrap_or_default();
            names.extend(item["metadata"]["name"].as_str().map(str::to_owned));
        });
        if let Err(error) = listed.await {
            known.unread.push(format!("namespaces: {error}"));
        }
        known.namespaces.extend(names);
    }
    let path = POD.path(namespace);
    let wanted = Wanted {
        path: &path,
        labels,
        fields: NOT_ENDED,
        metadata_only: true,
    };
    let mut uses = std::mem::take(&mut known.uses);
    let listed = reader.list(&wanted, |item, _| {
        let Ok(Pod { metadata }) = serde_json::from_str(item.get()) else {
            return;
        };
        let Metadata {
            namespace,
            annotations,
        } = metadata;
        let Annotations {
            networks,
            default_network,
        } = annotations.unwrap_or_default();
        let home = &policy.multus_namespace;
        let names = asked(
            networks.as_deref(),
            default_network.as_deref(),
            &namespace,
            home,
        );
        for (of, name) in names {
            *uses.entry((namespace.clone(), of, name)).or_default() += 1;
        }
    });
    if let Err(error) = listed.await {
        known.unread.push(format!("pods: {error}"));
    }
    known.uses = uses;
    known
}
