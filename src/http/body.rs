//! Bodies: bounded in size, in time, and all of them together in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

/// The largest body. An object is at most 3 MiB for the API server, and a review holds two.
pub(super) const LARGEST: usize = 8 << 20;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The client went away, or broke the rules of HTTP.
    #[error("the body broke off")]
    Broken,
    /// Too much is held for others at the moment.
    #[error("too many reviews at a time: retry")]
    Busy,
    /// More than [`LARGEST`].
    #[error("the body is larger than 8 MiB")]
    Large,
    /// It did not come in time.
    #[error("the body did not come in time")]
    Late,
}

/// A body, and its share of the memory.
#[derive(Debug)]
pub(super) struct Held<'a> {
    bytes: Bytes,
    share: Share<'a>,
}

#[derive(Debug)]
struct Share<'a> {
    memory: &'a AtomicUsize,
    taken: usize,
}

impl Error {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// Reads a body. What is too large is read on for a while and thrown away: a client that still
/// writes would not see the answer.
pub(super) async fn read(
    request: Request<Body>,
    deadline: Instant,
    memory: &AtomicUsize,
) -> Result<Held<'_>, Error> {
    let mut body = request.into_body();
    let mut share = Share { memory, taken: 0 };
    let mut read = 0;
    let mut first = Bytes::new();
    let mut more = Vec::new();
    let mut fault = (body.size_hint().lower() > LARGEST as u64).then_some(Error::Large);
    loop {
        let frame = timeout_at(deadline, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Error::Late)? else {
            break;
        };
        let frame = frame.map_err(|_| Error::Broken)?;
        let Ok(data) = frame.into_data() else {
            continue; // trailers
        };
        read += data.len();
        if read > LARGEST {
            fault = Some(Error::Large);
        } else if fault.is_none() && !share.take(data.len()) {
            fault = Some(Error::Busy);
        }
        if fault.is_some() {
            (first, more) = (Bytes::new(), Vec::new());
            if read > 2 * LARGEST {
                break;
            }
        } else if first.is_empty() {
            first = data; // mostly all of it, and then never copied
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&data);
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Held {
            bytes: if more.is_empty() { first } else { more.into() },
            share,
        }),
    }
}

impl std::ops::Deref for Held<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        debug_assert_eq!(self.share.taken, self.bytes.len());
        &self.bytes
    }
}

impl Share<'_> {
    fn take(&mut self, bytes: usize) -> bool {
        let left = self
            .memory
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            });
        self.taken += if left.is_ok() { bytes } else { 0 };
        left.is_ok()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.memory.fetch_add(self.taken, Ordering::Relaxed);
    }
}
