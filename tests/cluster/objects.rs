//! The objects of the scenarios.

use serde_json::{Value, json};

pub(crate) const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
pub(crate) const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";
pub(crate) const NODE_SELECTOR: &str = "k8s.v1.cni.cncf.io/nodeSelector";
pub(crate) const NAD: &str = "network-attachment-definition";

/// A configuration that every rule lets in.
pub(crate) const IPVLAN: &str = r#"{"cniVersion":"1.0.0","type":"ipvlan","master":"ens224","mode":"l2","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}}"#;

/// A configuration of a plugin that is not supported.
pub(crate) const SRIOV: &str = r#"{"cniVersion":"1.0.0","type":"sriov"}"#;

/// Three nodes: no two with the same labels.
pub(crate) fn nodes() -> [Value; 3] {
    let node = |name: &str, mut labels: Value| {
        labels["kubernetes.io/hostname"] = json!(name);
        labels["kubernetes.io/os"] = json!("linux");
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels,
            "annotations": {"kwok.x-k8s.io/node": "fake"}}})
    };
    [
        node("node-1", json!({"zone": "a", "nic": "ens224"})),
        node("node-2", json!({"zone": "b", "nic": "ens224"})),
        node("node-3", json!({"zone": "b"})),
    ]
}

/// The networks that every scenario may use; the names are those of the recorded reviews.
pub(crate) fn shared_networks() -> [Value; 5] {
    [
        nad("default", "gke-network-1", IPVLAN),
        nad("default", "gke-network-2", IPVLAN),
        selecting(nad("default", "zoned", IPVLAN), "nic=ens224"),
        selecting(nad("team-a", "private", IPVLAN), "zone=b"),
        nad("team-b", "secret", IPVLAN),
    ]
}

pub(crate) fn nad(namespace: &str, name: &str, config: &str) -> Value {
    json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": namespace, "name": name}, "spec": {"config": config}})
}

/// The network is there only on nodes with these labels.
pub(crate) fn selecting(nad: Value, selector: &str) -> Value {
    annotated(nad, NODE_SELECTOR, json!(selector))
}

pub(crate) fn plain_pod(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name}, "spec": pod_spec()})
}

pub(crate) fn pod(namespace: &str, name: &str, networks: &str) -> Value {
    annotated(plain_pod(namespace, name), NETWORKS, json!(networks))
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "main", "image": "none.invalid/none"}], "terminationGracePeriodSeconds": 1})
}

/// A workload whose Pods ask for these networks.
pub(crate) fn workload(
    api: &str,
    kind: &str,
    namespace: &str,
    name: &str,
    networks: &str,
) -> Value {
    let labels = json!({"app": name});
    let template = json!({"metadata": {"labels": labels, "annotations": {NETWORKS: networks}}, "spec": pod_spec()});
    json!({"apiVersion": api, "kind": kind, "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template}})
}

pub(crate) fn cron_job(namespace: &str, name: &str, networks: &str) -> Value {
    let mut spec = pod_spec();
    spec["restartPolicy"] = json!("Never");
    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"namespace": namespace, "name": name},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template":
            {"metadata": {"annotations": {NETWORKS: networks}}, "spec": spec}}}}})
}

/// A Binding of a Pod to a node, with annotations.
pub(crate) fn binding(namespace: &str, pod: &str, node: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Binding",
        "metadata": {"namespace": namespace, "name": pod, "annotations": annotations},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node}})
}

/// The definition of a kind that nothing acts on here: its objects may have any shape.
pub(crate) fn definition(group: &str, plural: &str, kind: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural.trim_end_matches('s'), "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}

/// The object with one more annotation.
pub(crate) fn annotated(mut object: Value, key: &str, value: Value) -> Value {
    object["metadata"]["annotations"][key] = value;
    object
}

/// The object with a field of its spec set.
pub(crate) fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

/// A required node affinity of these terms, each a list of requirements.
pub(crate) fn required(terms: &[Value]) -> Value {
    let terms: Vec<_> = terms
        .iter()
        .map(|t| json!({"matchExpressions": t}))
        .collect();
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}})
}

/// A requirement that a label has one of these values.
pub(crate) fn one_of(key: &str, values: &[&str]) -> Value {
    json!({"key": key, "operator": "In", "values": values})
}

pub(crate) fn terms(pod: &Value) -> &Value {
    &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
}
