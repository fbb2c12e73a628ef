//! Logs: one line an event on stdout, written by a thread of its own.
//!
//! A review never waits for whoever reads the log. Lines are collected in a buffer that is written
//! out every few milliseconds; lines that find it full (the reader stalls) are counted, and the
//! count is logged as soon as there is room. A crash loses what was logged in the last milliseconds.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
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
    lines: Mutex<Lines>,
    /// There is something to write.
    filled: Condvar,
    /// All is written.
    written: Condvar,
    lost: Counter,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// What was taken out of `waiting` is being written.
    writing: bool,
    /// The program ends: nothing is collected any more.
    ending: bool,
}

/// The most that waits to be written. Some 4,000 lines.
const CAPACITY: usize = 1 << 20;
/// How long lines are collected before they are written together,
const COLLECT: Duration = Duration::from_millis(20);
/// and how many bytes of them.
const ENOUGH: usize = 64 << 10;
/// How long the end of the program waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Logs to stdout from here on, and counts the lines that are lost because nobody reads them.
/// `RUST_LOG` overrides the level, which is `info`.
pub fn start(format: Format, lost: Counter) -> Log {
    let log = Log(Arc::new(Inner {
        lost,
        ..Inner::default()
    }));
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
    /// Waits until what was logged is written, at the end of the program; not for ever, should
    /// nobody read it.
    pub fn flush(&self) {
        let mut lines = self.lines();
        lines.ending = true;
        self.0.filled.notify_one();
        let unwritten = |lines: &mut Lines| lines.writing || !lines.waiting.is_empty();
        drop(
            self.0
                .written
                .wait_timeout_while(lines, LAST_WORDS, unwritten),
        );
    }

    fn write_for_ever(&self) {
        let mut bytes = Vec::new();
        let mut told = 0;
        loop {
            self.collect(&mut bytes);
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            drop(stdout);
            self.lines().writing = false;
            self.0.written.notify_all();
            let lost = self.0.lost.get();
            if lost > told {
                tracing::warn!(lines = lost - told, "log lines were lost: nobody read them");
                told = lost;
            }
        }
    }

    /// Swaps `bytes` for what waits, once that is enough or old enough. Two buffers take turns, and
    /// give back what a burst made of them.
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
