//! TCP, TLS and HTTP/1.1 with a limit on every wait, and the shutdown of a listener.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

mod activity;
mod handshake;
mod pending;

use crate::metrics::Metrics;
use activity::{Activity, Counted};
use handshake::Handshakes;
use pending::{PendingConnection, PendingConnections};

/// How long each step of a connection may take, and how many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time. For a further one, the oldest that never sent a request is
    /// closed; if there is none, it waits in the kernel until another ends.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of a request from its first byte, and for the first byte of the first request.
    /// Also for a client that does not read an answer.
    pub head: Duration,
    /// Without a request. Longer than the 90 s after which Go's clients close a connection, so that
    /// the client closes it: a request sent while the server closes would be lost.
    pub idle: Duration,
    /// After this time a connection is closed with its next answer, so that clients connect to new
    /// replicas.
    pub age: Duration,
    /// How long an idle connection is kept open at shutdown, for a request that is already in
    /// flight.
    pub linger: Duration,
    /// For all connections to end at shutdown.
    pub drain: Duration,
}

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    /// A connection is made with what this holds at that moment.
    pub config: watch::Receiver<Arc<ServerConfig>>,
    /// Where handshakes are counted.
    pub metrics: Arc<Metrics>,
}

/// How far the server is from its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
pub enum Phase {
    /// Serving.
    Serve,
    /// Still serving, but each connection is closed with its next answer.
    Drain,
    /// No longer accepting connections.
    Close,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_mins(2),
            age: Duration::from_mins(5),
            linger: Duration::from_millis(500),
            drain: Duration::from_secs(12),
        }
    }
}

/// What all connections of a listener share.
struct Shared {
    tls: Option<Tls>,
    handshakes: Handshakes,
    routes: Router,
    limits: Limits,
    phase: watch::Receiver<Phase>,
    pending: PendingConnections,
}

/// Serves until the phase is [`Phase::Close`] and all connections have ended, or [`Limits::drain`]
/// is over. Returns how many connections were cut then. New connections use the current value of
/// `tls`; without it, plain HTTP.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    routes: Router,
    limits: Limits,
    phase: watch::Receiver<Phase>,
) -> usize {
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut closing = phase.clone();
    let shared = Arc::new(Shared {
        tls,
        handshakes: Handshakes::default(),
        routes,
        limits,
        phase,
        pending: PendingConnections::default(),
    });
    let start = |stream: TcpStream, permit| {
        let shared = Arc::clone(&shared);
        let pending = shared.pending.add();
        tokio::spawn(async move {
            tokio::select! {
                () = shared.connection(stream, &pending) => {}
                () = pending.asked_to_close() => tracing::debug!("closed for a newer connection"),
            }
            drop(permit);
        });
    };
    let mut waiting = None;
    {
        let mut closed = pin!(until_closed(&mut closing));
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut closed => break,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Usually no file descriptors are left: the only remedy is to wait.
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if room.available_permits() == 0 {
                shared.pending.close_oldest();
            }
            tokio::select! {
                biased;
                () = &mut closed => {
                    waiting = Some(stream);
                    break;
                }
                permit = Arc::clone(&room).acquire_owned() => match permit {
                    Ok(permit) => start(stream, permit),
                    Err(_) => break, // the semaphore is never closed
                },
            }
        }
    }
    // Clients whose connection the kernel has already accepted are still served.
    while let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
        let next = match waiting.take() {
            Some(stream) => Some(stream),
            None => match timeout(Duration::ZERO, listener.accept()).await {
                Ok(Ok((stream, _))) => Some(stream),
                _ => None,
            },
        };
        let Some(stream) = next else { break };
        start(stream, permit);
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    match timeout(limits.drain, room.acquire_many(all)).await {
        Ok(_) => 0,
        Err(_) => limits.connections - room.available_permits(),
    }
}

impl Shared {
    async fn connection(&self, stream: TcpStream, pending: &PendingConnection) {
        // An answer is one small write: delaying it would gain nothing.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.http(stream, pending).await;
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.config.borrow()));
        let counts = &tls.metrics.certificates;
        match timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                counts.handshake("ok");
                self.http(stream, pending).await;
            }
            Ok(Err(error)) => self.handshakes.failed(&error, counts),
            Err(_) => {
                tracing::debug!("the TLS handshake was not done in time");
                counts.handshake("timeout");
            }
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        pending: &PendingConnection,
    ) {
        let activity = Arc::new(Activity::default());
        let born = Instant::now();
        // Up to a quarter longer, so that not all connections are closed at once after a restart.
        let longer = 1.0 + f64::from(jitter()) / 1024.0;
        let age = self.limits.age.mul_f64(longer);
        let service = service_fn(|request| {
            activity.begin();
            pending.received_request();
            let answer = self.routes.clone().call(request);
            let activity = Arc::clone(&activity);
            async move {
                let mut answer = answer
                    .await
                    .unwrap_or_else(|never: Infallible| match never {});
                if *self.phase.borrow() > Phase::Serve || born.elapsed() > age {
                    let headers = answer.headers_mut();
                    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                activity.end();
                Ok::<_, Infallible>(answer)
            }
        });
        let io = TokioIo::new(Counted::new(stream, Arc::clone(&activity)));
        // Not hyper's own timeout for heads: it also runs between requests.
        let mut http = pin!(
            http1::Builder::new()
                .header_read_timeout(None)
                .max_buf_size(64 * 1024)
                .serve_connection(io, service)
        );
        let mut phase = self.phase.clone();
        let mut closed = pin!(async {
            until_closed(&mut phase).await;
            sleep(self.limits.linger).await;
        });
        let mut look = interval(self.limits.head / 4);
        let mut watched = activity::Watched::new(born);
        let mut ending = false;
        loop {
            tokio::select! {
                biased;
                ended = http.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection failed");
                    }
                    return;
                }
                () = &mut closed, if !ending => {
                    ending = true;
                    http.as_mut().graceful_shutdown();
                }
                now = look.tick() => if watched.too_long(&activity, now, &self.limits) {
                    return;
                },
            }
        }
    }
}

async fn until_closed(phase: &mut watch::Receiver<Phase>) {
    // An error means that the sender is gone: the server is shutting down as well.
    let _ = phase.wait_for(|phase| *phase == Phase::Close).await;
}

/// Returns a number from 0 to 255 that differs for successive connections.
fn jitter() -> u8 {
    use std::sync::atomic::{AtomicU8, Ordering};
    static NEXT: AtomicU8 = AtomicU8::new(0);
    NEXT.fetch_add(97, Ordering::Relaxed)
}
