//! The CA of the callers, followed: who may call changes without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

use crate::cert::{Certificate, Error, read};
use crate::metrics::{Metrics, Reloaded};
use crate::news::News;

/// The file of the CA, and the configuration of TLS that is published whenever the file changes.
/// Connections that are open keep what they were made with.
#[derive(Debug)]
pub struct ClientCa {
    path: PathBuf,
    last: News<Vec<u8>>,
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
            last: News::since(pem),
            certificate,
            publish,
        };
        Ok((ca, published))
    }

    /// Publishes what the file holds if it is new and good; else the old CA stays.
    pub fn check(&mut self, metrics: &Metrics) {
        let Some(read) = self.last.tell(read(&self.path)) else {
            return;
        };
        let made = read.and_then(|pem| config(&self.path, &pem, &self.certificate));
        metrics.reload(Reloaded::ClientCa, made.is_ok());
        match made {
            Ok(config) => {
                self.publish.send_replace(config);
                tracing::info!("the CA of the callers was replaced");
            }
            Err(error) => tracing::error!(%error, "the old CA of the callers stays"),
        }
    }
}

fn config(
    path: &Path,
    pem: &[u8],
    certificate: &watch::Receiver<Option<Arc<Certificate>>>,
) -> Result<Arc<ServerConfig>, Error> {
    super::server(certificate.clone(), Some(pem)).map_err(|error| Error::File {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}
