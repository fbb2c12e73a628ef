//! What went wrong: how often it is logged, and when it is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::objects::Failure;

/// Failures by what was tried.
#[derive(Default)]
pub(super) struct Reports(BTreeMap<String, Report>);

#[derive(Default)]
struct Report {
    failures: u32,
    conflicts: u32,
    /// Not tried again before, as uptime.
    until: Duration,
    logged: Option<(Duration, String)>,
}

/// The same failure is logged this often.
const REMIND: Duration = Duration::from_mins(1);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Others may be faster so many times in a row before that counts as a failure.
const MAX_CONFLICTS: u32 = 5;

impl Reports {
    /// `action` did not work: "cannot write the Secret x".
    pub(super) fn failed(&mut self, action: &str, failure: Failure, now: Duration) {
        let report = self.0.entry(action.to_owned()).or_default();
        let pause = Duration::from_millis(500) * 2_u32.saturating_pow(report.failures.min(10));
        report.until = now + pause.min(MAX_PAUSE);
        report.failures += 1;
        let error = match failure {
            Failure::Changed => "another client repeatedly changes it".to_owned(),
            Failure::Other(error) => error,
        };
        if report.is_due(&error, now) {
            tracing::error!(error, "{action}; trying again");
        }
    }

    /// It worked.
    pub(super) fn done(&mut self, action: &str) {
        if let Some(report) = self.0.remove(action)
            && report.failures > 0
        {
            tracing::info!("no longer: {action}");
        }
    }

    /// Somebody else was faster. Whether to try again at once.
    pub(super) fn conflict(&mut self, action: &str) -> bool {
        let report = self.0.entry(action.to_owned()).or_default();
        report.conflicts += 1;
        report.conflicts <= MAX_CONFLICTS
    }

    /// Until when it is not to be tried again.
    pub(super) fn pause(&self, action: &str, now: Duration) -> Option<Duration> {
        let until = self.0.get(action)?.until;
        (until > now).then_some(until)
    }

    /// A notice that is reported once, not repeatedly.
    pub(super) fn remind(&mut self, what: &str, text: &str, now: Duration) {
        let report = self.0.entry(what.to_owned()).or_default();
        if report.is_due(text, now) {
            tracing::warn!("{text}");
        }
    }
}

impl Report {
    fn is_due(&mut self, text: &str, now: Duration) -> bool {
        let due = match &self.logged {
            Some((at, last)) => last != text || now >= *at + REMIND,
            None => true,
        };
        if due {
            self.logged = Some((now, text.to_owned()));
        }
        due
    }
}
