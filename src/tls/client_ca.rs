//! The CA of the callers, followed: the allowed callers change without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rustls::ServerConfig;
use tokio::sync::watch;

use crate::cert::Certificate;
use crate::crypto;
use crate::followed::Followed;
use crate::metrics::{Metrics, Reloaded};

/// The file of the CA, and the TLS configuration that is published whenever the file changes.
/// Connections that are open keep what they were made with.
#[derive(Debug)]
pub struct ClientCa {
    path: PathBuf,
    followed: Followed<Vec<u8>>,
    certificate: watch::Receiver<Option<Arc<Certificate>>>,
    publish: watch::Sender<Arc<ServerConfig>>,
}

/// Why there is no CA of the callers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It does not hold certificates.
    #[error("{path}: {source}")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        source: crypto::Error,
    },
}

impl ClientCa {
    /// Reads the file. TLS connections are to be made with what is published.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or does not hold certificates.
    pub fn open(
        path: &Path,
        certificate: watch::Receiver<Option<Arc<Certificate>>>,
    ) -> Result<(Self, watch::Receiver<Arc<ServerConfig>>), Error> {
        let pem = read(path)?;
        let (publish, published) = watch::channel(config(path, &pem, &certificate)?);
        let ca = Self {
            path: path.to_owned(),
            followed: Followed::new(Reloaded::ClientCa, pem),
            certificate,
            publish,
        };
        Ok((ca, published))
    }

    /// Publishes what the file holds if it is new and good; otherwise the old CA stays.
    pub fn check(&mut self, metrics: &Metrics) {
        let (path, certificate, publish) = (&self.path, &self.certificate, &self.publish);
        self.followed.publish(read(path), metrics, |pem| {
            publish.send_replace(config(path, &pem, certificate)?);
            Ok(())
        });
    }
}

fn config(
    path: &Path,
    pem: &[u8],
    certificate: &watch::Receiver<Option<Arc<Certificate>>>,
) -> Result<Arc<ServerConfig>, Error> {
    super::server(certificate.clone(), Some(pem)).map_err(|source| Error::Unusable {
        path: path.display().to_string(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Io {
        path: path.display().to_string(),
        source,
    })
}
