//! Logs: one line per event on stdout, written by a dedicated thread.
//!
//! A review never waits for whatever reads the log. Lines are collected in a buffer that is written
//! every few milliseconds. Lines that do not fit, because the reader stalls, are counted, and the
//! count is logged as soon as there is room. A crash loses the lines of the last milliseconds.
//!
//! The non-blocking writer of `tracing-appender` does the same line by line, and wakes its thread
//! for each. `docs/measurements.md` has the figures.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The format of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Text.
    Human,
    /// One JSON object per line.
    Json,
}

/// The buffer between the program and stdout.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lines: Mutex<Lines>,
    /// Signalled when there is something to write.
    filled: Condvar,
    /// Signalled when everything is written.
    written: Condvar,
    lost: Counter,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Whether what was taken out of `waiting` is being written.
    writing: bool,
    /// Whether the program is ending, so that lines are written at once.
    ending: bool,
}

/// The most that waits to be written, in bytes: about 4,000 lines.
const CAPACITY: usize = 1 << 20;
/// How long lines are collected before they are written together.
const COLLECT: Duration = Duration::from_millis(20);
/// How many bytes are written without waiting for more.
const ENOUGH: usize = 64 << 10;
/// How long the end of the program waits for the last lines to be read.
const LAST_LINES: Duration = Duration::from_millis(500);

/// What is logged by default. Libraries report the same failure again and in other words, at every
/// attempt: what an operator needs is logged here.
const DEFAULT_FILTER: &str = "off,multinic=info,multinic_core=info";

/// Starts to log to stdout, and counts in `lost` the lines that nothing read. `RUST_LOG` overrides
/// the filter: a level, or a list such as `info,kube_client=debug`.
pub fn start(format: Format, lost: Counter) -> Log {
    let log = Log(Arc::new(Inner {
        lost,
        ..Inner::default()
    }));
    let filter = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = filter
        .parse::<Targets>()
        .ok()
        .filter(|_| !filter.is_empty());
    let filter = filter
        .or_else(|| DEFAULT_FILTER.parse().ok())
        .unwrap_or_default();
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_target(false).with_writer(log.clone());
    // A second start in one process, as in tests, keeps the first.
    let _ = match format {
        Format::Human => registry.with(layer.with_ansi(false)).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    let thread = log.clone();
    let _ = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || thread.write_lines());
    log
}

impl Log {
    /// Waits until what was logged is written, at the end of the program; for `LAST_LINES` at most.
    pub fn flush(&self) {
        let mut lines = self.lines();
        lines.ending = true;
        self.0.filled.notify_one();
        let unwritten = |lines: &mut Lines| lines.writing || !lines.waiting.is_empty();
        drop(
            self.0
                .written
                .wait_timeout_while(lines, LAST_LINES, unwritten),
        );
    }

    fn write_lines(&self) {
        let mut bytes = Vec::new();
        let mut reported = 0;
        loop {
            self.collect(&mut bytes);
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            drop(stdout);
            self.lines().writing = false;
            self.0.written.notify_all();
            let lost = self.0.lost.get();
            if lost > reported {
                let lines = lost - reported;
                tracing::warn!(lines, "log lines were dropped because nothing read them");
                reported = lost;
            }
        }
    }

    /// Swaps `bytes` for what waits, once there is enough of it or it is old enough. Two buffers
    /// take turns, and are shrunk after a burst.
    fn collect(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.shrink_to(2 * ENOUGH);
        let filled = &self.0.filled;
        let lines = filled
            .wait_while(self.lines(), |lines| lines.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let few = |lines: &mut Lines| lines.waiting.len() < ENOUGH && !lines.ending;
        let (mut lines, _) = filled
            .wait_timeout_while(lines, COLLECT, few)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut lines.waiting, bytes);
        lines.writing = true;
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        let before = lines.waiting.len();
        let after = before + line.len();
        if after > CAPACITY {
            self.0.lost.inc();
            return Ok(line.len());
        }
        lines.waiting.extend_from_slice(line);
        drop(lines);
        if before == 0 || (before < ENOUGH && after >= ENOUGH) {
            self.0.filled.notify_one();
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
