//! Public bug reports and manifests, reduced: `tests/oracle/reports.json`.
//!
//! `expected` is what the real programs make of the input, and hence what is said here: `allow` (not a
//! word, but for warnings of rules that are newer than the report), `admit` (warnings are fine), `loud`
//! (warned of or refused), `patch`, or `warn`/`deny`, with a rule behind a colon where it has to be that
//! one. `says` and `saysNot` are parts of the answer, without regard to case.

use std::collections::{BTreeMap, BTreeSet};

use multinic_core::answer::{Answer, Verdict};
use multinic_core::config;
use multinic_core::finding::Level;
use multinic_core::review::Webhook;
use serde_json::Value;

use super::read;
use crate::manifest::{answer, created, networks};
use crate::reviews::response;

/// Rules that are newer than the reports, and for how many of the reports that expect silence each
/// warns.
const NEWER: [(&str, usize); 1] = [("node-local-addresses", 1)];

/// Where the report is mistaken, or out of date: part of what is answered, and why.
const DIFFERENCES: [(&str, &str, &str); 10] = [
    (
        "bond-14",
        "a default route (0.0.0.0/0)",
        "below bond as below macvlan; sno-812-sriov expects the warning below sriov",
    ),
    (
        "bond-14-pod",
        "bond requires \"miimon\"",
        "bond-cni: failed to convert bondMiimon value () to an int (other_plugins.json, \
         bond-no-miimon)",
    ),
    (
        "ipoib",
        "the gateway 192.168.6.1",
        "below ipoib as below macvlan: the gateway is outside the subnet, and no route uses it",
    ),
    (
        "manifest-1960ee",
        "\"netAttachDefName\" is",
        "OVN-Kubernetes: net-attach-def name (apps/vlan-183) is inconsistent with config \
         (teste/vlan-183)",
    ),
    (
        "manifest-47a13e",
        "Allow",
        "its own reason: OVN-Kubernetes reads ips from the annotation itself",
    ),
    (
        "manifest-9adaca",
        "a default route (0.0.0.0/0)",
        "its own reason: the warning would be right; sno-812-sriov expects it",
    ),
    (
        "manifest-ecfbd8",
        "the string \"28\"",
        "sriov-cni: json: cannot unmarshal string into Go struct field NetConf.SriovNetConf.vlan of \
         type int (other_plugins.json, sriov-vlan-is-string)",
    ),
    (
        "mul-1309-fixed",
        "has no gateway",
        "sbr makes no default route then, so answers to other subnets leave by another interface",
    ),
    (
        "ovn-netattach-wrong",
        "\"netAttachDefName\" is",
        "OVN-Kubernetes: net-attach-def name (apps/ln) is inconsistent with config (ln/apps)",
    ),
    (
        "rook-12445",
        "172.18.12.2",
        "its own reason: the warning would be right, since the gateway may be handed out",
    ),
];

#[test]
fn every_report_is_decided_as_the_real_programs_would() {
    let reports: Vec<Value> = serde_json::from_str(&read("reports.json")).unwrap();
    assert_eq!(reports.len(), 179);
    let mut newer: BTreeMap<&str, usize> = NEWER.iter().map(|(rule, _)| (*rule, 0)).collect();
    let mut wrong = BTreeMap::new();
    for report in &reports {
        if let Some(problem) = problem(report, &mut newer) {
            wrong.insert(report["id"].as_str().unwrap(), problem);
        }
    }
    for (id, found, why) in DIFFERENCES {
        let problem = wrong.remove(id);
        let problem = problem.unwrap_or_else(|| panic!("{id} is no longer different: {why}"));
        assert!(problem.contains(found), "{id}: {problem}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(newer, NEWER.into_iter().collect());
}

/// What is wrong with the answer to a report, if anything.
fn problem(report: &Value, newer: &mut BTreeMap<&'static str, usize>) -> Option<String> {
    let world: Vec<String> = array(&report["networks"])
        .iter()
        .map(Value::to_string)
        .collect();
    let webhook = match report["webhook"].as_str().unwrap() {
        "mutate" => Webhook::Mutate,
        _ => Webhook::Validate,
    };
    let answer = answer(
        created(&report["input"]).to_string().as_bytes(),
        webhook,
        &networks(&world.join("\n---\n")),
        &config::parse(&report["config"].to_string()).unwrap(),
    );
    let said = said(&answer);
    let expected = report["expected"].as_str().unwrap();
    let lower = said.to_lowercase();
    let part = |part: &&Value| lower.contains(&part.as_str().unwrap().to_lowercase());
    let is_right = fits(expected, &answer, newer)
        && array(&report["says"]).iter().all(|text| part(&text))
        && !array(&report["saysNot"]).iter().any(|text| part(&text));
    (!is_right).then(|| format!("expected {expected}: {:?} {said}", answer.verdict))
}

fn fits(expected: &str, answer: &Answer, newer: &mut BTreeMap<&'static str, usize>) -> bool {
    let rules = |level| -> BTreeSet<&'static str> {
        let findings = answer.findings.iter();
        findings
            .filter(|finding| finding.level == level)
            .map(|finding| finding.rule)
            .collect()
    };
    let (warned, denied) = (rules(Level::Warn), rules(Level::Deny));
    let is_allowed = answer.verdict == Verdict::Allow;
    let (verdict, rule) = expected.split_once(':').unwrap_or((expected, ""));
    let names =
        |rules: &BTreeSet<&str>| !rules.is_empty() && (rule.is_empty() || rules.contains(rule));
    match verdict {
        "allow" => {
            let (new, old): (Vec<&'static str>, Vec<_>) = warned
                .into_iter()
                .partition(|rule| newer.contains_key(rule));
            for rule in new {
                *newer.entry(rule).or_default() += 1;
            }
            is_allowed && old.is_empty()
        }
        "admit" => is_allowed,
        "loud" => !is_allowed || !warned.is_empty(),
        "patch" => is_allowed && !response(answer)["patch"].is_null(),
        "warn" => is_allowed && names(&warned),
        "deny" => !is_allowed && names(&denied),
        other => panic!("no such expectation: {other}"),
    }
}

/// The answer's text: what a user sees of it.
fn said(answer: &Answer) -> String {
    let response = response(answer);
    let warnings = array(&response["warnings"]).iter();
    let texts = warnings.chain([&response["status"]["message"]]);
    texts.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
