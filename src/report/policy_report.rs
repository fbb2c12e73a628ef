//! Reports as objects of Kubernetes, which dashboards of several policy engines show.
//!
//! Sources: `wgpolicyk8s.io/v1alpha2` of kubernetes-sigs/wg-policy-prototypes, and
//! `apis/openreports.io/v1alpha1/report_types.go` of openreports/reports-api. The two differ in their
//! names, and in that the source of a report is named there as well.

use std::collections::BTreeMap;

use multinic_core::finding::Level;
use serde_json::{Value, json};

use super::{Cause, Entry, Report, State};
use crate::stored::{NETWORK, POD, WORKLOADS};

/// Whose kind of report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Api {
    WgPolicy,
    OpenReports,
}

const SOURCE: &str = "multinic";

/// A List with a report for each namespace, to be applied with kubectl.
pub(super) fn write(report: &Report, api: Api) -> String {
    let mut namespaces: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &report.findings {
        let [_, namespace, _] = parts(report.object(entry));
        namespaces.entry(namespace).or_default().push(entry);
    }
    let errors = report
        .problems
        .iter()
        .filter(|own| own.cause == Cause::NotChecked)
        .count();
    let reports = namespaces.into_iter().map(|(namespace, entries)| {
        let count = |result: &str| entries.iter().filter(|own| outcome(own) == result).count();
        let results: Vec<_> = entries.iter().map(|entry| result(report, entry)).collect();
        let (version, kind) = match api {
            Api::WgPolicy => ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
            Api::OpenReports => ("openreports.io/v1alpha1", "Report"),
        };
        let mut object = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {
                "name": "multinic",
                "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": SOURCE},
            },
            "summary": {
                "pass": 0, "fail": count("fail"), "warn": count("warn"), "error": errors,
                "skip": count("skip"),
            },
            "results": results,
        });
        if api == Api::OpenReports
            && let Some(object) = object.as_object_mut()
        {
            object.insert("source".to_owned(), Value::from(SOURCE));
        }
        object
    });
    let reports: Vec<_> = reports.collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": reports});
    serde_json::to_string_pretty(&list).unwrap_or_default() + "\n"
}

fn result(report: &Report, entry: &Entry) -> Value {
    let [kind, namespace, name] = parts(report.object(entry));
    let mut kinds = [&POD, &NETWORK].into_iter().chain(&WORKLOADS);
    let version = kinds
        .find(|own| own.kind == kind)
        .map(super::super::stored::Kind::api_version);
    let mut resource = json!({"kind": kind, "namespace": namespace, "name": name});
    if let (Some(version), Some(resource)) = (version, resource.as_object_mut()) {
        resource.insert("apiVersion".to_owned(), Value::from(version));
    }
    json!({
        "source": SOURCE,
        "policy": SOURCE,
        "rule": entry.rule,
        "category": "Networking",
        "severity": if entry.level == Level::Deny { "high" } else { "medium" },
        "result": outcome(entry),
        "scored": entry.level == Level::Deny,
        "message": entry.message,
        "resources": [resource],
        "properties": {"field": entry.field},
    })
}

/// What came of a finding, in the words of both APIs.
fn outcome(entry: &Entry) -> &'static str {
    match (&entry.state, entry.level) {
        (State::Suppressed(_) | State::Baseline, _) => "skip",
        (State::New, Level::Deny) => "fail",
        (State::New, Level::Warn | Level::Off) => "warn",
    }
}

/// Kind, namespace and name of a title: `Pod team-a/web`.
fn parts(title: &str) -> [&str; 3] {
    let (kind, rest) = title.split_once(' ').unwrap_or(("", title));
    let (namespace, name) = rest.split_once('/').unwrap_or(("default", rest));
    [kind, namespace, name]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_report_is_written_for_each_namespace() {
        let mut report = Report::default();
        for (title, level) in [
            ("Pod team-a/web", Level::Deny),
            ("Deployment team-a/web", Level::Warn),
            ("NetworkAttachmentDefinition team-b/net", Level::Warn),
        ] {
            let object = report.add_object(title.to_owned(), Arc::from("x"));
            report.findings.push(Entry {
                rule: "missing-network",
                level,
                object,
                field: "metadata".to_owned(),
                message: "it is missing".to_owned(),
                position: None,
                state: State::New,
                notes: Vec::new(),
            });
        }
        let written = |api| -> Value { serde_json::from_str(&write(&report, api)).expect("JSON") };
        let list = written(Api::WgPolicy);
        let [team_a, team_b] = [&list["items"][0], &list["items"][1]];
        assert_eq!(team_a["apiVersion"], "wgpolicyk8s.io/v1alpha2");
        assert_eq!(
            team_a["summary"],
            json!({"pass": 0, "fail": 1, "warn": 1, "error": 0, "skip": 0})
        );
        assert_eq!(
            team_a["results"][1]["resources"][0]["apiVersion"],
            "apps/v1"
        );
        assert_eq!(team_b["metadata"]["namespace"], "team-b");
        assert_eq!(team_b["results"][0]["result"], "warn");
        let list = written(Api::OpenReports);
        assert_eq!(list["items"][0]["kind"], "Report");
        assert_eq!(list["items"][0]["source"], "multinic");
    }
}
