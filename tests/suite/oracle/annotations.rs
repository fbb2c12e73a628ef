//! Multus' parser of the networks annotation.

use std::collections::BTreeMap;

use multinic_core::view::networks::{Networks, Selection};
use serde_json::Value;

use super::{assert_counted, cases, lines};

/// Why an element that Multus' parser lets pass cannot become an interface.
fn fails_later(element: &Value) -> Option<&'static str> {
    let text = |key: &str| element[key].as_str().unwrap_or_default();
    let label = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    let (namespace, name, interface) = (text("namespace"), text("name"), text("interface"));
    if name.is_empty() {
        Some("no name: resource name may not be empty")
    } else if !label(namespace) || namespace.len() > 63 {
        Some("a namespace that no Kubernetes object can have")
    } else if name.len() > 253 || !name.split('.').all(label) {
        Some("a name that no Kubernetes object can have")
    } else if interface.len() > 15
        || [".", ".."].contains(&interface)
        || interface.contains(|c: char| "/:".contains(c) || c.is_whitespace())
    {
        Some("an interface name that libcni refuses")
    } else {
        None
    }
}

fn same(selection: &Selection, element: &Value) -> bool {
    let text = |key: &str| element[key].as_str().unwrap_or_default();
    selection.namespace == text("namespace")
        && selection.name == text("name")
        && selection.interface.as_deref().unwrap_or_default() == text("interface")
}

/// The class of a difference, where there is one that is allowed.
fn compare(input: &str, multus: &Value) -> Option<&'static str> {
    let networks = Networks::parse(input, "podns");
    let refused = !networks.malformed.is_empty();
    let Some(elements) = multus["elements"].as_array() else {
        assert!(
            refused || !networks.ambiguous.is_empty(),
            "{input:?}: Multus says {multus}"
        );
        return (!refused).then_some("ambiguous keys, and Multus refuses the value of one of them");
    };
    if refused {
        if let Some(class) = elements.iter().find_map(fails_later) {
            return Some(class);
        }
        let message = &networks.malformed[0].message;
        if message.contains("ECMP") {
            return Some("two default routes, which Multus refuses when it attaches");
        }
        assert!(
            !networks.ambiguous.is_empty(),
            "{input:?}: {networks:?}, Multus says {multus}"
        );
        return Some("ambiguous keys");
    }
    assert_eq!(
        networks.selections.len(),
        elements.len(),
        "{input:?}: {multus}"
    );
    for (selection, element) in networks.selections.iter().zip(elements) {
        assert!(
            same(selection, element),
            "{input:?}: {selection:?}, Multus says {element}"
        );
    }
    (!networks.ambiguous.is_empty()).then_some("ambiguous keys")
}

#[test]
fn every_listed_annotation() {
    let cases = cases("annotations.json");
    assert_eq!(cases.len(), 125);
    let mut classes = BTreeMap::new();
    for case in cases {
        let multus = &case["multus"];
        if multus["skipped"] == true {
            assert_eq!(
                case["input"], "",
                "only the empty annotation is skipped by Multus"
            );
            continue;
        }
        if let Some(class) = compare(case["input"].as_str().unwrap(), multus) {
            *classes.entry(class).or_insert(0) += 1;
        }
    }
    assert_counted(
        &classes,
        &[
            ("a name that no Kubernetes object can have", 5),
            ("a namespace that no Kubernetes object can have", 1),
            ("ambiguous keys", 9),
            ("an interface name that libcni refuses", 5),
            ("no name: resource name may not be empty", 7),
        ],
    );
}

#[test]
fn every_random_annotation() {
    let lines = lines("fuzz_networks.jsonl");
    assert_eq!(lines.len(), 1500);
    let mut classes = BTreeMap::new();
    for line in lines {
        let input = line["input"].as_str().unwrap();
        // Multus never parses an empty annotation.
        if input.is_empty() {
            continue;
        }
        if let Some(class) = compare(input, &line["multus"]) {
            *classes.entry(class).or_insert(0) += 1;
        }
    }
    assert_counted(
        &classes,
        &[
            ("a name that no Kubernetes object can have", 28),
            ("a namespace that no Kubernetes object can have", 40),
            ("ambiguous keys", 14),
            ("an interface name that libcni refuses", 34),
            ("no name: resource name may not be empty", 46),
        ],
    );
}
