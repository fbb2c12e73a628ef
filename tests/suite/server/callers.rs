//! A client CA: who may call.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use multinic::cert::development;
use multinic::crypto;
use multinic::http;
use multinic::metrics::Metrics;
use multinic::tls::ClientCa;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{Folder, REVIEW, Running, answer, connect, limits, post, serve, trusting};

/// A CA in PEM, and a client of the server whose certificate it signed.
fn caller(server_ca: &Path) -> (String, Arc<ClientConfig>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec!["api-server".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap().der().clone();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(server_ca).unwrap())
        .unwrap();
    let client = ClientConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![leaf],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    (ca, Arc::new(client))
}

#[test]
fn only_callers_of_the_client_ca_get_in_and_a_new_ca_is_picked_up() {
    let server = Running::start(limits());
    let folder = Folder::new();
    let server_ca = server.folder.0.join(development::CA);
    let (first_ca, first) = caller(&server_ca);
    let (second_ca, second) = caller(&server_ca);
    let nobody = trusting(&server_ca);
    let path = folder.0.join("callers.crt");
    fs::write(&path, &first_ca).unwrap();
    let (mut ca, tls) = ClientCa::open(&path, server.certificate.subscribe()).unwrap();
    let known = server.known();
    let (_running, address, _) = serve(&server.runtime, known, tls, limits(), http::MEMORY);
    let gets_in = |client| {
        // In TLS 1.3 the client learns only from the first bytes that it is refused.
        let Ok(mut stream) = connect(address, client) else {
            return false;
        };
        let _ = stream.write_all(&post("/validate", REVIEW));
        answer(&mut stream).is_some_and(|answer| answer.status == 200)
    };
    assert_eq!(
        [&first, &second, &nobody].map(gets_in),
        [true, false, false]
    );

    let metrics = Metrics::new();
    fs::write(&path, &second_ca).unwrap();
    ca.check(&metrics);
    assert_eq!(
        [&first, &second, &nobody].map(gets_in),
        [false, true, false]
    );
    // An empty file would let nobody in, a broken one is none, and a missing one says nothing.
    for broken in [Some(""), Some("-----BEGIN CERTIFICATE-----\nx"), None] {
        match broken {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        ca.check(&metrics);
        ca.check(&metrics);
        assert_eq!(
            [&first, &second, &nobody].map(gets_in),
            [false, true, false]
        );
    }
    fs::write(&path, first_ca + &second_ca).unwrap();
    ca.check(&metrics);
    assert_eq!([&first, &second, &nobody].map(gets_in), [true, true, false]);
    let metrics = metrics.write();
    for (result, times) in [("ok", 2), ("error", 3)] {
        let line =
            format!("multinic_reloads_total{{what=\"client-ca\",result=\"{result}\"}} {times}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

#[test]
fn a_client_ca_that_is_none_is_an_error_at_the_start() {
    let folder = Folder::new();
    let certificate = tokio::sync::watch::channel(None).1;
    let path = folder.0.join("callers.crt");
    let error = |certificate| ClientCa::open(&path, certificate).unwrap_err().to_string();
    assert!(error(certificate.clone()).contains("callers.crt: No such file"));
    fs::write(&path, "").unwrap();
    assert!(error(certificate).contains("callers.crt: "));
}
