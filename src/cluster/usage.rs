//! Which Pods use which networks, from the metadata of the Pods.
//!
//! Nothing is watched unless the configuration has `usage: true`, and then only metadata: of
//! 100,000 Pods, those that ask for a network are kept, by name, and of the others nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::Resource;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_pods};
use multinic_core::policy::Policy;
use multinic_core::text::escape;
use multinic_core::usage::{Name, Usage, asked};
use serde::{Deserialize, Deserializer};
use tokio::sync::watch;

use super::watch::{cause, described};

/// A Pod that has ended has no interfaces any more.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// Events that are published together, if so many are there at once.
const BURST: usize = 256;
/// How often it is logged that the Pods cannot be watched.
const REMIND: Duration = Duration::from_mins(1);

/// Publishes the networks in use while the configuration asks for them, and `None` while it does
/// not or while the Pods are not listed yet; for as long as anybody listens.
pub async fn follow(
    client: kube::Client,
    mut policy: watch::Receiver<Arc<Policy>>,
    publish: watch::Sender<Option<Arc<Usage>>>,
) {
    loop {
        let Ok(home) = policy
            .wait_for(|policy| policy.usage)
            .await
            .map(|policy| policy.multus_namespace.clone())
        else {
            return;
        };
        let changed = |policy: &Arc<Policy>| !policy.usage || policy.multus_namespace != home;
        tokio::select! {
            () = publish_use(client.clone(), &home, &publish) => return,
            changed = policy.wait_for(changed) => {
                if changed.is_err() {
                    return;
                }
            }
        }
        publish.send_replace(None);
    }
}

/// Publishes for as long as anybody listens.
async fn publish_use(
    client: kube::Client,
    home: &str,
    publish: &watch::Sender<Option<Arc<Usage>>>,
) {
    let config = watcher::Config::default().fields(NOT_ENDED);
    let events = watch_pods(Api::<Pod>::all(client), config).default_backoff();
    let mut bursts = pin!(events.ready_chunks(BURST));
    let (mut pods, mut listed) = (Pods::default(), Pods::default());
    let mut complained: Option<Instant> = None;
    while let Some(burst) = bursts.next().await {
        let mut changed = false;
        for event in burst {
            match event {
                Ok(Event::Init) => listed = Pods::default(),
                Ok(Event::InitApply(pod)) => {
                    listed.apply(&pod, home);
                }
                Ok(Event::InitDone) => {
                    pods = std::mem::take(&mut listed);
                    complained = None;
                    changed = true;
                    tracing::info!(pods = pods.asked.len(), "Pods that use networks listed");
                }
                Ok(Event::Apply(pod)) => changed |= pods.apply(&pod, home),
                Ok(Event::Delete(pod)) => changed |= pods.remove(&pod.key()),
                Err(error) => {
                    if complained.is_none_or(|since| since.elapsed() >= REMIND) {
                        complained = Some(Instant::now());
                        let error = cause(&error).map_or_else(|| error.to_string(), described);
                        let error = &*escape(&error);
                        tracing::warn!(error, "cannot watch Pods: what is known stays; retrying");
                    }
                }
            }
        }
        if changed && publish.send(Some(Arc::new(pods.usage.clone()))).is_err() {
            return;
        }
    }
}

/// What is known of the Pods that ask for networks.
#[derive(Debug, Default)]
struct Pods {
    usage: Usage,
    /// The networks of each Pod, by its `namespace/name`.
    asked: HashMap<Arc<str>, Arc<[Name]>>,
}

impl Pods {
    /// Takes a Pod as it is now; whether that changes what is in use.
    fn apply(&mut self, pod: &Pod, home: &str) -> bool {
        let Asking {
            networks,
            default_network,
        } = &pod.asking;
        let own = pod.metadata.namespace.as_deref().unwrap_or_default();
        let networks = asked(networks.as_deref(), default_network.as_deref(), own, home);
        let key = pod.key();
        if networks.is_empty() {
            return self.remove(&key);
        }
        if let Some(known) = self.asked.get(&*key) {
            let same = known.len() == networks.len()
                && known.iter().zip(&networks).all(|(known, asked)| {
                    (&*known.0, &*known.1) == (asked.0.as_str(), asked.1.as_str())
                });
            if same {
                return false;
            }
            self.remove(&key);
        }
        let pod: Arc<str> = key.into();
        let names = self.usage.insert(&pod, &networks);
        self.asked.insert(pod, names);
        true
    }

    /// Forgets a Pod; whether that changes what is in use.
    fn remove(&mut self, pod: &str) -> bool {
        let Some(names) = self.asked.remove(pod) else {
            return false;
        };
        self.usage.remove(pod, &names);
        true
    }
}

/// What is kept of a Pod on its way from the API server, which is asked for its metadata alone.
#[derive(Clone, Debug)]
struct Pod {
    /// Namespace, name and resource version; nothing else.
    metadata: ObjectMeta,
    asking: Asking,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Asking {
    #[serde(default, rename = "k8s.v1.cni.cncf.io/networks")]
    networks: Option<String>,
    #[serde(default, rename = "v1.multus-cni.io/default-network")]
    default_network: Option<String>,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    resource_version: Option<String>,
    #[serde(default)]
    annotations: Option<Asking>,
}

impl Pod {
    /// `namespace/name`
    fn key(&self) -> String {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let name = self.metadata.name.as_deref().unwrap_or_default();
        format!("{namespace}/{name}")
    }
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Whole { metadata } = Whole::deserialize(deserializer)?;
        Ok(Self {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                resource_version: metadata.resource_version,
                ..ObjectMeta::default()
            },
            asking: metadata.annotations.unwrap_or_default(),
        })
    }
}

impl Resource for Pod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, annotations: &str) -> Pod {
        let text = format!(
            r#"{{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {{"namespace": "team-a", "name": "{name}", "resourceVersion": "7",
                    "managedFields": [{{}}], "annotations": {annotations}}}}}"#
        );
        serde_json::from_str(&text).expect("a Pod")
    }

    fn networks(annotation: &str) -> String {
        format!(r#"{{"k8s.v1.cni.cncf.io/networks": "{annotation}", "other": "x"}}"#)
    }

    fn users(pods: &Pods, name: &str) -> usize {
        let users = pods.usage.users("team-a", name);
        users.map_or(0, multinic_core::usage::Users::size)
    }

    #[test]
    fn pods_come_change_and_go() {
        let mut pods = Pods::default();
        assert!(!pods.apply(&pod("none", "null"), "kube-system"));
        assert!(pods.apply(&pod("one", &networks("a,b")), "kube-system"));
        assert!(pods.apply(&pod("two", &networks("b,a,a")), "kube-system"));
        // Nothing new in the same networks.
        assert!(!pods.apply(&pod("two", &networks("a,b")), "kube-system"));
        assert_eq!((users(&pods, "a"), users(&pods, "b")), (2, 2));
        assert_eq!(
            pods.usage
                .together()
                .map(|(_, pods)| pods)
                .collect::<Vec<_>>(),
            [2]
        );
        assert!(pods.apply(&pod("one", &networks("c")), "kube-system"));
        assert_eq!((users(&pods, "a"), users(&pods, "c")), (1, 1));
        assert!(pods.apply(&pod("one", "{}"), "kube-system"));
        assert!(pods.remove("team-a/two"));
        assert!(!pods.remove("team-a/two"));
        assert!(pods.asked.is_empty() && pods.usage.together().next().is_none());
        assert_eq!((users(&pods, "a"), users(&pods, "c")), (0, 0));
    }

    #[test]
    fn the_default_network_is_looked_up_where_multus_does() {
        let mut pods = Pods::default();
        let annotations = r#"{"v1.multus-cni.io/default-network": "net"}"#;
        assert!(pods.apply(&pod("one", annotations), "kube-system"));
        assert!(pods.usage.users("kube-system", "net").is_some());
    }
}
