//! Which nodes a Pod may run on, after the Kubernetes documentation ("Assigning Pods to Nodes",
//! API reference of NodeSelectorTerm). Written apart from `src`, and without anything of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A node, as far as affinity sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Node {
    fn new(name: &str, labels: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Self {
            name: name.to_owned(),
            labels: labels.iter().map(owned).collect(),
        }
    }
}

/// Whether the scheduler may choose `node` for a Pod with this spec: `nodeSelector` and the required
/// node affinity both hold.
pub(crate) fn eligible(spec: &Value, node: &Node) -> bool {
    let selected = spec["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| node.labels.get(key).map(String::as_str) == value.as_str());
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    selected && (required.is_null() || any_term(&required["nodeSelectorTerms"], node))
}

/// Terms are ORed: without any, nothing matches.
fn any_term(terms: &Value, node: &Node) -> bool {
    let mut terms = terms.as_array().into_iter().flatten();
    terms.any(|term| matches(term, node))
}

/// Requirements are ANDed: a term without any matches nothing.
fn matches(term: &Value, node: &Node) -> bool {
    let list = |key: &str| term[key].as_array().cloned().unwrap_or_default();
    let (expressions, fields) = (list("matchExpressions"), list("matchFields"));
    let own = BTreeMap::from([("metadata.name".to_owned(), node.name.clone())]);
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|one| holds(one, &node.labels))
        && fields.iter().all(|one| holds(one, &own))
}

/// One requirement, against labels (or fields).
pub(crate) fn holds(requirement: &Value, labels: &BTreeMap<String, String>) -> bool {
    let label = labels.get(requirement["key"].as_str().unwrap());
    let values: Vec<&str> = requirement["values"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| value.as_str().unwrap())
        .collect();
    let listed = label.is_some_and(|label| values.contains(&label.as_str()));
    let number = |text: &str| text.parse::<i64>().ok();
    let compare = |holds: fn(i64, i64) -> bool| {
        let own = label.and_then(|label| number(label));
        let bound = values.first().and_then(|value| number(value));
        own.zip(bound).is_some_and(|(own, bound)| holds(own, bound))
    };
    match requirement["operator"].as_str().unwrap() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => compare(|own, bound| own > bound),
        "Lt" => compare(|own, bound| own < bound),
        other => panic!("no such operator: {other}"),
    }
}

#[test]
fn the_documented_examples() {
    let of = |terms: Value| {
        json!({"affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
    };
    let one = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
    let gpu = Node::new("n1", &[("pool", "gpu"), ("speed", "10")]);
    let bare = Node::new("n2", &[]);
    for (spec, on_gpu, on_bare) in [
        (json!({}), true, true),
        (json!({"nodeSelector": {"pool": "gpu"}}), true, false),
        (
            json!({"nodeSelector": {"pool": "gpu", "a": "b"}}),
            false,
            false,
        ),
        (of(json!([])), false, false),
        (of(json!([{}])), false, false),
        (of(json!([{"matchExpressions": []}])), false, false),
        (
            of(json!([{}, {"matchExpressions": [one("pool", "In", &["gpu"])]}])),
            true,
            false,
        ),
        (
            of(json!([{"matchExpressions": [one("pool", "NotIn", &["gpu"])]}])),
            false,
            true,
        ),
        (
            of(json!([{"matchExpressions": [one("pool", "Exists", &[])]}])),
            true,
            false,
        ),
        (
            of(json!([{"matchExpressions": [one("pool", "DoesNotExist", &[])]}])),
            false,
            true,
        ),
        (
            of(json!([{"matchExpressions": [one("speed", "Gt", &["9"])]}])),
            true,
            false,
        ),
        (
            of(json!([{"matchExpressions": [one("speed", "Gt", &["10"])]}])),
            false,
            false,
        ),
        (
            of(json!([{"matchExpressions": [one("pool", "Lt", &["10"])]}])),
            false,
            false,
        ),
        (
            of(
                json!([{"matchExpressions": [one("pool", "Exists", &[]), one("speed", "Lt", &["9"])]}]),
            ),
            false,
            false,
        ),
        (
            of(json!([{"matchFields": [one("metadata.name", "In", &["n2"])]}])),
            false,
            true,
        ),
    ] {
        assert_eq!(
            (eligible(&spec, &gpu), eligible(&spec, &bare)),
            (on_gpu, on_bare),
            "{spec}"
        );
    }
}

/// The affinity rows of the specification: their words, as the matcher sees them.
#[test]
fn the_rows_of_the_specification() {
    let file = include_str!("../../oracle/cases.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let universe = [
        Node::new("node-1", &[]),
        Node::new("node-1", &[("pool", "x")]),
        Node::new("node-1", &[("pool", "x"), ("zone", "z1")]),
        Node::new(
            "node-1",
            &[("pool", "x"), ("zone", "z1"), ("hw", "1"), ("speed", "11")],
        ),
        Node::new("node-2", &[("pool", "y"), ("speed", "9")]),
        Node::new("node-2", &[("pool", "x"), ("hw", "1"), ("zone", "z2")]),
    ];
    let one = |selector: &str, node: &Node| match selector {
        "pool=x" => node.labels.get("pool").is_some_and(|pool| pool == "x"),
        "zone=z1" => node.labels.get("zone").is_some_and(|zone| zone == "z1"),
        "speed>10" => node.labels.get("speed").is_some_and(|speed| speed == "11"),
        other => panic!("no such selector: {other}"),
    };
    let mut rows = 0;
    for case in file["cases"].as_array().unwrap() {
        let (input, expect) = (&case["input"], &case["expect"]["affinity"]);
        if case["area"] != "affinity" || !expect.is_object() {
            continue;
        }
        let selectors: Vec<&str> = match &input["nadSelector"] {
            Value::Array(list) => list.iter().map(|one| one.as_str().unwrap()).collect(),
            one => vec![one.as_str().unwrap()],
        };
        for node in &universe {
            let before = eligible(&json!({"affinity": input["podAffinity"]}), node);
            let wanted = before && selectors.iter().all(|selector| one(selector, node));
            let found = eligible(&json!({"affinity": expect}), node);
            assert_eq!(found, wanted, "{}: {node:?}", case["id"]);
        }
        rows += 1;
    }
    assert!(rows >= 14, "{rows}");
}
