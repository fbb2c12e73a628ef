//! Connections without a request yet. They are closed in favour of newer ones when the limit of
//! connections is reached, so that clients that send nothing do not lock others out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections of a listener without a request yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingConnections(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    close: BTreeMap<u64, Arc<Notify>>,
}

/// A connection, which is in the list until its first request.
#[derive(Debug)]
pub(super) struct PendingConnection {
    number: u64,
    list: Arc<Mutex<List>>,
    close: Arc<Notify>,
    has_request: AtomicBool,
}

impl PendingConnections {
    /// Adds a new connection to the list.
    pub(super) fn add(&self) -> PendingConnection {
        let close = Arc::new(Notify::new());
        let mut list = lock(&self.0);
        let number = list.next;
        list.next += 1;
        list.close.insert(number, Arc::clone(&close));
        PendingConnection {
            number,
            list: Arc::clone(&self.0),
            close,
            has_request: AtomicBool::new(false),
        }
    }

    /// Asks the oldest connection to close, if there is one.
    pub(super) fn close_oldest(&self) {
        if let Some((_, close)) = lock(&self.0).close.pop_first() {
            close.notify_one();
        }
    }
}

impl PendingConnection {
    /// Removes the connection from the list, because it sent a request.
    pub(super) fn received_request(&self) {
        if !self.has_request.swap(true, Ordering::Relaxed) {
            lock(&self.list).close.remove(&self.number);
        }
    }

    /// Resolves when the connection is asked to close, which most never are.
    pub(super) async fn asked_to_close(&self) {
        self.close.notified().await;
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        self.received_request();
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
