//! How far long work is, on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Work that takes less is not worth a line.
const SHORT: Duration = Duration::from_millis(700);
const INTERVAL: Duration = Duration::from_millis(100);

/// A line on stderr that says how much is done, and disappears at the end. There is none where stderr
/// is not a terminal, nor for short work.
#[derive(Debug)]
pub struct Progress {
    done: Arc<AtomicUsize>,
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts a line such as `12 of 40 files`; the total is shown if it is known.
    pub fn start(total: Option<usize>, what: &'static str) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        if !io::stderr().is_terminal() {
            return Self {
                done,
                running: None,
            };
        }
        let (stop, stopped) = mpsc::channel();
        let count = Arc::clone(&done);
        let show = move || {
            let mut wait = SHORT;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = INTERVAL;
                let done = count.load(Ordering::Relaxed);
                let of = total
                    .map(|total| format!(" of {total}"))
                    .unwrap_or_default();
                // That it cannot be shown does not matter.
                let _ = write!(io::stderr(), "\r\x1b[K{done}{of} {what}");
            }
            if wait == INTERVAL {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        };
        let running = thread::Builder::new().spawn(show).ok();
        Self {
            done,
            running: running.map(|thread| (stop, thread)),
        }
    }

    /// Counts what is done.
    pub fn add(&self, number: usize) {
        self.done.fetch_add(number, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}
