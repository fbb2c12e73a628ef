//! What network-resources-injector does with a Pod, and what is done here:
//! `tests/oracle/injector.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use multinic_core::answer::{Answer, Verdict};
use multinic_core::finding::Level;
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::view::placement::REQUIRED;
use serde_json::{Value, json};

use crate::laws::operations;
use crate::manifest::{answer, created};
use crate::reviews::rules;

/// How many cases there are, so that none is lost.
const CASES: usize = 77;
/// What the injector writes beside requests: it is not looked at here.
const ELSEWHERE: [&str; 3] = ["podnetinfo", "user-defined-injections", "node-affinity"];

#[test]
fn a_pod_of_the_injector_s_tests_is_given_what_is_written_down() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/injector.json");
    let text = fs::read_to_string(path).unwrap();
    let oracle: Value = serde_json::from_str(&text).unwrap();
    let cases = oracle["cases"].as_array().unwrap();
    assert_eq!(cases.len(), CASES);
    let mut wrong = Vec::new();
    let mut shown = BTreeSet::new();
    for case in cases {
        let differs = case["differs"].as_array().into_iter().flatten();
        let differs: BTreeSet<_> = differs.map(|name| name.as_str().unwrap()).collect();
        shown.extend(differs.iter().copied());
        // Where nothing but what stands elsewhere differs, the requests are the same.
        let same = case["injector"]["resources"] == case["expect"]["resources"]
            && case["injector"]["decision"] == case["expect"]["decision"];
        let elsewhere = differs.iter().all(|name| ELSEWHERE.contains(name));
        if !same && elsewhere && !differs.contains("user-defined-injections") {
            wrong.push(format!("{}: differs, and does not say why", case["id"]));
        }
        wrong.extend(check(case).map(|problem| format!("{}: {problem}", case["id"])));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let reasons: BTreeSet<_> = oracle["differences"].as_object().unwrap().keys().collect();
    assert!(
        reasons.iter().map(|name| name.as_str()).eq(shown),
        "{reasons:?}"
    );
}

/// What is wrong with a case.
fn check(case: &Value) -> Option<String> {
    let (input, expect) = (&case["pod"], &case["expect"]);
    let mut review = created(&pod(input));
    let snapshot = networks(&case["networks"]);
    let ask = |review: &Value, webhook| -> Answer {
        answer(
            review.to_string().as_bytes(),
            webhook,
            &snapshot,
            &Policy::default(),
        )
    };
    let mutated = ask(&review, Webhook::Mutate);
    let patch: json_patch::Patch = serde_json::from_value(json!(operations(&mutated))).unwrap();
    json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
    let judged = ask(&review, Webhook::Validate);
    let denied = rules(&judged, Level::Deny);
    if expect["decision"] == "deny" {
        let rule = expect["rule"].as_str().unwrap();
        return (!denied.contains(rule)).then(|| format!("{denied:?}, expected {rule}"));
    }
    if judged.verdict == Verdict::Deny {
        return Some(format!("denied by {denied:?}"));
    }
    let spec = &review["request"]["object"]["spec"];
    let containers = spec["containers"].as_array().unwrap().iter();
    let resources: Vec<_> = containers
        .map(|container| match &container["resources"] {
            Value::Null => json!({}),
            resources => resources.clone(),
        })
        .collect();
    if json!(resources) != expect["resources"] {
        return Some(format!("{resources:?}, expected {expect}"));
    }
    let requirement = expect["placed"].as_str().map(|placed| {
        let (key, value) = placed.split_once('=').unwrap();
        json!({"key": key, "operator": "In", "values": [value]})
    });
    let terms = &spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"];
    let wanted = requirement.map_or(Value::Null, |own| json!([{"matchExpressions": [own]}]));
    (*terms != wanted).then(|| format!("{terms}, expected {wanted}"))
}

fn pod(input: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": input["namespace"],
            "annotations": input["annotations"], "labels": input["labels"]},
        "spec": {"containers": input["containers"]},
    });
    for key in ["initContainers", "resourceClaims"] {
        if !input[key].is_null() {
            pod["spec"][key] = input[key].clone();
        }
    }
    for (key, value) in input["spec"].as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

/// The networks of a case. Their configuration is one that is let in: the injector does not look at
/// it, and its tests use one that no plugin of ours has.
fn networks(input: &Value) -> Snapshot {
    let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
    let mut snapshot = Snapshot::default();
    for (key, network) in input.as_object().unwrap() {
        let (namespace, name) = key.split_once('/').unwrap();
        let read = Network::read(name, config, network["nodeSelector"].as_str())
            .with_resource(network["resourceName"].as_str());
        snapshot.insert(namespace, name, Arc::new(read));
    }
    snapshot
}
