//! The server's certificate: read or made, checked, and only then published.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::crypto;
use multinic_core::authority::MARGIN;

mod x509;
mod sign;
pub mod development;
mod files;
pub mod trust;

pub(crate) use x509::validity;

pub use files::{CaBundle, Files};

/// A certificate with its chain and its key, which belong together.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What TLS takes.
    pub key: Arc<CertifiedKey>,
    /// Valid from then on, in seconds since 1970.
    pub not_before: i64,
    /// Valid until then, in seconds since 1970.
    pub not_after: i64,
    /// Why it should not be served. It is served anyway if there is no better one, and the
    /// server is not ready then.
    pub fault: Option<String>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or does not hold what it should.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder holds a certificate that this program did not make, or not whole.
    #[error(
        "{0} holds a certificate, and not the key of the CA that signed it ({ca_key}), so it is not \
         replaced: pass its files with --cert and --key, or delete it to have a new one made",
        ca_key = development::CA_KEY
    )]
    Foreign(String),
    /// A certificate of our own cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

impl Certificate {
    /// Reads the PEM files of a certificate with its chain, and of its key. Whether it should be
    /// served is another question: [`Certificate::check`].
    ///
    /// # Errors
    /// Returns an error if one of the files cannot be read or does not hold what it should, or if
    /// they do not belong together.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, Error> {
        Self::parse((cert, &read(cert)?), (key, &read(key)?))
    }

    /// As [`Certificate::read`], of files that were read already.
    ///
    /// # Errors
    /// As [`Certificate::read`].
    pub fn parse(cert: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, Error> {
        let (path, pem) = cert;
        let fault = |problem: String| fault(path, problem);
        let chain = crypto::certificates(pem).map_err(|error| fault(error.to_string()))?;
        let Some(leaf) = chain.first() else {
            return Err(fault(crypto::Error::NoCertificate.to_string()));
        };
        let (not_before, not_after) = validity(leaf).map_err(&fault)?;
        let key = CertifiedKey::from_der(chain, private_key(key)?, &crypto::provider());
        let key = key.map_err(|error| {
            fault(match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the private key does not belong to this certificate".to_owned()
                }
                error => crypto::reason(&error),
            })
        })?;
        Ok(Self {
            key: Arc::new(key),
            not_before,
            not_after,
            fault: None,
        })
    }

    /// Whether it should be served to callers that use these names, at this moment in seconds since
    /// 1970.
    ///
    /// # Errors
    /// Returns the reason if it should not.
    pub fn check(&self, names: &[ServerName<'static>], now: i64) -> Result<(), String> {
        if self.not_after <= now {
            let ago = now - self.not_after;
            return Err(format!("the certificate expired {} ago", span(ago)));
        }
        if self.not_before > now {
            let left = self.not_before - now;
            return Err(format!(
                "the certificate is not valid for another {}",
                span(left)
            ));
        }
        for name in names {
            let leaf = self.key.cert.first().ok_or("there is no certificate")?;
            crypto::names(leaf, name).map_err(|_| {
                format!(
                    "the certificate is not valid for {}, by which the API server calls this server",
                    name.to_str()
                )
            })?;
        }
        Ok(())
    }

    /// Whether it may replace one that is good: clocks differ, and others may be behind this one.
    fn settled(&self, now: i64) -> bool {
        self.not_before + MARGIN <= now
    }
}

fn private_key((path, pem): (&Path, &[u8])) -> Result<PrivateKeyDer<'static>, Error> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED") {
        return Err(fault(
            path,
            "the private key is encrypted: decrypt it, for example with `openssl pkey`",
        ));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        use rustls::pki_types::pem::Error::NoItemsFound;
        fault(
            path,
            match error {
                NoItemsFound => {
                    "there is no private key in it: expected PEM with `-----BEGIN PRIVATE KEY-----`"
                        .to_owned()
                }
                error => format!("the private key is not valid PEM: {error}"),
            },
        )
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error: io::Error| fault(path, error.to_string()))
}

fn fault(path: &Path, problem: impl Into<String>) -> Error {
    Error::File {
        path: path.display().to_string(),
        problem: problem.into(),
    }
}

/// Seconds since 1970, by the wall clock.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// Seconds, for people.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The files of a pair, for messages.
#[derive(Clone, Debug)]
struct Pair {
    cert: PathBuf,
    key: PathBuf,
}
