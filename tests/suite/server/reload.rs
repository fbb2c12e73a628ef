//! Files that change while the program serves.

use std::fs;
use std::io::Write;
use std::time::{Duration, SystemTime};

use multinic::cert::development;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::process::Process;
use super::{Answer, Folder, REVIEW, answer, connect, post, trusting};

const DENIED: &str = r#""allowed":false"#;
const ALLOWED: &str = r#""allowed":true"#;

fn says(answer: &Answer, verdict: &str) -> bool {
    answer.status == 200 && answer.body.contains(verdict)
}

#[test]
fn a_new_configuration_is_picked_up_and_a_bad_one_is_not() {
    let folder = Folder::new();
    let path = folder.0.join("config.yaml");
    fs::write(&path, "enforcement: deny\n").unwrap();
    let server = Process::start(folder, &["--config=config.yaml"]);
    assert!(says(&server.ask(REVIEW), DENIED));
    fs::write(&path, "enforcement: warn\n").unwrap();
    server.hears("enforcement=\"warn\"");
    assert!(says(&server.ask(REVIEW), ALLOWED));
    fs::write(&path, "enforcment: deny\n").unwrap();
    server.hears("the configuration is not replaced: the old one stays");
    assert!(says(&server.ask(REVIEW), ALLOWED));
    fs::write(&path, "enforcement: deny\n").unwrap();
    server.until("denial", || says(&server.ask(REVIEW), DENIED));
    fs::remove_file(&path).unwrap();
    server.hears("No such file");
    assert!(says(&server.ask(REVIEW), DENIED));
    let metrics = server.metrics();
    for (result, times) in [("ok", 2), ("error", 2)] {
        let line = format!("multinic_reloads_total{{what=\"config\",result=\"{result}\"}} {times}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    // Where, and what was meant.
    let log = server.log();
    let said = log.lines().find(|line| line.contains("stays")).unwrap();
    assert!(
        said.contains("config.yaml:1:1") && said.contains("did you mean"),
        "{said}"
    );
}

#[test]
fn the_networks_of_the_folder_are_followed_and_those_that_are_refused_are_named() {
    let server = Process::start(Folder::new(), &[]);
    let network = |name: &str, plugin: &str| {
        format!(
            "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n\
             metadata: {{name: {name}, namespace: team-b}}\n\
             spec: {{config: '{{\"cniVersion\": \"1.0.0\", \"type\": \"{plugin}\"}}'}}\n"
        )
    };
    let file = server.path("networks/one.yaml");
    fs::write(&file, network("old", "madeup")).unwrap();
    server.hears("networks=1");
    server.hears("unsupported-plugin: NetworkAttachmentDefinition team-b/old");
    fs::write(server.path("networks/two.yaml"), network("old", "portmap")).unwrap();
    server.hears("team-b/old is defined twice");
    fs::write(&file, "a: [\n").unwrap();
    server.hears("its last valid networks stay in force");
    let log = server.log();
    let said = log
        .lines()
        .find(|line| line.contains("last valid"))
        .unwrap();
    assert!(
        said.contains("one.yaml") && said.contains("line "),
        "{said}"
    );
    fs::remove_file(&file).unwrap();
    fs::remove_file(server.path("networks/two.yaml")).unwrap();
    server.hears("networks=0");
}

fn leaf(server: &Process) -> CertificateDer<'static> {
    let mut stream = server.tls();
    stream.write_all(&post("/validate", REVIEW)).unwrap();
    assert_eq!(answer(&mut stream).unwrap().status, 200);
    stream.conn.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

/// A certificate that the CA in this folder signed, and that ends so many days from now.
fn pair(server: &Process, days: i64) -> (String, String) {
    let read = |name| fs::read_to_string(server.path("certs").join(name)).unwrap();
    let key = KeyPair::from_pem(&read(development::CA_KEY)).unwrap();
    let mut params = CertificateParams::default();
    // The issuer's name, and nothing beside it.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "multinic development CA");
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let day = Duration::from_hours(24);
    let now = SystemTime::now();
    params.not_before = (now - 30 * day).into();
    let ends = day * u32::try_from(days.abs()).unwrap();
    params.not_after = (if days < 0 { now - ends } else { now + ends }).into();
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap();
    (cert.pem(), key.serialize_pem())
}

#[test]
fn a_new_certificate_is_picked_up_and_a_bad_one_is_not() {
    let folder = Folder::new();
    let certs = folder.0.join("certs");
    development::ensure(&certs).unwrap();
    let (cert, key) = (folder.0.join("my.crt"), folder.0.join("my.key"));
    fs::copy(certs.join(development::CERT), &cert).unwrap();
    fs::copy(certs.join(development::KEY), &key).unwrap();
    let server = Process::start(folder, &["--cert=my.crt", "--key=my.key"]);
    let first = leaf(&server);
    let mut open = server.tls();
    let (new_cert, new_key) = pair(&server, 60);
    fs::write(&cert, &new_cert).unwrap();
    fs::write(&key, &new_key).unwrap();
    server.hears("the certificate was replaced");
    let second = leaf(&server);
    assert_ne!(second, first);
    let (expired, expired_key) = pair(&server, -1);
    for (bad, bad_key) in [(&expired, &expired_key), (&"none".to_owned(), &new_key)] {
        let before = server
            .log()
            .matches("the certificate is not replaced: the old one stays")
            .count();
        fs::write(&cert, bad).unwrap();
        fs::write(&key, bad_key).unwrap();
        server.until("refusal", || {
            server
                .log()
                .matches("the certificate is not replaced: the old one stays")
                .count()
                > before
        });
        assert_eq!(leaf(&server), second);
    }
    // A connection that was open meanwhile serves on.
    open.write_all(&post("/validate", REVIEW)).unwrap();
    assert_eq!(answer(&mut open).unwrap().status, 200);
}

#[test]
fn a_development_certificate_is_renewed_before_it_ends() {
    let server = Process::start(Folder::new(), &[]);
    let certs = server.path("certs");
    for days in [3, -1] {
        let (cert, key) = pair(&server, days);
        fs::write(certs.join(development::KEY), &key).unwrap();
        fs::write(certs.join(development::CERT), &cert).unwrap();
        let file = |name| fs::read_to_string(certs.join(name)).unwrap();
        if days < 0 {
            // Ended while nobody served: made anew at the start.
            assert!(development::ensure(&certs).unwrap());
        }
        server.until("renewal", || file(development::CERT) != cert);
        let renewed = CertificateDer::from_pem_slice(file(development::CERT).as_bytes()).unwrap();
        server.until("new certificate", || leaf(&server) == renewed);
    }
    // The CA is the same all the time, and clients need no other.
    assert!(connect(server.address, &trusting(&certs.join(development::CA))).is_ok());
}
