//! What the networks annotation asks for: its two forms, what is taken out of it, and what isolation
//! hides.

use std::sync::Arc;

use multinic_core::answer::{Answer, Case, Verdict};
use multinic_core::finding::Level;
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::manifest::{answer, created};
use crate::reviews::rules;

const OWN: &str = "team-a";

#[derive(Clone, Debug)]
struct Element {
    namespace: Option<String>,
    name: String,
    interface: Option<String>,
}

/// No dots in names: Multus reaches these through the JSON form only (rule `unreferenceable-name`).
fn element() -> impl Strategy<Value = Element> {
    let namespace = select(&["team-a", "team-b", "default", "kube-system", "Team", "a.b"]);
    let name = prop_oneof![
        4 => select(&["n", "m", "absent", "N", "-"]).prop_map(str::to_owned),
        1 => "[a-z0-9][a-z0-9-]{0,8}",
    ];
    let interface = prop_oneof![
        3 => select(&["eth0", "lo", "net1", "net2", "..", "abcdefghijklmnop"]).prop_map(str::to_owned),
        1 => "[a-z][a-z0-9]{0,13}",
    ];
    let interface = proptest::option::of(interface);
    (proptest::option::of(namespace), name, interface).prop_map(|(namespace, name, interface)| {
        let namespace = namespace.map(str::to_owned);
        Element {
            namespace,
            name,
            interface,
        }
    })
}

/// An element that Multus reads.
fn readable() -> impl Strategy<Value = Element> {
    let namespace = select(&["team-a", "team-b", "default", "kube-system"]).prop_map(str::to_owned);
    let name = select(&["n", "m", "absent"]).prop_map(str::to_owned);
    let interface = select(&["eth0", "net1", "net2"]).prop_map(str::to_owned);
    let parts = (
        proptest::option::of(namespace),
        name,
        proptest::option::of(interface),
    );
    parts.prop_map(|(namespace, name, interface)| Element {
        namespace,
        name,
        interface,
    })
}

fn short(elements: &[Element]) -> String {
    let written = elements.iter().map(
        |Element {
             namespace,
             name,
             interface,
         }| {
            let namespace = namespace
                .as_ref()
                .map(|own| format!("{own}/"))
                .unwrap_or_default();
            let interface = interface
                .as_ref()
                .map(|own| format!("@{own}"))
                .unwrap_or_default();
            format!("{namespace}{name}{interface}")
        },
    );
    written.collect::<Vec<_>>().join(",")
}

fn json_form(elements: &[Element]) -> String {
    let written = elements.iter().map(
        |Element {
             namespace,
             name,
             interface,
         }| {
            let mut element = json!({"name": name});
            if let Some(namespace) = namespace {
                element["namespace"] = json!(namespace);
            }
            if let Some(interface) = interface {
                element["interface"] = json!(interface);
            }
            element
        },
    );
    Value::from_iter(written).to_string()
}

fn pod(annotation: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": OWN, "annotations": {annotation: text}},
        "spec": {},
    })
}

fn world() -> Snapshot {
    let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
    let mut snapshot = Snapshot::default();
    for (namespace, name, selector) in [
        ("team-a", "n", Some("pool=x")),
        ("team-a", "m", Some("pool=y")),
        ("team-a", "n.x", None),
        ("team-b", "n", Some("not a selector")),
        ("default", "n", Some("zone")),
        ("kube-system", "n", None),
    ] {
        snapshot.insert(
            namespace,
            name,
            Arc::new(Network::read(name, config, selector)),
        );
    }
    snapshot
}

fn ask(review: &Value, webhook: Webhook, snapshot: &Snapshot) -> Answer {
    answer(
        review.to_string().as_bytes(),
        webhook,
        snapshot,
        &Policy::default(),
    )
}

fn updated(old: &str, new: &str) -> Value {
    let mut review = created(&pod(NETWORKS, new));
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = pod(NETWORKS, old);
    review
}

proptest! {
    #[test]
    fn both_forms_of_a_request_are_decided_alike(
        elements in proptest::collection::vec(element(), 1..4),
    ) {
        let snapshot = world();
        let [one, other] = [short(&elements), json_form(&elements)].map(|text| {
            let review = created(&pod(NETWORKS, &text));
            let judged = ask(&review, Webhook::Validate, &snapshot);
            let mutated = super::operations(&ask(&review, Webhook::Mutate, &snapshot));
            let levels = [Level::Deny, Level::Warn].map(|level| rules(&judged, level));
            // Which elements of a malformed annotation are read on is not the same in both.
            let malformed = levels[0].contains("malformed-networks");
            (judged.verdict, malformed, (!malformed).then_some((levels, mutated)))
        });
        prop_assert_eq!(one, other, "{}", short(&elements));
    }

    #[test]
    fn taking_elements_out_is_never_refused(
        elements in proptest::collection::vec((readable(), any::<bool>()), 1..6),
        positions in proptest::collection::vec(any::<Index>(), 6),
        forms in any::<(bool, bool)>(),
    ) {
        let old: Vec<Element> = elements.iter().map(|(element, _)| element.clone()).collect();
        let kept = elements.into_iter().filter(|(_, kept)| *kept);
        let mut kept: Vec<Element> = kept.map(|(element, _)| element).collect();
        for (from, to) in positions.iter().enumerate().take(kept.len()) {
            let to = to.index(kept.len());
            kept.swap(from, to);
        }
        let write = |json, elements: &[Element]| {
            if json { json_form(elements) } else { short(elements) }
        };
        let review = updated(&write(forms.0, &old), &write(forms.1, &kept));
        let judged = ask(&review, Webhook::Validate, &world());
        prop_assert_eq!(judged.verdict, Verdict::Allow, "{}", review);
    }

    #[test]
    fn what_does_not_change_is_never_refused(
        elements in proptest::collection::vec(element(), 0..4),
        other in ".{0,12}",
        form in 0..3,
    ) {
        let text = match form {
            0 => short(&elements),
            1 => json_form(&elements),
            _ => other,
        };
        let judged = ask(&updated(&text, &text), Webhook::Validate, &world());
        prop_assert_eq!(judged.verdict, Verdict::Allow);
    }

    #[test]
    fn of_an_isolated_network_nobody_learns_whether_it_is_there(
        elements in proptest::collection::vec(readable(), 1..4),
        default in any::<bool>(),
    ) {
        let annotation = if default { DEFAULT_NETWORK } else { NETWORKS };
        let review = created(&pod(annotation, &short(&elements)));
        let config = Policy::default();
        let allowed = |namespace: &str| {
            [OWN, "default"].contains(&namespace) || (default && namespace == "kube-system")
        };
        let body = review.to_string();
        let document = review::read(body.as_bytes()).unwrap();
        let request = Request::of(&document).unwrap();
        let case = Case::of(&request, &config);
        for (namespace, name) in case.unknown(&config, &Snapshot::default()) {
            prop_assert!(allowed(namespace), "{}/{}", namespace, name);
        }
        let mut without = world();
        for namespace in ["team-b", "kube-system"] {
            if !allowed(namespace) {
                without.remove(namespace, "n");
            }
        }
        for webhook in [Webhook::Mutate, Webhook::Validate] {
            let (with, without) = (ask(&review, webhook, &world()), ask(&review, webhook, &without));
            prop_assert_eq!(with.body, without.body);
        }
    }
}
