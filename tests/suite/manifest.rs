//! Manifests, judged as if somebody created them.

use std::sync::Arc;

use multinic::cluster::folder::File;
use multinic_core::answer::{Answer, Case, Verdict};
use multinic_core::cluster_config::ClusterConfig;
use multinic_core::json::Document;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::rules::decide;
use multinic_core::usage::{Usage, asked};
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS};
use multinic_core::view::{Cluster, Subject};
use multinic_core::world::World;
use serde_json::{Value, json};

/// The resources that are registered, by the kind of their objects.
const RESOURCES: [(&str, &str, &str); 14] = [
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
    ("ResourceClaim", "resourceclaims", ""),
    ("ResourceClaimTemplate", "resourceclaimtemplates", ""),
    ("StatefulSet", "statefulsets", ""),
    ("VirtualMachine", "virtualmachines", ""),
    ("VirtualMachineInstance", "virtualmachineinstances", ""),
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

/// The review that the API server sends when `old` becomes `new`.
pub(crate) fn updated(old: &Value, new: &Value) -> Value {
    let mut review = created(new);
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = old.clone();
    review
}

/// The networks that the Pods among some objects use; nothing where nobody watches them.
pub(crate) fn usage(objects: &[Value], policy: &Policy) -> Option<Usage> {
    let mut usage = Usage::default();
    for pod in objects.iter().filter(|object| object["kind"] == "Pod") {
        let metadata = &pod["metadata"];
        let own = metadata["namespace"].as_str().unwrap_or("default");
        let annotation = |name: &str| metadata["annotations"][name].as_str();
        let (networks, default_network) = (annotation(NETWORKS), annotation(DEFAULT_NETWORK));
        let name = format!("{own}/{}", metadata["name"].as_str().unwrap());
        let asked = asked(networks, default_network, own, &policy.multus_namespace);
        if !asked.is_empty() {
            usage.insert(&Arc::from(name), &asked);
        }
    }
    policy.usage.then_some(usage)
}

/// What is answered to a review, where nobody watches the Pods.
pub(crate) fn answer(
    body: &[u8],
    webhook: Webhook,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Answer {
    answer_knowing(None, body, webhook, snapshot, policy)
}

/// What is answered to a review.
pub(crate) fn answer_knowing(
    usage: Option<&Usage>,
    body: &[u8],
    webhook: Webhook,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Answer {
    let document = review::read(body).unwrap();
    let request = Request::of(&document).unwrap();
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        policy,
        usage,
    };
    Case::of(&request, policy).answer(webhook, &world)
}

/// The cluster configuration that a document is.
pub(crate) fn cluster(document: &Value) -> Option<ClusterConfig> {
    let text = document.to_string();
    let document = Document::parse(&text).unwrap();
    ClusterConfig::of(document.root())
}

/// What `/validate` answers when the last document of `yaml` is created in the world of the others;
/// or when it changes the one of its kind and name.
pub(crate) fn judge(yaml: &str, policy: &Policy) -> Answer {
    let mut documents = documents(yaml);
    let object = documents.pop().expect("no manifest");
    if let Some(cluster) = cluster(&object) {
        let name = object["name"].as_str().unwrap_or_default();
        let subject = Subject::Cluster(Cluster::of(name, cluster));
        let world = World {
            snapshot: &Snapshot::default(),
            fetched: &Fetched::default(),
            policy,
            usage: None,
        };
        return Answer {
            body: Vec::new(),
            verdict: Verdict::Unregistered,
            findings: decide(&subject, &world),
        };
    }
    let key = |object: &Value| {
        let metadata = &object["metadata"];
        [&object["kind"], &metadata["namespace"], &metadata["name"]].map(Clone::clone)
    };
    let review = match documents.iter().find(|old| key(old) == key(&object)) {
        Some(old) => updated(old, &object),
        None => created(&object),
    };
    let usage = usage(&documents, policy);
    documents.retain(|object| object["kind"] == "NetworkAttachmentDefinition");
    let world: Vec<String> = documents.iter().map(Value::to_string).collect();
    let snapshot = networks(&world.join("\n---\n"));
    let body = review.to_string();
    answer_knowing(
        usage.as_ref(),
        body.as_bytes(),
        Webhook::Validate,
        &snapshot,
        policy,
    )
}
