//! Certificates: how long they last, and whether the API server trusts them.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted of certificates.
#[derive(Debug, Default)]
pub struct Certificates {
    not_after: Gauge<i64, AtomicI64>,
    authority_not_after: Gauge<i64, AtomicI64>,
    authorities: Gauge,
    in_sync: Family<Configuration, Gauge>,
    repairs: Counter,
    disputed: Gauge,
    handshakes: Family<Handshake, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Configuration {
    configuration: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Handshake {
    result: &'static str,
}

impl Certificates {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "certificate_not_after_seconds",
            "When the certificate that is served expires, in seconds since 1970",
            self.not_after.clone(),
        );
        registry.register(
            "authority_not_after_seconds",
            "When the newest authority of the built-in certificates expires, in seconds since 1970",
            self.authority_not_after.clone(),
        );
        registry.register(
            "authorities",
            "Authorities of the built-in certificates that have not expired",
            self.authorities.clone(),
        );
        registry.register(
            "ca_bundle_in_sync",
            "Whether every entry of a webhook configuration trusts what it should: 1 or 0",
            self.in_sync.clone(),
        );
        registry.register(
            "ca_bundle_repairs",
            "Entries of webhook configurations whose caBundle another client had changed",
            self.repairs.clone(),
        );
        registry.register(
            "ca_bundle_disputed",
            "Whether another client repeatedly changes a caBundle: 1 or 0",
            self.disputed.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes by result; rejected: the caller does not trust the certificate",
            self.handshakes.clone(),
        );
    }

    /// A certificate was published, which expires then, in seconds since 1970.
    pub fn published(&self, not_after: i64) {
        self.not_after.set(not_after);
    }

    /// So many authorities are known; the newest expires then, in seconds since 1970.
    pub fn authorities(&self, count: usize, not_after: Option<i64>) {
        self.authorities
            .set(i64::try_from(count).unwrap_or(i64::MAX));
        self.authority_not_after.set(not_after.unwrap_or(0));
    }

    /// Whether a webhook configuration needs nothing.
    pub fn in_sync(&self, configuration: &str, in_sync: bool) {
        let labels = Configuration {
            configuration: configuration.to_owned(),
        };
        let gauge = self.in_sync.get_or_create(&labels);
        gauge.set(i64::from(in_sync));
    }

    /// Counts entries that were repaired after another client had changed them.
    pub fn repaired(&self, entries: usize) {
        self.repairs.inc_by(entries as u64);
    }

    /// Whether an entry is in dispute.
    pub fn disputed(&self, disputed: bool) {
        self.disputed.set(i64::from(disputed));
    }

    /// A TLS handshake ended so.
    pub fn handshake(&self, result: &'static str) {
        self.handshakes.get_or_create(&Handshake { result }).inc();
    }
}
