//! `multinic serve`: the server that the API server calls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use std::{fs, thread};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::{Error, read_config};
use crate::cert::{self, Certificate, development};
use crate::cluster::follow::Follow;
use crate::cluster::lookup::Lookup;
use crate::cluster::{self, Snapshot};
use crate::config::Config;
use crate::http::{self, Server};
use crate::listen::{self, Limits, Phase};
use crate::log::{self, Format};
use crate::metrics::{Metrics, What};
use crate::{duration, tls};

/// Serve the webhooks over TLS.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of YAML or JSON files with the NetworkAttachmentDefinitions; without it they are
    /// those of the cluster.
    #[arg(long, value_name = "DIR", conflicts_with = "kubeconfig")]
    networks: Option<PathBuf>,
    /// How the API server is reached from outside the cluster; inside, the Pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The configuration; `multinic config` prints the default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the webhooks are served, over TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where health, readiness and metrics are served, over plain HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    admin_listen: SocketAddr,
    /// A folder with a development certificate, made if it is missing.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "certs",
        conflicts_with = "cert"
    )]
    certs: PathBuf,
    /// The certificate with its chain, in PEM; a new one is picked up.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Only callers whose certificate this CA signed get in. In PEM.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// How long to serve on after SIGTERM, while others learn that this server ends.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::flag)]
    drain_delay: Duration,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "human")]
    log_format: Format,
    /// Connections at a time; further ones wait.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_connections: usize,
}

/// Where the networks come from.
#[derive(Debug)]
enum Source {
    /// The API server.
    Cluster(Option<PathBuf>),
    /// The files of a folder.
    Folder(PathBuf),
}

/// What fills the server's channels while it runs.
struct Followed {
    config: Option<(PathBuf, String, watch::Sender<Arc<Config>>)>,
    files: cert::Files,
    folder: Option<Follow>,
    metrics: Arc<Metrics>,
}

/// Files are looked at this often. A look at what did not change costs a few system calls.
const INTERVAL: Duration = Duration::from_secs(1);

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let source = match &self.networks {
            Some(folder) => Source::Folder(folder.clone()),
            None => Source::Cluster(self.kubeconfig.clone()),
        };
        let metrics = Arc::new(Metrics::new());
        let log = log::start(self.log_format, metrics.log_lines_lost.clone());
        // A panic's message may quote what a user wrote: the place is enough to find the fault.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, "a fault in multinic");
        }));
        let runtime = runtime()?;
        let code = runtime.block_on(self.serve(source, metrics));
        // What is not over by now was cut: nothing is waited for.
        runtime.shutdown_background();
        log.flush();
        code
    }

    async fn serve(self, source: Source, metrics: Arc<Metrics>) -> Result<ExitCode, Error> {
        let usage = |error: cert::Error| Error::Usage(error.to_string());
        let config = read_config(self.config.as_deref())?;
        let (config_sender, config) = watch::channel(Arc::new(config));
        let (networks_sender, networks) = watch::channel(None::<Arc<Snapshot>>);
        let (certificate_sender, certificate) = watch::channel(None::<Arc<Certificate>>);
        let (phase_sender, phase) = watch::channel(Phase::Serve);

        let (cert, key) = if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            (cert.clone(), key.clone())
        } else {
            if development::ensure(&self.certs).map_err(usage)? {
                tracing::info!(folder = %self.certs.display(), "made a development certificate");
            }
            let file = |name| self.certs.join(name);
            (file(development::CERT), file(development::KEY))
        };
        let files = cert::Files::open(&cert, &key, certificate_sender, &metrics).map_err(usage)?;
        let tls = tls::server(certificate.clone(), self.client_ca.as_deref()).map_err(usage)?;
        let webhooks = bind(self.listen).await?;
        let admin = bind(self.admin_listen).await?;

        let (folder, lookup) = match source {
            Source::Cluster(kubeconfig) => {
                // The client of the API server takes the provider of the process.
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
                let client = cluster::watch::client(kubeconfig.as_deref())
                    .await
                    .map_err(|error| Error::Usage(error.to_string()))?;
                let metrics = Arc::clone(&metrics);
                tokio::spawn(cluster::watch::follow(
                    client.clone(),
                    networks_sender,
                    metrics,
                ));
                (None, Lookup::Cluster(cluster::lookup::Cluster::new(client)))
            }
            Source::Folder(folder) => {
                // A folder that is none is a mistake on the command line; later it is an event.
                cluster::folder::paths(&folder)?;
                (Some(Follow::new(&folder, networks_sender)), Lookup::Nowhere)
            }
        };
        let text = self.config.as_deref().map(fs::read_to_string);
        Followed {
            config: self.config.clone().map(|path| {
                (
                    path,
                    text.and_then(Result::ok).unwrap_or_default(),
                    config_sender,
                )
            }),
            files,
            folder,
            metrics: Arc::clone(&metrics),
        }
        .start()?;

        let server = Arc::new(Server {
            config,
            networks,
            certificate,
            lookup,
            phase: phase.clone(),
            metrics,
            memory: AtomicUsize::new(http::MEMORY),
            large: Semaphore::new(1),
        });
        self.greet(&webhooks, &admin);
        let limits = Limits {
            connections: self.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            ..Limits::default()
        };
        let few = Limits {
            connections: 64,
            ..limits
        };
        // The admin port answers to the very end: it never hears of the phase.
        let (_open, never) = watch::channel(Phase::Serve);
        tokio::spawn(listen::serve(
            admin,
            None,
            http::admin(Arc::clone(&server)),
            few,
            never,
        ));
        let serving = tokio::spawn(listen::serve(
            webhooks,
            Some(tls),
            http::webhooks(server),
            limits,
            phase,
        ));
        Ok(until_signals(serving, &phase_sender, self.drain_delay).await)
    }

    /// What to try, as it can be pasted.
    fn greet(&self, webhooks: &TcpListener, admin: &TcpListener) {
        let address = |listener: &TcpListener, else_: SocketAddr| {
            listener.local_addr().unwrap_or(else_).to_string()
        };
        let listen = address(webhooks, self.listen);
        let admin = address(admin, self.admin_listen);
        tracing::info!(listen, admin, "serving /mutate and /validate");
        if self.cert.is_none() && self.log_format == Format::Human {
            let ca = self.certs.join(development::CA);
            tracing::info!(
                "try: curl --cacert {} -H 'Content-Type: application/json' -d '{TRY}' https://{listen}/validate",
                ca.display()
            );
        }
    }
}

/// A Pod that asks for a network of another namespace.
const TRY: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","namespace":"team-a","name":"web","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","annotations":{"k8s.v1.cni.cncf.io/networks":"privileged/sriov"}}}}}"#;

impl Followed {
    /// A thread of its own: a file system that hangs stops no review.
    fn start(mut self) -> Result<(), Error> {
        let run = move || {
            loop {
                if let Some(folder) = &mut self.folder {
                    folder.check(&self.metrics);
                }
                self.files.check(&self.metrics);
                if let Some((path, last, publish)) = &mut self.config {
                    follow_config(path, last, publish, &self.metrics);
                }
                thread::sleep(INTERVAL);
            }
        };
        let thread = thread::Builder::new().name("follow".to_owned());
        thread.spawn(run).map_err(|source| Error::Io {
            path: "thread".to_owned(),
            source,
        })?;
        Ok(())
    }
}

/// Publishes the configuration if it is new and good; else the old one stays.
fn follow_config(
    path: &Path,
    last: &mut String,
    publish: &watch::Sender<Arc<Config>>,
    metrics: &Metrics,
) {
    // Gone for a moment while it is replaced: not worth a word.
    let Ok(text) = fs::read_to_string(path) else {
        return;
    };
    if text == *last {
        return;
    }
    let read = Config::parse(&text);
    *last = text;
    metrics.reload(What::Config, read.is_ok());
    match read {
        Ok(config) => {
            publish.send_replace(Arc::new(config));
            tracing::info!(file = %path.display(), "the configuration was replaced");
        }
        Err(error) => {
            let error = error.to_string();
            let error = &*crate::finding::escape(&error);
            tracing::error!(file = %path.display(), error, "the old configuration stays");
        }
    }
}

/// Waits for SIGTERM and drains; SIGINT or a second SIGTERM ends at once.
async fn until_signals(
    serving: tokio::task::JoinHandle<usize>,
    phase: &watch::Sender<Phase>,
    delay: Duration,
) -> ExitCode {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        tracing::error!("cannot listen to signals");
        return ExitCode::FAILURE;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => return ExitCode::SUCCESS,
    }
    let start = Instant::now();
    tracing::info!(?delay, "draining");
    phase.send_replace(Phase::Drain);
    let drain = async {
        tokio::time::sleep(delay).await;
        phase.send_replace(Phase::Close);
        serving.await.unwrap_or_default()
    };
    tokio::select! {
        cut = drain => {
            tracing::info!(cut, took = ?start.elapsed(), "ended");
            ExitCode::SUCCESS
        }
        _ = terminate.recv() => ExitCode::FAILURE,
        _ = interrupt.recv() => ExitCode::FAILURE,
    }
}

/// As many threads as cores, and no more than four: a decision takes microseconds, and each thread
/// has memory of its own.
fn runtime() -> Result<Runtime, Error> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let built = Builder::new_multi_thread()
        .worker_threads(cores.min(4))
        .enable_all()
        .build();
    built.map_err(|source| Error::Io {
        path: "runtime".to_owned(),
        source,
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Io {
        path: address.to_string(),
        source,
    })
}
