//! Whether the certificate that is served is one that the API server accepts, and for how long.

use rustls::pki_types::{CertificateDer, ServerName};

use super::registration::Entry;
use super::{Check, Outcome};
use crate::cert::{span, validity};
use crate::crypto;

const CHECK: &str = "certificate";
/// A certificate that ends sooner should have been renewed: the alert of the chart fires then too.
const SOON: i64 = 5 * 86_400;
/// Two clocks that differ by more are a problem for certificates.
const SKEW: i64 = 60;

/// Judges the chain that is served to callers of `host` against the caBundle of every entry, at a
/// moment in seconds since 1970.
pub(super) fn judge(
    chain: &[CertificateDer<'_>],
    host: &str,
    entries: &[Entry],
    now: i64,
) -> Check {
    let failed = |message: String| Check::new(CHECK, Outcome::Failed, message);
    let Some(leaf) = chain.first() else {
        return failed(format!("{host} shows no certificate"));
    };
    let (not_before, not_after) = match validity(leaf) {
        Ok(valid) => valid,
        Err(error) => return failed(format!("{host} shows {error}")),
    };
    let ends = format!("it ends {} (now {})", date(not_after), date(now));
    if not_after <= now {
        let ago = span(now - not_after);
        return failed(format!(
            "the certificate of {host} expired {ago} ago: {ends}"
        ))
        .remedy("renew it; docs/runbooks/MultinicCertificateExpiring.md");
    }
    if not_before > now {
        let left = span(not_before - now);
        return failed(format!(
            "the certificate of {host} is not valid for another {left}: it begins {} (now {})",
            date(not_before),
            date(now)
        ))
        .remedy("compare the clocks of the nodes with that of whoever issued it");
    }
    let named = ServerName::try_from(host.to_owned())
        .map_err(|error| error.to_string())
        .and_then(|name| crypto::names(leaf, &name).map_err(|error| error.to_string()));
    if named.is_err() {
        return failed(format!(
            "the certificate is not valid for {host}, by which the API server calls"
        ))
        .remedy("issue it for that name; docs/certificates.md");
    }
    for entry in entries.iter().filter(|entry| !entry.ca_bundle.is_empty()) {
        let trusted =
            crypto::roots(&entry.ca_bundle).and_then(|roots| crypto::verify(chain, &roots, now));
        if let Err(error) = trusted {
            return failed(format!(
                "{}, entry {}: its caBundle does not verify the certificate that {host} shows, \
                 which {error}",
                entry.configuration, entry.name
            ))
            .remedy(
                "see who writes caBundle (certificates.mode of the chart); docs/certificates.md",
            );
        }
    }
    let checked = format!("every caBundle verifies what {host} serves; {ends}");
    if not_after - now < SOON {
        return Check::new(CHECK, Outcome::Warning, checked)
            .remedy("it should have been renewed; docs/runbooks/MultinicCertificateNotRenewed.md");
    }
    Check::new(CHECK, Outcome::Ok, checked)
}

/// Compares the clock of this machine with that of the API server, both in seconds since 1970.
pub(super) fn clock(here: i64, there: i64) -> Check {
    let apart = (here - there).abs();
    if apart <= SKEW {
        return Check::new(
            "clock",
            Outcome::Ok,
            "the API server and this machine agree on the time",
        );
    }
    let message = format!(
        "the clock of the API server and that of this machine differ by {}: there it is {}, here {}",
        span(apart),
        date(there),
        date(here)
    );
    Check::new("clock", Outcome::Warning, message)
        .remedy("set both by NTP: a certificate can be valid on one machine and not on the other")
}

/// A moment in seconds since 1970, as RFC 3339 writes it.
pub(super) fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::super::registration::Callee;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    struct Made {
        chain: Vec<CertificateDer<'static>>,
        ca: String,
    }

    fn made(name: &str, begins: i64, ends: i64) -> Made {
        let time = |at: i64| {
            let since = std::time::Duration::from_secs(u64::try_from(at).expect("after 1970"));
            (std::time::SystemTime::UNIX_EPOCH + since).into()
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (time(NOW - 9_000_000), time(NOW + 9_000_000));
        let key = KeyPair::generate().expect("a key");
        let ca = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (time(begins), time(ends));
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &issuer).expect("a certificate");
        Made {
            chain: vec![leaf.der().clone()],
            ca,
        }
    }

    fn judged(made: &Made, bundle: &str) -> Check {
        let entry = Entry {
            configuration: "validatingwebhookconfiguration/zzz-multinic".to_owned(),
            name: "networks.pods.multinic.dev".to_owned(),
            callee: Callee::Url("https://multinic.s.svc".to_owned()),
            ca_bundle: bundle.as_bytes().to_vec(),
        };
        judge(&made.chain, "multinic.s.svc", &[entry], NOW)
    }

    #[test]
    fn a_chain_is_judged_as_the_api_server_does() {
        let day = 86_400;
        let good = made("multinic.s.svc", NOW - day, NOW + 30 * day);
        let check = judged(&good, &good.ca);
        assert_eq!(check.outcome, Outcome::Ok, "{check:?}");
        assert!(
            check
                .message
                .contains("it ends 2027-02-14T08:00:00Z (now 2027-01-15T08:00:00Z)")
        );
        let other = made("multinic.s.svc", NOW - day, NOW + 30 * day);
        let check = judged(&good, &other.ca);
        assert!(
            check.message.contains("is signed by an unknown authority"),
            "{check:?}"
        );
        for (made, outcome, wanted) in [
            (
                made("multinic.s.svc", NOW - day, NOW + day),
                Outcome::Warning,
                "it ends",
            ),
            (
                made("multinic.s.svc", NOW - 2 * day, NOW - day),
                Outcome::Failed,
                "expired 24 hours ago",
            ),
            (
                made("multinic.s.svc", NOW + 3_600, NOW + day),
                Outcome::Failed,
                "not valid for another 60 minutes",
            ),
            (
                made("other.s.svc", NOW - day, NOW + 30 * day),
                Outcome::Failed,
                "not valid for multinic.s.svc",
            ),
        ] {
            let check = judged(&made, &made.ca);
            assert_eq!(check.outcome, outcome, "{check:?}");
            assert!(check.message.contains(wanted), "{check:?}");
        }
    }

    #[test]
    fn clocks_that_differ_are_named() {
        assert_eq!(clock(NOW, NOW + 60).outcome, Outcome::Ok);
        let check = clock(NOW, NOW + 600);
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.message.contains("differ by 10 minutes"));
    }
}
