//! Whether the API server is told to call multinic, for everything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Check, Outcome};
use crate::crypto;

/// Entries of this domain are multinic's.
const DOMAIN: &str = ".multinic.dev";
/// The entries without which something is not judged, and what that is.
const NEEDED: [(&str, &str); 4] = [
    ("placement.pods.multinic.dev", "no Pod is placed"),
    ("networks.pods.multinic.dev", "no Pod is judged"),
    (
        "config.network-attachment-definitions.multinic.dev",
        "no network is judged",
    ),
    (
        "networks.resourceclaims.multinic.dev",
        "no ResourceClaim is judged",
    ),
];
/// The entry for templates, which the chart can leave out.
const TEMPLATES: &str = "networks.workloads.multinic.dev";

/// An entry of a webhook configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    /// The configuration, as kubectl names it: `validatingwebhookconfiguration/zzz-multinic`.
    pub(super) configuration: String,
    /// The name of the entry.
    pub(super) name: String,
    /// Whom it calls.
    pub(super) callee: Callee,
    /// Its caBundle, decoded; empty where there is none.
    pub(super) ca_bundle: Vec<u8>,
}

/// Whom an entry calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Callee {
    /// A Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// A URL.
    Url(String),
}

/// The entries of multinic in some webhook configurations, validating or mutating ones.
pub(super) fn entries(kind: &str, configurations: &[Value]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for configuration in configurations {
        let object = configuration["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        for entry in configuration["webhooks"].as_array().into_iter().flatten() {
            let name = entry["name"].as_str().unwrap_or_default();
            if !name.ends_with(DOMAIN) {
                continue;
            }
            let client = &entry["clientConfig"];
            let bundle = client["caBundle"].as_str().unwrap_or_default();
            entries.push(Entry {
                configuration: format!("{kind}/{object}"),
                name: name.to_owned(),
                callee: Callee::of(client),
                ca_bundle: STANDARD.decode(bundle).unwrap_or_default(),
            });
        }
    }
    entries
}

/// Whether everything is registered.
pub(super) fn judge(entries: &[Entry]) -> Check {
    const CHECK: &str = "registration";
    let failed = |message: String| Check::new(CHECK, Outcome::Failed, message);
    if entries.is_empty() {
        return failed("no webhook configuration calls multinic: nothing is judged".to_owned())
            .remedy(
                "helm install multinic charts/multinic -n multinic-system; docs/installation.md",
            );
    }
    let count = |name: &str| entries.iter().filter(|entry| entry.name == name).count();
    for (name, consequence) in NEEDED {
        if count(name) == 0 {
            return failed(format!(
                "no webhook configuration has the entry {name}: {consequence}"
            ))
            .remedy("helm upgrade the release: somebody removed or renamed the entry");
        }
    }
    for entry in entries {
        let of = format!("{}, entry {}", entry.configuration, entry.name);
        let is_service = matches!(entry.callee, Callee::Service { .. });
        if entry.ca_bundle.is_empty() && is_service {
            return failed(format!("{of}: caBundle is empty, so that every call fails")).remedy(
                "see who writes it (certificates.mode of the chart); docs/certificates.md",
            );
        }
        if !entry.ca_bundle.is_empty()
            && let Err(error) = crypto::roots(&entry.ca_bundle)
        {
            return failed(format!("{of}: caBundle cannot be used: {error}"))
                .remedy("write the CA in PEM, in base64; docs/certificates.md");
        }
    }
    if let Some((name, _)) = NEEDED.iter().find(|(name, _)| count(name) > 1) {
        let of = entries.iter().filter(|entry| entry.name == *name);
        let configurations: Vec<_> = of.map(|entry| &*entry.configuration).collect();
        let message = format!(
            "{} configurations have the entry {name} ({}): every request is judged more than once",
            configurations.len(),
            configurations.join(", ")
        );
        return Check::new(CHECK, Outcome::Warning, message)
            .remedy("remove the release that is not needed, or what a deleted one left behind");
    }
    let templates = if count(TEMPLATES) == 0 {
        "; templates of workloads are not judged (webhook.templates)"
    } else {
        ""
    };
    let message = format!(
        "{} entries call {}{templates}",
        entries.len(),
        entries
            .first()
            .map(|one| one.callee.to_string())
            .unwrap_or_default()
    );
    Check::new(CHECK, Outcome::Ok, message)
}

impl Callee {
    fn of(client: &Value) -> Self {
        if let Some(url) = client["url"].as_str() {
            return Self::Url(url.to_owned());
        }
        let service = &client["service"];
        let text = |key: &str| service[key].as_str().unwrap_or_default().to_owned();
        let port = service["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        Self::Service {
            namespace: text("namespace"),
            name: text("name"),
            port: port.unwrap_or(443),
        }
    }

    /// The host and the port that the API server calls, where it calls by a name. A Service is called
    /// by the name that its certificate must have.
    pub(super) fn host(&self) -> Option<(String, u16)> {
        match self {
            Self::Service {
                namespace,
                name,
                port,
            } => Some((format!("{name}.{namespace}.svc"), *port)),
            Self::Url(url) => {
                let uri: axum::http::Uri = url.parse().ok()?;
                let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
                Some((host.to_owned(), uri.port_u16().unwrap_or(443)))
            }
        }
    }
}

impl std::fmt::Display for Callee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service {
                namespace, name, ..
            } => write!(f, "Service {namespace}/{name}"),
            Self::Url(_) => match self.host() {
                Some((host, port)) => write!(f, "https://{host}:{port}"),
                None => f.write_str("a URL that cannot be read"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The configurations that the chart makes, of a bundle.
    fn registered(bundle: &str) -> Vec<Entry> {
        let client = json!({"service": {"name": "multinic", "namespace": "s", "port": 443},
            "caBundle": STANDARD.encode(bundle)});
        let entry = |name: &str| json!({"name": name, "clientConfig": client});
        let other = json!({"name": "pods.example.com", "clientConfig": {"url": "https://x"}});
        let validating = json!({"metadata": {"name": "zzz-multinic"}, "webhooks": [
            entry("networks.pods.multinic.dev"), other,
            entry("config.network-attachment-definitions.multinic.dev"),
            entry("networks.resourceclaims.multinic.dev")]});
        let mutating = json!({"metadata": {"name": "zzz-multinic"},
            "webhooks": [entry("placement.pods.multinic.dev")]});
        let mut all = entries("mutatingwebhookconfiguration", &[mutating]);
        all.extend(entries("validatingwebhookconfiguration", &[validating]));
        all
    }

    fn ca() -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn everything_is_registered() {
        let all = registered(&ca());
        assert_eq!(all.len(), 4);
        let check = judge(&all);
        assert_eq!(check.outcome, Outcome::Ok, "{check:?}");
        assert!(
            check
                .message
                .starts_with("4 entries call Service s/multinic; templates")
        );
        assert_eq!(
            all[0].callee.host(),
            Some(("multinic.s.svc".to_owned(), 443))
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = judge(&[]);
        assert_eq!(check.outcome, Outcome::Failed);
        assert!(check.message.contains("nothing is judged"));
        for (name, consequence) in NEEDED {
            let mut all = registered(&ca());
            all.retain(|entry| entry.name != name);
            let check = judge(&all);
            assert_eq!(check.outcome, Outcome::Failed);
            assert!(check.message.contains(name) && check.message.contains(consequence));
        }
    }

    #[test]
    fn a_bundle_that_cannot_be_used_is_named() {
        for (bundle, wanted) in [("", "is empty"), ("text", "cannot be used")] {
            let check = judge(&registered(bundle));
            assert_eq!(check.outcome, Outcome::Failed);
            assert!(check.message.contains(wanted), "{}", check.message);
            assert!(
                check
                    .message
                    .contains("mutatingwebhookconfiguration/zzz-multinic")
            );
        }
    }

    #[test]
    fn a_second_release_is_a_warning() {
        let mut all = registered(&ca());
        let mut second = all[1].clone();
        second.configuration = "validatingwebhookconfiguration/old".to_owned();
        all.push(second);
        let check = judge(&all);
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(
            check
                .message
                .contains("/zzz-multinic, validatingwebhookconfiguration/old")
        );
    }

    #[test]
    fn a_url_is_called_by_its_host() {
        let host = |url: &str| Callee::Url(url.to_owned()).host();
        assert_eq!(
            host("https://[::1]:8443/validate"),
            Some(("::1".to_owned(), 8443))
        );
        assert_eq!(
            host("https://a.example/x"),
            Some(("a.example".to_owned(), 443))
        );
    }
}
