//! Metrics, in the OpenMetrics text format. `docs/metrics.md` describes each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use multinic_core::finding::{Finding, Level};
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::usage::Usage;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

mod certificates;

pub use certificates::Certificates;

/// All metrics of the server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    findings: Family<Rule, Counter>,
    faults: Family<Reason, Counter>,
    duration: Histogram,
    /// Reviews that are being answered.
    pub in_flight: Gauge,
    networks: Gauge,
    networks_changed: Gauge<f64, AtomicU64>,
    /// Certificates, and whether they are trusted.
    pub certificates: Certificates,
    snapshot_age: Gauge<f64, AtomicU64>,
    /// When the known networks were last confirmed, in milliseconds since 1970.
    confirmed: AtomicU64,
    lookups: Family<Lookup, Counter>,
    lookup_duration: Histogram,
    config: Family<InForce, Gauge>,
    config_generation: Gauge,
    reloads: Family<Reload, Counter>,
    /// Reviews that ended in a panic.
    pub panics: Counter,
    /// Log lines that nothing read.
    pub log_lines_lost: Counter,
    in_use: NetworksInUse,
}

mod usage;

use usage::{NetworksInUse, Sources};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Review {
    webhook: &'static str,
    kind: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Rule {
    rule: &'static str,
    level: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Lookup {
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct InForce {
    enforcement: &'static str,
    hash: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Reload {
    what: &'static str,
    result: &'static str,
}

/// What is loaded again while the server runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reloaded {
    /// The CA that the API server is to trust.
    CaBundle,
    /// Certificate and key.
    Certificate,
    /// The client CA.
    ClientCa,
    /// The configuration.
    Config,
    /// The networks.
    Networks,
}

impl Reloaded {
    /// For log lines.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::CaBundle => "the CA that the API server is to trust",
            Self::Certificate => "the certificate",
            Self::ClientCa => "the client CA",
            Self::Config => "the configuration",
            Self::Networks => "the networks",
        }
    }
}

/// The version of multinic.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built, if the build names it in `MULTINIC_REVISION`.
const REVISION: &str = match option_env!("MULTINIC_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The values of the label `kind`; every other kind is `other`, because a caller could name any
/// number of them.
const KINDS: [&str; 14] = [
    "Pod",
    "NetworkAttachmentDefinition",
    "Binding",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "VirtualMachine",
    "VirtualMachineInstance",
];

/// In seconds: a review takes tens of microseconds, and milliseconds with a look-up.
const BUCKETS: [f64; 13] = [
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 0.25, 1.0, 5.0,
];

impl Metrics {
    /// Returns metrics that have counted nothing.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            reviews: Family::default(),
            findings: Family::default(),
            faults: Family::default(),
            duration: Histogram::new(BUCKETS),
            in_flight: Gauge::default(),
            networks: Gauge::default(),
            networks_changed: Gauge::default(),
            certificates: Certificates::default(),
            snapshot_age: Gauge::default(),
            // Until there is a first snapshot, its age is that of the server.
            confirmed: AtomicU64::new(milliseconds()),
            lookups: Family::default(),
            lookup_duration: Histogram::new(BUCKETS),
            config: Family::default(),
            config_generation: Gauge::default(),
            reloads: Family::default(),
            panics: Counter::default(),
            log_lines_lost: Counter::default(),
            in_use: NetworksInUse::default(),
        };
        metrics.registry = metrics.register();
        metrics
    }

    fn register(&self) -> Registry {
        let mut all = Registry::default();
        all.register_collector(Box::new(self.in_use.clone()));
        let registry = all.sub_registry_with_prefix("multinic");
        registry.register("reviews", "Reviews answered", self.reviews.clone());
        registry.register("findings", "Findings of the rules", self.findings.clone());
        registry.register(
            "faults",
            "Reviews without an answer, by reason",
            self.faults.clone(),
        );
        registry.register(
            "review_duration_seconds",
            "Time from the head of a request to its answer",
            self.duration.clone(),
        );
        registry.register(
            "reviews_in_flight",
            "Reviews being answered",
            self.in_flight.clone(),
        );
        registry.register("networks", "Networks known", self.networks.clone());
        registry.register(
            "networks_timestamp_seconds",
            "When the known networks last changed, in seconds since 1970",
            self.networks_changed.clone(),
        );
        registry.register(
            "snapshot_age_seconds",
            "Time since the known networks were last confirmed",
            self.snapshot_age.clone(),
        );
        registry.register(
            "lookups",
            "Networks looked up one by one, by result",
            self.lookups.clone(),
        );
        registry.register(
            "lookup_duration_seconds",
            "Duration of a look-up",
            self.lookup_duration.clone(),
        );
        registry.register(
            "config_info",
            "The configuration in force",
            self.config.clone(),
        );
        registry.register(
            "config_generation",
            "Configurations that have been in force since the start",
            self.config_generation.clone(),
        );
        self.certificates.register(registry);
        registry.register(
            "reloads",
            "Files and networks loaded again, by result",
            self.reloads.clone(),
        );
        registry.register(
            "panics",
            "Reviews given up because of a defect of multinic",
            self.panics.clone(),
        );
        registry.register(
            "log_lines_lost",
            "Log lines dropped because nothing read them",
            self.log_lines_lost.clone(),
        );
        let build = [("version", VERSION), ("revision", REVISION)];
        registry.register("build", "The version of multinic", Info::new(build));
        all
    }

    /// Returns the text of `/metrics`.
    pub fn write(&self) -> String {
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        let age = Duration::from_millis(milliseconds().saturating_sub(confirmed));
        self.snapshot_age.set(age.as_secs_f64());
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// Counts the networks in use from now on, while they are known.
    pub fn count_use(
        &self,
        networks: watch::Receiver<Option<Arc<Snapshot>>>,
        usage: watch::Receiver<Option<Arc<Usage>>>,
    ) {
        let sources = Sources { networks, usage };
        // A second call changes nothing.
        let _ = self.in_use.0.set(sources);
    }

    /// Counts a review that was answered.
    pub fn review(&self, webhook: Webhook, kind: &str, verdict: &'static str, took: Duration) {
        let kind = KINDS.into_iter().find(|known| *known == kind);
        let labels = Review {
            webhook: webhook.name(),
            kind: kind.unwrap_or("other"),
            verdict,
        };
        self.reviews.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a review that was not answered, for this reason.
    pub fn fault(&self, reason: &'static str) {
        self.faults.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a look-up of a network: `found`, `absent` or `error`.
    pub fn lookup(&self, result: &'static str, took: Duration) {
        self.lookups.get_or_create(&Lookup { result }).inc();
        self.lookup_duration.observe(took.as_secs_f64());
    }

    /// Notes the configuration that is in force from now on, and the hash of its file.
    pub fn config(&self, policy: &Policy, hash: &str) {
        self.config.clear();
        let labels = InForce {
            enforcement: policy.enforcement.name(),
            hash: hash.to_owned(),
        };
        self.config.get_or_create(&labels).set(1);
        self.config_generation.inc();
    }

    /// Notes that the known networks are those of this moment.
    pub fn confirm_networks(&self) {
        self.confirmed.store(milliseconds(), Ordering::Relaxed);
    }

    /// Counts the findings of a review, whether they were shown or not.
    pub fn findings(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|one| one.level > Level::Off) {
            let labels = Rule {
                rule: finding.rule,
                level: finding.level.name(),
            };
            self.findings.get_or_create(&labels).inc();
        }
    }

    /// Counts what was loaded again, and whether it was valid.
    pub fn reload(&self, what: Reloaded, ok: bool) {
        let labels = Reload {
            what: match what {
                Reloaded::CaBundle => "ca-bundle",
                Reloaded::Certificate => "certificate",
                Reloaded::ClientCa => "client-ca",
                Reloaded::Config => "config",
                Reloaded::Networks => "networks",
            },
            result: if ok { "ok" } else { "error" },
        };
        self.reloads.get_or_create(&labels).inc();
    }

    /// Notes that the known networks changed, and how many there are.
    pub fn known(&self, networks: usize) {
        let networks = i64::try_from(networks).unwrap_or(i64::MAX);
        self.networks.set(networks);
        let now = Duration::from_millis(milliseconds());
        self.networks_changed.set(now.as_secs_f64());
        self.confirm_networks();
    }
}

/// Milliseconds since 1970, by the system's clock.
fn milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
