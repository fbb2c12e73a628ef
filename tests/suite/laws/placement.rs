//! Where a Pod may run, before and after `/mutate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use multinic_core::answer::{Answer, Verdict};
use multinic_core::finding::Level;
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::{self, Request, Webhook};
use multinic_core::view::Subject;
use multinic_core::view::networks::NETWORKS;
use multinic_core::view::placement::REQUIRED;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::matcher::{Node, eligible, holds};
use super::operations;
use crate::manifest::{answer, created};
use crate::reviews::rules;

const KEYS: [&str; 3] = ["a", "b", "c"];
/// The values of labels: words, and numbers on both sides of every bound that is asked for.
const VALUES: [&str; 5] = ["x", "y", "1", "5", "9"];

/// Labels that no requirement names: a word, and a number in every gap between the bounds, so that
/// what no node of them meets, no node can.
const FREE: [&str; 10] = ["x", "y", "1", "5", "9", "z", "0", "03", "07", "09"];

fn universe() -> Vec<Node> {
    nodes(&VALUES)
}

/// Every node with some labels: each key absent or with one of the values.
fn nodes(values: &[&str]) -> Vec<Node> {
    let choices = values.len() + 1;
    let mut nodes = Vec::new();
    for code in 0..choices.pow(3) {
        let mut labels = BTreeMap::new();
        for (place, key) in (0..).zip(KEYS) {
            if let Some(value) = values.get(code / choices.pow(place) % choices) {
                labels.insert(key.to_owned(), (*value).to_owned());
            }
        }
        for name in ["n1", "n2", "n3"] {
            let (name, labels) = (name.to_owned(), labels.clone());
            nodes.push(Node { name, labels });
        }
    }
    nodes
}

/// A requirement as the API has it.
fn requirement() -> impl Strategy<Value = Value> {
    static OPERATORS: [&str; 6] = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    let values = subsequence(&VALUES, 1..=3);
    (
        select(&KEYS),
        select(&OPERATORS),
        values,
        select(&["0", "1", "5", "8"]),
    )
        .prop_map(|(key, operator, values, bound)| match operator {
            "Exists" | "DoesNotExist" => json!({"key": key, "operator": operator}),
            "Gt" | "Lt" => json!({"key": key, "operator": operator, "values": [bound]}),
            _ => json!({"key": key, "operator": operator, "values": values}),
        })
}

/// A requirement as a selector writes it.
fn written(requirement: &Value) -> String {
    let key = requirement["key"].as_str().unwrap();
    let values: Vec<&str> = requirement["values"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| value.as_str().unwrap())
        .collect();
    match (requirement["operator"].as_str().unwrap(), &values[..]) {
        ("Exists", _) => key.to_owned(),
        ("DoesNotExist", _) => format!("!{key}"),
        ("Gt", [bound]) => format!("{key}>{bound}"),
        ("Lt", [bound]) => format!("{key} < {bound}"),
        ("In", [value]) => format!("{key}={value}"),
        ("NotIn", [value]) => format!("{key} != {value}"),
        ("In", _) => format!("{key} in ({})", values.join(",")),
        _ => format!("{key} notin ({})", values.join(", ")),
    }
}

fn term() -> impl Strategy<Value = Value> {
    let field = (select(&["In", "NotIn"]), select(&["n1", "n2"])).prop_map(|(operator, name)| {
        json!([{"key": "metadata.name", "operator": operator, "values": [name]}])
    });
    let expressions = prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!([]))),
        6 => proptest::collection::vec(requirement(), 1..3).prop_map(|list| Some(json!(list))),
    ];
    let fields = prop_oneof![4 => Just(None), 1 => field.prop_map(Some)];
    (expressions, fields).prop_map(|(expressions, fields)| {
        let mut term = json!({});
        if let Some(expressions) = expressions {
            term["matchExpressions"] = expressions;
        }
        if let Some(fields) = fields {
            term["matchFields"] = fields;
        }
        term
    })
}

/// A `spec.affinity`, or none.
fn affinity() -> impl Strategy<Value = Option<Value>> {
    let kept = json!([{"weight": 1, "preference": {"matchExpressions": []}}]);
    let terms = proptest::collection::vec(term(), 1..4).prop_map(move |terms| {
        json!({"podAffinity": {"kept": [1, null]}, "nodeAffinity": {
            REQUIRED: {"nodeSelectorTerms": terms},
            "preferredDuringSchedulingIgnoredDuringExecution": kept,
        }})
    });
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!({}))),
        1 => Just(Some(json!({"nodeAffinity": null, "podAntiAffinity": {}}))),
        1 => Just(Some(json!({"nodeAffinity": {REQUIRED: null}}))),
        1 => Just(Some(json!({"nodeAffinity": {}}))),
        8 => terms.prop_map(Some),
    ]
}

#[derive(Clone, Debug)]
struct Situation {
    pod: Value,
    /// The requirements of each network that the Pod uses.
    networks: Vec<Vec<Value>>,
}

fn situation() -> impl Strategy<Value = Situation> {
    let selector = proptest::collection::vec(requirement(), 0..3);
    let networks = proptest::collection::vec(selector, 1..3);
    let own = proptest::option::weighted(0.4, (select(&KEYS), select(&VALUES)));
    (affinity(), own, networks).prop_map(|(affinity, own, networks)| {
        let names: Vec<String> = (0..networks.len())
            .map(|index| format!("n{index}"))
            .collect();
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "team-a",
                "annotations": {NETWORKS: names.join(","), "other": "kept/~0"}},
            "spec": {"containers": null, "unknown~1field": [{}]},
        });
        if let Some(affinity) = affinity {
            pod["spec"]["affinity"] = affinity;
        }
        if let Some((key, value)) = own {
            pod["spec"]["nodeSelector"] = json!({key: value});
        }
        Situation { pod, networks }
    })
}

impl Situation {
    fn snapshot(&self) -> Snapshot {
        let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
        let mut snapshot = Snapshot::default();
        for (index, requirements) in self.networks.iter().enumerate() {
            let selector: Vec<String> = requirements.iter().map(written).collect();
            let name = format!("n{index}");
            let network = Network::read(&name, config, Some(&selector.join(",")));
            assert!(network.selector.is_ok(), "{selector:?}");
            snapshot.insert("team-a", &name, Arc::new(network));
        }
        snapshot
    }

    fn ask(&self, review: &Value, webhook: Webhook) -> Answer {
        let body = review.to_string();
        answer(
            body.as_bytes(),
            webhook,
            &self.snapshot(),
            &Policy::default(),
        )
    }

    /// The operations of `/mutate` and the object that they make.
    fn mutate(&self, review: &Value) -> (Vec<Value>, Value) {
        let operations = operations(&self.ask(review, Webhook::Mutate));
        let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
        let mut object = review["request"]["object"].clone();
        json_patch::patch(&mut object, &patch).unwrap();
        (operations, object)
    }

    fn selected(&self, node: &Node) -> bool {
        let mut all = self.networks.iter().flatten();
        all.all(|requirement| holds(requirement, &node.labels))
    }
}

fn updated(old: &Value, new: &Value) -> Value {
    let mut review = created(new);
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = old.clone();
    review
}

/// The object without what a patch may write, and without the parents that it may have to make.
fn rest(object: &Value) -> Value {
    let mut object = object.clone();
    let spec = object["spec"].as_object_mut().unwrap();
    if let Some(node) = spec
        .get_mut("affinity")
        .and_then(|all| all.get_mut("nodeAffinity"))
    {
        node.as_object_mut().map(|node| node.remove(REQUIRED));
    }
    let empty = |value: &Value| value.is_null() || *value == json!({});
    if let Some(affinity) = spec.get_mut("affinity").and_then(Value::as_object_mut)
        && affinity.get("nodeAffinity").is_some_and(empty)
    {
        affinity.remove("nodeAffinity");
    }
    if spec.get("affinity").is_some_and(empty) {
        spec.remove("affinity");
    }
    object
}

/// Whether `longer` is `shorter` with requirements added at the end of terms that are not empty.
fn only_additions(shorter: &Value, longer: &Value) -> bool {
    let list = |term: &Value, key: &str| term[key].as_array().cloned().unwrap_or_default();
    let (Some(before), Some(after)) = (shorter.as_array(), longer.as_array()) else {
        return false;
    };
    before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            let (fields, expressions) = (
                list(before, "matchFields"),
                list(before, "matchExpressions"),
            );
            let empty = fields.is_empty() && expressions.is_empty();
            before == after
                || (!empty
                    && fields == list(after, "matchFields")
                    && list(after, "matchExpressions").starts_with(&expressions))
        })
}

fn terms(object: &Value) -> &Value {
    &object["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
}

proptest! {
    #[test]
    fn a_patched_pod_runs_where_it_ran_and_the_selectors_match(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        for node in universe() {
            let wanted = eligible(&situation.pod["spec"], &node) && situation.selected(&node);
            prop_assert_eq!(eligible(&patched["spec"], &node), wanted, "{:?}", node);
        }
    }

    #[test]
    fn a_node_is_permitted_as_kubernetes_documents_it(situation in situation()) {
        let body = created(&situation.pod).to_string();
        let document = review::read(body.as_bytes()).unwrap();
        let request = Request::of(&document).unwrap();
        let Subject::Attach(attach) = Subject::of(&request, &Policy::default()) else {
            return Err(TestCaseError::fail("a Pod asks for networks"));
        };
        let placement = attach.placement.unwrap();
        for node in universe() {
            let label = |key: &str| node.labels.get(key).map(String::as_str);
            let wanted = eligible(&situation.pod["spec"], &node);
            prop_assert_eq!(placement.permits(&node.name, label), wanted, "{:?}", node);
        }
        for (network, written) in situation.networks.iter().zip(0..) {
            let known = situation.snapshot();
            let known = known.get("team-a", &format!("n{written}")).unwrap();
            for node in universe() {
                let label = |key: &str| node.labels.get(key).map(String::as_str);
                let wanted = network.iter().all(|requirement| holds(requirement, &node.labels));
                let mut requirements = known.requirements().iter();
                let is_met = requirements.all(|one| one.is_met_by(label(&one.key)));
                prop_assert_eq!(is_met, wanted, "{:?}", node);
            }
        }
    }

    #[test]
    fn a_second_pass_patches_nothing(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        let (again, _) = situation.mutate(&created(&patched));
        prop_assert_eq!(again, Vec::<Value>::new());
    }

    #[test]
    fn a_patch_touches_the_required_node_affinity_only(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        prop_assert_eq!(rest(&patched), rest(&situation.pod));
    }

    #[test]
    fn what_was_patched_is_refused_only_where_no_node_could_ever_match(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        let judged = situation.ask(&created(&patched), Webhook::Validate);
        if judged.verdict == Verdict::Deny {
            let denied: Vec<_> = rules(&judged, Level::Deny).into_iter().collect();
            prop_assert_eq!(denied, ["unsatisfiable-node-selector"]);
            let found = nodes(&FREE).into_iter().find(|node| eligible(&patched["spec"], node));
            prop_assert!(found.is_none(), "{:?}", found);
        }
    }

    #[test]
    fn applying_a_manifest_again_restores_exactly_what_is_stored(situation in situation()) {
        let (_, stored) = situation.mutate(&created(&situation.pod));
        let (operations, restored) = situation.mutate(&updated(&stored, &situation.pod));
        prop_assert_eq!(&restored["spec"], &stored["spec"], "{:?}", operations);
    }

    #[test]
    fn an_update_with_another_affinity_is_not_patched(
        situation in situation(),
        other in affinity(),
    ) {
        let (_, stored) = situation.mutate(&created(&situation.pod));
        let mut sent = situation.pod.clone();
        sent["spec"]["affinity"] = other.unwrap_or_default();
        let (operations, made) = situation.mutate(&updated(&stored, &sent));
        let restored = made["spec"]["affinity"] == stored["spec"]["affinity"];
        prop_assert!(operations.is_empty() || restored, "{:?}", operations);
    }

    #[test]
    fn a_gated_pod_is_given_additions_only(situation in situation()) {
        let mut gated = situation.pod.clone();
        gated["spec"]["schedulingGates"] = json!([{"name": "wait"}]);
        let (operations, patched) = situation.mutate(&updated(&gated, &gated));
        if !operations.is_empty() && terms(&gated).is_array() {
            prop_assert!(only_additions(terms(&gated), terms(&patched)), "{}", patched);
        }
        for node in universe() {
            let wanted = eligible(&gated["spec"], &node) && situation.selected(&node);
            prop_assert_eq!(eligible(&patched["spec"], &node), wanted);
        }
    }
}
