//! Manifests, judged as if somebody created them.

use std::sync::Arc;

use multinic::cluster::folder::File;
use multinic_core::answer::{Answer, Case};
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::world::World;
use serde_json::{Value, json};

/// The resources that are registered, by the kind of their objects.
const RESOURCES: [(&str, &str, &str); 10] = [
    ("Binding", "pods", "binding"),
    ("CronJob", "cronjobs", ""),
    ("DaemonSet", "daemonsets", ""),
    ("Deployment", "deployments", ""),
    ("Job", "jobs", ""),
    (
        "NetworkAttachmentDefinition",
        "network-attachment-definitions",
        "",
    ),
    ("Pod", "pods", ""),
    ("ReplicaSet", "replicasets", ""),
    ("ReplicationController", "replicationcontrollers", ""),
    ("StatefulSet", "statefulsets", ""),
];

/// The documents of a YAML text.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let documents = serde_saphyr::from_multiple::<Option<Value>>(yaml)
        .unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    documents.into_iter().flatten().collect()
}

/// The networks of a YAML text.
pub(crate) fn networks(yaml: &str) -> Snapshot {
    let file = File::parse(yaml).unwrap_or_else(|problem| panic!("{problem}\n{yaml}"));
    let mut snapshot = Snapshot::default();
    for (namespace, name, network) in &file.networks {
        snapshot.insert(namespace, name, Arc::clone(network));
    }
    snapshot
}

/// The review that the API server sends when `object` is created. Without a namespace it goes to
/// `default`, as with kubectl.
pub(crate) fn created(object: &Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default();
    let (_, resource, sub_resource) = RESOURCES
        .into_iter()
        .find(|(known, ..)| *known == kind)
        .unwrap_or_else(|| panic!("no review is made of a {kind:?}"));
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let metadata = &object["metadata"];
    json!({
        "apiVersion": review::API_VERSION,
        "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-0000-0000-000000000000",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "subResource": sub_resource,
            "name": metadata["name"],
            "namespace": metadata["namespace"].as_str().unwrap_or("default"),
            "operation": "CREATE",
            "object": object,
            "oldObject": null,
        }
    })
}

/// What is answered to a review.
pub(crate) fn answer(
    body: &[u8],
    webhook: Webhook,
    snapshot: &Snapshot,
    config: &Policy,
) -> Answer {
    let document = review::read(body).unwrap();
    let request = Request::of(&document).unwrap();
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        policy: config,
    };
    Case::of(&request, config).answer(webhook, &world)
}

/// What `/validate` answers when the last document of `yaml` is created in the world of the others.
pub(crate) fn judge(yaml: &str, config: &Policy) -> Answer {
    let mut documents = documents(yaml);
    let object = documents.pop().expect("no manifest");
    let world: Vec<String> = documents.iter().map(Value::to_string).collect();
    let world = world.join("\n---\n");
    let body = created(&object).to_string();
    answer(
        body.as_bytes(),
        Webhook::Validate,
        &networks(&world),
        config,
    )
}
