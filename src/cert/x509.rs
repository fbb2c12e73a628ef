//! What is read in a certificate.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

use crate::crypto;
use multinic_core::authority;

/// When a server's certificate is valid, in seconds since 1970: its first moment and its last.
///
/// # Errors
/// Returns what is wrong with it if it is not a certificate that a TLS server can show.
pub(crate) fn validity(der: &[u8]) -> Result<(i64, i64), String> {
    let certificate = parse(der)?;
    if certificate.version() != X509Version::V3 {
        return Err(
            "an X.509 version 1 certificate: version 3, with a subject alternative name, is needed"
                .to_owned(),
        );
    }
    Ok(valid(&certificate))
}

/// A certificate as the plan for built-in certificates uses it; `None` if it cannot be read.
pub(super) fn facts(der: &CertificateDer<'_>) -> Option<authority::Certificate> {
    let (not_before, not_after) = valid(&parse(der).ok()?);
    Some(authority::Certificate {
        not_before,
        not_after,
        id: authority::Fingerprint(crypto::sha256(der)),
    })
}

/// The common name and the public key in the certificate of a CA; `None` if it is not one.
pub(super) fn ca(der: &[u8]) -> Option<(String, Vec<u8>)> {
    let certificate = parse(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    let name = name.as_str().ok()?.to_owned();
    let key = certificate.public_key().subject_public_key.data.to_vec();
    certificate.is_ca().then_some((name, key))
}

fn valid(certificate: &X509Certificate<'_>) -> (i64, i64) {
    let validity = certificate.validity();
    (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    )
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("not a certificate: something follows its end".to_owned()),
        Err(error) => Err(format!("not a certificate: {error}")),
    }
}
