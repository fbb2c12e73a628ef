//! Networks from the API server, as it tells of them.
//!
//! The first list is published once it is complete; until then nothing is known and the server is
//! not ready. A watch that breaks, an API server that restarts, a definition that is not there yet:
//! all are tried again with growing pauses, and what is known stays meanwhile.

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_networks};
use tokio::sync::watch;

use super::{Network, Snapshot};
use crate::cni;
use crate::finding::{Fault, Inside, escape};
use crate::metrics::{Metrics, What};
use crate::view::selector::NODE_SELECTOR;

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client cannot be made.
    #[error("cannot make a client of the API server: {0}")]
    Client(#[from] kube::Error),
    /// There is no Pod's service account where one is expected.
    #[error("not in a cluster ({0}): give --kubeconfig FILE, or --networks DIR to do without one")]
    InCluster(#[from] kube::config::InClusterError),
    /// The kubeconfig is none.
    #[error("{path}: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
}

/// A client of the API server that a kubeconfig names, or of the cluster that this Pod runs in.
///
/// # Errors
/// Where the configuration cannot be read or makes no client. Nothing is asked yet.
pub async fn client(kubeconfig: Option<&Path>) -> Result<kube::Client, Error> {
    let config = match kubeconfig {
        None => kube::Config::incluster()?,
        Some(path) => {
            let fault = |source| Error::Kubeconfig {
                path: path.display().to_string(),
                source,
            };
            let read = Kubeconfig::read_from(path).map_err(fault)?;
            let options = KubeConfigOptions::default();
            kube::Config::from_custom_kubeconfig(read, &options)
                .await
                .map_err(fault)?
        }
    };
    Ok(kube::Client::try_from(config)?)
}

/// The definition of network attachment definitions, as Multus installs it.
pub(super) fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition");
    ApiResource::from_gvk_with_plural(&kind, "network-attachment-definitions")
}

/// Publishes the networks of the cluster, for as long as anybody listens.
pub async fn follow(
    client: kube::Client,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    metrics: Arc<Metrics>,
) {
    let api: Api<DynamicObject> = Api::all_with(client, &resource());
    let events = watch_networks(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    let (mut known, mut listed) = (Snapshot::default(), Snapshot::default());
    // An API server that is away is said once, not at every attempt.
    let mut away = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => {
                listed = Snapshot::default();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                add(&mut listed, &object);
                continue;
            }
            Ok(Event::InitDone) => {
                known = std::mem::take(&mut listed);
                metrics.reload(What::Networks, true);
                tracing::info!(networks = known.len(), "networks listed");
            }
            Ok(Event::Apply(object)) => add(&mut known, &object),
            Ok(Event::Delete(object)) => {
                known.remove(
                    &namespace(&object),
                    object.metadata.name.as_deref().unwrap_or(""),
                );
            }
            Err(error) => {
                metrics.reload(What::Networks, false);
                if !away {
                    let error = error.to_string();
                    let error = &*escape(&error);
                    tracing::warn!(
                        error,
                        "cannot watch networks: what is known stays; trying on"
                    );
                }
                away = true;
                continue;
            }
        }
        away = false;
        metrics.known(known.len());
        if publish.send(Some(Arc::new(known.clone()))).is_err() {
            return;
        }
    }
}

/// A network as the API server has it.
pub(super) fn network(object: &DynamicObject) -> Network {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let annotations = object.metadata.annotations.as_ref();
    let selector = annotations
        .and_then(|all| all.get(NODE_SELECTOR))
        .map(String::as_str);
    match object.data.get("spec").and_then(|spec| spec.get("config")) {
        None | Some(serde_json::Value::Null) => Network::read(name, "", selector),
        Some(serde_json::Value::String(config)) => Network::read(name, config, selector),
        Some(_) => {
            let at = Inside {
                path: "".into(),
                line: 1,
                column: 1,
            };
            let message = "the field is no string, and must be one with JSON in it".into();
            let malformed = Some(Fault { at, message });
            let config = cni::Config {
                malformed,
                ..cni::Config::default()
            };
            Network {
                config,
                ..Network::read(name, "", selector)
            }
        }
    }
}

fn add(snapshot: &mut Snapshot, object: &DynamicObject) {
    if let Some(name) = &object.metadata.name {
        snapshot.insert(&namespace(object), name, Arc::new(network(object)));
    }
}

fn namespace(object: &DynamicObject) -> String {
    object.metadata.namespace.clone().unwrap_or_default()
}
