//! `multinic serve`: the server that the API server calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use multinic_core::network::Snapshot;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::Error;
use crate::cert::{self, Certificate, development};
use crate::cluster;
use crate::cluster::lookup::Lookup;
use crate::http::{self, Server};
use crate::listen::{self, Limits, Phase};
use crate::log::{self, Format};
use crate::metrics::Metrics;
use crate::tls::{self, ClientCa};
use crate::{crypto, duration};

mod certificates;
mod follow;
pub mod networks;

use certificates::CertificateArgs;
use follow::{ConfigFile, Followed};
use networks::Follow;

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
    #[command(flatten)]
    certificates: CertificateArgs,
    /// Only callers whose certificate this CA signed get in. In PEM; a new one is picked up.
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

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let source = match &self.networks {
            Some(folder) => Source::Folder(folder.clone()),
            None => Source::Cluster(self.kubeconfig.clone()),
        };
        crypto::warm_up();
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
        let (config_file, config) = match self.config.clone() {
            Some(path) => {
                let (file, config) = ConfigFile::open(path)?;
                (Some(file), config)
            }
            None => (None, watch::channel(Arc::default()).1),
        };
        if config.borrow().node_interfaces.is_empty() {
            tracing::info!(
                "nodeInterfaces is empty: networks may build on any interface of the nodes, so whoever \
                 may write NetworkAttachmentDefinitions is not isolated"
            );
        }
        let (networks_sender, networks) = watch::channel(None::<Arc<Snapshot>>);
        let (certificate_sender, certificate) = watch::channel(None::<Arc<Certificate>>);
        let (phase_sender, phase) = watch::channel(Phase::Serve);

        let sources = self.certificates.open(certificate_sender, &metrics)?;
        let usage = |error: &dyn std::fmt::Display| Error::Usage(error.to_string());
        let (client_ca, tls) = if let Some(path) = &self.client_ca {
            let opened = ClientCa::open(path, certificate.clone());
            let (ca, tls) = opened.map_err(|error| usage(&error))?;
            (Some(ca), tls)
        } else {
            let tls = tls::server(certificate.clone(), None).map_err(|error| usage(&error))?;
            (None, watch::channel(tls).1)
        };
        let signals = Signals::new()?;
        let webhooks = bind(self.listen).await?;
        let admin = bind(self.admin_listen).await?;

        let mut distrusted = watch::channel(None).1;
        let (folder, lookup) = match source {
            Source::Cluster(kubeconfig) => {
                // The client of the API server takes the provider of the process.
                crypto::install();
                let client = cluster::watch::client(kubeconfig.as_deref())
                    .await
                    .map_err(|error| Error::Usage(error.to_string()))?;
                let trust = sources.trust;
                if let Some((settings, gate)) = trust.settings(&certificate) {
                    let metrics = Arc::clone(&metrics);
                    tokio::spawn(cert::trust::keep(client.clone(), settings, metrics));
                    distrusted = gate;
                }
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
                let follow = Follow::new(&folder, networks_sender, config.clone());
                (Some(follow), Lookup::Nowhere)
            }
        };
        let looked = Followed {
            config: config_file,
            certificate: sources.files,
            ca_bundle: sources.ca_bundle,
            client_ca,
            folder,
            metrics: Arc::clone(&metrics),
        }
        .start()?;

        let server = Arc::new(Server {
            config,
            networks,
            certificate,
            distrusted,
            lookup,
            phase: phase.clone(),
            metrics,
            memory: AtomicUsize::new(http::MEMORY),
            large: Semaphore::new(1),
        });
        let greeting = self.greeting(&webhooks, &admin);
        let mut loaded = server.networks.clone();
        tokio::spawn(async move {
            let _ = looked.await;
            let _ = loaded.wait_for(Option::is_some).await;
            greeting();
        });
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
        let tls = listen::Tls {
            config: tls,
            metrics: Arc::clone(&server.metrics),
        };
        let serving = tokio::spawn(listen::serve(
            webhooks,
            Some(tls),
            http::webhooks(server),
            limits,
            phase,
        ));
        Ok(until_signals(signals, serving, &phase_sender, self.drain_delay).await)
    }

    /// Says that all is loaded, and what to try.
    fn greeting(&self, webhooks: &TcpListener, admin: &TcpListener) -> impl Fn() + use<> {
        let address = |listener: &TcpListener, else_| listener.local_addr().unwrap_or(else_);
        let listen = address(webhooks, self.listen);
        let admin = address(admin, self.admin_listen);
        tracing::info!(%listen, %admin, "listening");
        // Who has to show a certificate has more to say than one line.
        let own = self.certificates.development().filter(|_| self.client_ca.is_none());
        let shown = own.filter(|_| self.log_format == Format::Human);
        let curl = shown.map(|certs| curl(&certs.join(development::CA), listen));
        move || {
            tracing::info!("ready: serving /mutate and /validate");
            if let Some(curl) = &curl {
                tracing::info!("try: {curl}");
            }
        }
    }
}

/// A command to try, as it can be pasted into a shell.
fn curl(ca: &Path, listen: SocketAddr) -> String {
    let port = listen.port();
    let local: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    // The development certificate is for this machine by its local names only.
    let (to, host) = match listen.ip() {
        ip if ip.is_unspecified() => (String::new(), format!("localhost:{port}")),
        ip if local.contains(&ip) => (String::new(), listen.to_string()),
        _ => (
            format!("--connect-to localhost:{port}:{listen} "),
            format!("localhost:{port}"),
        ),
    };
    let mut ca = ca.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
    if !ca.chars().all(plain) {
        ca = format!("'{}'", ca.replace('\'', r"'\''"));
    }
    format!(
        "curl --cacert {ca} {to}-H 'Content-Type: application/json' -d '{TRY}' https://{host}/validate"
    )
}

/// A Pod that asks for a network of another namespace.
const TRY: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","namespace":"team-a","name":"web","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","annotations":{"k8s.v1.cni.cncf.io/networks":"privileged/sriov"}}}}}"#;

/// The signals that end the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|source| Error::Io {
                path: "signals".to_owned(),
                source,
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// Waits for SIGTERM and drains; SIGINT or a second SIGTERM ends at once.
async fn until_signals(
    mut signals: Signals,
    serving: tokio::task::JoinHandle<usize>,
    phase: &watch::Sender<Phase>,
    delay: Duration,
) -> ExitCode {
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => return ExitCode::SUCCESS,
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
        _ = signals.terminate.recv() => ExitCode::FAILURE,
        _ = signals.interrupt.recv() => ExitCode::FAILURE,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_try_works_wherever_the_server_listens() {
        let line = |listen: &str, ca: &str| curl(Path::new(ca), listen.parse().unwrap());
        let plain = line("127.0.0.1:8443", "certs/ca.crt");
        assert!(plain.starts_with("curl --cacert certs/ca.crt -H "));
        assert!(plain.ends_with(" https://127.0.0.1:8443/validate"));
        assert!(line("[::1]:1", "ca").ends_with(" https://[::1]:1/validate"));
        // No certificate is for 0.0.0.0, and the development one is for no other machine.
        assert!(line("0.0.0.0:1", "ca").ends_with(" https://localhost:1/validate"));
        let far = line("192.0.2.1:8443", "ca");
        assert!(far.contains(" --connect-to localhost:8443:192.0.2.1:8443 "));
        assert!(far.ends_with(" https://localhost:8443/validate"));
        assert!(line("[::1]:1", "it's a/ca").contains(r"--cacert 'it'\''s a/ca' "));
        // The review stands between single quotes.
        assert!(!TRY.contains('\''));
    }
}
