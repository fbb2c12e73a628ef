//! Networks from the API server, as it tells of them.
//!
//! The first list is published once it is complete; until then nothing is known and the server is
//! not ready. A watch that breaks, an API server that restarts: all are tried again after a pause,
//! and what is known stays meanwhile. Without a definition of networks there are none: that is
//! known too.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_networks};
use multinic_core::network::Snapshot;
use multinic_core::text::escape;
use tokio::sync::watch;

use super::object::Object;
use crate::metrics::{Metrics, What};

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

/// An API server that says nothing for so long is taken for gone. Longer than the minute between the
/// bookmarks of a watch.
const SILENCE: Duration = Duration::from_secs(90);
/// Events that are published together, if so many are there at once.
const BURST: usize = 256;
/// An API server that is away is said so often, not at every attempt.
const REMIND: Duration = Duration::from_mins(1);

/// A client of the API server that a kubeconfig names, or of the cluster that this Pod runs in.
///
/// Certificates, tokens, files of tokens (read again as they are renewed) and `exec` plugins are understood.
///
/// # Errors
/// Where the configuration cannot be read or makes no client. Nothing is asked yet.
pub async fn client(kubeconfig: Option<&Path>) -> Result<kube::Client, Error> {
    let mut config = match kubeconfig {
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
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    Ok(kube::Client::try_from(config)?)
}

/// Publishes the networks of the cluster, for as long as anybody listens.
pub async fn follow(
    client: kube::Client,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    metrics: Arc<Metrics>,
) {
    // Listed in pages: of 100,000 networks, 500 are in memory as they came. With bookmarks, so that a
    // watch goes on after an hour without an event.
    let events = watch_networks(Api::all(client), watcher::Config::default()).default_backoff();
    // What is there at once is published at once: a burst costs one snapshot, a single event waits for none.
    let mut bursts = pin!(events.ready_chunks(BURST));
    let mut followed = Followed::default();
    while let Some(burst) = bursts.next().await {
        let mut changed = false;
        for event in burst {
            changed |= match event {
                Ok(event) => followed.take(event, &metrics),
                Err(error) => followed.fault(&error, &metrics),
            };
        }
        if changed {
            metrics.known(followed.known.len());
            let snapshot = Arc::new(followed.known.clone());
            if publish.send(Some(snapshot)).is_err() {
                return;
            }
        }
    }
}

/// What the events come to.
#[derive(Debug, Default)]
struct Followed {
    known: Snapshot,
    /// A list that is not complete yet.
    listed: Snapshot,
    /// Whether there was a complete one.
    complete: bool,
    /// When it was last said that the API server is away.
    said: Option<Instant>,
}

impl Followed {
    /// Takes an event; whether another state of the networks is known now.
    fn take(&mut self, event: Event<Object>, metrics: &Metrics) -> bool {
        match event {
            // Said before every attempt: no news of the API server.
            Event::Init => {
                self.listed = Snapshot::default();
                return false;
            }
            Event::InitApply(object) => {
                add(&mut self.listed, &object);
                return false;
            }
            Event::InitDone => {
                self.known = std::mem::take(&mut self.listed);
                self.complete = true;
                metrics.reload(What::Networks, true);
                tracing::info!(networks = self.known.len(), "networks listed");
            }
            Event::Apply(object) => add(&mut self.known, &object),
            Event::Delete(object) => self.known.remove(object.namespace(), object.name()),
        }
        self.said = None;
        true
    }

    /// Takes a failed attempt; whether another state of the networks is known now.
    fn fault(&mut self, error: &watcher::Error, metrics: &Metrics) -> bool {
        metrics.reload(What::Networks, false);
        let undefined = cause(error).is_some_and(is_absent);
        if self.said.is_none_or(|said| said.elapsed() >= REMIND) {
            self.said = Some(Instant::now());
            let error = cause(error).map_or_else(|| error.to_string(), said);
            let error = &*escape(&error);
            if undefined {
                tracing::warn!(
                    error,
                    "the cluster has no definition of networks, so there are none: install Multus, or the \
                     CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io; trying on"
                );
            } else {
                tracing::warn!(
                    error,
                    "cannot watch networks: what is known stays; trying on"
                );
            }
        }
        if !undefined {
            return false;
        }
        // Where nothing can be there nothing is, and that is known: the server is as ready as with an empty list.
        let news = !self.complete || !self.known.is_empty();
        self.known = Snapshot::default();
        self.complete = true;
        news
    }
}

/// What the API server said, or what went wrong on the way to it.
pub(crate) fn cause(error: &watcher::Error) -> Option<&kube::Error> {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    match error {
        InitialListFailed(cause) | WatchStartFailed(cause) | WatchFailed(cause) => Some(cause),
        WatchError(_) | NoResourceVersion => None,
    }
}

/// Whether this is what the API server says of an object, or of a kind of objects, that is not there. One that is only
/// starting says 503. Of a kind that is not defined it says no more than the code.
pub(super) fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// An error with what it came from, in one line.
pub(crate) fn said(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) => {
            format!("the API server says {}: {}", status.code, status.message)
        }
        _ => chain(error),
    };
    text.replace('\n', " ")
}

/// An error with its sources, nothing twice.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn add(snapshot: &mut Snapshot, object: &Object) {
    if let Some(why) = &object.unreadable {
        tracing::warn!(
            namespace = &*escape(object.namespace()),
            name = &*escape(object.name()),
            error = &*escape(why),
            "a network that nobody can read: Pods that ask for it are refused"
        );
    }
    if !object.name().is_empty() {
        snapshot.insert(
            object.namespace(),
            object.name(),
            Arc::clone(&object.network),
        );
    }
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
            Status::failure("said\nso", "Reason")
                .with_code(code)
                .boxed(),
        )
    }

    fn listed(names: &[&str]) -> (Followed, Metrics) {
        let (mut followed, metrics) = (Followed::default(), Metrics::new());
        assert!(!followed.take(Event::Init, &metrics));
        for name in names {
            // A list that is not complete is not known.
            assert!(!followed.take(Event::InitApply(object(name)), &metrics));
            assert_eq!(followed.known.len(), 0);
        }
        assert!(followed.take(Event::InitDone, &metrics));
        (followed, metrics)
    }

    #[test]
    fn events_come_to_a_snapshot() {
        let (mut followed, metrics) = listed(&["one", "two"]);
        assert!(followed.take(Event::Apply(object("three")), &metrics));
        assert!(followed.take(Event::Delete(object("one")), &metrics));
        let mut names: Vec<_> = followed.known.names("team-a").collect();
        names.sort_unstable();
        assert_eq!(names, ["three", "two"]);
    }

    #[test]
    fn an_outage_keeps_what_is_known() {
        let (mut followed, metrics) = listed(&["one"]);
        for code in [401, 403, 410, 429, 500, 503] {
            assert!(!followed.fault(&WatchStartFailed(status(code)), &metrics));
            assert!(!followed.take(Event::Init, &metrics));
            assert_eq!(followed.known.len(), 1, "{code}");
        }
        // Until there is a list nothing is known, and nothing is published.
        let mut followed = Followed::default();
        assert!(!followed.fault(&InitialListFailed(status(403)), &metrics));
    }

    #[test]
    fn without_a_definition_there_are_no_networks() {
        let (mut followed, metrics) = listed(&["one"]);
        assert!(followed.fault(&WatchStartFailed(status(404)), &metrics));
        assert_eq!(followed.known.len(), 0);
        assert!(!followed.fault(&WatchStartFailed(status(404)), &metrics));
        // Known from the first attempt on: published once.
        let mut followed = Followed::default();
        assert!(followed.fault(&InitialListFailed(status(404)), &metrics));
        assert!(!followed.fault(&InitialListFailed(status(404)), &metrics));
    }

    #[test]
    fn what_is_said_is_one_line() {
        assert_eq!(said(&status(403)), "the API server says 403: said so");
    }
}
