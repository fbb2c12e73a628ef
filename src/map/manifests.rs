//! What manifests say of networks, Pods, namespaces and nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use multinic_core::network::{Network, RESOURCE_NAME};
use multinic_core::policy::Policy;
use multinic_core::selector::NODE_SELECTOR;
use multinic_core::view::Subject;

use super::Known;
use crate::manifest::{self, Node};
use crate::stored::{self, Head, Kind, NETWORK, POD, WORKLOADS};

/// Adds what the manifests of a text say. Objects without a namespace are in `namespace`.
///
/// # Errors
/// If the text is not one of manifests.
pub fn add(
    known: &mut Known,
    text: &str,
    namespace: &str,
    policy: &Policy,
) -> Result<(), manifest::Error> {
    for document in manifest::parse(text)? {
        object(known, &document.root, namespace, policy);
    }
    Ok(())
}

fn object(known: &mut Known, node: &Node, namespace: &str, policy: &Policy) {
    let text = |node: &Node, key: &str| {
        let text = node.get(key).and_then(Node::text);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let Some(name) = text(node, "kind") else {
        return;
    };
    if name.ends_with("List") {
        let items = node.get("items").map(Node::elements).unwrap_or_default();
        for item in items {
            object(known, item, namespace, policy);
        }
        return;
    }
    let Some(metadata) = node.get("metadata") else {
        return;
    };
    let own = text(metadata, "name").unwrap_or_default();
    let home = text(metadata, "namespace").unwrap_or_else(|| namespace.to_owned());
    let annotation = |key: &str| text(metadata.get("annotations")?, key);
    match &*name {
        "Namespace" => {
            known.namespaces.insert(own);
        }
        "Node" => {
            let labels = metadata.get("labels").map(pairs).unwrap_or_default();
            known.nodes.get_or_insert_default().insert(own, labels);
        }
        name if name == NETWORK.kind => {
            let config = node.get("spec").and_then(|spec| text(spec, "config"));
            let selector = annotation(NODE_SELECTOR);
            let network = Network::read(&own, &config.unwrap_or_default(), selector.as_deref())
                .with_resource(annotation(RESOURCE_NAME).as_deref());
            known.networks.insert(&home, &own, Arc::new(network));
        }
        name => {
            let mut kinds = [&POD].into_iter().chain(&WORKLOADS);
            if let Some(kind) = kinds.find(|kind| kind.kind == name) {
                let mut json = String::new();
                node.write_json(&mut json);
                carrier(known, kind, &json, &home, policy);
            }
        }
    }
}

fn carrier(known: &mut Known, kind: &Kind, json: &str, home: &str, policy: &Policy) {
    let mut head = Head::of(json);
    home.clone_into(&mut head.metadata.namespace);
    known.namespaces.insert(home.to_owned());
    stored::with_subject(kind, &head, json, policy, |subject| {
        let Subject::Attach(attach) = subject else {
            return;
        };
        let names = attach.elements();
        let mut names: Vec<_> = names
            .map(|(own, ..)| (home.to_owned(), own.namespace.clone(), own.name.clone()))
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            *known.uses.entry(name).or_default() += 1;
        }
    });
}

fn pairs(labels: &Node) -> BTreeMap<String, String> {
    let mut json = String::new();
    labels.write_json(&mut json);
    serde_json::from_str(&json).unwrap_or_default()
}
