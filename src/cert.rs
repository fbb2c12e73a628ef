//! The server's certificate: read, checked, and only then published.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::crypto::{self, Unusable};
use crate::metrics::{Metrics, Reloaded};
use crate::news::News;

pub mod development;
mod validity;

/// A certificate with its key, which belong together.
#[derive(Debug)]
pub struct Certificate {
    /// What TLS takes.
    pub key: Arc<CertifiedKey>,
    /// When it expires, in seconds since 1970.
    pub not_after: i64,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It expired.
    #[error("the certificate expired {0} seconds ago")]
    Expired(i64),
    /// A file cannot be read, or holds something else.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// Why.
        problem: String,
    },
    /// A folder holds a certificate that this program did not make, or not whole.
    #[error(
        "{0} holds a certificate and not the key of the CA that signed it ({ca_key}), so it is not \
         replaced: name it with --cert and --key, or delete it for a new one",
        ca_key = development::CA_KEY
    )]
    Foreign(String),
    /// A certificate of our own cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// It is no certificate, or the key is that of another.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// A pair of files that is followed.
#[derive(Debug)]
pub struct Files {
    cert: PathBuf,
    key: PathBuf,
    last: News<(Vec<u8>, Vec<u8>)>,
    publish: watch::Sender<Option<Arc<Certificate>>>,
    /// The folder, where they are of our own making and are renewed here.
    made_in: Option<PathBuf>,
    /// That they cannot be renewed was said.
    told: bool,
}

impl Certificate {
    /// Reads a chain and a key in PEM.
    ///
    /// # Errors
    /// Where they are none, do not belong together, or expired.
    pub fn read(cert: &[u8], key: &[u8]) -> Result<Self, Error> {
        let unusable = |what: &str, error: &dyn std::fmt::Display| {
            Error::Unusable(Unusable(format!("no usable {what}: {error}")))
        };
        let chain = CertificateDer::pem_slice_iter(cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable("certificate", &error))?;
        let Some(leaf) = chain.first() else {
            return Err(Unusable("no certificate in the file".to_owned()).into());
        };
        let not_after = validity::not_after(leaf)
            .ok_or_else(|| Unusable("a certificate without notAfter".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable("key", &error))?;
        // Checks that the key is the certificate's.
        let key = CertifiedKey::from_der(chain, key, &crypto::provider())
            .map_err(|error| unusable("pair of certificate and key", &error))?;
        let now = now();
        if not_after <= now {
            return Err(Error::Expired(now - not_after));
        }
        Ok(Self {
            key: Arc::new(key),
            not_after,
        })
    }
}

impl Files {
    /// Reads the files and publishes what they hold.
    ///
    /// # Errors
    /// Where that is no certificate to serve with.
    pub fn open(
        cert: &Path,
        key: &Path,
        publish: watch::Sender<Option<Arc<Certificate>>>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let pair = pair(cert, key)?;
        let files = Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            last: News::since(pair.clone()),
            publish,
            made_in: None,
            told: false,
        };
        files.publish(&pair, metrics)?;
        Ok(files)
    }

    /// Makes a development certificate in the folder unless there is one, and publishes it. It is
    /// renewed before it ends.
    ///
    /// # Errors
    /// Where it cannot be made, or would replace one that is not of this program's making.
    pub fn development(
        folder: &Path,
        publish: watch::Sender<Option<Arc<Certificate>>>,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        if development::ensure(folder)? {
            tracing::info!(folder = %folder.display(), "made a development certificate");
        }
        let file = |name| folder.join(name);
        let (cert, key) = (file(development::CERT), file(development::KEY));
        Ok(Self {
            made_in: Some(folder.to_owned()),
            ..Self::open(&cert, &key, publish, metrics)?
        })
    }

    /// Publishes what the files hold if it is new and good; else the old pair stays.
    pub fn check(&mut self, metrics: &Metrics) {
        self.renew(metrics);
        let Some(read) = self.last.tell(pair(&self.cert, &self.key)) else {
            return;
        };
        let done = read.and_then(|pair| self.publish(&pair, metrics));
        metrics.reload(Reloaded::Certificate, done.is_ok());
        match done {
            Ok(()) => tracing::info!("the certificate was replaced"),
            Err(error) => tracing::error!(%error, "the old certificate stays"),
        }
    }

    fn renew(&mut self, metrics: &Metrics) {
        let published = self.publish.borrow().clone();
        let lasts = published.is_some_and(|one| development::lasts(&one));
        let Some(folder) = self.made_in.as_ref().filter(|_| !lasts) else {
            return;
        };
        match development::ensure(folder) {
            Ok(_) => self.told = false, // `check` reads it now
            Err(_) if self.told => {}
            Err(error) => {
                self.told = true;
                metrics.reload(Reloaded::Certificate, false);
                tracing::error!(%error, "the development certificate cannot be renewed");
            }
        }
    }

    fn publish(&self, (cert, key): &(Vec<u8>, Vec<u8>), metrics: &Metrics) -> Result<(), Error> {
        let certificate = Certificate::read(cert, key)?;
        metrics.certificate(certificate.not_after);
        self.publish.send_replace(Some(Arc::new(certificate)));
        Ok(())
    }
}

fn pair(cert: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), Error> {
    Ok((read(cert)?, read(key)?))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| fault(path, &error))
}

fn fault(path: &Path, error: &io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        problem: error.to_string(),
    }
}

/// Seconds since 1970, by the clock on the wall.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
