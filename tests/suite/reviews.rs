//! Recorded AdmissionReviews, and what is expected of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use multinic::answer::{Answer, Case, Webhook};
use multinic::cluster::folder::File;
use multinic::cluster::{Fetched, Snapshot};
use multinic::config::Config;
use multinic::finding::Level;
use multinic::review::{self, Request};
use multinic::rules::World;

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
pub(crate) fn answer(body: &str, webhook: Webhook, snapshot: &Snapshot, config: &Config) -> Answer {
    let document = review::read(body.as_bytes()).unwrap();
    let request = Request::of(&document).unwrap();
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        config,
    };
    Case::of(&request, config).answer(webhook, &world)
}

/// The rules that spoke at a level, sorted, each once.
pub(crate) fn rules(answer: &Answer, level: Level) -> BTreeSet<&'static str> {
    let findings = answer
        .findings
        .iter()
        .filter(|finding| finding.level == level);
    findings.map(|finding| finding.rule.name).collect()
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
    let config = Config::default();
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
            "keep"
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
