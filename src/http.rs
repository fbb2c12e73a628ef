//! The routes: bytes of a review in, bytes of its answer out; health and metrics beside them.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use multinic_core::answer::{Answer, Case};
use multinic_core::finding::Level;
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::text::{escape, shorten};
use multinic_core::usage::Usage;
use multinic_core::world::World;
use tokio::sync::{Semaphore, watch};

use crate::cert::Certificate;
use crate::cluster::lookup::{Lookup, LookupError};
use crate::duration;
use crate::listen::Phase;
use crate::metrics::Metrics;

mod body;

/// What a review is answered with.
#[derive(Debug)]
pub struct Server {
    /// What the administrator decided.
    pub config: watch::Receiver<Arc<Policy>>,
    /// The known networks; `None` until they are loaded.
    pub networks: watch::Receiver<Option<Arc<Snapshot>>>,
    /// The networks in use; `None` where nobody watches the Pods.
    pub usage: watch::Receiver<Option<Arc<Usage>>>,
    /// The certificate; `None` until there is one.
    pub certificate: watch::Receiver<Option<Arc<Certificate>>>,
    /// Why the API server does not trust the certificate; `None` from the first moment on in which
    /// it does.
    pub distrusted: watch::Receiver<Option<String>>,
    /// Where networks are looked up that the snapshot lacks.
    pub lookup: Lookup,
    /// How far the end is.
    pub phase: watch::Receiver<Phase>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Bytes of bodies that may still be held.
    pub memory: AtomicUsize,
    /// Large reviews are decided one at a time: reading them takes a multiple of their size.
    pub large: Semaphore,
}

/// Why a review has no answer of ours.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Body(#[from] body::Error),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("the networks of the cluster are not loaded yet: retry")]
    NotLoaded,
    #[error("a fault in multinic: the review was given up")]
    Panic,
    #[error(transparent)]
    Review(#[from] review::Error),
    #[error("the deadline of the caller is over")]
    TooLate,
    #[error("the content type must be application/json")]
    WrongType,
}

/// The longest that a review may take where the caller sets no limit: the default of
/// `timeoutSeconds`.
pub const LONGEST: Duration = Duration::from_secs(10);

/// All bodies together, in bytes.
pub const MEMORY: usize = 64 << 20;

/// What the API server calls.
pub fn webhooks(server: Arc<Server>) -> Router {
    let mutate = |State(server): State<Arc<Server>>, request| async move {
        server.review(Webhook::Mutate, request).await
    };
    let validate = |State(server): State<Arc<Server>>, request| async move {
        server.review(Webhook::Validate, request).await
    };
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(validate))
        .fallback(|| async { (StatusCode::NOT_FOUND, "POST to /mutate or /validate\n") })
        .with_state(server)
}

/// Health, readiness and metrics.
pub fn admin(server: Arc<Server>) -> Router {
    let ready = |State(server): State<Arc<Server>>| async move {
        match server.unready() {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        }
    };
    let metrics = |State(server): State<Arc<Server>>| async move {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(header::CONTENT_TYPE, kind)], server.metrics.write())
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(server)
}

impl Server {
    /// Why no review should be sent here.
    fn unready(&self) -> Option<String> {
        if *self.phase.borrow() > Phase::Serve {
            return Some("ending\n".to_owned());
        }
        match &*self.certificate.borrow() {
            None => return Some("no certificate yet\n".to_owned()),
            Some(certificate) => {
                if let Some(fault) = &certificate.fault {
                    return Some(format!("{fault}\n"));
                }
            }
        }
        if let Some(why) = &*self.distrusted.borrow() {
            return Some(format!("{why}\n"));
        }
        let loaded = self.networks.borrow().is_some();
        (!loaded).then(|| "the networks are not loaded yet\n".to_owned())
    }

    async fn review(&self, webhook: Webhook, request: HttpRequest<Body>) -> Response {
        let start = Instant::now();
        self.metrics.in_flight.inc();
        let _in_flight = InFlight(&self.metrics);
        match caught(self.answer(webhook, request, start)).await {
            Ok(Ok(body)) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Ok(Err(fault)) => self.fault(webhook, &fault, start),
            Err(Panicked) => {
                self.metrics.panics.inc();
                self.fault(webhook, &Fault::Panic, start)
            }
        }
    }

    async fn answer(
        &self,
        webhook: Webhook,
        request: HttpRequest<Body>,
        start: Instant,
    ) -> Result<Vec<u8>, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::WrongType);
        }
        let deadline = start + limit(request.uri().query());
        let bytes = body::read(request, deadline.into(), &self.memory).await?;
        let _large = if bytes.len() > body::LARGE {
            let turn = tokio::time::timeout_at(deadline.into(), self.large.acquire()).await;
            Some(turn.map_err(|_| Fault::TooLate)?)
        } else {
            None
        };
        let snapshot = self.networks.borrow().clone().ok_or(Fault::NotLoaded)?;
        let config = Arc::clone(&self.config.borrow());
        let document = review::read(&bytes)?;
        let request = Request::of(&document)?;
        let case = Case::of(&request, &config);
        let unknown = case.unknown(&config, &snapshot);
        let fetched = if unknown.is_empty() {
            multinic_core::network::Fetched::default()
        } else {
            self.lookup.fetch(&unknown, deadline).await?
        };
        if Instant::now() >= deadline {
            return Err(Fault::TooLate);
        }
        let usage = self.usage.borrow().clone();
        let world = World {
            snapshot: &snapshot,
            fetched: &fetched,
            policy: &config,
            usage: usage.as_deref(),
        };
        let answer = case.answer(webhook, &world);
        self.note(webhook, &request, &answer, start.elapsed());
        Ok(answer.body)
    }

    fn note(&self, webhook: Webhook, request: &Request<'_>, answer: &Answer, took: Duration) {
        let verdict = answer.verdict.name();
        self.metrics.review(webhook, &request.kind, verdict, took);
        self.metrics.findings(&answer.findings);
        tracing::info!(
            webhook = webhook.name(),
            uid = &*brief(&request.uid),
            kind = &*brief(&request.kind),
            namespace = &*brief(&request.namespace),
            name = &*brief(request.name.as_deref().unwrap_or_default()),
            verdict,
            rules = heard(answer),
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "review"
        );
    }

    fn fault(&self, webhook: Webhook, fault: &Fault, start: Instant) -> Response {
        self.metrics.review(webhook, "", "error", start.elapsed());
        let status = fault.status();
        let text = fault.to_string();
        let error = &*escape(&text);
        tracing::warn!(
            webhook = webhook.name(),
            status = status.as_u16(),
            error,
            "no review"
        );
        let mut answer = (status, format!("{error}\n")).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let soon = HeaderValue::from_static("1");
            answer.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        answer
    }
}

impl Fault {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            // The API server shows the text of a 500, and of no other.
            Self::Lookup(_) | Self::Panic | Self::TooLate => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotLoaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Review(_) => StatusCode::BAD_REQUEST,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// Counts itself out.
struct InFlight<'a>(&'a Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// What a caller says of an object, in a log line: a name as it is, and a novel cut.
fn brief(text: &str) -> Cow<'_, str> {
    /// The longest name that Kubernetes takes.
    const NAME: usize = 253;
    if text.len() > NAME {
        shorten(text)
    } else {
        escape(text)
    }
}

#[derive(Debug)]
struct Panicked;

/// The result of a future, or that it panicked: then it is over, and only it.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        },
    )
    .await
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// How long a review may take: what `?timeout=` says, and never longer than [`LONGEST`].
fn limit(query: Option<&str>) -> Duration {
    let mut pairs = query.unwrap_or_default().split('&');
    let timeout = pairs.find_map(|pair| pair.strip_prefix("timeout="));
    timeout
        .and_then(duration::parse)
        .filter(|timeout| !timeout.is_zero())
        .map_or(LONGEST, |timeout| timeout.min(LONGEST))
}

/// The rules that are heard, comma separated.
fn heard(answer: &Answer) -> String {
    let heard = answer.findings.iter().filter(|one| one.level > Level::Off);
    let mut names: Vec<&str> = heard.map(|finding| finding.rule).collect();
    names.dedup();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_review() {
        assert!(caught(async { panic!("a rule") }).await.is_err());
        assert_eq!(caught(async { 1 }).await.ok(), Some(1));
    }

    #[test]
    fn timeouts() {
        assert_eq!(limit(Some("timeout=2s")), Duration::from_secs(2));
        assert_eq!(limit(Some("a=b&timeout=500ms")), Duration::from_millis(500));
        for absurd in [
            "",
            "0s",
            "-1s",
            "9999999h",
            "1e300s",
            "soon",
            "1",
            "99999999999999999999s",
        ] {
            assert_eq!(
                limit(Some(&format!("timeout={absurd}"))),
                LONGEST,
                "{absurd}"
            );
        }
        assert_eq!(limit(None), LONGEST);
    }
}
