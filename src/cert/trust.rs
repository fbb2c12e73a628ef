//! Keeps together what this replica serves and what the API server trusts.
//!
//! In the built-in mode this carries out the [plan](multinic_core::authority): it reads and writes
//! the Secret of the authorities and the `caBundle` of the webhook configurations, and signs the
//! certificate that is served. With a certificate from files it writes the CA that was supplied, or
//! only checks whether the API server trusts the certificate.
//!
//! Everything is watched by name, and read again once a minute. Writes are optimistic: if an object
//! is no longer as it was read, it is read again and planned again.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{FutureExt as _, StreamExt as _};
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::sync::watch;

mod bundle;
mod object;
mod objects;
mod readiness;
mod reading;
mod reports;
mod secret;
mod writing;

pub use object::{Kind, Reference};

use super::Certificate;
use super::sign::Authority;
use crate::crypto;
use crate::metrics::Metrics;
use bundle::Bundle;
use multinic_core::authority::{self, Memory, Now, Terms};
use object::{Registration, Secret};
use objects::Failure;
use reports::Reports;
use secret::SecretState;

/// The field manager of what is written here.
pub const FIELD_MANAGER: &str = "multinic-ca";

/// Which component makes the certificate, and which one writes `caBundle`.
#[derive(Debug)]
pub enum Mode {
    /// Both are done here. Authorities are kept in this Secret.
    BuiltIn {
        /// Its namespace.
        namespace: String,
        /// Its name.
        secret: String,
        /// Where the certificate is published.
        publish: watch::Sender<Option<Arc<Certificate>>>,
    },
    /// The certificate is supplied, and so is the CA (in PEM) that is written into the bundles.
    Supplied {
        /// The CA.
        ca: watch::Receiver<Arc<Vec<u8>>>,
    },
    /// Both are done by others: multinic only checks whether they match.
    Watched,
}

/// What [`keep`] works on.
#[derive(Debug)]
pub struct Settings {
    /// How the certificate is made and trusted.
    pub mode: Mode,
    /// The webhook configurations by which this server is called.
    pub configurations: Vec<Reference>,
    /// The names by which this server is called.
    pub names: Vec<ServerName<'static>>,
    /// The certificate that is served.
    pub certificate: watch::Receiver<Option<Arc<Certificate>>>,
    /// Why this replica is not ready for its first review; `None` from the moment at which
    /// every entry trusts it.
    pub distrusted: watch::Sender<Option<String>>,
    /// Lifetimes and delays.
    pub terms: Terms,
    /// Seconds that the wall clock is off, for tests.
    pub clock_offset: i64,
}

/// An event of a watch: the object as it is now, or `None` if it is gone.
enum Event {
    Secret(Result<Option<Secret>, watcher::Error>),
    Registration(usize, Result<Option<Registration>, watcher::Error>),
}

/// The program's side of the plan.
struct Trust {
    settings: Settings,
    metrics: Arc<Metrics>,
    start: Instant,
    secret: SecretState,
    registrations: Vec<RegistrationState>,
    memory: Memory,
    /// The CA certificates that were supplied.
    supplied: Vec<(authority::Certificate, CertificateDer<'static>)>,
    /// What is served, in the built-in mode.
    leaf: Option<Leaf>,
    ready: bool,
    reports: Reports,
}

struct RegistrationState {
    reference: Reference,
    api: Api<Registration>,
    seen: Option<Seen>,
}

/// A configuration as it was read last.
struct Seen {
    /// As uptime.
    at: Duration,
    /// `None` if it does not exist.
    object: Option<(Registration, Vec<Bundle>)>,
}

struct Leaf {
    by: authority::Certificate,
    bridge: Option<authority::Certificate>,
    made: i64,
    not_after: i64,
}

/// The wall clock is compared with the uptime this often: a machine that was suspended, or a clock
/// that was set, changes what is valid.
const TICK: Duration = Duration::from_secs(1);
/// The shortest time between two reads of everything.
const PAUSE: Duration = Duration::from_millis(500);
/// The maximum number of plans that are carried out in a row without reading events.
const MAX_STEPS: usize = 20;

/// Keeps served and trusted certificates together, for as long as the program runs.
pub async fn keep(client: kube::Client, settings: Settings, metrics: Arc<Metrics>) {
    let mut watches: SelectAll<BoxStream<'_, Event>> = SelectAll::new();
    let mut trust = Trust::new(client, settings, metrics);
    if let Some((api, name)) = trust.secret.target() {
        let events = watcher::watch_object(api, &name).default_backoff();
        watches.push(events.map(Event::Secret).boxed());
    }
    for (index, one) in trust.registrations.iter().enumerate() {
        let events = watcher::watch_object(one.api.clone(), &one.reference.name);
        let events = events.default_backoff();
        watches.push(
            events
                .map(move |event| Event::Registration(index, event))
                .boxed(),
        );
    }
    // Without a watch, only time can change the plan.
    watches.push(stream::pending().boxed());
    let mut supplied = match &trust.settings.mode {
        Mode::Supplied { ca } => Some(ca.clone()),
        Mode::BuiltIn { .. } | Mode::Watched => None,
    };
    let mut look = Duration::ZERO;
    loop {
        if trust.uptime() >= look {
            trust.look().await;
        }
        let planned = trust.work().await;
        look = planned.max(trust.uptime() + PAUSE);
        let wall = trust.wall_start();
        loop {
            let wait = look.saturating_sub(trust.uptime()).min(TICK);
            let changed = async {
                match &mut supplied {
                    Some(ca) => ca.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            let mut changed = pin!(changed);
            tokio::select! {
                event = watches.next() => {
                    if let Some(event) = event {
                        trust.take(event).await;
                    }
                    // Events that are available at once are handled together.
                    while let Some(Some(event)) = watches.next().now_or_never() {
                        trust.take(event).await;
                    }
                    break;
                }
                _ = &mut changed => break,
                () = tokio::time::sleep(wait) => {}
            }
            if trust.uptime() >= look || (trust.wall_start() - wall).abs() > 1 {
                break;
            }
        }
    }
}

impl Trust {
    fn new(client: kube::Client, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let registration = |reference: &Reference| RegistrationState {
            reference: reference.clone(),
            api: objects::registrations(client.clone(), reference),
            seen: None,
        };
        Self {
            registrations: settings.configurations.iter().map(registration).collect(),
            secret: match &settings.mode {
                Mode::BuiltIn {
                    namespace, secret, ..
                } => SecretState::new(objects::secrets(client, namespace), secret),
                Mode::Supplied { .. } | Mode::Watched => SecretState::none(),
            },
            settings,
            metrics,
            start: Instant::now(),
            memory: Memory::default(),
            supplied: Vec::new(),
            leaf: None,
            ready: false,
            reports: Reports::default(),
        }
    }

    fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// Seconds since 1970.
    fn wall(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
        now + self.settings.clock_offset
    }

    /// The wall-clock time of the start, if the clock was never set since.
    fn wall_start(&self) -> i64 {
        self.wall() - i64::try_from(self.uptime().as_secs()).unwrap_or(0)
    }

    fn now(&self) -> Now {
        Now {
            wall: self.wall(),
            uptime: self.uptime(),
        }
    }

    /// Plans and carries out until nothing is left to do. Returns when to look again, as uptime.
    async fn work(&mut self) -> Duration {
        let mut look = Duration::ZERO;
        for _ in 0..MAX_STEPS {
            self.note();
            let plan = authority::plan(&self.observed(), &self.memory, &self.settings.terms);
            look = plan.look;
            if let (Mode::BuiltIn { .. }, Some(by)) = (&self.settings.mode, plan.serve) {
                self.serve(by, plan.bridge).await;
            }
            self.admit(&plan);
            self.report(&plan);
            let mut wrote = false;
            if let Some(write) = plan.secret {
                wrote = self.write_secret(write, &mut look).await;
            }
            if !wrote {
                wrote = self.write_bundles(plan.bundles, &mut look).await;
            }
            if !wrote {
                break;
            }
        }
        look
    }

    /// Signs a certificate, unless the one that is served is equivalent and not due.
    async fn serve(&mut self, by: authority::Certificate, bridge: Option<authority::Certificate>) {
        let now = self.wall();
        let terms = &self.settings.terms;
        let due = self.leaf.as_ref().is_none_or(|leaf| {
            let lasts = !terms.leaf_is_due(leaf.made, leaf.not_after, now);
            (leaf.by, leaf.bridge) != (by, bridge) || (!lasts && by.not_after > now)
        });
        let Mode::BuiltIn { publish, .. } = &self.settings.mode else {
            return;
        };
        let Some(authority) = self.secret.authority(&by).filter(|_| due) else {
            return;
        };
        let predecessor = bridge.and_then(|one| self.secret.authority(&one));
        let names = self.settings.names.clone();
        let valid = (now - authority::BACKDATE, now + terms.leaf_life);
        let signed = tokio::task::spawn_blocking(move || {
            authority.leaf(predecessor.as_deref(), &names, valid)
        });
        match signed.await {
            Ok(Ok(certificate)) => {
                let not_after = certificate.not_after;
                self.leaf = Some(Leaf {
                    by,
                    bridge,
                    made: now,
                    not_after,
                });
                self.metrics.certificates.published(not_after);
                publish.send_replace(Some(Arc::new(certificate)));
                tracing::info!(
                    authority = short(&by),
                    "signed a certificate for this replica"
                );
            }
            Ok(Err(error)) => {
                let at = self.start.elapsed();
                let failure = Failure::Other(error.to_string());
                self.reports
                    .failed("cannot sign a certificate", failure, at);
            }
            Err(_) => {} // the program ends
        }
    }

    /// The certificate with these facts, from any object that was read.
    fn certificate(&self, facts: &authority::Certificate) -> Option<&CertificateDer<'static>> {
        if let Some(der) = self.secret.certificate(facts) {
            return Some(der);
        }
        let seen = self
            .registrations
            .iter()
            .filter_map(|one| one.seen.as_ref());
        let bundles = seen
            .filter_map(|seen| seen.object.as_ref())
            .flat_map(|one| &one.1);
        let read = bundles.flat_map(|bundle| &bundle.certificates);
        let mut certificates = self.supplied.iter().chain(read);
        let found = certificates.find(|(one, _)| one == facts);
        found.map(|(_, der)| der)
    }
}

/// As much of a fingerprint as distinguishes authorities in a log.
fn short(authority: &authority::Certificate) -> String {
    crypto::hex(authority.id.0.iter().take(4))
}
