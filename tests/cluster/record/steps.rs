//! What is done for the recorded reviews.

use serde_json::{Value, json};

use super::NS;
use crate::{
    cluster::Cluster,
    objects::{
        DEFAULT_NETWORK, IPVLAN, NAD, NETWORKS, NODE_SELECTOR, annotated, binding, cron_job, nad,
        one_of, plain_pod, pod, required, with, workload,
    },
    process::eventually,
};

/// Less than most, and let in.
const MACVLAN: &str = r#"{"cniVersion": "0.3.1", "type": "macvlan", "master": "ens224"}"#;

/// A plugin that is not supported.
const DUMMY: &str = r#"{"cniVersion": "0.3.1", "name": "gke-network-1", "type": "dummy"}"#;

/// Names what is recorded from here on.
type On<'a> = &'a dyn Fn(&str);

pub(super) fn pods(c: &Cluster, on: On<'_>) {
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 1, "preference": {"matchExpressions": [one_of("zone", &["a"])]}}]}});
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]}});
    let zoned = |name: &str| pod(NS, name, "default/zoned");
    let (a, b) = (
        json!([one_of("zone", &["a"])]),
        json!([one_of("zone", &["b"])]),
    );
    let all = [
        ("plain", plain_pod(NS, "plain")),
        ("short", pod(NS, "short", "default/gke-network-2")),
        (
            "two-networks",
            pod(NS, "two-networks", "private,default/zoned"),
        ),
        (
            "same-network-twice",
            pod(
                NS,
                "same-network-twice",
                "default/zoned, default/zoned@net9",
            ),
        ),
        (
            "json",
            pod(
                NS,
                "json",
                r#"[{"name": "private", "ips": ["10.1.1.7/24"], "mac": "02:00:00:00:00:01", "interface": "data0"}, {"name": "zoned", "namespace": "default"}]"#,
            ),
        ),
        (
            "json-folded-keys",
            pod(
                NS,
                "folded",
                r#"[{"name":"gke-network-2","namespace":"default","NameSpace":"team-b"}]"#,
            ),
        ),
        ("malformed-networks", pod(NS, "malformed-networks", "a/b/c")),
        (
            "missing-network",
            pod(NS, "missing", "default/gke-network-9"),
        ),
        ("foreign-network", pod(NS, "foreign", "team-b/secret")),
        ("empty-networks", pod(NS, "empty-networks", "")),
        (
            "default-network",
            annotated(
                plain_pod(NS, "default-network"),
                DEFAULT_NETWORK,
                json!("team-b/secret"),
            ),
        ),
        (
            "affinity-one-term",
            with(
                zoned("affinity-one-term"),
                "affinity",
                required(std::slice::from_ref(&b)),
            ),
        ),
        (
            "affinity-terms",
            with(zoned("affinity-terms"), "affinity", required(&[a, b])),
        ),
        (
            "affinity-preferred-only",
            with(zoned("affinity-preferred-only"), "affinity", preferred),
        ),
        (
            "affinity-satisfied",
            with(
                zoned("affinity-satisfied"),
                "affinity",
                required(&[json!([one_of("nic", &["ens224"])])]),
            ),
        ),
        (
            "affinity-contradicts",
            with(
                zoned("affinity-contradicts"),
                "affinity",
                required(&[json!([one_of("nic", &["ens192"])])]),
            ),
        ),
        (
            "anti-affinity-only",
            with(zoned("anti-affinity-only"), "affinity", apart),
        ),
        (
            "node-selector",
            with(zoned("node-selector"), "nodeSelector", json!({"zone": "b"})),
        ),
        (
            "node-name",
            with(zoned("node-name"), "nodeName", json!("node-3")),
        ),
        (
            "host-network",
            with(zoned("host-network"), "hostNetwork", json!(true)),
        ),
        (
            "unschedulable",
            with(
                plain_pod(NS, "unschedulable"),
                "nodeSelector",
                json!({"zone": "none"}),
            ),
        ),
    ];
    for (name, object) in all {
        on(&format!("pod-{name}"));
        c.create(&object).accepted();
    }
    on("pod-dry-run");
    c.kubectl(
        &["create", "--dry-run=server", "-f", "-"],
        Some(&pod(NS, "dry-run", "default/zoned")),
    )
    .accepted();
    on("pod-server-side-apply");
    c.server_side_apply(&pod(NS, "server-side", "default/zoned"))
        .accepted();
    on("pod-generate-name");
    let mut unnamed = zoned("");
    unnamed["metadata"] = json!({"namespace": NS, "generateName": "web-", "annotations": {NETWORKS: "default/zoned"}});
    c.create(&unnamed).accepted();
}

pub(super) fn updates(c: &Cluster, on: On<'_>) {
    let gates = json!([{"name": "test/gate"}]);
    on("pod-gated");
    c.create(&with(plain_pod(NS, "gated"), "schedulingGates", gates))
        .accepted();
    on("pod-gated-annotated");
    c.annotate(NS, "pod", "gated", NETWORKS, Some("default/zoned"))
        .accepted();
    on("pod-gated-released");
    c.patch(
        NS,
        "pod",
        "gated",
        &json!({"spec": {"schedulingGates": null}}),
        &[],
    )
    .accepted();
    c.scheduled_on(NS, "plain");
    on("pod-network-added-later");
    c.annotate(NS, "pod", "plain", NETWORKS, Some("team-b/secret"))
        .accepted();
    on("pod-labelled");
    c.patch(
        NS,
        "pod",
        "plain",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted();
    on("pod-image-changed");
    c.kubectl(
        &[
            "-n",
            NS,
            "set",
            "image",
            "pod/plain",
            "main=none.invalid/other",
        ],
        None,
    )
    .accepted();
    on("pod-network-removed");
    c.annotate(NS, "pod", "plain", NETWORKS, None).accepted();
    on("pod-status-with-annotation");
    let status = json!({"metadata": {"annotations": {NETWORKS: "team-b/secret"}}, "status": {"message": "by the test"}});
    c.patch(NS, "pod", "short", &status, &["--subresource=status"])
        .accepted();
    on("kubelet-status");
    let node = ["--as=system:node:node-1", "--as-group=system:nodes"];
    let running = json!({"status": {"message": "by the kubelet"}});
    c.patch(NS, "pod", "short", &running, &["--subresource=status"])
        .accepted();
    on("pod-mirror");
    let mut mirror = annotated(
        pod(NS, "mirror-node-1", "default/gke-network-2"),
        "kubernetes.io/config.mirror",
        json!("0123"),
    );
    mirror["spec"]["nodeName"] = json!("node-1");
    let uid = c.get(NS, "node", "node-1")["metadata"]["uid"].clone();
    mirror["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": uid, "controller": true}]);
    c.kubectl(&["create", "-f", "-", node[0], node[1]], Some(&mirror))
        .accepted();
    on("pod-resize-with-annotation");
    let resources = json!({"metadata": {"annotations": {NETWORKS: "team-b/secret"}},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "10m"}}}]}});
    let resources = resources.to_string();
    let resize = [
        "-n",
        NS,
        "patch",
        "pod",
        "short",
        "--subresource=resize",
        "--type=strategic",
        "-p",
        &resources,
    ];
    c.kubectl(&resize, None);
    on("pod-ephemeral-with-annotation");
    let more = json!({"metadata": {"annotations": {NETWORKS: "team-b/secret"}},
        "spec": {"ephemeralContainers": [{"name": "look", "image": "none.invalid/none"}]}});
    c.patch(
        NS,
        "pod",
        "short",
        &more,
        &["--subresource=ephemeralcontainers"],
    )
    .accepted();
    on("pod-deleted");
    c.delete(NS, "pod", "short").accepted();
    c.gone(NS, "pod", "short");
}

pub(super) fn bindings(c: &Cluster, on: On<'_>) {
    for name in ["unbound", "unbound-too"] {
        on("");
        c.create(&with(plain_pod(NS, name), "schedulerName", json!("nobody")))
            .accepted();
    }
    on("binding-with-annotation");
    let annotations = json!({NETWORKS: "team-b/secret"});
    c.post(
        &format!("/api/v1/namespaces/{NS}/pods/unbound/binding"),
        &binding(NS, "unbound", "node-1", &annotations),
    )
    .accepted();
    on("bindings-with-annotation");
    c.post(
        &format!("/api/v1/namespaces/{NS}/bindings"),
        &binding(NS, "unbound-too", "node-1", &annotations),
    )
    .accepted();
    on("binding-by-scheduler");
    c.create(&pod(NS, "scheduled", "default/zoned")).accepted();
    c.scheduled_on(NS, "scheduled");
}

/// The networks of the world in which the reviews are judged: `networks.yaml`, of which each names its scenario.
pub(super) fn world(c: &Cluster, on: On<'_>, yaml: &str) {
    let scenarios = yaml.lines().filter_map(|line| line.strip_prefix("# nad-"));
    let scenarios = scenarios.filter_map(|line| line.split('.').next());
    let networks: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    let scenarios: Vec<_> = scenarios.collect();
    assert_eq!(scenarios.len(), networks.len(), "{scenarios:?}");
    for (scenario, network) in scenarios.iter().zip(&networks) {
        on(&format!("nad-{scenario}"));
        c.create(network).accepted();
    }
}

pub(super) fn networks(c: &Cluster, on: On<'_>) {
    for (name, object) in [
        (
            "comment-in-config",
            nad(
                NS,
                "comment-in-config",
                "{\n  # a comment\n  \"type\": \"ipvlan\"\n}",
            ),
        ),
        ("empty-config", nad(NS, "empty-config", "")),
        (
            "unsupported-plugin",
            nad(
                NS,
                "unsupported-plugin",
                r#"{"cniVersion": "0.3.1", "type": "sriov", "ipam": {"type": "dhcp"}}"#,
            ),
        ),
    ] {
        on(&format!("nad-{name}"));
        c.create(&object).accepted();
    }
    on("nad-client-side-apply");
    c.apply(&nad(NS, "applied2", MACVLAN)).accepted();
    on("nad-server-side-apply");
    c.server_side_apply(&nad(NS, "applied", MACVLAN)).accepted();
    on("nad-dry-run");
    c.kubectl(
        &["create", "--dry-run=server", "-f", "-"],
        Some(&nad(NS, "dry-run", IPVLAN)),
    )
    .accepted();
    on("nad-generate-name");
    let mut unnamed = nad(NS, "", IPVLAN);
    unnamed["metadata"] = json!({"namespace": NS, "generateName": "net-"});
    c.create(&unnamed).accepted();
    on("nad-labelled");
    c.patch(
        "default",
        NAD,
        "gke-network-1",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted();
    on("nad-config-changed");
    c.patch(
        "default",
        NAD,
        "gke-network-1",
        &json!({"spec": {"config": DUMMY}}),
        &[],
    )
    .accepted();
    on("nad-selector-changed");
    c.annotate("default", NAD, "zoned", NODE_SELECTOR, Some("zone=b"))
        .accepted();
    on("nad-selector-restored");
    c.annotate("default", NAD, "zoned", NODE_SELECTOR, Some("nic=ens224"))
        .accepted();
    on("nad-finalizer");
    c.patch(
        NS,
        NAD,
        "applied",
        &json!({"metadata": {"finalizers": ["test/held"]}}),
        &[],
    )
    .accepted();
    on("nad-deleted-with-finalizer");
    c.delete(NS, NAD, "applied").accepted();
    on("nad-finalizer-removed");
    c.patch(
        NS,
        NAD,
        "applied",
        &json!({"metadata": {"finalizers": null}}),
        &[],
    )
    .accepted();
    on("nad-deleted");
    c.delete(NS, NAD, "applied2").accepted();
    on("nad-deleted-in-use");
    c.delete(NS, NAD, "private").accepted();
    on("nads-deleted-collection");
    c.kubectl(&["-n", "team-b", "delete", NAD, "--all"], None)
        .accepted();
    on("");
    c.namespace("short-lived");
    c.create(&nad("short-lived", "net", IPVLAN)).accepted();
    on("nad-deleted-with-namespace");
    c.delete_namespace("short-lived").accepted();
    c.gone(NS, "namespace", "short-lived");
}

pub(super) fn workloads(c: &Cluster, on: On<'_>) {
    let (zoned, own) = ("default/zoned", "private");
    for (scenario, kind, name, net) in [
        ("deployment", "Deployment", "web", zoned),
        ("statefulset", "StatefulSet", "db", own),
        ("replicaset", "ReplicaSet", "replicas", own),
        ("daemonset", "DaemonSet", "agent", zoned),
    ] {
        on(scenario);
        c.create(&workload("apps/v1", kind, NS, name, net))
            .accepted();
    }
    on("deployment-foreign");
    c.create(&workload(
        "apps/v1",
        "Deployment",
        NS,
        "bad",
        "team-b/secret",
    ))
    .accepted();
    on("replicationcontroller");
    let mut controller = workload("v1", "ReplicationController", NS, "controller", own);
    controller["spec"]["selector"] = json!({"app": "controller"});
    c.create(&controller).accepted();
    on("cronjob");
    let nightly = cron_job(NS, "nightly", own);
    c.create(&nightly).accepted();
    on("job");
    let mut job = nightly;
    job["kind"] = json!("Job");
    job["metadata"]["name"] = json!("once");
    job["spec"] = job["spec"]["jobTemplate"]["spec"].take();
    c.create(&job).accepted();
    // Its Pod is let go of when it has ended.
    eventually("the Job to end", || {
        let job = c.get(NS, "job", "once");
        if job["status"]["succeeded"] == 1 {
            Ok(())
        } else {
            Err(job["status"].to_string())
        }
    });
    on("daemonset-changed");
    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "none.invalid/other"}]).to_string();
    c.kubectl(
        &[
            "-n",
            NS,
            "patch",
            "daemonset",
            "agent",
            "--type=json",
            "-p",
            &image,
        ],
        None,
    )
    .accepted();
    on("");
}
