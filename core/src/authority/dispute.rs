//! Entries that somebody else changes again and again: I9.

use std::time::Duration;

use super::{Certificate, Entry};

/// What happened to an entry.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Dispute {
    /// The certificates that it held when it was last read.
    certificates: Vec<Certificate>,
    /// Whether it was tidy then.
    tidy: bool,
    /// Whether it lost something that it had, and has not been put right yet.
    pub(super) broken: bool,
    /// When it lost something, for as long as that counts.
    losses: Vec<Duration>,
    /// When it was last in order, whoever put it right.
    whole: Option<Duration>,
    on: bool,
}

/// More losses than these within [`WINDOW`] are a dispute.
const MAX_LOSSES: usize = 5;
/// In this time losses are counted, and in a dispute an entry is put right once.
const WINDOW: Duration = Duration::from_mins(1);
/// A dispute ends after this time without a loss.
const CALM: Duration = Duration::from_mins(2);

impl Dispute {
    /// Takes in an entry as it was read, and what it should hold.
    pub(super) fn note(&mut self, entry: &Entry, wanted: &[Certificate], now: Duration) {
        let has = |one: &Certificate| entry.certificates.contains(one);
        let lost = |one: &Certificate| wanted.contains(one) && !has(one);
        if self.certificates.iter().any(lost) || (self.tidy && !entry.tidy) {
            self.broken = true;
            self.losses.push(now);
            if self.losses.len() > MAX_LOSSES + 1 {
                self.losses.remove(0);
            }
        }
        if wanted == entry.certificates && entry.tidy {
            self.broken = false;
            self.whole = Some(now);
        }
        self.certificates.clone_from(&entry.certificates);
        self.tidy = entry.tidy;
        self.losses.retain(|loss| *loss + CALM > now);
        let recent = self.losses.iter().filter(|loss| **loss + WINDOW > now);
        if recent.count() > MAX_LOSSES {
            self.on = true;
        } else if self.losses.is_empty() {
            self.on = false;
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Until when the entry must not be put right.
    pub(super) fn deferred(&self, now: Duration) -> Option<Duration> {
        let at = self.whole? + WINDOW;
        (self.on && at > now).then_some(at)
    }
}
