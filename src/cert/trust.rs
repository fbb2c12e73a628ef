//! Keeps together what this replica serves and what the API server trusts.
//!
//! In the built-in mode this carries out the [plan](multinic_core::authority): it reads and writes the Secret
//! of the authorities and the `caBundle` of the webhook configurations, and signs the certificate
//! that is served. With a certificate from files it writes the CA that was supplied, or only looks
//! whether the API server trusts the certificate.
//!
//! Everything is watched by name, and read anew once a minute. Writes are optimistic: where an
//! object is no longer as it was read, it is read again and everything is planned anew.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{FutureExt as _, StreamExt as _};
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::sync::watch;

mod bundle;
mod object;
mod objects;
mod reports;
mod secret;

pub use object::{Kind, Reference};

use super::Certificate;
use super::sign::Authority;
use crate::cluster;
use crate::crypto;
use crate::metrics::Metrics;
use bundle::Bundle;
use multinic_core::authority::{
    self, Configuration, Entry, Memory, Now, Observed, Terms, WriteBundle,
};
use object::{Registration, Secret};
use objects::{Change, Failure};
use reports::Reports;
use secret::SecretState;

/// Under which name the API server notes what is written here.
pub const FIELD_MANAGER: &str = "multinic-ca";

/// Who makes the certificate, and who tells the API server to trust it.
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
    /// Both are done by others: it is only looked whether they fit.
    Watched,
}

/// What is kept together.
#[derive(Debug)]
pub struct Settings {
    /// Who does what.
    pub mode: Mode,
    /// The webhook configurations by which this server is called.
    pub configurations: Vec<Reference>,
    /// The names by which this server is called.
    pub names: Vec<ServerName<'static>>,
    /// The certificate that is served.
    pub certificate: watch::Receiver<Option<Arc<Certificate>>>,
    /// Why this replica is not ready for its first review; `None` from the first moment on in which
    /// everybody trusts it.
    pub distrusted: watch::Sender<Option<String>>,
    /// How long things last.
    pub terms: Terms,
    /// Seconds that the wall clock is off, for tests.
    pub clock_offset: i64,
}

/// An event of a watch: the object as it is now, or `None` where it is gone.
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
    /// `None` where it does not exist.
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
/// Between two looks at everything that follow each other as fast as they may.
const PAUSE: Duration = Duration::from_millis(500);
/// Plans that are carried out one after the other without a look at events.
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
    // Without a watch there is nothing to wait for but time.
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
                    // What is there at once is looked at together.
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

    // --- time -------------------------------------------------------------------------------------

    fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// Seconds since 1970.
    fn wall(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
        now + self.settings.clock_offset
    }

    /// What the wall clock showed at the start if it had gone evenly.
    fn wall_start(&self) -> i64 {
        self.wall() - i64::try_from(self.uptime().as_secs()).unwrap_or(0)
    }

    fn now(&self) -> Now {
        Now {
            wall: self.wall(),
            uptime: self.uptime(),
        }
    }

    // --- reading ----------------------------------------------------------------------------------

    async fn take(&mut self, event: Event) {
        match event {
            Event::Secret(Ok(Some(secret))) => self.see_secret(Some(secret)),
            // What is gone may be back: it is asked for.
            Event::Secret(Ok(None)) => self.look_at_secret().await,
            Event::Secret(Err(error)) => self.cannot_watch("the Secret of the authorities", &error),
            Event::Registration(index, Ok(Some(object))) => {
                self.see_registration(index, Some(object));
            }
            Event::Registration(index, Ok(None)) => self.look_at_registration(index).await,
            Event::Registration(index, Err(error)) => {
                let reference = &self.registrations[index].reference;
                let what = format!("the webhook configuration {reference}");
                self.cannot_watch(&what, &error);
            }
        }
    }

    fn cannot_watch(&mut self, what: &str, error: &watcher::Error) {
        let error = cluster::watch::cause(error)
            .map_or_else(|| error.to_string(), cluster::watch::described);
        let text =
            format!("cannot watch {what}, which is read once a minute all the same: {error}");
        self.reports.remind(what, &text, self.start.elapsed());
    }

    /// Reads everything.
    async fn look(&mut self) {
        self.look_at_secret().await;
        for index in 0..self.registrations.len() {
            self.look_at_registration(index).await;
        }
    }

    async fn look_at_secret(&mut self) {
        let Some((api, name)) = self.secret.target() else {
            return;
        };
        let action = format!("cannot read the Secret {name}");
        match objects::get(&api, &name).await {
            Ok(secret) => {
                self.reports.done(&action);
                self.see_secret(secret);
            }
            Err(failure) => self.reports.failed(&action, failure, self.start.elapsed()),
        }
    }

    async fn look_at_registration(&mut self, index: usize) {
        let one = &self.registrations[index];
        let action = format!("cannot read the webhook configuration {}", one.reference);
        match objects::get(&one.api, &one.reference.name).await {
            Ok(object) => {
                self.reports.done(&action);
                self.see_registration(index, object);
            }
            Err(failure) => self.reports.failed(&action, failure, self.start.elapsed()),
        }
    }

    fn see_secret(&mut self, secret: Option<Secret>) {
        self.secret.see(secret, &self.settings.names);
        self.note();
    }

    fn see_registration(&mut self, index: usize, object: Option<Registration>) {
        let at = self.uptime();
        let one = &mut self.registrations[index];
        if let (
            Some(object),
            Some(Seen {
                object: Some((seen, _)),
                ..
            }),
        ) = (&object, &one.seen)
            && is_older(
                object.metadata.resource_version.as_deref(),
                seen.metadata.resource_version.as_deref(),
            )
        {
            return; // a watch that is late
        }
        let object = object.map(|object| {
            let text = |one: &object::Webhook| one.client_config.ca_bundle.clone();
            let texts = object.webhooks.iter().map(text);
            let bundles = texts.map(Bundle::read).collect();
            (object, bundles)
        });
        one.seen = Some(Seen { at, object });
        self.note();
    }

    /// Every read is noted, so that no break goes unseen.
    fn note(&mut self) {
        if let Mode::Supplied { ca } = &self.settings.mode {
            self.supplied = bundle::parse(&ca.borrow());
            let supplied = self.supplied.iter().map(|one| one.0);
            self.memory.supply(supplied);
        }
        let observed = self.observed();
        self.memory.note(&observed, &self.settings.terms);
    }

    fn observed(&self) -> Observed {
        let configuration = |one: &RegistrationState| match &one.seen {
            None => Configuration::Unread,
            Some(Seen { at, object: None }) => Configuration::Absent { at: *at },
            Some(Seen {
                at,
                object: Some((object, bundles)),
            }) => {
                let entries = object.webhooks.iter().zip(bundles);
                let entries = entries.map(|(webhook, bundle)| Entry {
                    name: webhook.name.clone(),
                    certificates: bundle.certificates.iter().map(|one| one.0).collect(),
                    tidy: bundle.tidy,
                });
                Configuration::Present {
                    at: *at,
                    entries: entries.collect(),
                }
            }
        };
        Observed {
            now: self.now(),
            secret: self.secret.observed(),
            configurations: self.registrations.iter().map(configuration).collect(),
        }
    }

    // --- carrying out -----------------------------------------------------------------------------

    /// Plans and carries out, until there is nothing to do; when to look again, as uptime.
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

    /// Signs a certificate, unless the one that is served is as good.
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

    /// Declares this replica ready as soon as everybody trusts it.
    fn admit(&mut self, plan: &authority::Plan) {
        if !self.ready {
            let why = self.distrust(plan);
            self.ready = why.is_none();
            let sender = &self.settings.distrusted;
            sender.send_if_modified(|old| {
                let new = *old != why;
                *old = why;
                new
            });
        }
        if let (true, Some(leaf)) = (self.ready, &self.leaf) {
            self.memory.served(leaf.by);
        }
    }

    /// Who does not trust the certificate that is served.
    fn distrust(&self, plan: &authority::Plan) -> Option<String> {
        let certificate = self.settings.certificate.borrow().clone();
        let Some(certificate) = certificate else {
            return Some("there is no certificate yet".to_owned());
        };
        for one in &self.registrations {
            let name = &one.reference;
            match &one.seen {
                None => return Some(format!("{name} could not be read yet")),
                Some(seen) => {
                    if let Some((entry, why)) = self.rejection(seen, &certificate.key.cert) {
                        return Some(format!(
                            "the API server would not trust this server for {entry} of {name}: \
                             with its caBundle the certificate {why}"
                        ));
                    }
                }
            }
        }
        let built_in = matches!(self.settings.mode, Mode::BuiltIn { .. });
        (built_in && !plan.published).then(|| "the authority is not published yet".to_owned())
    }

    /// The first entry whose bundle does not verify the chain, and why.
    fn rejection(
        &self,
        seen: &Seen,
        chain: &[CertificateDer<'static>],
    ) -> Option<(String, String)> {
        let (object, bundles) = seen.object.as_ref()?;
        let now = self.wall();
        object
            .webhooks
            .iter()
            .zip(bundles)
            .find_map(|(webhook, bundle)| {
                let mut roots = RootCertStore::empty();
                for (_, der) in &bundle.certificates {
                    // Go's clients trust a certificate that is in the bundle itself, of whatever kind.
                    if Some(der) == chain.first() {
                        return None;
                    }
                    let _ = roots.add(der.clone());
                }
                let why = crypto::verify(chain, &roots, now).err()?;
                Some((webhook.name.clone(), why.to_string()))
            })
    }

    fn report(&mut self, plan: &authority::Plan) {
        let now = self.wall();
        if matches!(self.settings.mode, Mode::BuiltIn { .. }) {
            let known: Vec<_> = self
                .memory
                .known()
                .filter(|one| one.not_after > now)
                .collect();
            self.metrics
                .certificates
                .authorities(known.len(), known.last().map(|one| one.not_after));
        }
        let certificate = self.settings.certificate.borrow().clone();
        for (one, in_sync) in self.registrations.iter().zip(&plan.in_sync) {
            let in_sync = match self.settings.mode {
                Mode::Watched => one.seen.as_ref().is_some_and(|seen| {
                    let chain = certificate.as_ref().map(|one| &*one.key.cert);
                    seen.object.is_some()
                        && self.rejection(seen, chain.unwrap_or_default()).is_none()
                }),
                Mode::BuiltIn { .. } | Mode::Supplied { .. } => *in_sync,
            };
            self.metrics
                .certificates
                .in_sync(&one.reference.to_string(), in_sync);
        }
        self.metrics.certificates.disputed(plan.disputed);
        if plan.disputed {
            self.report_dispute();
        }
    }

    fn report_dispute(&mut self) {
        for (index, entry) in self.memory.disputed() {
            let Some(one) = self.registrations.get(index) else {
                continue;
            };
            let seen = one.seen.as_ref().and_then(|seen| seen.object.as_ref());
            let writer = seen.and_then(|(object, _)| object.writer(entry));
            let writer = writer.unwrap_or("unknown").to_owned();
            let what = format!("{entry} of the webhook configuration {}", one.reference);
            let text = format!(
                "somebody else changes caBundle of {what} again and again (field manager {writer}), \
                 so it is put right once a minute only: let one of the two go"
            );
            self.reports.remind(&what, &text, self.start.elapsed());
        }
    }

    /// Whether something was written or read anew, so that it is worth planning again.
    async fn write_secret(&mut self, write: authority::WriteSecret, look: &mut Duration) -> bool {
        let Some((api, name)) = self.secret.target() else {
            return false;
        };
        let action = format!("cannot write the Secret {name}");
        if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
            *look = until.min(*look);
            return false;
        }
        let minted = if write.mint {
            let (names, now) = (self.settings.names.clone(), self.wall());
            let terms = self.settings.terms;
            let minted = tokio::task::spawn_blocking(move || Authority::mint(&names, &terms, now));
            match minted.await {
                Ok(Ok(minted)) => Some(minted),
                Ok(Err(error)) => {
                    let failure = Failure::Other(error.to_string());
                    let at = self.start.elapsed();
                    self.reports.failed("cannot make an authority", failure, at);
                    return false;
                }
                Err(_) => return false,
            }
        } else {
            None
        };
        let secret = self.secret.with(&write.authorities, minted.as_ref());
        match objects::put(&api, &name, &secret).await {
            Ok(secret) => {
                self.reports.done(&action);
                if let Some(one) = &minted {
                    tracing::info!(
                        authority = short(&one.facts),
                        "made an authority and stored it in the Secret {name}"
                    );
                } else {
                    tracing::warn!("restored authorities that the Secret {name} had lost");
                }
                self.see_secret(Some(secret));
                true
            }
            Err(Failure::Changed) if self.reports.conflict(&action) => {
                self.look_at_secret().await;
                true
            }
            Err(failure) => {
                self.reports.failed(&action, failure, self.start.elapsed());
                if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
                    *look = until.min(*look);
                }
                false
            }
        }
    }

    async fn write_bundles(&mut self, writes: Vec<WriteBundle>, look: &mut Duration) -> bool {
        let mut by_configuration: BTreeMap<usize, Vec<WriteBundle>> = BTreeMap::new();
        for write in writes {
            by_configuration
                .entry(write.configuration)
                .or_default()
                .push(write);
        }
        let mut wrote = false;
        for (index, writes) in by_configuration {
            wrote |= self.write_bundle(index, &writes, look).await;
        }
        wrote
    }

    async fn write_bundle(
        &mut self,
        index: usize,
        writes: &[WriteBundle],
        look: &mut Duration,
    ) -> bool {
        let one = &self.registrations[index];
        let what = one.reference.to_string();
        let action = format!("cannot write caBundle of the webhook configuration {what}");
        if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
            *look = until.min(*look);
            return false;
        }
        let Some(Seen {
            object: Some((object, bundles)),
            ..
        }) = &one.seen
        else {
            return false;
        };
        let entries = object.webhooks.iter().zip(bundles).enumerate();
        let changes: Vec<Change<'_>> = entries
            .filter_map(|(index, (webhook, old))| {
                let write = writes.iter().find(|write| write.entry == webhook.name)?;
                let new = write.certificates.iter().map(|one| self.certificate(one));
                let new = new.collect::<Option<Vec<_>>>()?;
                Some(Change {
                    index,
                    name: &webhook.name,
                    old,
                    new: bundle::write(new),
                })
            })
            .collect();
        if changes.is_empty() {
            return false;
        }
        match objects::patch(&one.api, &one.reference.name, &changes).await {
            Ok(object) => {
                self.reports.done(&action);
                let repairs = writes.iter().filter(|write| write.repair).count();
                self.metrics.certificates.repaired(repairs);
                if repairs > 0 {
                    let entries = names(writes);
                    tracing::warn!(
                        configuration = what,
                        entries,
                        "put a changed caBundle right"
                    );
                } else {
                    let entries = names(writes);
                    tracing::info!(configuration = what, entries, "wrote caBundle");
                }
                self.see_registration(index, Some(object));
                true
            }
            Err(Failure::Changed) if self.reports.conflict(&action) => {
                self.look_at_registration(index).await;
                true
            }
            Err(failure) => {
                self.reports.failed(&action, failure, self.start.elapsed());
                if let Some(until) = self.reports.pause(&action, self.start.elapsed()) {
                    *look = until.min(*look);
                }
                false
            }
        }
    }

    /// The certificate itself, from wherever it was read.
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

/// Versions are opaque, and numbers on every API server: what is not a number is not older.
fn is_older(this: Option<&str>, that: Option<&str>) -> bool {
    let number = |version: Option<&str>| version?.parse::<u64>().ok();
    matches!((number(this), number(that)), (Some(this), Some(that)) if this < that)
}

/// Enough of a fingerprint to tell authorities apart in a log.
fn short(authority: &authority::Certificate) -> String {
    crypto::hex(authority.id.0.iter().take(4))
}

fn names(writes: &[WriteBundle]) -> String {
    let names: Vec<_> = writes.iter().map(|write| &*write.entry).collect();
    names.join(", ")
}
