//! The routes: the webhooks, which take the bytes of a review and return those of its answer, and
//! health, readiness and metrics.

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
use multinic_core::answer::{Answer, Case, Verdict};
use multinic_core::finding::Level;
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::review::{self, Request, Webhook};
use multinic_core::text::{escape, shorten};
use multinic_core::usage::Usage;
use multinic_core::world::World;
use tokio::sync::watch;

use crate::cert::Certificate;
use crate::cluster::lookup::{Lookup, LookupError};
use crate::duration;
use crate::listen::Phase;
use crate::metrics::Metrics;

mod body;
mod turns;

use turns::Turns;

/// What the routes share.
#[derive(Debug)]
pub struct Server {
    known: Known,
    /// How far the server is from its end.
    phase: watch::Receiver<Phase>,
    metrics: Arc<Metrics>,
    /// Bytes of bodies that may still be held.
    memory: Arc<AtomicUsize>,
    turns: Turns,
}

/// What a review amounts to without waiting for anything.
enum Step {
    /// The body of the answer.
    Answer(Vec<u8>),
    /// Networks have to be looked up first, given as namespace and name. Only the body of the
    /// review is kept meanwhile: what it is read into takes a multiple of that.
    LookUp(Vec<(String, String)>),
}

/// The current state of the server. Each value is replaced as a whole while the server runs.
#[derive(Debug)]
pub struct Known {
    /// What the administrator decided.
    pub config: watch::Receiver<Arc<Policy>>,
    /// The networks; `None` until they are loaded.
    pub networks: watch::Receiver<Option<Arc<Snapshot>>>,
    /// The networks in use; `None` if the Pods are not watched.
    pub usage: watch::Receiver<Option<Arc<Usage>>>,
    /// Where networks that are not among them are looked up.
    pub lookup: Lookup,
    /// The certificate; `None` until there is one.
    pub certificate: watch::Receiver<Option<Arc<Certificate>>>,
    /// Why the API server does not trust the certificate; `None` from the first moment on in which
    /// it does.
    pub distrusted: watch::Receiver<Option<String>>,
}

/// Why a review is not answered.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Body(#[from] body::Error),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error("the networks of the cluster are not loaded yet; try again")]
    NotLoaded,
    #[error("the review was given up because of a defect of multinic")]
    Panic,
    #[error(transparent)]
    Review(#[from] review::Error),
    #[error("the time that the caller allows for the review is over")]
    TooLate,
    #[error("the content type is not application/json")]
    WrongType,
}

/// The time for a review if the caller sets no limit, and the longest limit: the default of
/// `timeoutSeconds`.
pub const LONGEST: Duration = Duration::from_secs(10);

/// The limit of the bodies of all reviews together, in bytes.
pub const MEMORY: usize = 64 << 20;

/// The routes that the API server calls.
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
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "not found; POST to /mutate or /validate\n",
            )
        })
        .with_state(server)
}

/// The routes for health, readiness and metrics.
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
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "not found; GET /healthz, /readyz or /metrics\n",
            )
        })
        .with_state(server)
}

impl Server {
    /// Returns a server with this state that holds at most this many bytes of bodies.
    pub fn new(
        known: Known,
        phase: watch::Receiver<Phase>,
        metrics: Arc<Metrics>,
        memory: usize,
    ) -> Self {
        Self {
            known,
            phase,
            metrics,
            memory: Arc::new(AtomicUsize::new(memory)),
            turns: Turns::default(),
        }
    }

    /// Why no review should be sent here.
    fn unready(&self) -> Option<String> {
        if *self.phase.borrow() > Phase::Serve {
            return Some("the server is shutting down\n".to_owned());
        }
        match &*self.known.certificate.borrow() {
            None => return Some("no certificate yet\n".to_owned()),
            Some(certificate) => {
                if let Some(fault) = &certificate.fault {
                    return Some(format!("{fault}\n"));
                }
            }
        }
        if let Some(why) = &*self.known.distrusted.borrow() {
            return Some(format!("{why}\n"));
        }
        let loaded = self.known.networks.borrow().is_some();
        (!loaded).then(|| "the networks are not loaded yet\n".to_owned())
    }

    async fn review(self: Arc<Self>, webhook: Webhook, request: HttpRequest<Body>) -> Response {
        let start = Instant::now();
        self.metrics.in_flight.inc();
        let _in_flight = InFlight(&self.metrics);
        let trace = trace_parent(request.headers());
        let answered = caught(self.answer(webhook, request, start, trace.as_deref())).await;
        match answered.unwrap_or(Err(Fault::Panic)) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(fault) => self.fault(webhook, &fault, start, trace.as_deref()),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        webhook: Webhook,
        request: HttpRequest<Body>,
        start: Instant,
        trace: Option<&str>,
    ) -> Result<Vec<u8>, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::WrongType);
        }
        let deadline = start + limit(request.uri().query());
        let body = body::read(request, deadline.into(), &self.memory).await?;
        let body = Arc::new(body);
        let networks = self.known.networks.borrow().clone();
        let snapshot = networks.ok_or(Fault::NotLoaded)?;
        let policy = Arc::clone(&self.known.config.borrow());
        let usage = self.known.usage.borrow().clone();
        let mut fetched = None;
        loop {
            let bytes = body.len();
            let (server, body, trace) = (
                Arc::clone(self),
                Arc::clone(&body),
                trace.map(str::to_owned),
            );
            let (snapshot, policy) = (Arc::clone(&snapshot), Arc::clone(&policy));
            let usage = usage.clone();
            let step = move || {
                let has_looked_up = fetched.is_some();
                let world = World {
                    snapshot: &snapshot,
                    fetched: &fetched.unwrap_or_default(),
                    policy: &policy,
                    usage: usage.as_deref(),
                };
                server.step(
                    webhook,
                    &body,
                    &world,
                    has_looked_up,
                    start,
                    trace.as_deref(),
                )
            };
            let turn = self.turns.run(bytes, deadline.into(), step).await;
            match turn.map_err(|_| Fault::TooLate)?.ok_or(Fault::Panic)?? {
                Step::Answer(answer) => return Ok(answer),
                Step::LookUp(names) => {
                    let names: Vec<_> = names.iter().map(|(a, b)| (&**a, &**b)).collect();
                    fetched = Some(self.known.lookup.fetch(&names, deadline).await?);
                }
            }
            if Instant::now() >= deadline {
                return Err(Fault::TooLate);
            }
        }
    }

    /// Answers a review, or finds out what has to be looked up for that.
    fn step(
        &self,
        webhook: Webhook,
        body: &[u8],
        world: &World<'_>,
        has_looked_up: bool,
        start: Instant,
        trace: Option<&str>,
    ) -> Result<Step, Fault> {
        let document = review::read(body)?;
        let request = Request::of(&document)?;
        let case = Case::of(&request, world.policy);
        if !has_looked_up {
            let unknown = case.unknown(world.policy, world.snapshot);
            if !unknown.is_empty() {
                let owned = |(namespace, name): (&str, &str)| (namespace.into(), name.into());
                return Ok(Step::LookUp(unknown.into_iter().map(owned).collect()));
            }
        }
        let answer = case.answer(webhook, world);
        self.report(webhook, &request, &case, &answer, start.elapsed(), trace);
        Ok(Step::Answer(answer.body))
    }

    fn report(
        &self,
        webhook: Webhook,
        request: &Request<'_>,
        case: &Case<'_>,
        answer: &Answer,
        took: Duration,
        trace: Option<&str>,
    ) {
        let verdict = answer.verdict.name();
        self.metrics.review(webhook, &request.kind, verdict, took);
        self.metrics.findings(&answer.findings);
        // A macro for both levels, because a level is part of the code of an event.
        macro_rules! event {
            ($event:ident) => {
                tracing::$event!(
                    webhook = webhook.name(),
                    uid = &*brief(&request.uid),
                    kind = &*brief(&request.kind),
                    namespace = &*brief(&request.namespace),
                    name = &*brief(case.name()),
                    user = &*brief(&request.user),
                    networks = &*escape(&case.networks()),
                    verdict,
                    rules = reporting(answer),
                    micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    traceparent = trace,
                    "review"
                )
            };
        }
        match answer.verdict {
            Verdict::Deny => event!(warn),
            Verdict::Allow | Verdict::Patch | Verdict::Unregistered => event!(info),
        }
    }

    fn fault(
        &self,
        webhook: Webhook,
        fault: &Fault,
        start: Instant,
        trace: Option<&str>,
    ) -> Response {
        self.metrics.review(webhook, "", "error", start.elapsed());
        self.metrics.fault(fault.reason());
        if matches!(fault, Fault::Panic) {
            self.metrics.panics.inc();
        }
        let status = fault.status();
        let text = fault.to_string();
        let error = &*escape(&text);
        tracing::warn!(
            webhook = webhook.name(),
            status = status.as_u16(),
            reason = fault.reason(),
            error,
            traceparent = trace,
            "review not answered"
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
    /// Its name in metrics and logs.
    fn reason(&self) -> &'static str {
        match self {
            Self::Body(body::Error::Busy) => "overload",
            Self::Body(_) => "body",
            Self::Lookup(_) => "lookup",
            Self::NotLoaded => "not-loaded",
            Self::Panic => "panic",
            Self::Review(_) | Self::WrongType => "malformed",
            Self::TooLate => "deadline",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            // The API server shows users the text of a 500, and of no other status.
            Self::Lookup(_) | Self::Panic | Self::TooLate => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotLoaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Review(_) => StatusCode::BAD_REQUEST,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// Counts one review less in flight when it is dropped.
struct InFlight<'a>(&'a Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// A text of the caller in a log line: names are never cut, anything longer is.
fn brief(text: &str) -> Cow<'_, str> {
    /// The longest name in Kubernetes.
    const NAME: usize = 253;
    if text.len() > NAME {
        shorten(text)
    } else {
        escape(text)
    }
}

#[derive(Debug)]
struct Panicked;

/// Returns the result of a future, or that it panicked.
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

/// The `traceparent` header, if it is one (W3C Trace Context: hexadecimal digits and `-`).
fn trace_parent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let fits = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    (text.len() == 55 && text.bytes().all(fits)).then(|| text.to_owned())
}

/// The time for a review: that of `?timeout=`, and [`LONGEST`] at most.
fn limit(query: Option<&str>) -> Duration {
    let mut pairs = query.unwrap_or_default().split('&');
    let timeout = pairs.find_map(|pair| pair.strip_prefix("timeout="));
    timeout
        .and_then(duration::parse)
        .filter(|timeout| !timeout.is_zero())
        .map_or(LONGEST, |timeout| timeout.min(LONGEST))
}

/// The rules that report something, separated by commas.
fn reporting(answer: &Answer) -> String {
    let reported = answer.findings.iter().filter(|one| one.level > Level::Off);
    let mut names: Vec<&str> = reported.map(|finding| finding.rule).collect();
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
