//! The bodies of requests: limited in size, in time, and all of them together in memory.
//!
//! Memory is reserved as bytes arrive, not as they are announced: a client that announces much and
//! sends nothing reserves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

/// The largest body. The API server accepts objects of up to 3 MiB, and a review holds two.
pub(super) const LARGEST: usize = 8 << 20;

/// A body of more bytes is large, and leaves the last [`KEPT`] bytes to others.
pub(super) const LARGE: usize = 1 << 20;
/// Bytes reserved for bodies that are not large: most have a few kilobytes, and a few large ones
/// that arrive slowly must not block them.
const KEPT: usize = 16 << 20;

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The client closed the connection, or violated HTTP.
    #[error("the body is incomplete")]
    Broken,
    /// Other reviews hold too much memory at the moment.
    #[error("too many reviews at the same time; try again")]
    Busy,
    /// More than [`LARGEST`].
    #[error("the body is larger than 8 MiB")]
    Large,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    Late,
}

/// A body, and the memory reserved for it.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Bytes,
    share: Share,
}

#[derive(Debug)]
struct Share {
    memory: Arc<AtomicUsize>,
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

/// Reads a body. If it is too large, some more is read and discarded: a client that is still
/// writing would not see the answer.
pub(super) async fn read(
    request: Request<Body>,
    deadline: Instant,
    memory: &Arc<AtomicUsize>,
) -> Result<Held, Error> {
    let mut body = request.into_body();
    let most = body.size_hint().exact().unwrap_or(LARGEST as u64);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut held = Held {
        bytes: Bytes::new(),
        share: Share {
            memory: Arc::clone(memory),
            taken: 0,
        },
    };
    let mut read = 0;
    let mut more = Vec::new();
    let mut fault = (most > LARGEST).then_some(Error::Large);
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
        }
        if fault.is_none() {
            fault = held.add(data, &mut more, most).err();
        }
        if fault.is_some() {
            more = Vec::new();
            held.give_back();
            if read > 2 * LARGEST {
                break;
            }
        }
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    if !more.is_empty() {
        held.bytes = more.into();
    }
    Ok(held)
}

impl Held {
    /// Keeps what arrived: the first bytes as they are, because usually there are no others;
    /// further ones in `more`, which grows by doubling, up to `most`.
    fn add(&mut self, data: Bytes, more: &mut Vec<u8>, most: usize) -> Result<(), Error> {
        if self.bytes.is_empty() && more.is_empty() {
            self.share.take(data.len())?;
            self.bytes = data;
            return Ok(());
        }
        let first = std::mem::take(&mut self.bytes);
        let length = first.len() + more.len() + data.len();
        if length > more.capacity() {
            let grown = (2 * length).min(most);
            // Both copies exist until the bytes are copied.
            self.share.take(grown)?;
            more.reserve_exact(grown - more.len());
            self.share.give_back(self.share.taken - grown);
        }
        more.extend_from_slice(&first);
        more.extend_from_slice(&data);
        Ok(())
    }

    fn give_back(&mut self) {
        self.bytes = Bytes::new();
        self.share.give_back(self.share.taken);
    }
}

impl std::ops::Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        debug_assert!(self.share.taken >= self.bytes.len());
        &self.bytes
    }
}

impl Share {
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        let kept = if self.taken + bytes > LARGE { KEPT } else { 0 };
        self.memory
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                let after = left.checked_sub(bytes)?;
                (after >= kept).then_some(after)
            })
            .map_err(|_| Error::Busy)?;
        self.taken += bytes;
        Ok(())
    }

    fn give_back(&mut self, bytes: usize) {
        self.taken -= bytes;
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_room_for_the_others() {
        let memory = Arc::new(AtomicUsize::new(KEPT + 2 * LARGE));
        let share = || Share {
            memory: Arc::clone(&memory),
            taken: 0,
        };
        let (mut large, mut other, mut small) = (share(), share(), share());
        assert!(large.take(LARGE).is_ok());
        assert!(large.take(LARGE).is_ok());
        assert!(matches!(large.take(1), Err(Error::Busy)));
        assert!(matches!(other.take(LARGE + 1), Err(Error::Busy)));
        assert!(small.take(LARGE).is_ok());
        drop((large, other, small));
        assert_eq!(memory.load(Ordering::Relaxed), KEPT + 2 * LARGE);
    }
}
