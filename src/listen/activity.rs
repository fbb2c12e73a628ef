//! What a connection is doing, in order to detect a wait that is too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Limits;

/// The counters of a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Bytes read.
    read: AtomicU64,
    /// Bytes read when the last answer was ready.
    read_before: AtomicU64,
    /// Bytes written.
    written: AtomicU64,
    /// There is something to write, and the client does not read it.
    stuck: AtomicBool,
    answered: AtomicU64,
    in_flight: AtomicUsize,
}

/// The state of a connection, and since when it has been in it.
#[derive(Debug)]
pub(super) struct Watched {
    since: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// A request is being answered; the deadline of the review applies.
    Busy,
    /// The head of a request has begun, or the connection is new.
    Head,
    /// Between requests, after this many answers.
    Idle(u64),
    /// The client has read nothing since this many bytes were written.
    Stuck(u64),
}

/// A stream that counts its bytes.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl Activity {
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed);
        let read = self.read.load(Ordering::Relaxed);
        self.read_before.store(read, Ordering::Relaxed);
    }

    fn state(&self) -> State {
        let answered = self.answered.load(Ordering::Relaxed);
        let read = self.read.load(Ordering::Relaxed);
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            State::Busy
        } else if self.stuck.load(Ordering::Relaxed) {
            State::Stuck(self.written.load(Ordering::Relaxed))
        } else if answered == 0 || read > self.read_before.load(Ordering::Relaxed) {
            State::Head
        } else {
            State::Idle(answered)
        }
    }
}

impl Watched {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            state: State::Head,
        }
    }

    /// Returns whether the connection has been waiting for too long.
    pub(super) fn too_long(&mut self, activity: &Activity, now: Instant, limits: &Limits) -> bool {
        let state = activity.state();
        if state != self.state {
            *self = Self { since: now, state };
        }
        let limit = match state {
            State::Busy => return false,
            State::Head | State::Stuck(_) => limits.head,
            State::Idle(_) => limits.idle,
        };
        now.duration_since(self.since) > limit
    }
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.activity.read.fetch_add(read as u64, Ordering::Relaxed);
        done
    }
}

impl<S> Counted<S> {
    fn wrote(&self, done: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = done {
            let written = &self.activity.written;
            written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        self.stuck(done.is_pending());
    }

    fn stuck(&self, stuck: bool) {
        self.activity.stuck.store(stuck, Ordering::Relaxed);
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&done);
        done
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        self.stuck(done.is_pending());
        done
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.stuck(done.is_pending());
        done
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(&done);
        done
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
