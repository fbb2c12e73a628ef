//! Connections that have not sent a request yet: they make room for newer ones, so that silent
//! clients keep nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The newcomers of a listener, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Newcomers(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// A connection, in the list until its first request.
#[derive(Debug)]
pub(super) struct Newcomer {
    number: u64,
    list: Arc<Mutex<List>>,
    out: Arc<Notify>,
    settled: AtomicBool,
}

impl Newcomers {
    pub(super) fn add(&self) -> Newcomer {
        let out = Arc::new(Notify::new());
        let mut list = lock(&self.0);
        let number = list.next;
        list.next += 1;
        list.waiting.insert(number, Arc::clone(&out));
        Newcomer {
            number,
            list: Arc::clone(&self.0),
            out,
            settled: AtomicBool::new(false),
        }
    }

    /// Tells the oldest to go.
    pub(super) fn turn_out_oldest(&self) {
        if let Some((_, out)) = lock(&self.0).waiting.pop_first() {
            out.notify_one();
        }
    }
}

impl Newcomer {
    /// It sent a request, and stays.
    pub(super) fn settle(&self) {
        if !self.settled.swap(true, Ordering::Relaxed) {
            lock(&self.list).waiting.remove(&self.number);
        }
    }

    /// Until it has to go; mostly for ever.
    pub(super) async fn turned_out(&self) {
        self.out.notified().await;
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.settle();
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
