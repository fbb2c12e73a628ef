//! `caBundle`: certificates in PEM, in base64 on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::{sign, x509};
use multinic_core::authority::Certificate;

/// The bundle of an entry as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Bundle {
    /// As it is in the object; `None` if the field is absent.
    pub(super) text: Option<String>,
    /// The certificates in it.
    pub(super) certificates: Vec<(Certificate, CertificateDer<'static>)>,
    /// Whether nothing else is in it, and they are written as [`write`] writes them.
    pub(super) tidy: bool,
}

impl Bundle {
    pub(super) fn read(text: Option<String>) -> Self {
        let pem = text.as_deref().map(|text| STANDARD.decode(text));
        let pem = pem.transpose().unwrap_or_default().unwrap_or_default();
        let certificates = parse(&pem);
        let tidy =
            write(certificates.iter().map(|(_, der)| der)) == text.clone().unwrap_or_default();
        Self {
            text,
            certificates,
            tidy,
        }
    }
}

/// The certificates in a PEM text that can be read; others are left out.
pub(super) fn parse(pem: &[u8]) -> Vec<(Certificate, CertificateDer<'static>)> {
    let mut all: Vec<(Certificate, _)> = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        // The sections after a damaged one are still read.
        let Ok(der) = der else { continue };
        if let Some(facts) = x509::facts(&der)
            && all.iter().all(|(one, _)| *one != facts)
        {
            all.push((facts, der));
        }
    }
    all
}

/// The value of `caBundle` for these certificates.
pub(super) fn write<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> String {
    let pem: String = certificates.into_iter().map(sign::pem).collect();
    STANDARD.encode(pem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::sign::Authority;
    use multinic_core::authority::Terms;

    #[test]
    fn only_certificates_are_kept_and_only_what_is_written_here_is_tidy() {
        let made = [1, 2].map(|day| Authority::mint(&[], &Terms::new(0), day * 86_400).unwrap());
        let ders = made.each_ref().map(|one| one.der.clone());
        let text = write(&ders);
        let bundle = Bundle::read(Some(text));
        let facts: Vec<_> = bundle.certificates.iter().map(|one| one.0).collect();
        assert_eq!(facts, made.each_ref().map(|one| one.facts));
        assert!(bundle.tidy);
        for untidy in [
            "Cg==".to_owned(),
            "no base64".to_owned(),
            STANDARD.encode("text"),
            STANDARD.encode(sign::pem(&ders[0]) + "text"),
            STANDARD.encode("# text\n".to_owned() + &sign::pem(&ders[0])),
            STANDARD.encode(sign::pem(&ders[0]).replace('\n', "\r\n")),
            STANDARD.encode(sign::pem(&ders[0]).repeat(2)),
            STANDARD.encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            let bundle = Bundle::read(Some(untidy.clone()));
            assert!(!bundle.tidy, "{untidy}");
            assert!(bundle.certificates.len() <= 1);
        }
        let empty = Bundle::read(None);
        assert!(empty.tidy && empty.certificates.is_empty());
    }
}
