//! The flags of every command that reads a cluster: those of kubectl.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::Error;
use crate::cluster::connect;
use crate::cluster::reader::Reader;
use crate::crypto;

/// Where the API server is.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct Connection {
    /// How to reach the API server; without it, the files in $KUBECONFIG, ~/.kube/config, or the
    /// service account of the Pod
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; without it, the current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// An API server that is to be read.
#[derive(Debug)]
pub struct Site {
    /// Reads from it.
    pub reader: Reader,
    /// Its address.
    pub url: String,
    /// The namespace of the context.
    pub namespace: String,
}

impl Connection {
    /// Prepares to read; no request is sent yet.
    ///
    /// # Errors
    /// If the kubeconfig cannot be used, or if there is none.
    pub async fn open(&self, connect_within: Option<Duration>) -> Result<Site, Error> {
        // The client of the API server takes the provider of the process.
        crypto::install();
        let mut config =
            connect::config(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        config.connect_timeout = connect_within.or(config.connect_timeout);
        let (url, namespace) = (
            config.cluster_url.to_string(),
            config.default_namespace.clone(),
        );
        let client = kube::Client::try_from(config).map_err(connect::Error::Client)?;
        Ok(Site {
            reader: Reader::new(client),
            url: url.trim_end_matches('/').to_owned(),
            namespace,
        })
    }
}

/// A runtime for a command that waits for one answer after the other.
///
/// # Errors
/// If the system does not let one start.
pub(super) fn runtime() -> Result<Runtime, Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| Error::Start {
        what: "the runtime",
        source,
    })
}
