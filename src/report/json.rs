//! The report for programs.

use serde_json::{Map, Value, json};

use super::{Cause, Position, Report, State};
use multinic_core::finding::Level;

pub(super) fn write(report: &Report) -> String {
    let findings = report.findings.iter().map(|entry| {
        let (state, reason) = match &entry.state {
            State::New => ("new", None),
            State::Baseline => ("baseline", None),
            State::Suppressed(reason) => ("suppressed", Some(reason)),
        };
        let mut member = json!({
            "level": entry.level.name(), "rule": entry.rule, "object": report.object(entry),
            "field": entry.field, "message": entry.message, "state": state,
        });
        if let Some(member) = member.as_object_mut() {
            if let Some(reason) = reason {
                member.insert("reason".to_owned(), Value::from(&**reason));
            }
            place(report, entry.position.as_ref(), member);
        }
        member
    });
    let problems = report.problems.iter().map(|problem| {
        let cause = match problem.cause {
            Cause::Unreadable => "unreadable",
            Cause::NotChecked => "not-checked",
        };
        let mut member = json!({"cause": cause, "message": problem.message});
        if let Some(member) = member.as_object_mut() {
            place(report, problem.position.as_ref(), member);
        }
        member
    });
    let mut all = report.details.clone();
    all.insert("command".to_owned(), Value::from(report.command));
    all.insert("denied".to_owned(), Value::from(report.count(Level::Deny)));
    all.insert(
        "warnings".to_owned(),
        Value::from(report.count(Level::Warn)),
    );
    all.insert("findings".to_owned(), findings.collect());
    all.insert("problems".to_owned(), problems.collect());
    format!("{:#}\n", Value::Object(all))
}

fn place(report: &Report, position: Option<&Position>, member: &mut Map<String, Value>) {
    let Some((position, source)) =
        position.and_then(|position| Some((position, report.source(position)?)))
    else {
        return;
    };
    let (start, end) = position.places(source);
    member.insert("file".to_owned(), Value::from(&*source.path));
    if let Some(origin) = &position.origin {
        member.insert("origin".to_owned(), Value::from(&**origin));
    }
    for (key, number) in [
        ("line", start.line),
        ("column", start.column),
        ("endLine", end.line),
        ("endColumn", end.column),
    ] {
        member.insert(key.to_owned(), Value::from(number));
    }
}
