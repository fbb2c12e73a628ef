//! Where the API server is, and a client of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

/// Why there is no client of the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client cannot be created.
    #[error("cannot create a client of the API server")]
    Client(#[source] kube::Error),
    /// The program does not run in a Pod.
    #[error(
        "not in a cluster; use --kubeconfig FILE, or set KUBECONFIG, or use --networks DIR to do \
         without a cluster"
    )]
    InCluster(#[source] kube::config::InClusterError),
    /// There is no kubeconfig, and the program does not run in a Pod.
    #[error("no cluster is configured; use --kubeconfig FILE, or set KUBECONFIG")]
    Nowhere(#[source] kube::config::InClusterError),
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig {path}")]
    Kubeconfig {
        /// The file, or the value of `KUBECONFIG`.
        path: String,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
}

/// An API server that sends nothing for this long is considered gone. Longer than the minute between
/// the bookmarks of a watch.
const SILENCE: Duration = Duration::from_secs(90);
/// How long a command that somebody waits for tries to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// Returns a client of the API server for the server: that of a kubeconfig file, or else of the files
/// in `KUBECONFIG`, or else of the cluster that this Pod runs in.
///
/// Certificates, tokens, token files (which are read again when they are renewed) and `exec` plugins
/// are supported.
///
/// # Errors
/// If the configuration cannot be read or used. No request is sent yet.
pub async fn client(kubeconfig: Option<&Path>) -> Result<kube::Client, Error> {
    let options = KubeConfigOptions::default();
    let mut config = match named(kubeconfig, &options).await? {
        Some(config) => config,
        None => kube::Config::incluster().map_err(Error::InCluster)?,
    };
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    kube::Client::try_from(config).map_err(Error::Client)
}

/// Returns how to reach the API server as kubectl finds it: as [`client`], but with a context of the
/// kubeconfig, and with `~/.kube/config` before the cluster that this Pod runs in.
///
/// # Errors
/// If the configuration cannot be read or used, or if there is none.
pub async fn config(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<kube::Config, Error> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    let home = home.filter(|path| path.exists());
    let mut config = match (named(kubeconfig, &options).await?, home) {
        (Some(config), _) => config,
        (None, Some(path)) => read(&path, &options).await?,
        (None, None) => kube::Config::incluster().map_err(Error::Nowhere)?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    Ok(config)
}

/// The configuration in a file, or else in the files of `KUBECONFIG`, if there are any.
async fn named(
    kubeconfig: Option<&Path>,
    options: &KubeConfigOptions,
) -> Result<Option<kube::Config>, Error> {
    if let Some(path) = kubeconfig {
        return read(path, options).await.map(Some);
    }
    let fault = |source| Error::Kubeconfig {
        path: format!(
            "in KUBECONFIG ({})",
            std::env::var("KUBECONFIG").unwrap_or_default()
        ),
        source,
    };
    let Some(read) = Kubeconfig::from_env().map_err(fault)? else {
        return Ok(None);
    };
    let config = kube::Config::from_custom_kubeconfig(read, options).await;
    config.map(Some).map_err(fault)
}

async fn read(path: &Path, options: &KubeConfigOptions) -> Result<kube::Config, Error> {
    let fault = |source| Error::Kubeconfig {
        path: path.display().to_string(),
        source,
    };
    let read = Kubeconfig::read_from(path).map_err(fault)?;
    let config = kube::Config::from_custom_kubeconfig(read, options).await;
    config.map_err(fault)
}
