//! Whole situations, each with its source: `tests/oracle/cases.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use multinic_core::finding::Level;
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::selector::{NODE_SELECTOR, parse};
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS, Networks};
use serde_json::{Value, json};

use super::cases;
use crate::reviews::{answer, response, rules};

/// Where the design decides otherwise than the case, which only a case of policy may see: the
/// case, what is answered here, and the words of the design.
const DECIDED: [(&str, &str, &str); 9] = [
    (
        "json-030",
        "allow",
        "stricter only where Multus would fail later, panic, or readers differ",
    ),
    (
        "ds-001",
        "allow",
        "DaemonSet Pods (matchFields term) are patched like any other",
    ),
    (
        "ds-002",
        "deny",
        "a DaemonSet whose template does not imply the selectors is refused",
    ),
    ("ds-004", "deny", "the rest are denied like a Pod's"),
    ("upd-010", "deny", "a terminating Pod is judged"),
    (
        "upd-008",
        "deny",
        "node labels are not read, so a Pod's UPDATE is judged by implication",
    ),
    ("nad-002", "deny", "an empty config is denied, not warned"),
    (
        "nad-020",
        "allow",
        "what the real plugin refuses: no rule speaks for a plugin it does not know",
    ),
    (
        "nad-027",
        "allow",
        "a NAD whose selector changes does not move Pods that run",
    ),
];

/// Cases that are proven elsewhere, because they are not decided from a review: by which tests.
const ELSEWHERE: [(&str, &str); 5] = [
    (
        "ex-",
        "a look-up that finds, fails or meets no CRD: suite `server`, test `cluster`",
    ),
    ("http-", "the listener: suite `server`"),
    (
        "rev-",
        "the shape of answers: `reviews::shape`; what has no object: `reviews::hostile`",
    ),
    ("cfg-", "the registration: test `cluster`"),
    ("upd-015", "the registration: test `cluster`"),
];

fn world(selectors: &Value) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let file: Value = serde_json::from_str(&super::read("cases.json")).unwrap();
    let nads = file["environment"]["nads"].as_object().unwrap();
    let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
    let names = nads.keys().map(String::as_str).chain([
        "shared/n",
        "ovn-kubernetes/default",
        "podns/null",
        "podns/123",
    ]);
    for key in names {
        let (namespace, name) = key.split_once('/').unwrap();
        let selector = selectors[key]
            .as_str()
            .or_else(|| nads.get(key)?[NODE_SELECTOR].as_str());
        snapshot.insert(
            namespace,
            name,
            Arc::new(Network::read(name, config, selector)),
        );
    }
    snapshot
}

fn config(input: &Value) -> Policy {
    let mut config = Policy::default();
    let list = |value: &Value| -> Option<Vec<String>> {
        match value {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => {
                Some(text.split(',').map(|name| name.trim().to_owned()).collect())
            }
            Value::Array(names) => Some(
                names
                    .iter()
                    .map(|name| name.as_str().unwrap().to_owned())
                    .collect(),
            ),
            _ => None,
        }
    };
    if let Some(names) = list(&input["config"]["globalNamespaces"]) {
        config.global_namespaces = names;
    }
    if let Some(names) = list(&input["config"]["defaultNetworkNamespaces"]) {
        config.default_network_namespaces = names;
    }
    config
}

fn review(input: &Value, resource: &Value, kind: &str, object: &Value, old: &Value) -> String {
    let mut review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"kind": kind}, "resource": resource, "namespace": "podns",
            "name": "web", "operation": "CREATE", "object": object, "oldObject": old,
        },
    });
    for key in ["namespace", "operation", "subResource"] {
        if !input[key].is_null() {
            review["request"][key] = input[key].clone();
        }
    }
    // The mark of a mirror Pod is taken from a kubelet only.
    if !object["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null() {
        review["request"]["userInfo"] =
            json!({"username": "system:node:node-1", "groups": ["system:nodes"]});
    }
    review.to_string()
}

fn pods() -> Value {
    json!({"group": "", "version": "v1", "resource": "pods"})
}

fn pod(input: &Value) -> String {
    let object = |annotations: &Value| {
        let mut object =
            json!({"metadata": {"name": "web", "annotations": annotations}, "spec": {}});
        for key in ["hostNetwork", "nodeName"] {
            if !input[key].is_null() {
                object["spec"][key] = input[key].clone();
            }
        }
        if input["gated"] == true {
            object["spec"]["schedulingGates"] = json!([{"name": "wait"}]);
        }
        if !input["deletionTimestamp"].is_null() {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        object
    };
    let old = match &input["oldAnnotations"] {
        Value::Null => Value::Null,
        annotations => object(annotations),
    };
    if input["subResource"] == "binding" {
        return review(input, &pods(), "Binding", &input["object"], &Value::Null);
    }
    review(input, &pods(), "Pod", &object(&input["annotations"]), &old)
}

/// `allow`, `warn` or `deny`, and the patch.
fn verdict(body: &str, snapshot: &Snapshot, config: &Policy) -> (&'static str, Vec<Value>) {
    let mutated = response(&answer(body, Webhook::Mutate, snapshot, config));
    let patch = match mutated["patch"].as_str() {
        None => Vec::new(),
        Some(text) => {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap();
            serde_json::from_slice(&bytes).unwrap()
        }
    };
    // The API server judges the object as it was patched.
    let mut review: Value = serde_json::from_str(body).unwrap();
    let operations: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
    json_patch::patch(&mut review["request"]["object"], &operations).unwrap();
    let judged = answer(&review.to_string(), Webhook::Validate, snapshot, config);
    let verdict = match response(&judged)["allowed"] == true {
        false => "deny",
        true if rules(&judged, Level::Warn).is_empty() => "allow",
        true => "warn",
    };
    (verdict, patch)
}

/// What stands behind an annotation of the case, as `namespace/name@interface`.
fn references(input: &Value) -> Vec<String> {
    let own = input["namespace"].as_str().unwrap_or("podns");
    let read = |name, own| {
        let text = input["annotations"][name].as_str().unwrap_or_default();
        if text.is_empty() {
            Networks::default()
        } else {
            Networks::parse(text, own)
        }
    };
    let networks = [read(DEFAULT_NETWORK, "kube-system"), read(NETWORKS, own)];
    let selections = networks.iter().flat_map(|networks| &networks.selections);
    selections
        .map(|selection| match &selection.interface {
            Some(interface) => format!("{}@{interface}", selection.network()),
            None => selection.network(),
        })
        .collect()
}

fn wanted(decision: &str) -> &'static [&'static str] {
    match decision {
        "allow" => &["allow", "warn"],
        "warn" | "allow+warn" => &["warn"],
        "mutate" => &["allow", "warn"],
        "no-patch" => &["allow", "warn"],
        "deny" | "deny-or-warn" => &["deny"],
        "not intercepted" => &["allow"],
        _ => &[],
    }
}

fn operators(requirement: &Value) -> String {
    let values = requirement["values"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let values: Vec<_> = values
        .iter()
        .map(|value| match value.as_str().unwrap() {
            "" => "''",
            value => value,
        })
        .collect();
    let operator = requirement["operator"].as_str().unwrap();
    let key = requirement["key"].as_str().unwrap();
    if values.is_empty() {
        format!("{key} {operator}")
    } else {
        format!("{key} {operator} [{}]", values.join(" "))
    }
}

/// What is wrong with the answer to a case, if anything.
fn check(case: &Value) -> Option<String> {
    let (id, input, expect) = (
        case["id"].as_str().unwrap(),
        &case["input"],
        &case["expect"],
    );
    let decided = DECIDED.iter().find(|(decided, ..)| *decided == id);
    if decided.is_some() {
        assert_eq!(
            case["basis"].as_str(),
            Some(basis(id)),
            "{id}: only policy may be decided"
        );
    }
    let decision = decided.map_or(
        expect["decision"].as_str().unwrap_or("allow"),
        |(_, own, _)| own,
    );
    let config = config(input);
    let fails = |found: &str| {
        (!wanted(decision).contains(&found)).then(|| format!("{id}: {found}, expected {expect}"))
    };
    match case["area"].as_str().unwrap() {
        "selector" => {
            let found = parse(input["nodeSelector"].as_str().unwrap());
            if expect["decision"] == "deny" {
                return found.is_ok().then(|| format!("{id}: accepted"));
            }
            let found: Vec<_> = found
                .unwrap()
                .iter()
                .map(|own| {
                    operators(&json!({
                        "key": own.key, "operator": own.operator.name(), "values": own.values,
                    }))
                })
                .collect();
            (json!(found) != expect["requirements"]).then(|| format!("{id}: {found:?}"))
        }
        "nad" => nad(id, input, decision),
        "affinity" => affinity(id, input, expect),
        "daemonset" => daemonset(input).and_then(|found| fails(found)),
        _ => {
            let snapshot = world(&input["nadSelectors"]);
            let (found, patch) = verdict(&pod(input), &snapshot, &config);
            let mut problem = fails(found);
            if let Some(refs) = expect["refs"].as_array() {
                let found = references(input);
                if json!(found) != json!(refs) {
                    problem = Some(format!("{id}: refers to {found:?}"));
                }
            }
            if let Some(require) = expect["require"].as_array() {
                let terms = patch[0]["value"].to_string();
                for requirement in require {
                    let word = requirement.as_str().unwrap().split(' ').next().unwrap();
                    assert!(terms.contains(word), "{id}: {terms}");
                }
            }
            if expect.get("patch").is_some_and(Value::is_null) && !patch.is_empty() {
                problem = Some(format!("{id}: patched with {patch:?}"));
            }
            problem
        }
    }
}

/// Where a deliberate difference comes from; two cases state what the plugins or the controllers do
/// and leave the answer open.
fn basis(id: &str) -> &'static str {
    match id {
        "ds-001" => "source",
        "nad-002" => "executed",
        _ => "policy",
    }
}

fn affinity(id: &str, input: &Value, expect: &Value) -> Option<String> {
    let selectors: Vec<&str> = match &input["nadSelector"] {
        Value::String(one) => vec![one],
        list => list
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap())
            .collect(),
    };
    let mut snapshot = Snapshot::default();
    let mut names = Vec::new();
    for (index, selector) in selectors.iter().enumerate() {
        let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
        let network = Network::read("n", config, Some(selector));
        snapshot.insert("podns", &format!("n{index}"), Arc::new(network));
        names.push(format!("n{index}"));
    }
    let mut object = json!({
        "metadata": {"name": "web", "annotations": {NETWORKS: names.join(",")}}, "spec": {},
    });
    for (key, at) in [
        ("podAffinity", "affinity"),
        ("nodeSelector", "nodeSelector"),
        ("hostNetwork", "hostNetwork"),
        ("nodeName", "nodeName"),
    ] {
        if input.get(key).is_some_and(|value| !value.is_null()) {
            object["spec"][at] = input[key].clone();
        }
    }
    for (key, value) in input["annotations"].as_object().into_iter().flatten() {
        object["metadata"]["annotations"][key] = value.clone();
    }
    let body = review(&json!({}), &pods(), "Pod", &object, &Value::Null);
    let (found, patch) = verdict(&body, &snapshot, &Policy::default());
    if let Some(decision) = expect["decision"].as_str() {
        let right = match decision {
            "no-patch" => patch.is_empty(),
            "deny" | "deny-or-warn" => found == "deny",
            other => panic!("{id}: {other}"),
        };
        return (!right).then(|| format!("{id}: {found}, {patch:?}, expected {expect}"));
    }
    let operations: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
    json_patch::patch(&mut object, &operations).unwrap();
    let affinity = &object["spec"]["affinity"];
    let right = if expect["affinity"] == "preferred kept, required added" {
        let node = &affinity["nodeAffinity"];
        node["preferredDuringSchedulingIgnoredDuringExecution"] == json!(["kept"])
            && node["requiredDuringSchedulingIgnoredDuringExecution"].is_object()
    } else {
        *affinity == expect["affinity"]
    };
    (!right).then(|| format!("{id}: {affinity}, expected {expect}"))
}

fn daemonset(input: &Value) -> Option<&'static str> {
    let apps = |name: &str| json!({"group": "apps", "version": "v1", "resource": name});
    let template =
        |annotations: Value| json!({"metadata": {"annotations": annotations}, "spec": {}});
    let snapshot = world(&json!({"podns/a": input["nadSelector"]}));
    let body = if let Some(annotation) = input["template annotation"].as_str() {
        let kind = input["kind"].as_str().unwrap();
        let resource = if kind == "DaemonSet" {
            "daemonsets"
        } else {
            "deployments"
        };
        let object = json!({"metadata": {"name": "web"},
            "spec": {"template": template(json!({NETWORKS: annotation}))}});
        review(&json!({}), &apps(resource), kind, &object, &Value::Null)
    } else if input["kind"] == "Deployment" {
        let object = json!({"metadata": {"name": "web",
            "annotations": input["metadata.annotations"]}, "spec": {"template": template(json!({}))}});
        review(
            &json!({}),
            &apps("deployments"),
            "Deployment",
            &object,
            &Value::Null,
        )
    } else {
        let object = json!({"metadata": {"name": "web", "annotations": {NETWORKS: "a"},
            "ownerReferences": input["ownerReferences"]}, "spec": {"affinity": input["podAffinity"]}});
        review(&json!({}), &pods(), "Pod", &object, &Value::Null)
    };
    Some(verdict(&body, &snapshot, &Policy::default()).0)
}

fn nad(id: &str, input: &Value, decision: &str) -> Option<String> {
    let config = input["config"]
        .as_str()
        .unwrap_or(r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#);
    let object = |config: &Value, annotations: &Value| {
        json!({
            "metadata": {"name": input["name"].as_str().unwrap_or("net"), "annotations": annotations},
            "spec": {"config": config},
        })
    };
    let selector = |value: &str| json!({NODE_SELECTOR: value});
    let empty = json!({});
    let (new, old) = match input["operation"].as_str() {
        Some("UPDATE") if input["changed"] == "k8s.v1.cni.cncf.io/nodeSelector" => (
            object(&json!(config), &selector("a=b")),
            object(&json!(config), &empty),
        ),
        Some("UPDATE") => {
            let config = json!(if input["old config"].is_null() {
                config
            } else {
                "{"
            });
            (
                object(&config, &json!({"label": "x"})),
                object(&config, &empty),
            )
        }
        Some(_) => (Value::Null, object(&json!(config), &empty)),
        None => (object(&json!(config), &input["annotations"]), Value::Null),
    };
    let resource = json!({"group": "k8s.cni.cncf.io", "version": "v1",
        "resource": "network-attachment-definitions"});
    let kind = "NetworkAttachmentDefinition";
    let mut request = json!({"operation": input["operation"]});
    request["namespace"] = json!("podns");
    let mut body: Value =
        serde_json::from_str(&review(&request, &resource, kind, &new, &old)).unwrap();
    body["request"]["name"] = json!(input["name"].as_str().unwrap_or("net"));
    // What the cases are about is the envelope: their plugins are called "a".
    let supported = "supportedPlugins: {interface: [a, macvlan, bridge], meta: [], ipam: []}";
    let settings = multinic_core::config::parse(supported).unwrap();
    let snapshot = Snapshot::default();
    let judged = answer(&body.to_string(), Webhook::Validate, &snapshot, &settings);
    let found = match response(&judged)["allowed"] == true {
        false => "deny",
        true if rules(&judged, Level::Warn).is_empty() => "allow",
        true => "warn",
    };
    let decision = match decision.split_once(" (") {
        Some((decision, _)) => decision,
        None => decision,
    };
    (!wanted(decision).contains(&found))
        .then(|| format!("{id}: {found} {:?}, expected {decision}", judged.findings))
}

#[test]
fn every_case_is_decided_as_its_source_says() {
    let cases = cases("cases.json");
    assert_eq!(cases.len(), 226);
    let mut elsewhere = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        if let Some((prefix, _)) = ELSEWHERE.iter().find(|(prefix, _)| id.starts_with(prefix)) {
            *elsewhere.entry(*prefix).or_insert(0) += 1;
            continue;
        }
        wrong.extend(check(case));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let counted = [
        ("cfg-", 2),
        ("ex-", 4),
        ("http-", 10),
        ("rev-", 17),
        ("upd-015", 1),
    ];
    assert_eq!(elsewhere, BTreeMap::from(counted));
}
