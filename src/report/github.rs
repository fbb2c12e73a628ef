//! Annotations of GitHub workflows: commands on lines of their own, which the runner takes out of
//! the log.

use std::fmt::Write as _;

use multinic_core::finding::Level;

use super::{Position, Report};

pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    for problem in &report.problems {
        let place = place(report, problem.position.as_ref());
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "::error {place}title=multinic::{}",
            data(&problem.message)
        );
    }
    for entry in report.counted() {
        let kind = match entry.level {
            Level::Deny => "error",
            Level::Warn | Level::Off => "warning",
        };
        let place = place(report, entry.position.as_ref());
        let (rule, message) = (property(entry.rule), data(&entry.message));
        let _ = writeln!(out, "::{kind} {place}title={rule}::{message}");
    }
    out
}

/// The properties of a place. Of what was rendered from a file, the file alone: which of its lines
/// it was is not known.
fn place(report: &Report, position: Option<&Position>) -> String {
    let Some((position, source)) =
        position.and_then(|position| Some((position, report.source(position)?)))
    else {
        return String::new();
    };
    if let Some(origin) = &position.origin {
        return format!("file={},", property(origin));
    }
    let (start, end) = position.places(source);
    format!(
        "file={},line={},endLine={},col={},endColumn={},",
        property(&source.path),
        start.line,
        end.line,
        start.column,
        end.column
    )
}

fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D");
    text.replace('\n', "%0A")
}

/// Properties end at a comma, and their names at a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
