//! How TLS handshakes end.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustls::AlertDescription::{
    AccessDenied, BadCertificate, CertificateExpired, CertificateRevoked, CertificateUnknown,
    UnknownCA, UnsupportedCertificate,
};
use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};

use crate::metrics::Certificates;

/// Handshakes are counted, and one of many rejections is logged as a warning.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    warned: Mutex<Option<Instant>>,
}

/// One warning in this time.
const REMIND: Duration = Duration::from_mins(1);

impl Handshakes {
    pub(super) fn failed(&self, error: &io::Error, metrics: &Certificates) {
        let result = result(error);
        metrics.handshake(result);
        if result == "rejected" && self.is_due() {
            tracing::warn!(
                %error,
                "a caller does not trust the certificate of this server: if it is the API server, its \
                 calls fail; compare caBundle of the webhook configurations with the CA of the certificate"
            );
        } else {
            tracing::debug!(%error, "the TLS handshake failed");
        }
    }

    fn is_due(&self) -> bool {
        let Ok(mut warned) = self.warned.lock() else {
            return true;
        };
        let due = warned.is_none_or(|at| at.elapsed() >= REMIND);
        if due {
            *warned = Some(Instant::now());
        }
        due
    }
}

/// The label of a handshake that failed. Scanners and probes end theirs as they like: only a caller
/// that rejects the certificate is a reason to worry.
fn result(error: &io::Error) -> &'static str {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(AlertReceived(
            AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRevoked
            | CertificateUnknown
            | UnknownCA
            | UnsupportedCertificate,
        )) => "rejected",
        Some(InvalidCertificate(_) | NoCertificatesPresented) => "client-certificate",
        Some(_) => "error",
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => "eof",
            _ => "error",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_by_result() {
        let tls = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, expected) in [
            (tls(AlertReceived(UnknownCA)), "rejected"),
            (tls(AlertReceived(BadCertificate)), "rejected"),
            (
                tls(AlertReceived(rustls::AlertDescription::ProtocolVersion)),
                "error",
            ),
            (tls(NoCertificatesPresented), "client-certificate"),
            (io::ErrorKind::UnexpectedEof.into(), "eof"),
            (io::ErrorKind::ConnectionReset.into(), "eof"),
            (io::Error::other("something"), "error"),
        ] {
            assert_eq!(result(&error), expected, "{error}");
        }
    }
}
