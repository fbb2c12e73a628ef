//! What is counted, in the names under which Prometheus finds it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use multinic_core::finding::{Finding, Level};
use multinic_core::network::Snapshot;
use multinic_core::review::Webhook;
use multinic_core::usage::Usage;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

mod certificates;

pub use certificates::Certificates;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    findings: Family<Rule, Counter>,
    duration: Histogram,
    /// Reviews that are being answered.
    pub in_flight: Gauge,
    /// Networks that are known.
    pub networks: Gauge,
    networks_changed: Gauge<f64, AtomicU64>,
    /// Certificates, and whether they are trusted.
    pub certificates: Certificates,
    reloads: Family<Reload, Counter>,
    /// Reviews that ended in a panic.
    pub panics: Counter,
    /// Log lines that nobody read.
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
struct Reload {
    what: &'static str,
    result: &'static str,
}

/// What is read again while the server runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The CA that the API server is to trust.
    CaBundle,
    /// Certificate and key.
    Certificate,
    /// The CA of the callers.
    ClientCa,
    /// The configuration.
    Config,
    /// The networks.
    Networks,
}

impl What {
    /// For log lines.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::CaBundle => "the CA that the API server is to trust",
            Self::Certificate => "the certificate",
            Self::ClientCa => "the CA of the callers",
            Self::Config => "the configuration",
            Self::Networks => "what is known of the networks",
        }
    }
}

/// The kinds that are told apart; a caller could name any number of others.
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

/// Seconds; a review takes some ten microseconds, and with a look-up some milliseconds.
const BUCKETS: [f64; 13] = [
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 0.25, 1.0, 5.0,
];

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            reviews: Family::default(),
            findings: Family::default(),
            duration: Histogram::new(BUCKETS),
            in_flight: Gauge::default(),
            networks: Gauge::default(),
            networks_changed: Gauge::default(),
            certificates: Certificates::default(),
            reloads: Family::default(),
            panics: Counter::default(),
            log_lines_lost: Counter::default(),
            in_use: NetworksInUse::default(),
        };
        let mut all = Registry::default();
        let registry = all.sub_registry_with_prefix("multinic");
        registry.register(
            "reviews",
            "Reviews that were answered",
            metrics.reviews.clone(),
        );
        registry.register(
            "findings",
            "What rules had to say",
            metrics.findings.clone(),
        );
        registry.register(
            "review_duration_seconds",
            "Time from the head of a request to its answer",
            metrics.duration.clone(),
        );
        registry.register(
            "reviews_in_flight",
            "Reviews that are being answered",
            metrics.in_flight.clone(),
        );
        registry.register(
            "networks",
            "Networks that are known",
            metrics.networks.clone(),
        );
        registry.register(
            "networks_timestamp_seconds",
            "When the known networks last changed, in seconds since 1970",
            metrics.networks_changed.clone(),
        );
        metrics.certificates.register(registry);
        registry.register("reloads", "Files read again", metrics.reloads.clone());
        registry.register(
            "panics",
            "Reviews that were answered with a 500 because of a fault of this program",
            metrics.panics.clone(),
        );
        registry.register(
            "log_lines_lost",
            "Log lines that were lost because nobody read them",
            metrics.log_lines_lost.clone(),
        );
        all.register_collector(Box::new(metrics.in_use.clone()));
        metrics.registry = all;
        metrics
    }

    /// The text of `/metrics`.
    pub fn write(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// From now on the networks in use are counted, while they are known.
    pub fn count_use(
        &self,
        networks: watch::Receiver<Option<Arc<Snapshot>>>,
        usage: watch::Receiver<Option<Arc<Usage>>>,
    ) {
        let sources = Sources { networks, usage };
        // A second call changes nothing.
        let _ = self.in_use.0.set(sources);
    }

    /// A review was answered.
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

    /// What was found in a review, shown or not.
    pub fn findings(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|one| one.level > Level::Off) {
            let labels = Rule {
                rule: finding.rule,
                level: finding.level.name(),
            };
            self.findings.get_or_create(&labels).inc();
        }
    }

    /// Something was read again, and published or not.
    pub fn reload(&self, what: What, ok: bool) {
        let labels = Reload {
            what: match what {
                What::CaBundle => "ca-bundle",
                What::Certificate => "certificate",
                What::ClientCa => "client-ca",
                What::Config => "config",
                What::Networks => "networks",
            },
            result: if ok { "ok" } else { "error" },
        };
        self.reloads.get_or_create(&labels).inc();
    }

    /// So many networks are known now.
    pub fn known(&self, networks: usize) {
        self.networks
            .set(i64::try_from(networks).unwrap_or(i64::MAX));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.networks_changed
            .set(now.unwrap_or_default().as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
