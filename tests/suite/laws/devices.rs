//! What a Pod requests, before and after `/mutate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use multinic_core::answer::{Answer, Verdict};
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::view::networks::NETWORKS;
use multinic_core::view::placement::REQUIRED;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::operations;
use crate::manifest::{answer, created};

const RESOURCES: [&str; 2] = ["example.com/a", "example.com/b.c"];

/// The `resources` of a container, as the API server has them after its defaults: a request and a
/// limit of a device are one.
fn resources() -> impl Strategy<Value = Option<Value>> {
    let counts = proptest::collection::vec(proptest::option::of(0..3_u8), 2);
    let other = any::<bool>();
    let some = (counts, other, any::<bool>()).prop_map(|(counts, other, number)| {
        let mut own = serde_json::Map::new();
        for (resource, count) in RESOURCES.iter().zip(counts) {
            if let Some(count) = count {
                let count = if number {
                    json!(count)
                } else {
                    json!(count.to_string())
                };
                own.insert((*resource).to_owned(), count);
            }
        }
        if other {
            own.insert("memory".to_owned(), json!("1Gi"));
        }
        json!({"limits": own, "requests": own, "claims": null})
    });
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!({}))),
        1 => Just(Some(json!({"limits": null, "requests": {"cpu": "1"}}))),
        4 => some.prop_map(Some),
    ]
}

fn container() -> impl Strategy<Value = Value> {
    (select(&["app", "other"]), resources()).prop_map(|(name, resources)| {
        let mut container = json!({"name": name, "image": "x"});
        if let Some(resources) = resources {
            container["resources"] = resources;
        }
        container
    })
}

#[derive(Clone, Debug)]
struct Situation {
    pod: Value,
    /// The resource of each network, and its nodeSelector.
    networks: Vec<(Option<&'static str>, Option<&'static str>)>,
    /// The container of the configuration.
    container: Option<String>,
}

fn situation() -> impl Strategy<Value = Situation> {
    let network = (
        proptest::option::weighted(0.8, select(&RESOURCES)),
        proptest::option::weighted(0.3, Just("zone=a")),
    );
    let sidecar = (container(), any::<bool>()).prop_map(|(mut container, restarts)| {
        if restarts {
            container["restartPolicy"] = json!("Always");
        }
        container
    });
    (
        proptest::collection::vec(network, 1..4),
        proptest::collection::vec(container(), 0..3),
        proptest::option::of(sidecar),
        proptest::option::weighted(0.2, Just(json!([{"name": "vf"}]))),
        proptest::option::of(select(&["app", "other", "none"])),
    )
        .prop_map(|(networks, containers, init, claims, container)| {
            let names: Vec<_> = (0..networks.len())
                .map(|index| format!("n{index}"))
                .collect();
            let mut pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "web", "namespace": "team-a",
                    "annotations": {NETWORKS: names.join(",")}},
                "spec": {"containers": containers, "unknown~1field": [{}]},
            });
            if let Some(init) = init {
                pod["spec"]["initContainers"] = json!([init]);
            }
            if let Some(claims) = claims {
                pod["spec"]["resourceClaims"] = claims;
            }
            let container = container.map(ToOwned::to_owned);
            Situation {
                pod,
                networks,
                container,
            }
        })
}

impl Situation {
    fn ask(&self, review: &Value, webhook: Webhook) -> Answer {
        let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
        let mut snapshot = Snapshot::default();
        for (index, (resource, selector)) in self.networks.iter().enumerate() {
            let name = format!("n{index}");
            let network = Network::read(&name, config, *selector).with_resource(*resource);
            snapshot.insert("team-a", &name, Arc::new(network));
        }
        let policy = Policy {
            device_container: self.container.clone(),
            ..Policy::default()
        };
        answer(review.to_string().as_bytes(), webhook, &snapshot, &policy)
    }

    fn mutate(&self, review: &Value) -> (Vec<Value>, Value) {
        let operations = operations(&self.ask(review, Webhook::Mutate));
        let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
        let mut object = review["request"]["object"].clone();
        json_patch::patch(&mut object, &patch).unwrap();
        (operations, object)
    }

    fn needed(&self) -> BTreeMap<&'static str, u64> {
        let mut needed = BTreeMap::new();
        for (resource, _) in &self.networks {
            if let Some(resource) = resource {
                *needed.entry(*resource).or_default() += 1;
            }
        }
        needed
    }

    fn is_given(&self) -> bool {
        let containers = self.pod["spec"]["containers"].as_array().unwrap();
        self.pod["spec"]["resourceClaims"].is_null() && !containers.is_empty()
    }
}

fn count(container: &Value, kind: &str, resource: &str) -> u64 {
    match &container["resources"][kind][resource] {
        Value::Null => 0,
        Value::String(text) => text.parse().unwrap(),
        number => number.as_u64().unwrap(),
    }
}

/// What the containers request that run as long as the Pod.
fn requested(pod: &Value, kind: &str, resource: &str) -> u64 {
    let list = |key: &str| pod["spec"][key].as_array().cloned().unwrap_or_default();
    let sidecars = list("initContainers").into_iter();
    let sidecars = sidecars.filter(|container| container["restartPolicy"] == "Always");
    let running = list("containers").into_iter().chain(sidecars);
    running
        .map(|container| count(&container, kind, resource))
        .sum()
}

/// The object without what a patch may write, and without the parents that it may have to make.
fn rest(object: &Value) -> Value {
    let mut object = object.clone();
    object["spec"].as_object_mut().unwrap().remove("affinity");
    for container in object["spec"]["containers"].as_array_mut().unwrap() {
        let Some(resources) = container["resources"].as_object_mut() else {
            container.as_object_mut().unwrap().remove("resources");
            continue;
        };
        for kind in ["limits", "requests"] {
            if let Some(list) = resources.get_mut(kind).and_then(Value::as_object_mut) {
                list.retain(|key, _| !RESOURCES.contains(&&**key));
            }
            if resources
                .get(kind)
                .is_some_and(|list| list.is_null() || *list == json!({}))
            {
                resources.remove(kind);
            }
        }
        if resources.is_empty() {
            container.as_object_mut().unwrap().remove("resources");
        }
    }
    object
}

fn updated(old: &Value, new: &Value) -> Value {
    let mut review = created(new);
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = old.clone();
    review
}

proptest! {
    #[test]
    fn a_pod_requests_what_its_attachments_take_or_more(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        for (resource, needed) in situation.needed() {
            let before = requested(&situation.pod, "limits", resource);
            let wanted = if situation.is_given() { needed.max(before) } else { before };
            for kind in ["limits", "requests"] {
                prop_assert_eq!(requested(&patched, kind, resource), wanted, "{}", patched);
            }
        }
    }

    #[test]
    fn no_request_is_lowered(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        let containers = |pod: &Value| pod["spec"]["containers"].as_array().unwrap().clone();
        for (before, after) in containers(&situation.pod).iter().zip(containers(&patched)) {
            for resource in RESOURCES {
                for kind in ["limits", "requests"] {
                    let (before, after) =
                        (count(before, kind, resource), count(&after, kind, resource));
                    prop_assert!(before <= after, "{}", patched);
                }
            }
        }
    }

    #[test]
    fn a_patch_touches_nothing_but_the_affinity_and_these_resources(situation in situation()) {
        let (operations, patched) = situation.mutate(&created(&situation.pod));
        prop_assert_eq!(rest(&patched), rest(&situation.pod));
        let terms = &patched["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"];
        let placed = situation.networks.iter().any(|(_, selector)| selector.is_some());
        prop_assert_eq!(!terms.is_null(), placed);
        // One container is changed: the one that is named, else the first.
        let containers = situation.pod["spec"]["containers"].as_array().unwrap();
        let named = containers
            .iter()
            .position(|own| Some(own["name"].as_str().unwrap()) == situation.container.as_deref());
        let of_containers = operations.iter().filter_map(|operation| {
            operation["path"].as_str().unwrap().strip_prefix("/spec/containers/")
        });
        for path in of_containers {
            let index: usize = path.split('/').next().unwrap().parse().unwrap();
            prop_assert_eq!(index, named.unwrap_or(0));
        }
    }

    #[test]
    fn what_was_given_is_let_in_and_given_once(situation in situation()) {
        let (_, patched) = situation.mutate(&created(&situation.pod));
        let (again, _) = situation.mutate(&created(&patched));
        prop_assert_eq!(again, Vec::<Value>::new());
        let containers = situation.pod["spec"]["containers"].as_array().unwrap();
        if !containers.is_empty() {
            let judged = situation.ask(&created(&patched), Webhook::Validate);
            prop_assert_eq!(judged.verdict, Verdict::Allow, "{:?}", judged.findings);
        }
    }

    #[test]
    fn applying_a_manifest_again_restores_exactly_what_is_stored(situation in situation()) {
        let (_, stored) = situation.mutate(&created(&situation.pod));
        let (operations, restored) = situation.mutate(&updated(&stored, &situation.pod));
        prop_assert_eq!(&restored["spec"], &stored["spec"], "{:?}", operations);
        // A Pod that exists is given nothing that it does not have.
        let (none, _) = situation.mutate(&updated(&situation.pod, &situation.pod));
        let of_containers = none.iter().filter(|operation| {
            operation["path"].as_str().unwrap().starts_with("/spec/containers/")
        });
        prop_assert_eq!(of_containers.count(), 0);
    }
}
