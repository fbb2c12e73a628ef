//! Cryptography: the provider, digests, and whether a certificate is trusted. The one place that
//! names the provider.

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

/// Why a certificate is not trusted, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that should contain certificates contains none.
    #[error("there is no certificate in it: expected PEM with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// A PEM section is damaged.
    #[error("is not valid PEM: {0}")]
    Pem(pem::Error),
    /// What the verification reports.
    #[error("{}", reason(.0))]
    Verify(#[from] rustls::Error),
}

/// The cryptography of the program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Makes the provider that of the process: clients of the API server take it from there.
pub fn install() {
    // A second call, as tests make it, changes nothing.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// Starts the source of randomness: the first number takes some 30 ms, and the first handshake
/// should not wait for it.
pub fn warm_up() {
    std::thread::spawn(|| provider().secure_random.fill(&mut [0]));
}

/// A random number; 0 if the source of randomness does not work.
pub fn random() -> u8 {
    let mut bytes = [0];
    let _ = provider().secure_random.fill(&mut bytes);
    bytes[0]
}

/// The SHA-256 digest.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, bytes);
    let mut array = [0; 32];
    array.copy_from_slice(digest.as_ref());
    array
}

/// The certificates in a PEM text: at least one.
///
/// # Errors
/// Returns an error if there is none, or if a section is damaged.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(Error::Pem)?;
    if all.is_empty() {
        return Err(Error::NoCertificate);
    }
    Ok(all)
}

/// The certificates in a PEM text, as what is trusted.
///
/// # Errors
/// Returns an error if there is none, or if one of them cannot be read.
pub fn roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// Whether a server that shows this chain, its own certificate first, is trusted by a client with
/// these roots, whatever the name by which it is called.
///
/// # Errors
/// Returns an error if it is not, or not at this moment, in seconds since 1970.
pub fn verify(chain: &[CertificateDer<'_>], roots: &RootCertStore, now: i64) -> Result<(), Error> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(Error::NoCertificate);
    };
    let algorithms = provider().signature_verification_algorithms.all;
    let leaf = ParsedCertificate::try_from(leaf)?;
    let now = std::time::Duration::from_secs(u64::try_from(now).unwrap_or(0));
    let now = UnixTime::since_unix_epoch(now);
    verify_server_cert_signed_by_trust_anchor(&leaf, roots, intermediates, now, algorithms)?;
    Ok(())
}

/// Whether a certificate is for this name.
///
/// # Errors
/// Returns an error if it is not.
pub fn names(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let leaf = ParsedCertificate::try_from(certificate)?;
    Ok(verify_server_name(&leaf, name)?)
}

/// What rustls reports, in the words of this field.
pub(crate) fn reason(error: &rustls::Error) -> String {
    use rustls::CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return error.to_string();
    };
    match certificate {
        BadSignature | UnknownIssuer => "is signed by an unknown authority".to_owned(),
        Expired | ExpiredContext { .. } => "has expired".to_owned(),
        NotValidForName | NotValidForNameContext { .. } => "is not valid for this name".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "is not valid yet".to_owned(),
        other => {
            let text = other.to_string();
            if text.contains("CaUsedAsEndEntity") {
                "is the certificate of a CA, not of a server".to_owned()
            } else if text.contains("UnsupportedCertVersion") {
                "is an X.509 version 1 certificate: version 3 is needed".to_owned()
            } else {
                text
            }
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    bytes.into_iter().fold(String::new(), |mut digits, byte| {
        // Writing to a String does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
