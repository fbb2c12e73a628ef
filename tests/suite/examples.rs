//! What `examples/README.md` says of the files beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use multinic::cluster::folder::Folder;
use multinic_core::answer::{Answer, Verdict};
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use serde_json::Value;

use crate::manifest::{answer, created, documents};

#[test]
fn the_readme_lists_every_manifest_and_names_the_true_answer() {
    let listed = rows();
    let folders = ["mistakes", "pods", "routes"];
    let manifests: Vec<String> = folders.into_iter().flat_map(files).collect();
    assert_eq!(
        listed.keys().collect::<Vec<_>>(),
        manifests.iter().collect::<Vec<_>>()
    );
    let snapshot = networks();
    for (manifest, claimed) in listed {
        for object in documents(&read(&manifest)) {
            let said = said(&created(&object), &snapshot);
            assert_eq!(said, claimed, "{manifest}");
        }
    }
}

#[test]
fn the_reviews_are_those_of_the_manifests() {
    let snapshot = networks();
    let reviews = files("reviews");
    let mut listed = rows();
    listed.retain(|manifest, _| !manifest.starts_with("routes/"));
    assert_eq!(reviews.len(), listed.len());
    for (manifest, claimed) in listed {
        let name = Path::new(&manifest).file_stem().unwrap().to_str().unwrap();
        let review: Value = serde_json::from_str(&read(&format!("reviews/{name}.json"))).unwrap();
        let object = documents(&read(&manifest)).pop().unwrap();
        let sent = &review["request"]["object"];
        for field in [
            "/kind",
            "/metadata/name",
            "/metadata/namespace",
            "/metadata/annotations",
            "/spec/config",
        ] {
            assert_eq!(
                sent.pointer(field),
                object.pointer(field),
                "{name}: {field}"
            );
        }
        assert_eq!(said(&review, &snapshot), claimed, "{name}");
    }
}

#[test]
fn nothing_is_to_be_said_of_the_networks() {
    let snapshot = networks();
    let mut judged = 0;
    for file in files("networks") {
        for network in documents(&read(&file)) {
            let body = created(&network).to_string();
            let answer = answer(
                body.as_bytes(),
                Webhook::Validate,
                &snapshot,
                &Policy::default(),
            );
            assert_eq!(lines(&answer), [""; 0], "{file}");
            judged += 1;
        }
    }
    assert_eq!(judged, snapshot.len());
}

/// In the words of the README's table, what both webhooks make of a review.
fn said(review: &Value, snapshot: &Snapshot) -> String {
    let config = Policy::default();
    let mut review = review.clone();
    let mutated = answer(
        review.to_string().as_bytes(),
        Webhook::Mutate,
        snapshot,
        &config,
    );
    let mut placed = None;
    if mutated.verdict == Verdict::Patch {
        let body: Value = serde_json::from_slice(&mutated.body).unwrap();
        let patch = body["response"]["patch"].as_str().unwrap();
        let patch = base64::engine::general_purpose::STANDARD
            .decode(patch)
            .unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let object = &mut review["request"]["object"];
        json_patch::patch(object, &patch).unwrap();
        placed = Some(affinity(object));
    }
    let validated = answer(
        review.to_string().as_bytes(),
        Webhook::Validate,
        snapshot,
        &config,
    );
    match (validated.verdict, placed) {
        (Verdict::Deny, _) => format!("refused by `{}`", validated.findings[0].rule),
        (Verdict::Allow, Some(placed)) => format!("placed on `{placed}`"),
        (Verdict::Allow, None) => match &validated.findings[..] {
            [] => "admitted".to_owned(),
            [finding, ..] => format!("admitted, with a warning of `{}`", finding.rule),
        },
        (verdict, _) => panic!("{verdict:?}"),
    }
}

/// The required node affinity of a Pod, written as a selector.
fn affinity(pod: &Value) -> String {
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let terms = pod.pointer(required).unwrap()["nodeSelectorTerms"]
        .as_array()
        .unwrap();
    let [term] = &terms[..] else {
        panic!("more than one term: {terms:?}");
    };
    let requirements = term["matchExpressions"].as_array().unwrap().iter();
    let written = requirements.map(|requirement| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let values: Vec<String> = requirement["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect();
        format!(
            "{} {} ({})",
            text(&requirement["key"]),
            text(&requirement["operator"]).to_lowercase(),
            values.join(",")
        )
    });
    written.collect::<Vec<_>>().join(",")
}

fn lines(answer: &Answer) -> Vec<String> {
    answer
        .findings
        .iter()
        .map(|finding| finding.line().to_string())
        .collect()
}

/// The manifests that the README lists, with the last cell of their row.
fn rows() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in read("README.md").lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [file, _, answer] = cells[..] else {
            continue;
        };
        let Some((_, path)) = file.split_once("](") else {
            continue;
        };
        let path = path.trim_end_matches(')');
        if !path.starts_with("networks/") {
            rows.insert(path.to_owned(), answer.to_owned());
        }
    }
    rows
}

fn networks() -> Snapshot {
    let folder = Folder::read(&examples().join("networks")).unwrap();
    let errors: Vec<String> = folder.errors().map(ToString::to_string).collect();
    assert_eq!(errors, [""; 0]);
    folder.snapshot()
}

/// The files of a folder of the examples, in the order of their names.
fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(examples().join(folder)).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    files.sort_unstable();
    files
}

fn read(file: &str) -> String {
    let path = examples().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}
