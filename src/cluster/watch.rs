//! The networks of a cluster, watched through its API server.
//!
//! The first list is published once it is complete; until then no network is known and the server
//! is not ready. When the watch breaks or the API server restarts, the watch is resumed after a
//! pause, and the known networks stay in force meanwhile. If the cluster has no definition of
//! networks, it is certain that there are none.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use kube::api::Api;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_networks};
use multinic_core::network::{Network, Snapshot};
use multinic_core::text::escape;
use tokio::sync::watch;

use super::contact::observed;
use super::object::Object;
use crate::error::chain;
use crate::metrics::{Metrics, Reloaded};

/// How many events are published together, if they are there at once.
const BURST: usize = 256;
/// How often it is logged that the API server is away; not at every attempt.
const REMIND: Duration = Duration::from_mins(1);

/// Publishes the networks of the cluster, as long as there is a receiver.
pub async fn follow(
    client: kube::Client,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    metrics: Arc<Metrics>,
) {
    let client = observed(client, Arc::clone(&metrics));
    // Listed in pages: of 100,000 networks, 500 are in memory as they arrive. With bookmarks, so
    // that a watch can be resumed after an hour without an event.
    let events = watch_networks(Api::all(client), watcher::Config::default()).default_backoff();
    // Events that are there at once are published at once: a burst costs one snapshot, and a single
    // event does not wait for others.
    let mut bursts = pin!(events.ready_chunks(BURST));
    let mut watched = Watched::default();
    while let Some(burst) = bursts.next().await {
        let mut changed = false;
        for event in burst {
            changed |= match event {
                Ok(event) => watched.take(event, &metrics),
                Err(error) => watched.fault(&error, &metrics),
            };
        }
        if changed {
            metrics.known(watched.known.len());
            let snapshot = Arc::new(watched.known.clone());
            if publish.send(Some(snapshot)).is_err() {
                return;
            }
        }
    }
}

/// What the events amount to.
#[derive(Debug, Default)]
struct Watched {
    known: Snapshot,
    sources: Sources,
    /// A list that is not complete yet.
    listed: Snapshot,
    listed_sources: Sources,
    /// With secret random keys, so that two texts with the same hash cannot be constructed.
    hashing: RandomState,
    /// Whether there was a complete list.
    complete: bool,
    /// When it was last logged that the API server is away.
    reported: Option<Instant>,
}

/// What each network was read from: the hash of its text by that of its name. A network whose text
/// is unchanged is not read again, and its other changes (labels, status) are no change of what is
/// known.
type Sources = HashMap<u64, u64>;

impl Watched {
    /// Takes an event. Returns whether the known networks have changed.
    fn take(&mut self, event: Event<Object>, metrics: &Metrics) -> bool {
        match event {
            // Precedes every attempt: it does not mean that the API server answered.
            Event::Init => {
                self.listed = Snapshot::default();
                self.listed_sources = Sources::default();
                return false;
            }
            Event::InitApply(object) => {
                let (name, source) = self.hashes(&object);
                let network = self.unchanged(&object, name, source);
                let network = network.unwrap_or_else(|| read(&object));
                add(&mut self.listed, &object, network);
                self.listed_sources.insert(name, source);
                return false;
            }
            Event::InitDone => {
                self.known = std::mem::take(&mut self.listed);
                self.sources = std::mem::take(&mut self.listed_sources);
                self.complete = true;
                metrics.reload(Reloaded::Networks, true);
                tracing::info!(networks = self.known.len(), "networks loaded");
            }
            Event::Apply(object) => {
                self.reported = None;
                let (name, source) = self.hashes(&object);
                if self.unchanged(&object, name, source).is_some() {
                    return false;
                }
                add(&mut self.known, &object, read(&object));
                self.sources.insert(name, source);
            }
            Event::Delete(object) => {
                self.known.remove(object.namespace(), object.name());
                self.sources.remove(&self.hashes(&object).0);
            }
        }
        self.reported = None;
        true
    }

    /// The hashes of the name of an object, and of what its network is read from.
    fn hashes(&self, object: &Object) -> (u64, u64) {
        let name = (object.namespace(), object.name());
        (
            self.hashing.hash_one(name),
            self.hashing.hash_one(object.source()),
        )
    }

    /// The network of an object, if it is known and would be read from the same text again.
    fn unchanged(&self, object: &Object, name: u64, source: u64) -> Option<Arc<Network>> {
        let same = self.sources.get(&name) == Some(&source);
        let known = same.then(|| self.known.get(object.namespace(), object.name()));
        known.flatten().map(Arc::clone)
    }

    /// Takes a failed attempt. Returns whether the known networks have changed.
    fn fault(&mut self, error: &watcher::Error, metrics: &Metrics) -> bool {
        metrics.reload(Reloaded::Networks, false);
        let undefined = cause(error).is_some_and(is_absent);
        if self.reported.is_none_or(|at| at.elapsed() >= REMIND) {
            self.reported = Some(Instant::now());
            let error = cause(error).map_or_else(|| error.to_string(), described);
            let error = &*escape(&error);
            if undefined {
                tracing::warn!(
                    error,
                    "the cluster has no definition of networks, so there are none: install Multus, or \
                     the CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io"
                );
            } else {
                tracing::warn!(
                    error,
                    "cannot watch networks: those known so far stay in force until the API server \
                     answers"
                );
            }
        }
        if !undefined {
            return false;
        }
        // There can be no networks: the server is as ready as with an empty list.
        let changed = !self.complete || !self.known.is_empty();
        self.known = Snapshot::default();
        self.sources = Sources::default();
        self.complete = true;
        changed
    }
}

fn read(object: &Object) -> Arc<Network> {
    let (network, unreadable) = object.network();
    if let Some(why) = unreadable {
        tracing::warn!(
            namespace = &*escape(object.namespace()),
            name = &*escape(object.name()),
            error = &*escape(&why),
            "the network cannot be read: Pods that request it are refused"
        );
    }
    Arc::new(network)
}

fn add(snapshot: &mut Snapshot, object: &Object, network: Arc<Network>) {
    if !object.name().is_empty() {
        snapshot.insert(object.namespace(), object.name(), network);
    }
}

/// The error of the API server, or of the connection to it.
pub(crate) fn cause(error: &watcher::Error) -> Option<&kube::Error> {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    match error {
        InitialListFailed(cause) | WatchStartFailed(cause) | WatchFailed(cause) => Some(cause),
        WatchError(_) | NoResourceVersion => None,
    }
}

/// Returns whether the API server answered that an object, or a kind of objects, does not exist.
/// While it starts, it answers 503. For a kind that is not defined it sends the code only.
pub(super) fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// An error with its causes, in one line.
pub(crate) fn described(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) => {
            format!(
                "the API server answered {}: {}",
                status.code, status.message
            )
        }
        _ => chain(error),
    };
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::runtime::watcher::Error::{InitialListFailed, WatchStartFailed};

    use super::*;

    fn object(name: &str) -> Object {
        let text = format!(r#"{{"metadata": {{"namespace": "team-a", "name": "{name}"}}}}"#);
        serde_json::from_str(&text).expect("an object")
    }

    fn status(code: u16) -> kube::Error {
        kube::Error::Api(
            Status::failure("not\nallowed", "Reason")
                .with_code(code)
                .boxed(),
        )
    }

    fn listed(names: &[&str]) -> (Watched, Metrics) {
        let (mut watched, metrics) = (Watched::default(), Metrics::new());
        assert!(!watched.take(Event::Init, &metrics));
        for name in names {
            // Networks are not known before the list is complete.
            assert!(!watched.take(Event::InitApply(object(name)), &metrics));
            assert_eq!(watched.known.len(), 0);
        }
        assert!(watched.take(Event::InitDone, &metrics));
        (watched, metrics)
    }

    #[test]
    fn events_come_to_a_snapshot() {
        let (mut watched, metrics) = listed(&["one", "two"]);
        assert!(watched.take(Event::Apply(object("three")), &metrics));
        assert!(watched.take(Event::Delete(object("one")), &metrics));
        let mut names: Vec<_> = watched.known.names("team-a").collect();
        names.sort_unstable();
        assert_eq!(names, ["three", "two"]);
    }

    #[test]
    fn a_network_whose_text_is_unchanged_is_not_read_again() {
        let read = |text: &str| serde_json::from_str::<Object>(text).expect("an object");
        let object = |label: &str, config: &str| {
            read(&format!(
                r#"{{"metadata": {{"namespace": "team-a", "name": "one", "labels": {{"l": "{label}"}},
                    "annotations": {{"k8s.v1.cni.cncf.io/nodeSelector": "zone=a"}}}},
                    "spec": {{"config": "{config}"}}}}"#
            ))
        };
        let (mut watched, metrics) = listed(&[]);
        assert!(watched.take(Event::Apply(object("a", "{}")), &metrics));
        let first = Arc::clone(watched.known.get("team-a", "one").unwrap());
        assert!(!watched.take(Event::Apply(object("b", "{}")), &metrics));
        let known = |watched: &Watched| Arc::clone(watched.known.get("team-a", "one").unwrap());
        assert!(Arc::ptr_eq(&first, &known(&watched)));
        // Neither when all are listed again.
        assert!(!watched.take(Event::Init, &metrics));
        assert!(!watched.take(Event::InitApply(object("c", "{}")), &metrics));
        assert!(watched.take(Event::InitDone, &metrics));
        assert!(Arc::ptr_eq(&first, &known(&watched)));
        // Another config is another network, and one that was away is read again.
        assert!(watched.take(Event::Apply(object("c", "[]")), &metrics));
        assert!(!Arc::ptr_eq(&first, &known(&watched)));
        assert!(watched.take(Event::Delete(object("c", "[]")), &metrics));
        assert!(watched.take(Event::Apply(object("c", "[]")), &metrics));
    }

    #[test]
    fn an_outage_keeps_what_is_known() {
        let (mut watched, metrics) = listed(&["one"]);
        for code in [401, 403, 410, 429, 500, 503] {
            assert!(!watched.fault(&WatchStartFailed(status(code)), &metrics));
            assert!(!watched.take(Event::Init, &metrics));
            assert_eq!(watched.known.len(), 1, "{code}");
        }
        // Until there is a list, nothing is known and nothing is published.
        let mut watched = Watched::default();
        assert!(!watched.fault(&InitialListFailed(status(403)), &metrics));
    }

    #[test]
    fn without_a_definition_there_are_no_networks() {
        let (mut watched, metrics) = listed(&["one"]);
        assert!(watched.fault(&WatchStartFailed(status(404)), &metrics));
        assert_eq!(watched.known.len(), 0);
        assert!(!watched.fault(&WatchStartFailed(status(404)), &metrics));
        // Known from the first attempt on: published once.
        let mut watched = Watched::default();
        assert!(watched.fault(&InitialListFailed(status(404)), &metrics));
        assert!(!watched.fault(&InitialListFailed(status(404)), &metrics));
    }

    #[test]
    fn an_error_is_described_in_one_line() {
        let line = described(&status(403));
        assert_eq!(line, "the API server answered 403: not allowed");
    }
}
