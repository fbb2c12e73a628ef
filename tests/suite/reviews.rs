//! Recorded AdmissionReviews, and what is expected of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use multinic::cluster::folder::File;
use multinic_core::answer::{Answer, Case};
use multinic_core::finding::Level;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::rules::{Check, Rule, undeclared_node_interface};
use multinic_core::world::World;

use crate::manifest::{answer_knowing, documents, usage};

/// `tests/reviews`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reviews")
}

/// A file of `tests/reviews`.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = folder().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The networks that the recordings were made with, and those of `more`.
pub(crate) fn networks(more: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for text in [&*read("networks.yaml"), more] {
        for (namespace, name, network) in File::parse(text).unwrap().networks {
            snapshot.insert(&namespace, &name, network);
        }
    }
    snapshot
}

/// The answer to a review.
pub(crate) fn answer(body: &str, webhook: Webhook, snapshot: &Snapshot, config: &Policy) -> Answer {
    let document = review::read(body.as_bytes()).unwrap();
    let request = Request::of(&document).unwrap();
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        policy: config,
        usage: None,
    };
    Case::of(&request, config).answer(webhook, &world)
}

/// The rules that spoke at a level, sorted, each once.
pub(crate) fn rules(answer: &Answer, level: Level) -> BTreeSet<&'static str> {
    let findings = answer
        .findings
        .iter()
        .filter(|finding| finding.level == level);
    findings.map(|finding| finding.rule).collect()
}

/// Whether an answer has a patch, and whether it allows.
pub(crate) fn response(answer: &Answer) -> serde_json::Value {
    let review: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    review["response"].clone()
}

fn list(names: &str) -> BTreeSet<&str> {
    names
        .split(',')
        .map(str::trim)
        .filter(|name| !["", "-"].contains(name))
        .collect()
}

#[test]
fn every_recording_is_answered_as_written_down_before() {
    let snapshot = networks("");
    let config = Policy::default();
    let expected = read("expected.tsv");
    let rows = expected
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1);
    let mut differences = Vec::new();
    let mut listed = BTreeSet::new();
    for row in rows {
        let [file, mutate, validate, denied, warned, ..] = row.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("a row of expected.tsv has fewer than five columns: {row}");
        };
        listed.insert(file.to_owned());
        let body = read(Path::new("recorded").join(file));
        let mutated = answer(&body, Webhook::Mutate, &snapshot, &config);
        let judged = answer(&body, Webhook::Validate, &snapshot, &config);
        let patched = if response(&mutated)["patch"].is_null() {
            "allow"
        } else {
            "patch"
        };
        let allowed = if response(&judged)["allowed"] == true {
            "allow"
        } else {
            "deny"
        };
        assert_eq!(
            response(&mutated)["allowed"],
            true,
            "{file}: /mutate never denies"
        );
        let found = (
            patched,
            allowed,
            rules(&judged, Level::Deny),
            rules(&judged, Level::Warn),
        );
        let wanted = (mutate, validate, list(denied), list(warned));
        if found != wanted {
            differences.push(format!(
                "{file}\n  expected {wanted:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let recorded: BTreeSet<String> = fs::read_dir(folder().join("recorded"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(recorded, listed);
    assert_eq!(listed.len(), 159);
}

/// Whether a rule can speak about a review without a cluster configuration. The others have tests of
/// their own (`check`).
pub(crate) fn is_for_reviews(rule: &Rule) -> bool {
    !matches!(rule.check, Check::Cluster(_)) && rule.name != undeclared_node_interface::RULE.name
}

/// `case.yaml`, beside a `review.json`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Derived {
    from: String,
    changed: String,
    webhook: String,
    expect: Expected,
    #[serde(default)]
    networks: String,
    /// Pods that are watched.
    #[serde(default)]
    pods: String,
    #[serde(default)]
    config: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    verdict: String,
    denied: Vec<String>,
    warned: Vec<String>,
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort_unstable();
    folders
}

#[test]
fn every_derived_review_is_answered_as_written_down_before() {
    let mut differences = Vec::new();
    let mut count = 0;
    let all = multinic_core::rules::RULES.into_iter();
    for rule in all.filter(|rule| is_for_reviews(rule)) {
        let (mut spoken, mut silent, mut wording) = (0, 0, String::new());
        for path in folders(&folder().join(rule.name)) {
            let case: Derived =
                serde_saphyr::from_str(&read(path.join("case.yaml"))).expect("case.yaml is one");
            let body = read(path.join("review.json"));
            let original = read(Path::new("recorded").join(&case.from));
            assert!(!case.changed.is_empty(), "{}", path.display());
            assert_eq!(
                case.changed.starts_with("Nothing;"),
                body.trim_end() == original.trim_end(),
                "{}",
                path.display()
            );
            let config = multinic_core::config::parse(&case.config)
                .expect("the case's configuration is one");
            let webhook = match &*case.webhook {
                "mutate" => Webhook::Mutate,
                "validate" => Webhook::Validate,
                other => panic!("{}: webhook {other}", path.display()),
            };
            let snapshot = networks(&case.networks);
            let usage = usage(&documents(&case.pods), &config);
            let knowing = |webhook| {
                answer_knowing(usage.as_ref(), body.as_bytes(), webhook, &snapshot, &config)
            };
            let answered = knowing(webhook);
            let judged = knowing(Webhook::Validate);
            let response = response(&answered);
            let verdict = match webhook {
                Webhook::Mutate if response["patch"].is_null() => "allow",
                Webhook::Mutate => "patch",
                Webhook::Validate if response["allowed"] == true => "allow",
                Webhook::Validate => "deny",
            };
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let found = (
                verdict,
                rules(&judged, Level::Deny),
                rules(&judged, Level::Warn),
            );
            let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<String>>();
            let own = |list: &BTreeSet<&str>| {
                list.iter()
                    .map(|name| (*name).to_owned())
                    .collect::<BTreeSet<String>>()
            };
            let same = case.expect.verdict == found.0
                && set(&case.expect.denied) == own(&found.1)
                && set(&case.expect.warned) == own(&found.2);
            if !same {
                differences.push(format!(
                    "{}/{name}\n  expected {} {:?} {:?}\n  found    {found:?}",
                    rule.name, case.expect.verdict, case.expect.denied, case.expect.warned
                ));
            }
            if found.1.contains(rule.name) || found.2.contains(rule.name) {
                spoken += 1;
            } else {
                silent += 1;
            }
            for finding in judged
                .findings
                .iter()
                .filter(|finding| finding.level > Level::Off)
            {
                wording.push_str(&format!(
                    "{name}: {} {}: {}\n",
                    finding.level.name(),
                    finding.place.field,
                    finding.line()
                ));
            }
            count += 1;
        }
        assert!(
            spoken > 0 && silent > 0,
            "{}: {spoken} speak, {silent} are silent",
            rule.name
        );
        if differences.is_empty() {
            insta::assert_snapshot!(rule.name, wording);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(count, 313);
}
