//! The CA of the callers, followed: who may call changes without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::{Certificate, Error, read};
use crate::metrics::{Metrics, What};
use crate::tls;

/// The file of the CA, and the configuration of TLS that is published whenever the file changes.
/// Connections that are open keep what they were made with.
#[derive(Debug)]
pub struct ClientCa {
    path: PathBuf,
    last: Option<Vec<u8>>,
    certificate: watch::Receiver<Option<Arc<Certificate>>>,
    publish: watch::Sender<Arc<ServerConfig>>,
}

impl ClientCa {
    /// Reads the file; whoever makes TLS connections takes what is published.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds no certificate of a CA.
    pub fn open(
        path: &Path,
        certificate: watch::Receiver<Option<Arc<Certificate>>>,
    ) -> Result<(Self, watch::Receiver<Arc<ServerConfig>>), Error> {
        let pem = read(path)?;
        let (publish, published) = watch::channel(config(path, &pem, &certificate)?);
        let ca = Self {
            path: path.to_owned(),
            last: Some(pem),
            certificate,
            publish,
        };
        Ok((ca, published))
    }

    /// Publishes what the file holds if it is new and good; else the old CA stays.
    pub fn check(&mut self, metrics: &Metrics) {
        let done = match read(&self.path) {
            Ok(pem) if self.last.as_ref() == Some(&pem) => return,
            Ok(pem) => {
                let made = config(&self.path, &pem, &self.certificate);
                self.last = Some(pem);
                made.map(|config| self.publish.send_replace(config))
            }
            // Missing in the middle of a swap, or for good: said once.
            Err(_) if self.last.is_none() => return,
            Err(error) => {
                self.last = None;
                Err(error)
            }
        };
        metrics.reload(What::ClientCa, done.is_ok());
        match done {
            Ok(_) => tracing::info!("the CA of the callers was replaced"),
            Err(error) => tracing::error!(%error, "the old CA of the callers stays"),
        }
    }
}

fn config(
    path: &Path,
    pem: &[u8],
    certificate: &watch::Receiver<Option<Arc<Certificate>>>,
) -> Result<Arc<ServerConfig>, Error> {
    tls::server(certificate.clone(), Some(pem)).map_err(|error| Error::File {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}
