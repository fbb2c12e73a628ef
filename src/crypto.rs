//! The one file that names the provider of cryptography, and what is verified with it.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// The cryptography of the program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Verifies that the CA signed the certificate, and that both are valid now.
///
/// # Errors
/// If it did not, or one of them is not valid now.
pub fn verify(ca: &[u8], certificate: &CertificateDer<'_>) -> Result<(), Unusable> {
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

/// The certificates of a PEM text, as roots of trust.
///
/// # Errors
/// If one of them cannot be decoded.
pub fn roots(pem: &[u8]) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(pem) {
        let ca = ca.map_err(|error| unusable(&error))?;
        roots.add(ca).map_err(|error| unusable(&error))?;
    }
    Ok(roots)
}

/// An error of another library, in its words.
pub fn unusable(error: &dyn std::fmt::Display) -> Unusable {
    Unusable(error.to_string())
}
