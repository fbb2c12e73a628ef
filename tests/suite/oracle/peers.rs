//! The inputs of the peers' own tests, documentation and defects: `tests/oracle/peers.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use multinic_core::answer::{Answer, Verdict};
use multinic_core::finding::Level;
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::selector::NODE_SELECTOR;
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS, Networks};
use multinic_core::view::placement::REQUIRED;
use serde_json::{Value, json};

use super::cases;
use crate::manifest::{answer, created};
use crate::reviews::{response, rules};

/// What is not decided here as the case has it, and the words of the design that decide it.
const DIFFERENCES: [(&[&str], &str); 6] = [
    (
        &["multus-019"],
        "defaultNetworkNamespaces: [kube-system]: for default-network beside own and global",
    ),
    (
        &["fluid-005"],
        "leave empty terms alone (they match nothing)",
    ),
    (
        &["kupid-002", "nsaff-004"],
        "an empty or null nodeSelectorTerms is left to the API server",
    ),
    (
        &["kupid-004", "fluid-004", "fluid-010"],
        "selector grammar = labels.Parse in full: no terms that are ORed, no matchFields",
    ),
    (
        &[
            "harv-008", "harv-009", "harv-010", "harv-015", "harv-016", "harv-017", "harv-018",
            "harv-019", "harv-020",
        ],
        "its configuration must be one that the real plugins would accept: VLANs, names",
    ),
    (
        &["multus-027", "multus-028", "multus-029"],
        "its configuration must be one that the real plugins would accept: 0.1.0 needs addresses",
    ),
];

/// Cases that no review can show: by their beginning, how many, and which tests prove them.
const ELSEWHERE: [(&str, usize, &str); 4] = [
    ("nri-016", 1, "a foreign content type: suite `server`"),
    ("nadac-007", 1, "a foreign content type: suite `server`"),
    ("sriov-001", 1, "the registration: test `cluster`"),
    (
        "https://github.com/k8snetworkplumbingwg/sriov-network-operator/pull/664",
        1,
        "the registration: test `cluster`",
    ),
];

const RIGHT: usize = 154;
/// Injection of annotations, networks that keep those who use them from being deleted, and terms
/// that are empty on both sides.
const OUT_OF_SCOPE: usize = 7;

/// The reading of one case: what is wrong with it, or that it is out of scope.
enum Outcome {
    Right,
    Wrong(String),
    /// The case is about a feature that is none of ours (`n/a`, `decide`).
    OutOfScope,
}

#[test]
fn the_peers_inputs_are_decided_as_recommended() {
    let (mut right, mut out_of_scope) = (0, 0);
    let mut wrong = BTreeMap::new();
    let mut elsewhere = BTreeMap::new();
    for case in cases("peers.json") {
        let id = case["id"].as_str().unwrap().to_owned();
        if let Some((prefix, ..)) = ELSEWHERE.iter().find(|(own, ..)| id.starts_with(own)) {
            *elsewhere.entry(*prefix).or_insert(0) += 1;
            continue;
        }
        match check(&case) {
            Outcome::Right => right += 1,
            Outcome::Wrong(problem) => {
                wrong.insert(id, problem);
            }
            Outcome::OutOfScope => out_of_scope += 1,
        }
    }
    let listed: BTreeSet<&str> = DIFFERENCES
        .iter()
        .flat_map(|(ids, _)| *ids)
        .copied()
        .collect();
    let unlisted: Vec<_> = wrong
        .iter()
        .filter(|(id, _)| !listed.contains(&***id))
        .collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    let found: BTreeSet<&str> = wrong.keys().map(String::as_str).collect();
    assert_eq!(found, listed, "what is listed and no longer different");
    super::assert_counted(
        &elsewhere,
        &ELSEWHERE.map(|(prefix, count, _)| (prefix, count)),
    );
    assert_eq!((right, out_of_scope), (RIGHT, OUT_OF_SCOPE));
}

fn check(case: &Value) -> Outcome {
    if ["n/a", "decide"].contains(&case["ours"].as_str().unwrap()) {
        return Outcome::OutOfScope;
    }
    let (input, expect) = (&case["input"], &case["ours_expected"]);
    let problem = match case["area"].as_str().unwrap() {
        "networks-annotation" => networks(input, expect),
        "isolation" => isolation(input, expect),
        "default-network" => default_network(input),
        "nad-config" | "nad-name" => {
            let review = nad(input["nad_name"].as_str().unwrap(), &input["spec.config"]);
            wants(
                &judge(&review, &Snapshot::default(), &Policy::default()),
                expect,
            )
        }
        "nad-lookup" => lookup(input, expect),
        "node-selector" => node_selector(input, expect),
        "node-affinity-merge" => affinity(input, expect),
        "update" => update(input, expect),
        "delete-in-use" => deletion(expect),
        "http" => body(input),
        other => panic!("no such area: {other}"),
    };
    problem.map_or(Outcome::Right, Outcome::Wrong)
}

fn judge(review: &Value, snapshot: &Snapshot, config: &Policy) -> Answer {
    answer(
        review.to_string().as_bytes(),
        Webhook::Validate,
        snapshot,
        config,
    )
}

/// Whether the request passes as `verdict` has it.
fn wants(answer: &Answer, expect: &Value) -> Option<String> {
    let found = if answer.verdict == Verdict::Deny {
        "deny"
    } else {
        "allow"
    };
    let said: Vec<_> = answer
        .findings
        .iter()
        .map(|finding| finding.line().to_string())
        .collect();
    (expect["verdict"] != found).then(|| format!("{found} {said:?}, expected {expect}"))
}

fn pod(namespace: &str, annotation: &str, text: &Value) -> Value {
    created(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": namespace, "annotations": {annotation: text}},
        "spec": {},
    }))
}

fn nad(name: &str, config: &Value) -> Value {
    created(&json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"config": config},
    }))
}

/// Networks named `namespace/name`, each with its nodeSelector.
fn world<'n>(networks: impl IntoIterator<Item = (&'n str, Option<&'n str>)>) -> Snapshot {
    let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
    let mut snapshot = Snapshot::default();
    for (key, selector) in networks {
        let (namespace, name) = key.split_once('/').unwrap();
        snapshot.insert(
            namespace,
            name,
            Arc::new(Network::read(name, config, selector)),
        );
    }
    snapshot
}

fn networks(input: &Value, expect: &Value) -> Option<String> {
    let Some(own) = input["pod_namespace"].as_str() else {
        // One annotation is not read for the other.
        let review = pod(
            "default",
            DEFAULT_NETWORK,
            &input["pod_annotations"][DEFAULT_NETWORK],
        );
        let answer = judge(&review, &Snapshot::default(), &Policy::default());
        let field = |field: &str| field.contains(NETWORKS);
        let read = answer
            .findings
            .iter()
            .any(|finding| field(&finding.place.field));
        return read.then(|| "the absent annotation is read".to_owned());
    };
    let text = &input[NETWORKS];
    let read = match text.as_str().unwrap() {
        "" => Networks::default(),
        text => Networks::parse(text, own),
    };
    let selections: Vec<Value> = read
        .selections
        .iter()
        .map(|selection| {
            json!({
                "namespace": selection.namespace, "name": selection.name,
                "interface": selection.interface.as_deref().unwrap_or_default(),
            })
        })
        .collect();
    if expect["selections"].is_array() && expect["selections"] != json!(selections) {
        return Some(format!("{selections:?}, expected {expect}"));
    }
    let answer = judge(
        &pod(own, NETWORKS, text),
        &Snapshot::default(),
        &Policy::default(),
    );
    let denied = rules(&answer, Level::Deny);
    if let Some(isolation) = expect["isolation"].as_str() {
        let isolated = denied.contains("isolated-network");
        return ((isolation == "deny") != isolated)
            .then(|| format!("{denied:?}, expected {expect}"));
    }
    if expect["verdict"] == "deny" && !denied.contains("malformed-networks") {
        return Some(format!("{denied:?}, expected {expect}"));
    }
    wants(&answer, expect)
}

fn isolation(input: &Value, expect: &Value) -> Option<String> {
    let mut config = Policy::default();
    if let Some(names) = input["globalNamespaces"].as_str() {
        config.global_namespaces = names
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect();
    }
    if expect["global"].is_array() {
        let found = json!(config.global_namespaces);
        return (found != expect["global"]).then(|| format!("{found}, expected {expect}"));
    }
    let own = input["pod_namespace"].as_str().unwrap();
    let text = input.get("networks").unwrap_or(&input[NETWORKS]);
    let answer = judge(&pod(own, NETWORKS, text), &Snapshot::default(), &config);
    let isolated = rules(&answer, Level::Deny).contains("isolated-network");
    let message = response(&answer)["status"]["message"].to_string();
    let names = expect["message_must_name"].as_array().into_iter().flatten();
    let named = names
        .map(|name| name.as_str().unwrap())
        .all(|name| message.contains(name));
    ((expect["verdict"] == "deny") != isolated || !named)
        .then(|| format!("{message}, expected {expect}"))
}

fn default_network(input: &Value) -> Option<String> {
    let own = input["pod_namespace"].as_str().unwrap();
    let nads = input["nads"].as_array().unwrap().iter();
    let snapshot = world(nads.map(|name| (name.as_str().unwrap(), None)));
    let review = pod(own, DEFAULT_NETWORK, &input[DEFAULT_NETWORK]);
    let mut config = Policy::default();
    let found = judge(&review, &snapshot, &config);
    // Found where it is looked up, and refused once its namespace is shared no longer.
    assert_eq!(found.verdict, Verdict::Allow);
    config.default_network_namespaces.clear();
    let refused = judge(&review, &snapshot, &config);
    assert!(rules(&refused, Level::Deny).contains("isolated-network"));
    Some("allowed: kube-system is listed".to_owned())
}

fn lookup(input: &Value, expect: &Value) -> Option<String> {
    let own = input["pod"]["namespace"].as_str().unwrap();
    let nads = input["nads"].as_array().unwrap().iter();
    let snapshot = world(nads.map(|name| (name.as_str().unwrap(), None)));
    let answer = judge(
        &pod(own, NETWORKS, &input["pod"]["networks"]),
        &snapshot,
        &Policy::default(),
    );
    let message = response(&answer)["status"]["message"].to_string();
    if expect["hint"].is_string() && !message.contains("default/foo-network") {
        return Some(format!("no hint: {message}"));
    }
    wants(&answer, expect)
}

/// What `/mutate` makes of a Pod: the operations and the whole Pod.
fn patched(review: &Value, snapshot: &Snapshot) -> (Vec<Value>, Value) {
    let body = review.to_string();
    let answer = answer(
        body.as_bytes(),
        Webhook::Mutate,
        snapshot,
        &Policy::default(),
    );
    let mut object = review["request"]["object"].clone();
    let operations = crate::laws::operations(&answer);
    let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    (operations, object)
}

fn terms(object: &Value) -> Value {
    object["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"].clone()
}

fn node_selector(input: &Value, expect: &Value) -> Option<String> {
    let own = input["pod"]["namespace"].as_str().unwrap();
    let name = input["pod"]["annotations"][NETWORKS].as_str().unwrap();
    let home = input["nad"]["namespace"].as_str().unwrap();
    let key = format!("{home}/{name}");
    let snapshot = world([(&*key, input["nad"]["annotations"][NODE_SELECTOR].as_str())]);
    let review = pod(own, NETWORKS, &input["pod"]["annotations"][NETWORKS]);
    let (_, object) = patched(&review, &snapshot);
    let untouched = object["spec"]["nodeSelector"].is_null();
    (terms(&object) != expect["nodeSelectorTerms"] || !untouched)
        .then(|| format!("{object}, expected {expect}"))
}

/// A term as a selector; `None` where no selector can say it.
fn selector(term: &Value) -> Option<String> {
    if term.get("matchFields").is_some() {
        return None;
    }
    let requirements = term["matchExpressions"]
        .as_array()?
        .iter()
        .map(|requirement| {
            let key = requirement["key"].as_str()?;
            let values = requirement["values"].as_array()?.iter();
            let values: Option<Vec<&str>> = values.map(Value::as_str).collect();
            match requirement["operator"].as_str()? {
                "In" => Some(format!("{key} in ({})", values?.join(","))),
                "Exists" => Some(key.to_owned()),
                _ => None,
            }
        });
    Some(requirements.collect::<Option<Vec<_>>>()?.join(","))
}

fn merge(selector: &str, affinity: Option<Value>) -> (Vec<Value>, Value) {
    let mut review = pod("default", NETWORKS, &json!("n"));
    if let Some(affinity) = affinity {
        review["request"]["object"]["spec"]["affinity"] = affinity;
    }
    patched(&review, &world([("default/n", Some(selector))]))
}

fn required(terms: &Value) -> Option<Value> {
    (!terms.is_null()).then(|| json!({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}))
}

fn affinity(input: &Value, expect: &Value) -> Option<String> {
    if input["pod"].is_string() || input["inject"].is_string() || input["pod"].is_object() {
        return described(input, expect);
    }
    // A term that matches nothing adds nothing to those it is ORed with.
    let injected: Vec<&Value> = match &input["injected_terms"] {
        Value::Array(terms) => terms.iter().filter(|term| **term != json!({})).collect(),
        _ => vec![&input["injected"]],
    };
    let text = match injected[..] {
        [] => String::new(),
        [term] => match selector(term) {
            Some(text) => text,
            None => return Some("no selector says this".to_owned()),
        },
        _ => return Some("no selector is an OR".to_owned()),
    };
    let (_, object) = merge(&text, required(&input["existing_required_terms"]));
    let (found, wanted) = (terms(&object), &expect["terms"]);
    (plain(&found) != plain(wanted)).then(|| format!("{found}, expected {expect}"))
}

/// Terms as sets of requirements, sorted.
fn plain(terms: &Value) -> Vec<Vec<String>> {
    let terms = terms.as_array().into_iter().flatten();
    let mut plain: Vec<Vec<String>> = terms
        .map(|term| {
            let mut requirements = Vec::new();
            for list in ["matchExpressions", "matchFields"] {
                for requirement in term[list].as_array().into_iter().flatten() {
                    let mut requirement = requirement.clone();
                    // Absent and empty are one in Go.
                    if requirement["values"].as_array().is_none_or(Vec::is_empty) {
                        requirement["values"] = Value::Null;
                    }
                    requirements.push(format!("{list} {requirement}"));
                }
            }
            requirements.sort_unstable();
            requirements.dedup();
            requirements
        })
        .collect();
    plain.sort_unstable();
    plain.dedup();
    plain
}

/// Cases that describe the Pod in words.
fn described(input: &Value, expect: &Value) -> Option<String> {
    let one = json!({"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "key", "operator": "In", "values": ["val"]}]}]});
    let affinity = match input["pod"].as_str() {
        Some("spec without affinity" | "no affinity at all") => None,
        Some("affinity with podAffinity only") => Some(json!({"podAffinity": {"kept": 1}})),
        Some("nodeAffinity {}") => Some(json!({"nodeAffinity": {}})),
        Some("required {}") => Some(json!({"nodeAffinity": {REQUIRED: {}}})),
        Some("required terms [{matchExpressions: []}]") => {
            required(&json!([{"matchExpressions": []}]))
        }
        Some("required terms [{key In [val]}]") => Some(json!({"nodeAffinity": {REQUIRED: one}})),
        Some(other) => panic!("no such Pod: {other}"),
        None if input["pod"].is_object() => Some(json!({
            "podAffinity": {"kept": 1},
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": ["old"]},
        })),
        None => None,
    };
    let (operations, object) = merge("pool=x", affinity.clone());
    let path = operations.first().map(|operation| &operation["path"]);
    let problem = || Some(format!("{operations:?} made {object}, expected {expect}"));
    if let Some(wanted) = expect["patch_path"].as_str() {
        let wanted = wanted.split(' ').next().unwrap();
        let right = path.and_then(Value::as_str) == Some(wanted);
        return if right { None } else { problem() };
    }
    let own = affinity.unwrap_or_default();
    let right = if expect["second_pass"].is_string() {
        let mut review = pod("default", NETWORKS, &json!("n"));
        review["request"]["object"] = object.clone();
        patched(&review, &world([("default/n", Some("pool=x"))]))
            .0
            .is_empty()
    } else if expect["preferred"].is_string() {
        let found = &object["spec"]["affinity"];
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
        found["podAffinity"] == own["podAffinity"]
            && found["nodeAffinity"][preferred] == own["nodeAffinity"][preferred]
    } else if expect["affinity"].is_string() {
        !terms(&object).is_null()
    } else if expect["terms"].as_str().unwrap().starts_with("unchanged") {
        operations.is_empty()
    } else {
        let lists = terms(&object);
        let lists = lists.as_array().unwrap();
        lists.len() == 1 && lists[0]["matchExpressions"].as_array().unwrap().len() == 2
    };
    if right { None } else { problem() }
}

fn update(input: &Value, expect: &Value) -> Option<String> {
    if input["old_config"].is_string() {
        let mut review = nad("net1-vlan", &input["new_config"]);
        review["request"]["operation"] = json!("UPDATE");
        review["request"]["oldObject"] =
            nad("net1-vlan", &input["old_config"])["request"]["object"].clone();
        return wants(
            &judge(&review, &Snapshot::default(), &Policy::default()),
            expect,
        );
    }
    let own = input["pod_namespace"].as_str().unwrap();
    let mut review = pod(own, NETWORKS, &input["new_annotations"][NETWORKS]);
    let mut old = review["request"]["object"].clone();
    old["metadata"]["annotations"] = input["old_annotations"].clone();
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = old;
    let snapshot = world([("ns1/tenant-network", None)]);
    let (operations, _) = patched(&review, &snapshot);
    if !operations.is_empty() {
        return Some(format!("patched with {operations:?}"));
    }
    wants(&judge(&review, &snapshot, &Policy::default()), expect)
}

fn deletion(expect: &Value) -> Option<String> {
    let mut review = nad("net1-vlan", &json!("{}"));
    review["request"]["operation"] = json!("DELETE");
    review["request"]["oldObject"] = review["request"]["object"].take();
    wants(
        &judge(&review, &Snapshot::default(), &Policy::default()),
        expect,
    )
}

/// What is no AdmissionReview, and what an answer holds.
fn body(input: &Value) -> Option<String> {
    let review = pod("default", NETWORKS, &json!("n"));
    let text = if let Some(text) = input["body"].as_str() {
        text.to_owned()
    } else if input.get("AdmissionReview").is_some() {
        let mut review = review;
        review["request"] = Value::Null;
        review.to_string()
    } else if input["response"].is_object() {
        let answer = judge(&review, &Snapshot::default(), &Policy::default());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let right = answer["apiVersion"] == "admission.k8s.io/v1"
            && answer["kind"] == "AdmissionReview"
            && answer["response"]["uid"] == review["request"]["uid"]
            && answer.get("request").is_none();
        return (!right).then(|| answer.to_string());
    } else {
        let mut review = review;
        review["request"]["operation"] = json!("UPDATE");
        for key in input["AdmissionReview.request"].as_object().unwrap().keys() {
            review["request"][key] = Value::Null;
        }
        review.to_string()
    };
    let Ok(document) = review::read(text.as_bytes()) else {
        return None;
    };
    Request::of(&document)
        .is_ok()
        .then(|| format!("{text} is taken for a review"))
}
