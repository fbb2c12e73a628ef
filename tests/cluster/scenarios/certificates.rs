//! Built-in certificates against the real API server, under constant load.
//!
//! Replicas run beside the one that the other scenarios share, behind an address of their own, with
//! webhook configurations of their own that are called for every Pod of one namespace. Time is short
//! here by hidden flags; an authority that is already past half its life is replaced at once.

mod accidents;
mod others;
mod replacement;

use crate::Scenario;

pub(crate) fn all() -> Vec<Scenario> {
    [replacement::ALL, accidents::ALL, others::ALL].concat()
}

/// Seconds of a year.
const YEAR: i64 = 365 * crate::fleet::DAY;
/// Seconds after which an authority that lasts a year is replaced by every replica.
const OLD: i64 = YEAR / 2 + 20 * crate::fleet::DAY;
/// Enough to see what happens, and little enough to wait for it.
const HOLD: &str = "--test-hold=3s";
