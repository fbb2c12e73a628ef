//! `multinic serve`: the server that the API server calls.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::text::escape;
use multinic_core::usage::Usage;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::{Error, FAILED, read_cluster_config};
use crate::cert::{self, Certificate, development};
use crate::cluster;
use crate::cluster::lookup::Lookup;
use crate::error::chain;
use crate::http::{self, Known};
use crate::listen::Limits;
use crate::log::{self, Format};
use crate::metrics::Metrics;
use crate::serve::Parts;
use crate::shutdown::Signals;
use crate::tls::{self, ClientCa};
use crate::{crypto, duration, thread};

mod address;
mod certificates;
mod follow;
mod greeting;
pub mod networks;

use follow::{ConfigFile, FollowedFiles};
use networks::Follow;

/// Serve the webhooks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder with NetworkAttachmentDefinitions, in YAML or JSON; without it, those of the
    /// cluster
    #[arg(long, value_name = "DIR", conflicts_with = "kubeconfig")]
    networks: Option<PathBuf>,
    /// How to reach the API server; without it, the files in $KUBECONFIG, or the service account of
    /// the Pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The configuration; `multinic config` prints the default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The cluster configuration of Google Distributed Cloud, from which multipleNetworkInterfaces
    /// is then taken; read once
    #[arg(long, value_name = "FILE")]
    cluster_config: Option<PathBuf>,
    /// Where to serve the webhooks, over TLS
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8443",
        value_parser = address::flag
    )]
    listen: SocketAddr,
    /// Where to serve health, readiness and metrics, over plain HTTP
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080",
        value_parser = address::flag
    )]
    admin_listen: SocketAddr,
    #[command(flatten)]
    certificates: certificates::CertificateArgs,
    /// Accept only callers with a certificate of this CA, in PEM; read again when it changes
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// How long to keep serving after SIGTERM, while others learn that this server ends
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::flag)]
    drain_delay: Duration,
    /// The format of log lines
    #[arg(long, value_enum, default_value = "human")]
    log_format: Format,
    /// The number of connections at the same time; further ones wait
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_connections: usize,
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        crypto::warm_up();
        let metrics = Arc::new(Metrics::new());
        let format = self.log_format;
        let log = log::start(format, metrics.log_lines_lost.clone());
        // The message of a panic may quote what a user wrote; the place is enough to find the
        // defect.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, "a defect of multinic");
        }));
        let runtime = runtime()?;
        let mut code = runtime.block_on(self.serve(metrics));
        if let Err(error) = &code
            && format == Format::Json
        {
            let error = chain(error);
            tracing::error!(error = &*escape(&error), "cannot start");
            code = Ok(ExitCode::from(FAILED));
        }
        // Connections that are still open were cut: nothing is waited for.
        runtime.shutdown_background();
        log.flush();
        code
    }

    async fn serve(self, metrics: Arc<Metrics>) -> Result<ExitCode, Error> {
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            return Err(Error::Usage(format!(
                "--listen and --admin-listen are both {}; give one of them another port",
                self.listen
            )));
        }
        if let Some(folder) = &self.networks {
            // That the folder cannot be read is an error now; later it is logged.
            cluster::folder::paths(folder)?;
        }
        let (config_file, config) = self.open_config(&metrics)?;
        let (networks_sender, networks) = watch::channel(None::<Arc<Snapshot>>);
        let (usage_sender, usage) = watch::channel(None);
        let (certificate_sender, certificate) = watch::channel(None::<Arc<Certificate>>);
        let sources = self.certificates.open(certificate_sender, &metrics)?;
        let (client_ca, tls) = if let Some(path) = &self.client_ca {
            let (ca, tls) = ClientCa::open(path, certificate.clone())?;
            (Some(ca), tls)
        } else {
            let tls = tls::server(certificate.clone(), None);
            let tls = tls.map_err(|error| Error::Usage(error.to_string()))?;
            (None, watch::channel(tls).1)
        };
        let signals = Signals::new().map_err(|source| Error::Start {
            what: "the handling of signals",
            source,
        })?;
        let webhooks = address::bind(self.listen, "--listen").await?;
        let admin = address::bind(self.admin_listen, "--admin-listen").await?;
        let mut distrusted = watch::channel(None).1;
        let (folder, lookup) = if let Some(folder) = &self.networks {
            let follow = Follow::new(folder, networks_sender, config.clone());
            (Some(follow), Lookup::Nowhere)
        } else {
            let (networks, config) = (networks_sender, config.clone());
            let watched = self.watch_cluster(networks, usage_sender, config, &metrics);
            let (client, lookup) = watched.await?;
            if let Some((settings, gate)) = sources.trust.settings(&certificate) {
                tokio::spawn(cert::trust::keep(client, settings, Arc::clone(&metrics)));
                distrusted = gate;
            }
            (None, lookup)
        };
        let files = FollowedFiles {
            config: config_file,
            certificate: sources.files,
            ca_bundle: sources.ca_bundle,
            client_ca,
            folder,
            metrics: Arc::clone(&metrics),
        };
        let checked = files.start()?;
        let report = self.report_ready(&webhooks, &admin);
        let mut loaded = networks.clone();
        tokio::spawn(async move {
            let _ = checked.await;
            let _ = loaded.wait_for(Option::is_some).await;
            report();
        });
        metrics.count_use(networks.clone(), usage.clone());
        let running = Parts {
            webhooks,
            admin,
            known: Known {
                config,
                networks,
                usage,
                lookup,
                certificate,
                distrusted,
            },
            tls,
            limits: Limits {
                connections: self.max_connections,
                ..Limits::default()
            },
            memory: http::MEMORY,
            metrics,
        }
        .start()
        .map_err(|source| Error::Start {
            what: "the admin listener",
            source,
        })?;
        Ok(signals.shut_down(running, self.drain_delay).await)
    }

    fn open_config(
        &self,
        metrics: &Metrics,
    ) -> Result<(Option<ConfigFile>, watch::Receiver<Arc<Policy>>), Error> {
        let cluster = self.cluster_config.as_deref().map(read_cluster_config);
        let cluster = cluster.transpose()?;
        if let Some(path) = self.config.clone() {
            let (file, config) = ConfigFile::open(path, cluster, metrics)?;
            return Ok((Some(file), config));
        }
        let policy = follow::in_cluster(Policy::default(), cluster.as_ref());
        follow::in_force(&policy, None, metrics);
        Ok((None, watch::channel(Arc::new(policy)).1))
    }

    /// Starts to watch the networks of the cluster, and the Pods if the configuration says so.
    async fn watch_cluster(
        &self,
        networks: watch::Sender<Option<Arc<Snapshot>>>,
        usage: watch::Sender<Option<Arc<Usage>>>,
        config: watch::Receiver<Arc<Policy>>,
        metrics: &Arc<Metrics>,
    ) -> Result<(kube::Client, Lookup), Error> {
        // The client of the API server uses the provider of the process.
        crypto::install();
        let client = cluster::connect::client(self.kubeconfig.as_deref()).await?;
        let lookup = cluster::lookup::Cluster::new(client.clone(), Arc::clone(metrics));
        tokio::spawn(cluster::usage::follow(client.clone(), config, usage));
        // On a dedicated thread with its own client: no review delays the watch.
        let (kubeconfig, metrics) = (self.kubeconfig.clone(), Arc::clone(metrics));
        let watch = move || async move {
            match cluster::connect::client(kubeconfig.as_deref()).await {
                Ok(client) => cluster::watch::follow(client, networks, metrics).await,
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(error = &*escape(&error), "cannot watch the networks");
                }
            }
        };
        thread::run("networks", watch).map_err(|source| Error::Start {
            what: "the thread that watches the networks",
            source,
        })?;
        Ok((client, Lookup::Cluster(lookup)))
    }

    /// Logs the addresses. The result logs that the server is ready, and what to try.
    fn report_ready(&self, webhooks: &TcpListener, admin: &TcpListener) -> impl Fn() + use<> {
        let address = |listener: &TcpListener, else_| listener.local_addr().unwrap_or(else_);
        let listen = address(webhooks, self.listen);
        let admin = address(admin, self.admin_listen);
        tracing::info!(%listen, %admin, "listening");
        // With a client CA, the command would also need a certificate.
        let own = self.certificates.development();
        let own = own.filter(|_| self.client_ca.is_none() && self.log_format == Format::Human);
        let command = own.and_then(|certs| greeting::command(&certs.join(development::CA), listen));
        move || {
            tracing::info!("ready: serving /mutate and /validate");
            if let Some(command) = &command {
                tracing::info!("try: {command}");
            }
        }
    }
}

/// As many threads as cores, and no more than four: a decision takes microseconds, and each thread
/// has memory of its own.
fn runtime() -> Result<Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let built = Builder::new_multi_thread()
        .worker_threads(cores.min(4))
        .enable_all()
        .build();
    built.map_err(|source| Error::Start {
        what: "the threads of the server",
        source,
    })
}
