//! SARIF 2.1.0: what code scanning reads.

use std::fmt::Write as _;

use multinic_core::finding::Level;
use multinic_core::rules::RULES;
use serde_json::{Value, json};

use super::{Cause, Entry, Position, Report, State};

pub(super) fn write(report: &Report) -> String {
    let results = report.findings.iter().map(|entry| result(report, entry));
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| {
            let mut notification = json!({
                "level": "error", "message": {"text": problem.message},
            });
            if let Some(location) = location(report, problem.position.as_ref()) {
                notification["locations"] = json!([{"physicalLocation": location}]);
            }
            notification
        })
        .collect();
    let is_complete = report
        .problems
        .iter()
        .all(|one| one.cause != Cause::NotChecked);
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "multinic", "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"), "rules": rules(report),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": is_complete && problems.is_empty(),
                "toolExecutionNotifications": problems,
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    });
    format!("{sarif:#}\n")
}

fn rules(report: &Report) -> Vec<Value> {
    let common = RULES.iter().map(|rule| {
        let description = rule.page.lines().skip(1).find(|line| !line.is_empty());
        json!({
            "id": rule.name,
            "shortDescription": {"text": description.unwrap_or(rule.name)},
            "help": {"text": rule.page, "markdown": rule.page},
            "defaultConfiguration": {"level": level(rule.default_level)},
        })
    });
    let own = report
        .own_rules
        .iter()
        .map(|(name, description)| json!({"id": name, "shortDescription": {"text": description}}));
    common.chain(own).collect()
}

fn result(report: &Report, entry: &Entry) -> Value {
    let object = report.object(entry);
    let mut location_of = json!({"logicalLocations": [{"fullyQualifiedName": object}]});
    if let Some(location) = location(report, entry.position.as_ref()) {
        location_of["physicalLocation"] = location;
    }
    let mut result = json!({
        "ruleId": entry.rule, "level": level(entry.level),
        "message": {"text": entry.message},
        "locations": [location_of],
        "partialFingerprints": {"multinic/v1": entry.fingerprint(report)},
    });
    match &entry.state {
        State::New => {}
        State::Baseline => result["baselineState"] = json!("unchanged"),
        State::Suppressed(reason) => {
            result["suppressions"] = json!([{"kind": "inSource", "justification": reason}]);
        }
    }
    result
}

/// Of what was rendered from a file, the file: which of its lines it was is not known.
fn location(report: &Report, position: Option<&Position>) -> Option<Value> {
    let position = position?;
    let source = report.source(position)?;
    if let Some(origin) = &position.origin {
        return Some(json!({"artifactLocation": {"uri": uri(origin)}}));
    }
    let (start, end) = position.places(source);
    Some(json!({
        "artifactLocation": {"uri": uri(&source.path)},
        "region": {
            "startLine": start.line, "startColumn": start.column,
            "endLine": end.line, "endColumn": end.column,
        },
    }))
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Deny => "error",
        Level::Warn => "warning",
        Level::Off => "none",
    }
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            // Writing to a String does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}
