//! The TLS settings of the server.

use std::sync::Arc;

use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::sync::watch;

use crate::cert::Certificate;
use crate::crypto;

pub mod client_ca;

pub use client_ca::ClientCa;

/// TLS 1.3 and HTTP/1.1 with the certificate that is current when a connection is made; with a
/// client CA, in PEM, only for callers whose certificate it signed.
///
/// # Errors
/// Returns an error if the client CA does not hold certificates.
pub fn server(
    certificate: watch::Receiver<Option<Arc<Certificate>>>,
    client_ca: Option<&[u8]>,
) -> Result<Arc<ServerConfig>, crypto::Error> {
    let builder = ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&version::TLS13])?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let roots = Arc::new(crypto::roots(pem)?);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, crypto::provider()).build();
            let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Current(certificate)));
    // The API server takes HTTP/2 on loopback URLs, and HTTP/1.1 everywhere.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Go's clients do not resume sessions by default, so tickets would be wasted work and memory.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
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
