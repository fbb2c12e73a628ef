//! Shutdown: the signals, and what they do to a running server.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::listen::Phase;
use crate::serve::Running;

/// The signals that end the program.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over the handling of SIGTERM and SIGINT.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal, and shuts the server down: on SIGTERM it keeps serving for `delay`,
    /// while others learn that it ends, and then finishes the requests in flight. SIGINT, or a
    /// second SIGTERM, ends it at once.
    pub async fn shut_down(mut self, server: Running, delay: Duration) -> ExitCode {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => return ExitCode::SUCCESS,
        }
        let start = Instant::now();
        tracing::info!(?delay, "shutting down");
        server.phase.send_replace(Phase::Drain);
        let drain = async {
            sleep(delay).await;
            server.phase.send_replace(Phase::Close);
            server.webhooks.await.unwrap_or_default()
        };
        tokio::select! {
            cut = drain => {
                tracing::info!(connections_cut = cut, took = ?start.elapsed(), "shut down");
                ExitCode::SUCCESS
            }
            _ = self.terminate.recv() => ExitCode::FAILURE,
            _ = self.interrupt.recv() => ExitCode::FAILURE,
        }
    }
}
