//! Networks that are not in the snapshot, looked up one by one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use kube::api::Api;
use multinic_core::network::{Fetched, Network};
use tokio::sync::{OnceCell, Semaphore};

use super::object::Object;
use super::watch::{described, is_absent};
use crate::metrics::Metrics;

/// Where networks are looked up.
#[derive(Debug)]
pub enum Lookup {
    /// In the cluster.
    Cluster(Cluster),
    /// Nowhere: the snapshot is complete, as that of a folder is.
    Nowhere,
}

/// Live GETs to the API server.
pub struct Cluster {
    client: kube::Client,
    /// A burst of reviews must not become a burst of requests to the API server.
    permits: Semaphore,
    in_flight: InFlight,
    metrics: Arc<Metrics>,
}

/// The network, or `None` if it does not exist; or why that is not known.
type Outcome = Result<Option<Arc<Network>>, String>;

/// One request per name, however many reviews wait for it.
#[derive(Default)]
struct InFlight(Mutex<HashMap<Name, Shared>>);

/// Namespace and name.
type Name = (String, String);

/// A request that several reviews wait for: its outcome, and when it was sent.
type Shared = Arc<OnceCell<(Instant, Outcome)>>;

/// A review that waits for a request. A request with an outcome is removed by the first of them
/// that is dropped, one without by the last.
struct Waiting<'a> {
    of: &'a InFlight,
    name: &'a Name,
    request: Shared,
}

/// Why a look-up failed. That a network does not exist is not a failure.
#[derive(Debug, thiserror::Error)]
#[error("cannot look up network {network}: {problem}")]
pub struct LookupError {
    /// The network, `namespace/name`.
    pub network: String,
    /// Why, in one line.
    pub problem: String,
}

/// The maximum number of requests in flight.
const MAX_IN_FLIGHT: usize = 8;
/// The maximum of one review: a Pod can request tens of thousands of networks, and other reviews
/// must not wait for all of them.
const MAX_OF_ONE_REVIEW: usize = 4;

impl Lookup {
    /// Looks up networks, given as namespace and name.
    ///
    /// # Errors
    /// If one of the look-ups fails, or is not finished at the deadline.
    pub async fn fetch(
        &self,
        wanted: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Fetched, LookupError> {
        let mut fetched = Fetched::default();
        let Self::Cluster(cluster) = self else {
            return Ok(fetched);
        };
        for some in wanted.chunks(MAX_OF_ONE_REVIEW) {
            let answers = join_all(some.iter().map(|(namespace, name)| async move {
                let answer = tokio::time::timeout_at(deadline.into(), cluster.get(namespace, name));
                answer
                    .await
                    .unwrap_or_else(|_| Err("the API server did not answer in time".to_owned()))
            }));
            for ((namespace, name), answer) in some.iter().zip(answers.await) {
                let network = answer.map_err(|problem| LookupError {
                    network: format!("{namespace}/{name}"),
                    problem,
                })?;
                fetched.insert(namespace, name, network);
            }
        }
        Ok(fetched)
    }
}

impl Cluster {
    /// Returns a place to look up networks with this client.
    pub fn new(client: kube::Client, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            permits: Semaphore::new(MAX_IN_FLIGHT),
            in_flight: InFlight::default(),
            metrics,
        }
    }

    async fn get(&self, namespace: &str, name: &str) -> Outcome {
        let name = (namespace.to_owned(), name.to_owned());
        self.in_flight.outcome(&name, || self.request(&name)).await
    }

    async fn request(&self, name: &Name) -> Outcome {
        let _permit = self.permits.acquire().await;
        let start = Instant::now();
        let outcome = self.send(name).await;
        let result = match &outcome {
            Ok(Some(_)) => "found",
            Ok(None) => "absent",
            Err(_) => "error",
        };
        self.metrics.lookup(result, start.elapsed());
        outcome
    }

    async fn send(&self, (namespace, name): &Name) -> Outcome {
        let api: Api<Object> = Api::namespaced(self.client.clone(), namespace);
        // Absent on 404 only: the network does not exist, or its definition does not.
        match api.get(name).await {
            Ok(found) => Ok(Some(Arc::new(found.network().0))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(described(&error)),
        }
    }
}

impl InFlight {
    /// Returns the outcome of a request for a name: of one that is in flight, or of a new one.
    ///
    /// That a network does not exist is accepted only from a request sent after this call: the
    /// network may have been created after an earlier request, and before the review that calls.
    async fn outcome<F>(&self, name: &Name, send: impl Fn() -> F) -> Outcome
    where
        F: Future<Output = Outcome>,
    {
        let called = Instant::now();
        loop {
            let waiting = self.wait(name);
            // The first review sends the request; if it gives up, the next one sends it again.
            let send = async || (Instant::now(), send().await);
            let (at, outcome) = waiting.request.get_or_init(send).await.clone();
            if at >= called || !matches!(outcome, Ok(None)) {
                return outcome;
            }
        }
    }

    fn wait<'a>(&'a self, name: &'a Name) -> Waiting<'a> {
        Waiting {
            of: self,
            name,
            request: Arc::clone(self.map().entry(name.clone()).or_default()),
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Name, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut map = self.of.map();
        // Under the lock, so that of two that are dropped at once, one is known to be the last.
        let mine = std::mem::take(&mut self.request);
        let same = map
            .get(self.name)
            .is_some_and(|one| Arc::ptr_eq(one, &mine));
        if same && (mine.initialized() || Arc::strong_count(&mine) == 2) {
            map.remove(self.name);
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use futures_util::future::join;
    use hyper::{Request, Response};
    use kube::client::Body;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    fn name() -> Name {
        ("team-a".to_owned(), "net".to_owned())
    }

    fn there() -> Arc<Network> {
        Arc::new(Network::read("net", "", None))
    }

    #[tokio::test]
    async fn many_reviews_send_one_request() {
        let (in_flight, name, asked) = (InFlight::default(), name(), Cell::new(0));
        let ask = || async {
            asked.set(asked.get() + 1);
            tokio::task::yield_now().await;
            Ok(Some(there()))
        };
        let answers = join_all((0..50).map(|_| in_flight.outcome(&name, ask))).await;
        assert!(answers.iter().all(|one| matches!(one, Ok(Some(_)))));
        assert_eq!(asked.get(), 1);
        // Nothing is cached: a later review sends its own request.
        assert!(in_flight.map().is_empty());
        assert!(in_flight.outcome(&name, ask).await.is_ok());
        assert_eq!(asked.get(), 2);
    }

    /// An API server without networks, which counts the requests in flight.
    #[derive(Clone, Default)]
    struct Empty(Arc<[AtomicUsize; 3]>);

    impl tower_service::Service<Request<Body>> for Empty {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let counts = Arc::clone(&self.0);
            Box::pin(async move {
                let [asked, now, most] = &*counts;
                asked.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"none","reason":"NotFound","code":404}"#;
                let answer = Response::builder().status(404);
                Ok(answer.body(Body::from(status.as_bytes().to_vec())).unwrap())
            })
        }
    }

    #[tokio::test]
    async fn a_review_sends_few_requests_at_a_time() {
        let server = Empty::default();
        let client = kube::Client::new(server.clone(), "default");
        let lookup = Lookup::Cluster(Cluster::new(client, Arc::default()));
        let names: Vec<_> = (0..101).map(|number| format!("net-{number}")).collect();
        let wanted: Vec<_> = names.iter().map(|name| ("team-a", &**name)).collect();
        let deadline = Instant::now() + Duration::from_mins(1);
        let fetched = lookup.fetch(&wanted, deadline).await.unwrap();
        assert!(fetched.get("team-a", "net-0").is_none());
        let [asked, _, most] = &*server.0;
        assert_eq!(asked.load(Ordering::SeqCst), names.len());
        assert_eq!(most.load(Ordering::SeqCst), MAX_OF_ONE_REVIEW);
    }

    #[tokio::test]
    async fn when_the_first_gives_up_the_next_sends_the_request() {
        let (in_flight, name, asked) = (InFlight::default(), name(), Cell::new(0));
        let ask = || async {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(Some(there()))
        };
        let first = timeout(Duration::from_millis(20), in_flight.outcome(&name, ask));
        let (first, second) = join(first, in_flight.outcome(&name, ask)).await;
        assert!(first.is_err());
        assert!(matches!(second, Ok(Some(_))));
        assert_eq!(asked.get(), 2);
        assert!(in_flight.map().is_empty());
    }

    #[tokio::test]
    async fn when_all_give_up_nothing_is_left() {
        let (in_flight, name) = (InFlight::default(), name());
        let ask = || std::future::pending::<Outcome>();
        let given_up = join_all((0..3).map(|n| {
            let patience = Duration::from_millis(10 * n);
            timeout(patience, in_flight.outcome(&name, ask))
        }));
        assert!(given_up.await.iter().all(Result::is_err));
        assert!(in_flight.map().is_empty());
    }

    #[tokio::test]
    async fn absence_is_accepted_only_from_a_later_request() {
        let (in_flight, name, asked) = (InFlight::default(), name(), Cell::new(0));
        let go_on = Notify::new();
        let ask = || async {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                go_on.notified().await;
                return Ok(None);
            }
            Ok(Some(there()))
        };
        let later = async {
            // The first request is sent. Now the network is created, and then this review arrives.
            let answer = in_flight.outcome(&name, ask);
            go_on.notify_one();
            answer.await
        };
        let (first, later) = join(in_flight.outcome(&name, ask), later).await;
        assert!(matches!(first, Ok(None)));
        assert!(matches!(later, Ok(Some(_))));
        assert_eq!(asked.get(), 2);
        assert!(in_flight.map().is_empty());
    }
}
