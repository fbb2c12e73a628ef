//! TLS: the one file that names the provider of cryptography.

use std::sync::Arc;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, version};
use tokio::sync::watch;

use crate::cert::{Certificate, Error};

/// The cryptography of the program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// TLS 1.3 and HTTP/1.1 with the certificate that is current when a connection is made, and with a
/// client CA, in PEM, only for callers whose certificate it signed.
///
/// # Errors
/// Where the client CA is none.
pub fn server(
    certificate: watch::Receiver<Option<Arc<Certificate>>>,
    client_ca: Option<&[u8]>,
) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| unusable(&error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            // An empty file is refused by the verifier: it would let nobody in.
            let roots = Arc::new(roots(pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|error| unusable(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Current(certificate)));
    // The API server takes HTTP/2 on loopback URLs, and HTTP/1.1 everywhere.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Go's clients resume no sessions unless told to: tickets are work and memory for nothing.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Whether the certificate was signed by the CA, both as they are now.
///
/// # Errors
/// Where it was not, or one of them is not valid now.
pub fn signed(ca: &[u8], certificate: &CertificateDer<'_>) -> Result<(), Error> {
    let algorithms = provider().signature_verification_algorithms.all;
    let leaf = ParsedCertificate::try_from(certificate).map_err(|error| unusable(&error))?;
    verify_server_cert_signed_by_trust_anchor(&leaf, &roots(ca)?, &[], UnixTime::now(), algorithms)
        .map_err(|error| unusable(&error))
}

/// Starts the source of randomness: the first number takes some 30 ms, and the first handshake
/// should not wait for it.
pub fn warm_up() {
    std::thread::spawn(|| provider().secure_random.fill(&mut [0]));
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(pem) {
        let ca = ca.map_err(|error| unusable(&error))?;
        roots.add(ca).map_err(|error| unusable(&error))?;
    }
    Ok(roots)
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::Unusable(error.to_string())
}

/// The certificate of the moment.
#[derive(Debug)]
struct Current(watch::Receiver<Option<Arc<Certificate>>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.borrow();
        current
            .as_ref()
            .map(|certificate| Arc::clone(&certificate.key))
    }
}
