//! Networks that the snapshot lacks, looked up one by one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use kube::api::Api;
use multinic_core::network::{Fetched, Network};
use tokio::sync::{OnceCell, Semaphore};

use super::object::Object;
use super::watch::{is_absent, said};

/// Where networks are looked up.
#[derive(Debug)]
pub enum Lookup {
    /// In the cluster.
    Cluster(Cluster),
    /// Nowhere: the snapshot is the whole truth, as that of a folder is.
    Nowhere,
}

/// Live GETs to the API server.
pub struct Cluster {
    client: kube::Client,
    /// A burst of reviews must not become a burst on the API server.
    permits: Semaphore,
    under_way: UnderWay,
}

/// The network or that there is none, or why that is not known.
type Answer = Result<Option<Arc<Network>>, String>;

/// One question a name, however many reviews wait for its answer.
#[derive(Default)]
struct UnderWay(Mutex<HashMap<Name, Question>>);

/// Namespace and name.
type Name = (String, String);

/// The answer, with when it was asked for.
type Question = Arc<OnceCell<(Instant, Answer)>>;

/// A review's part in a question. An answered question goes with the first, an unanswered one with the last.
struct Part<'a> {
    of: &'a UnderWay,
    name: &'a Name,
    question: Question,
}

/// Why a look-up has no answer. That a network is not there is an answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot look up network {network}: {problem}")]
pub struct LookupError {
    /// The network, `namespace/name`.
    pub network: String,
    /// Why, in one line.
    pub problem: String,
}

/// GETs at a time.
const MOST_UNDER_WAY: usize = 8;
/// Of one review: a Pod can ask for fifty thousand networks, and the next one waits behind none of them.
const MOST_OF_ONE: usize = 4;

impl Lookup {
    /// Looks up networks, given as namespace and name.
    ///
    /// # Errors
    /// Where one of them has no answer at the deadline.
    pub async fn fetch(
        &self,
        wanted: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Fetched, LookupError> {
        let mut fetched = Fetched::default();
        let Self::Cluster(cluster) = self else {
            return Ok(fetched);
        };
        for some in wanted.chunks(MOST_OF_ONE) {
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
    /// Looks up with this client.
    pub fn new(client: kube::Client) -> Self {
        Self {
            client,
            permits: Semaphore::new(MOST_UNDER_WAY),
            under_way: UnderWay::default(),
        }
    }

    async fn get(&self, namespace: &str, name: &str) -> Answer {
        let name = (namespace.to_owned(), name.to_owned());
        self.under_way.answer(&name, || self.ask(&name)).await
    }

    async fn ask(&self, (namespace, name): &Name) -> Answer {
        let _permit = self.permits.acquire().await;
        let api: Api<Object> = Api::namespaced(self.client.clone(), namespace);
        // None on 404 only: the network is not there, or its very definition.
        match api.get(name).await {
            Ok(found) => Ok(Some(found.network)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(said(&error)),
        }
    }
}

impl UnderWay {
    /// The answer to a question, asked now or being asked.
    ///
    /// That a network is not there is taken only from a question that was asked since the call: it may have
    /// been made after an earlier one, and before the review that calls.
    async fn answer<F>(&self, name: &Name, ask: impl Fn() -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let called = Instant::now();
        loop {
            let part = self.part(name);
            // Whoever comes first asks; if he gives up, the next one asks again.
            let asked = async || (Instant::now(), ask().await);
            let (asked, answer) = part.question.get_or_init(asked).await.clone();
            if asked >= called || !matches!(answer, Ok(None)) {
                return answer;
            }
        }
    }

    fn part<'a>(&'a self, name: &'a Name) -> Part<'a> {
        Part {
            of: self,
            name,
            question: Arc::clone(self.map().entry(name.clone()).or_default()),
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Name, Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let mut map = self.of.map();
        // Under the lock, so that of two who leave at once the last one knows that it is.
        let mine = std::mem::take(&mut self.question);
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
    async fn many_reviews_ask_once() {
        let (under_way, name, asked) = (UnderWay::default(), name(), Cell::new(0));
        let ask = || async {
            asked.set(asked.get() + 1);
            tokio::task::yield_now().await;
            Ok(Some(there()))
        };
        let answers = join_all((0..50).map(|_| under_way.answer(&name, ask))).await;
        assert!(answers.iter().all(|one| matches!(one, Ok(Some(_)))));
        assert_eq!(asked.get(), 1);
        // Nothing is kept: a later review asks again.
        assert!(under_way.map().is_empty());
        assert!(under_way.answer(&name, ask).await.is_ok());
        assert_eq!(asked.get(), 2);
    }

    /// An API server that has no network, and counts how many it is asked for at a time.
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
    async fn a_review_asks_for_a_few_at_a_time() {
        let server = Empty::default();
        let client = kube::Client::new(server.clone(), "default");
        let lookup = Lookup::Cluster(Cluster::new(client));
        let names: Vec<_> = (0..101).map(|number| format!("net-{number}")).collect();
        let wanted: Vec<_> = names.iter().map(|name| ("team-a", &**name)).collect();
        let deadline = Instant::now() + Duration::from_mins(1);
        let fetched = lookup.fetch(&wanted, deadline).await.unwrap();
        assert!(fetched.get("team-a", "net-0").is_none());
        let [asked, _, most] = &*server.0;
        assert_eq!(asked.load(Ordering::SeqCst), names.len());
        assert_eq!(most.load(Ordering::SeqCst), MOST_OF_ONE);
    }

    #[tokio::test]
    async fn the_first_gives_up_and_the_next_asks() {
        let (under_way, name, asked) = (UnderWay::default(), name(), Cell::new(0));
        let ask = || async {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(Some(there()))
        };
        let first = timeout(Duration::from_millis(20), under_way.answer(&name, ask));
        let (first, second) = join(first, under_way.answer(&name, ask)).await;
        assert!(first.is_err());
        assert!(matches!(second, Ok(Some(_))));
        assert_eq!(asked.get(), 2);
        assert!(under_way.map().is_empty());
    }

    #[tokio::test]
    async fn all_give_up_and_nothing_is_left() {
        let (under_way, name) = (UnderWay::default(), name());
        let ask = || std::future::pending::<Answer>();
        let given_up = join_all((0..3).map(|n| {
            let patience = Duration::from_millis(10 * n);
            timeout(patience, under_way.answer(&name, ask))
        }));
        assert!(given_up.await.iter().all(Result::is_err));
        assert!(under_way.map().is_empty());
    }

    #[tokio::test]
    async fn who_came_later_does_not_take_no_for_an_answer() {
        let (under_way, name, asked) = (UnderWay::default(), name(), Cell::new(0));
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
            // The first has asked. Now the network is made, and then this review comes.
            let answer = under_way.answer(&name, ask);
            go_on.notify_one();
            answer.await
        };
        let (first, later) = join(under_way.answer(&name, ask), later).await;
        assert!(matches!(first, Ok(None)));
        assert!(matches!(later, Ok(Some(_))));
        assert_eq!(asked.get(), 2);
        assert!(under_way.map().is_empty());
    }
}
