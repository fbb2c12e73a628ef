//! TLS: the one file that names the provider of cryptography.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
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
/// client CA only for callers whose certificate it signed.
///
/// # Errors
/// Where the file of the client CA cannot be read, or holds no certificate.
pub fn server(
    certificate: watch::Receiver<Option<Arc<Certificate>>>,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, Error> {
    let unusable = |error: rustls::Error| Error::Unusable(error.to_string());
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(unusable)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let problem = |problem: String| Error::File {
                path: path.display().to_string(),
                problem,
            };
            for ca in CertificateDer::pem_file_iter(path).map_err(|e| problem(e.to_string()))? {
                let ca = ca.map_err(|error| problem(error.to_string()))?;
                roots.add(ca).map_err(|error| problem(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|error| problem(error.to_string()))?;
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
