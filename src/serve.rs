//! The server as a whole: two listeners, their routes, and what they share.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::http::{self, Known, Server};
use crate::listen::{self, Limits, Phase};
use crate::metrics::Metrics;
use crate::thread;

/// What a server is started with.
#[derive(Debug)]
pub struct Parts {
    /// Where `/mutate` and `/validate` are served, over TLS.
    pub webhooks: TcpListener,
    /// Where health, readiness and metrics are served, over plain HTTP.
    pub admin: TcpListener,
    /// What the server knows.
    pub known: Known,
    /// The TLS configuration of new connections.
    pub tls: watch::Receiver<Arc<ServerConfig>>,
    /// The limits of the webhooks' listener.
    pub limits: Limits,
    /// The limit of the bodies of all reviews together, in bytes.
    pub memory: usize,
    /// What the server counts.
    pub metrics: Arc<Metrics>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// How far the server is from its end.
    pub phase: watch::Sender<Phase>,
    /// The listener of the webhooks. Its result is the number of connections that were cut.
    pub webhooks: JoinHandle<usize>,
    // The admin listener serves until the process ends: it never learns of the phase.
    _admin: watch::Sender<Phase>,
}

impl Parts {
    /// Starts the listener of the webhooks on the current runtime, and that of health, readiness
    /// and metrics on a dedicated thread: no review delays its answers.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(self) -> std::io::Result<Running> {
        let Self {
            webhooks,
            admin,
            known,
            tls,
            mut limits,
            memory,
            metrics,
        } = self;
        limits.connections = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        let few = Limits {
            connections: 64,
            ..limits
        };
        let (phase_sender, phase) = watch::channel(Phase::Serve);
        let (admin_sender, admin_phase) = watch::channel(Phase::Serve);
        let tls = listen::Tls {
            config: tls,
            metrics: Arc::clone(&metrics),
        };
        let server = Arc::new(Server::new(known, phase.clone(), metrics, memory));
        let routes = http::admin(Arc::clone(&server));
        // A listener is registered with the runtime that it is created on.
        let admin = admin.into_std()?;
        thread::run("admin", move || async move {
            match TcpListener::from_std(admin) {
                Ok(admin) => {
                    listen::serve(admin, None, routes, few, admin_phase).await;
                }
                Err(error) => tracing::error!(%error, "cannot serve health, readiness and metrics"),
            }
        })?;
        let routes = http::webhooks(server);
        let webhooks = tokio::spawn(listen::serve(webhooks, Some(tls), routes, limits, phase));
        Ok(Running {
            phase: phase_sender,
            webhooks,
            _admin: admin_sender,
        })
    }
}
