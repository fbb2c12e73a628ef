//! Networks that the snapshot lacks, looked up one by one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use kube::api::{Api, DynamicObject};
use tokio::sync::{OnceCell, Semaphore};

use super::{Fetched, Network, watch};

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
    /// One GET a name, however many reviews wait for it.
    under_way: Mutex<HashMap<(String, String), Answer>>,
}

/// The network or that there is none, or why that is not known.
type Answer = Arc<OnceCell<Result<Option<Arc<Network>>, String>>>;

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
        let answers = join_all(wanted.iter().map(|(namespace, name)| async move {
            let answer = tokio::time::timeout_at(deadline.into(), cluster.get(namespace, name));
            answer
                .await
                .unwrap_or_else(|_| Err("the API server did not answer in time".to_owned()))
        }));
        for ((namespace, name), answer) in wanted.iter().zip(answers.await) {
            let network = answer.map_err(|problem| LookupError {
                network: format!("{namespace}/{name}"),
                problem,
            })?;
            fetched.insert(namespace, name, network);
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
            under_way: Mutex::default(),
        }
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<Arc<Network>>, String> {
        let key = (namespace.to_owned(), name.to_owned());
        let answer = Arc::clone(self.under_way().entry(key.clone()).or_default());
        // Whoever comes first asks; if he gives up, the next one asks again.
        let found = answer
            .get_or_init(|| self.ask(namespace, name))
            .await
            .clone();
        self.under_way().remove(&key);
        found
    }

    async fn ask(&self, namespace: &str, name: &str) -> Result<Option<Arc<Network>>, String> {
        let _permit = self.permits.acquire().await;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &watch::resource());
        // None on 404 only: the network is not there, or its very definition.
        match api.get_opt(name).await {
            Ok(found) => Ok(found.map(|object| Arc::new(watch::network(&object)))),
            Err(error) => Err(error.to_string().replace('\n', " ")),
        }
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Answer>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}
