//! Certificates that somebody else makes: which are served, and what is said of the others.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use multinic::cert::{CaBundle, Certificate, Files};
use multinic::metrics::Metrics;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::sync::watch;

use super::Folder;

const SERVICE: &str = "multinic.multinic-system.svc";
const HOUR: i64 = 3600;

/// A self-signed certificate for this name, valid from and until so many seconds from now.
fn pair(name: &str, from: i64, until: i64) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let time = |seconds: i64| {
        let by = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        if seconds < 0 { now - by } else { now + by }.into()
    };
    (params.not_before, params.not_after) = (time(from), time(until));
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

struct Served {
    folder: Folder,
    files: Files,
    published: watch::Receiver<Option<Arc<Certificate>>>,
    metrics: Metrics,
}

impl Served {
    fn open((cert, key): &(String, String)) -> Result<Self, String> {
        let folder = Folder::new();
        let path = |name: &str| folder.0.join(name);
        fs::write(path("tls.crt"), cert).unwrap();
        fs::write(path("tls.key"), key).unwrap();
        let (sender, published) = watch::channel(None);
        let metrics = Metrics::new();
        let names = vec![ServerName::try_from(SERVICE).unwrap()];
        let (cert, key) = (path("tls.crt"), path("tls.key"));
        let files = Files::open(&cert, &key, names, sender, &metrics);
        Ok(Self {
            files: files.map_err(|error| error.to_string())?,
            folder,
            published,
            metrics,
        })
    }

    /// Whether these replace what is served.
    fn replaced_by(&mut self, (cert, key): &(String, String)) -> bool {
        let before = self.leaf();
        fs::write(self.folder.0.join("tls.crt"), cert).unwrap();
        fs::write(self.folder.0.join("tls.key"), key).unwrap();
        self.files.check(&self.metrics);
        self.leaf() != before
    }

    fn leaf(&self) -> Vec<u8> {
        let published = self.published.borrow();
        published.as_ref().unwrap().key.cert[0].to_vec()
    }

    fn fault(&self) -> Option<String> {
        let published = self.published.borrow();
        published.as_ref().unwrap().fault.clone()
    }
}

fn good() -> (String, String) {
    pair(SERVICE, -HOUR, HOUR)
}

#[test]
fn only_a_good_certificate_replaces_a_good_one() {
    let mut served = Served::open(&good()).unwrap();
    assert_eq!(served.fault(), None);
    let other = good();
    for bad in [
        pair(SERVICE, -HOUR, -1),
        pair(SERVICE, HOUR, 2 * HOUR),
        // Clocks differ: it may not be valid yet for others.
        pair(SERVICE, -60, HOUR),
        pair("other.multinic-system.svc", -HOUR, HOUR),
        (other.0.clone(), good().1),
        (other.1.clone(), other.0.clone()),
        (String::new(), String::new()),
    ] {
        assert!(!served.replaced_by(&bad), "{}", bad.0);
        assert_eq!(served.fault(), None);
    }
    assert!(served.replaced_by(&other));
    let metrics = served.metrics.write();
    let errors = r#"multinic_reloads_total{what="certificate",result="error"} 6"#;
    assert!(metrics.contains(errors), "{metrics}");
}

#[test]
fn one_that_is_not_valid_yet_is_served_once_it_is() {
    let mut served = Served::open(&good()).unwrap();
    let soon = pair(SERVICE, -299, HOUR);
    assert!(!served.replaced_by(&soon));
    // Five minutes after it became valid; the files are as they were.
    thread::sleep(Duration::from_secs(2));
    assert!(served.replaced_by(&soon));
}

#[test]
fn with_nothing_better_a_bad_one_is_served_and_the_server_is_not_ready() {
    for (bad, why) in [
        (
            pair(SERVICE, -2 * HOUR, -HOUR),
            "tls.crt: the certificate expired 60 minutes ago",
        ),
        (
            pair(SERVICE, 2 * HOUR + 5, 3 * HOUR),
            "tls.crt: the certificate is not valid for another 2 hours",
        ),
        (
            pair("other.svc", -HOUR, HOUR),
            "tls.crt: the certificate is not valid for multinic.multinic-system.svc, by which the API \
             server calls this server",
        ),
    ] {
        let mut served = Served::open(&bad).unwrap();
        let fault = served.fault().expect("a fault");
        assert!(fault.ends_with(why), "{fault}");
        // One that is just as bad is no better, and a good one is.
        assert!(served.replaced_by(&good()));
        assert_eq!(served.fault(), None);
        assert!(!served.replaced_by(&bad));
    }
    let mut served = Served::open(&pair(SERVICE, 1, HOUR)).unwrap();
    assert!(served.fault().is_some());
    thread::sleep(Duration::from_secs(2));
    served.files.check(&served.metrics);
    assert_eq!(served.fault(), None, "it is valid now");
}

#[test]
fn errors_name_the_file_and_the_cause() {
    let version1 = include_str!("supplied/version1.crt").to_owned();
    let key = include_str!("supplied/version1.key").to_owned();
    let encrypted = include_str!("supplied/encrypted.key").to_owned();
    let (cert, _) = good();
    for (pair, file, why) in [
        ((version1, key.clone()), "tls.crt", "X.509 version 1"),
        (
            (cert.clone(), encrypted),
            "tls.key",
            "the private key is encrypted",
        ),
        (
            (cert.clone(), key),
            "tls.crt",
            "the private key does not belong to this certificate",
        ),
        (
            (cert.clone(), cert.clone()),
            "tls.key",
            "there is no private key in it",
        ),
        (
            (cert.clone(), String::new()),
            "tls.key",
            "there is no private key in it",
        ),
        (
            ("text".to_owned(), cert.clone()),
            "tls.crt",
            "there is no certificate in it",
        ),
        (
            (cert.replace("MII", "MI*"), cert),
            "tls.crt",
            "is not valid PEM",
        ),
    ] {
        let error = Served::open(&pair).err().expect("an error");
        let named = error.split(": ").next().unwrap_or_default().ends_with(file);
        assert!(named && error.contains(why), "{error}");
    }
}

#[test]
fn the_ca_to_trust_is_followed_and_a_bad_one_is_not_taken() {
    let folder = Folder::new();
    let path = folder.0.join("ca.crt");
    let open = |path: &Path| CaBundle::open(path).map(|_| ()).unwrap_err().to_string();
    assert!(open(&path).contains("ca.crt: No such file"));
    fs::write(&path, "text").unwrap();
    assert!(open(&path).contains("ca.crt: there is no certificate in it"));
    let (first, second) = (good().0, good().0);
    fs::write(&path, &first).unwrap();
    let (mut bundle, published) = CaBundle::open(&path).unwrap();
    let metrics = Metrics::new();
    for (text, expected) in [("text", &first), (&*second, &second), ("", &second)] {
        fs::write(&path, text).unwrap();
        bundle.check(&metrics);
        assert_eq!(**published.borrow(), expected.as_bytes());
    }
}
