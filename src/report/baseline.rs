//! Findings that are known already: they are reported, marked, and do not count.
//!
//! A finding is recognized by its rule, its object, its field and its message without places, so that
//! it is still known when lines move.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Entry, Report, State};

/// What is known.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    findings: Vec<Known>,
}

/// A finding that is known.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
struct Known {
    rule: String,
    object: String,
    #[serde(default)]
    field: String,
    message: String,
    /// The last day on which it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Date>,
}

impl Baseline {
    /// Reads a baseline, in JSON or YAML.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// The findings of a report that count, as a baseline.
    pub fn of(report: &Report) -> Self {
        let counted = report.counted();
        let mut findings: Vec<_> = counted.map(|entry| Known::of(entry, report)).collect();
        findings.sort_unstable();
        Self { findings }
    }

    /// Writes it, in JSON.
    pub fn write(&self) -> String {
        // It has nothing that JSON has not.
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_default() + "\n"
    }

    /// Marks the findings that are known, each as often as it is. Returns what is known and was not
    /// found, or no longer counts as known, in one line each.
    pub fn apply(&self, report: &mut Report, today: Date) -> Vec<String> {
        let mut left: BTreeMap<Known, usize> = BTreeMap::new();
        let mut notes = Vec::new();
        for known in &self.findings {
            if known.until.is_some_and(|until| until < today) {
                notes.push(format!(
                    "an entry of the baseline has expired: {}",
                    known.line()
                ));
            } else {
                let key = Known {
                    until: None,
                    ..known.clone()
                };
                *left.entry(key).or_default() += 1;
            }
        }
        let mut findings = std::mem::take(&mut report.findings);
        for entry in findings
            .iter_mut()
            .filter(|entry| entry.state == State::New)
        {
            if let Some(count) = left
                .get_mut(&Known::of(entry, report))
                .filter(|count| **count > 0)
            {
                *count -= 1;
                entry.state = State::Baseline;
            }
        }
        report.findings = findings;
        let unused = left.iter().filter(|(_, count)| **count > 0);
        notes.extend(unused.map(|(known, _)| {
            format!(
                "an entry of the baseline is not found any more: {}",
                known.line()
            )
        }));
        notes
    }
}

impl Known {
    fn of(entry: &Entry, report: &Report) -> Self {
        Self {
            rule: entry.rule.to_owned(),
            object: report.object(entry).to_owned(),
            field: entry.field.clone(),
            message: without_places(&entry.message),
            until: None,
        }
    }

    fn line(&self) -> String {
        format!("{} of {}", self.rule, self.object)
    }
}

/// A message without what moves with lines: `(line 3, column 7)`.
fn without_places(message: &str) -> String {
    let mut rest = message;
    let mut out = String::with_capacity(message.len());
    while let Some(start) = rest.find(" (line ") {
        let (before, place) = rest.split_at(start);
        out.push_str(before);
        rest = place.split_once(')').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use multinic_core::finding::{Finding, Level, Place};

    use super::*;

    fn report(messages: &[&str]) -> Report {
        let mut report = Report::default();
        let object = report.add_object("Pod team-a/web".to_owned(), Arc::from("a.yaml"));
        for message in messages {
            let place = Place::field("metadata");
            let finding = Finding::new("a-rule", Level::Deny, place, (*message).to_owned());
            report.findings.push(Entry::new(&finding, object, None));
        }
        report
    }

    const TODAY: Date = jiff::civil::date(2026, 11, 25);

    #[test]
    fn what_is_known_does_not_count_when_its_line_moves() {
        let written = Baseline::of(&report(&["x (line 1, column 2): y"])).write();
        let baseline = Baseline::parse(&written).unwrap();
        let mut later = report(&["x (line 9, column 2): y", "x (line 9, column 4): y", "z"]);
        assert!(baseline.apply(&mut later, TODAY).is_empty());
        let states: Vec<_> = later
            .findings
            .iter()
            .map(|entry| entry.state.clone())
            .collect();
        assert_eq!(states, [State::Baseline, State::New, State::New]);
    }

    #[test]
    fn what_has_expired_or_is_gone_is_said() {
        let text = "findings:\n\
                    - {rule: a-rule, object: Pod team-a/web, field: metadata, message: z, until: 2026-11-24}\n\
                    - {rule: a-rule, object: Pod team-a/web, field: metadata, message: gone}\n";
        let mut now = report(&["z"]);
        let notes = Baseline::parse(text).unwrap().apply(&mut now, TODAY);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(now.findings[0].state, State::New);
        assert!(Baseline::parse("findings: [{rule: a}]").is_err());
    }
}
