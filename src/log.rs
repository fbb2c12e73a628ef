//! Logs: one line an event on stdout, written by a thread of its own.
//!
//! A review never waits for whoever reads the log. Lines are collected in a buffer that is written
//! out every few milliseconds; lines that find it full (the reader stalls) are counted, and the
//! count is logged as soon as there is room. A crash loses what was logged in the last milliseconds.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How a line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The buffer between the program and stdout.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    buffer: Mutex<Vec<u8>>,
    filled: Condvar,
    lost: AtomicU64,
}

/// The most that waits to be written. Some 4,000 lines.
const CAPACITY: usize = 1 << 20;
/// How long lines are collected before they are written together.
const COLLECT: Duration = Duration::from_millis(20);

/// Logs to stdout from here on. `RUST_LOG` overrides the level, which is `info`.
pub fn start(format: Format) -> Log {
    let log = Log::default();
    let writer = log.clone();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(writer);
    // A second start in one process, as tests do it, keeps the first.
    let _ = match format {
        Format::Human => builder.with_ansi(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    let thread = log.clone();
    let _ = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || thread.write_for_ever());
    log
}

impl Log {
    /// How many lines were lost, because nobody read the log.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Writes what waits, at the end of the program.
    pub fn flush(&self) {
        let bytes = std::mem::take(&mut *self.buffer());
        let _ = io::stdout().lock().write_all(&bytes);
    }

    fn write_for_ever(&self) {
        let mut told = 0;
        loop {
            let buffer = self.buffer();
            let waited = self.0.filled.wait_while(buffer, |buffer| buffer.is_empty());
            drop(waited);
            thread::sleep(COLLECT);
            // Under the lock of stdout, so that `flush` does not overtake.
            let mut stdout = io::stdout().lock();
            let bytes = std::mem::take(&mut *self.buffer());
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            drop(stdout);
            let lost = self.lost();
            if lost > told {
                tracing::warn!(lines = lost - told, "log lines were lost: nobody read them");
                told = lost;
            }
        }
    }

    fn buffer(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut buffer = self.buffer();
        if buffer.len() + line.len() > CAPACITY {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            if buffer.is_empty() {
                self.0.filled.notify_one();
            }
            buffer.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> &'w Self {
        self
    }
}
