//! With every replica dead: what adds or changes a network is refused, and nothing else is.

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{
        DEFAULT_NETWORK, IPVLAN, NAD, NETWORKS, NODE_SELECTOR, annotated, binding, cron_job, nad,
        plain_pod, pod, with, workload,
    },
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    (
        "every_replica_dead_blocks_nothing_but_networks",
        blocks_nothing_else,
    ),
    ("every_replica_dead_refuses_networks", refuses_networks),
];

const PODS: &str = "networks.pods.multinic.dev";
const NADS: &str = "config.network-attachment-definitions.multinic.dev";

fn blocks_nothing_else(c: &Cluster) {
    let ns = "dead";
    c.namespace(ns);
    let net = "default/gke-network-1";
    let gated = |pod: Value| with(pod, "schedulingGates", json!([{"name": "test/gate"}]));
    for name in ["labelled", "removed", "evicted", "drained", "deleted"] {
        let mut pod = with(pod(ns, name, net), "nodeName", json!("node-1"));
        pod["metadata"]["labels"] = json!({"test": name});
        c.create(&pod).accepted();
    }
    c.create(&annotated(
        plain_pod(ns, "default-network"),
        DEFAULT_NETWORK,
        json!("default/gke-network-1"),
    ))
    .accepted();
    c.create(&gated(pod(ns, "gated", net))).accepted();
    let mut owner = workload("apps/v1", "ReplicaSet", ns, "owner", net);
    owner["spec"]["replicas"] = json!(2);
    c.create(&owner).accepted();
    let mut held = pod(ns, "held", net);
    held["metadata"]["finalizers"] = json!(["test/held"]);
    // Not on a node: the fake kubelet would take the finalizer away.
    c.create(&with(held, "schedulerName", json!("nobody")))
        .accepted();
    c.create(&nad(ns, "labelled", IPVLAN)).accepted();
    // As many are stored: without a spec, or without a configuration in it.
    c.start_server("rules: {on-disk-config: off}");
    let mut bare = nad(ns, "bare", "");
    bare.as_object_mut().expect("an object").remove("spec");
    let mut empty = nad(ns, "empty", "");
    empty["spec"]["config"].take();
    for network in [bare, empty] {
        c.create(&network).accepted().called(0, 1);
    }
    let mut held = nad(ns, "held", IPVLAN);
    held["metadata"]["finalizers"] = json!(["test/held"]);
    c.create(&held).accepted();
    for name in ["labelled", "removed", "evicted", "drained", "deleted"] {
        c.scheduled_on(ns, name);
    }

    c.kill_server();

    let status = json!({"status": {"message": "said by the test"}});
    let label = json!({"metadata": {"labels": {"test": "labelled"}}});
    c.create(&plain_pod(ns, "plain")).accepted();
    c.create(&annotated(
        plain_pod(ns, "nothing-asked"),
        NETWORKS,
        json!(""),
    ))
    .accepted();
    let mut null = plain_pod(ns, "null-annotations");
    null["metadata"]["annotations"] = Value::Null;
    c.create(&null).accepted();
    assert!(!c.scheduled_on(ns, "plain").is_empty());

    // Pods that carry the annotation
    c.patch(ns, "pod", "labelled", &label, &[]).accepted();
    c.annotate(ns, "pod", "labelled", "example.test/other", Some("changed"))
        .accepted();
    c.patch(ns, "pod", "labelled", &status, &["--subresource=status"])
        .accepted();
    c.patch(
        ns,
        "pod",
        "labelled",
        &json!({"spec": {"activeDeadlineSeconds": 3600}}),
        &[],
    )
    .accepted();
    c.annotate(ns, "pod", "removed", NETWORKS, None).accepted();
    c.annotate(ns, "pod", "default-network", DEFAULT_NETWORK, None)
        .accepted();
    c.patch(
        ns,
        "pod",
        "gated",
        &json!({"spec": {"schedulingGates": null}}),
        &[],
    )
    .accepted();
    // The scheduler binds it without us.
    assert!(!c.scheduled_on(ns, "gated").is_empty());
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": ns, "name": "evicted"}});
    c.post(
        &format!("/api/v1/namespaces/{ns}/pods/evicted/eviction"),
        &eviction,
    )
    .accepted();
    c.gone(ns, "pod", "evicted");
    c.kubectl(
        &[
            "drain",
            "node-1",
            "--force",
            "--ignore-daemonsets",
            "--pod-selector=test=drained",
        ],
        None,
    )
    .accepted()
    .saying("drained");
    c.gone(ns, "pod", "drained");
    c.kubectl(&["uncordon", "node-1"], None).accepted();
    c.delete(ns, "pod", "deleted").accepted();
    c.gone(ns, "pod", "deleted");
    c.delete(ns, "pod", "held").accepted();
    c.patch(
        ns,
        "pod",
        "held",
        &json!({"metadata": {"finalizers": null}}),
        &[],
    )
    .accepted();
    c.gone(ns, "pod", "held");

    // a Binding that adds nothing
    c.create(&with(
        plain_pod(ns, "bound"),
        "schedulerName",
        json!("nobody"),
    ))
    .accepted();
    c.post(
        &format!("/api/v1/namespaces/{ns}/pods/bound/binding"),
        &binding(ns, "bound", "node-2", &json!({})),
    )
    .accepted();
    assert_eq!(c.scheduled_on(ns, "bound"), "node-2");

    // networks
    c.patch(ns, NAD, "labelled", &label, &[]).accepted();
    c.patch(
        ns,
        NAD,
        "held",
        &json!({"metadata": {"finalizers": null}}),
        &[],
    )
    .accepted();
    for name in ["bare", "empty"] {
        c.patch(ns, NAD, name, &label, &[]).accepted();
    }
    for name in ["labelled", "bare", "empty"] {
        c.delete(ns, NAD, name).accepted();
        c.gone(ns, NAD, name);
    }

    // workloads: scaled, labelled, collected with their Pods
    c.patch(ns, "replicaset", "owner", &label, &[]).accepted();
    c.kubectl(
        &["-n", ns, "scale", "replicaset", "owner", "--replicas=1"],
        None,
    )
    .accepted();
    // The Pod that is left goes with its owner.
    c.kubectl(&["-n", ns, "delete", "replicaset", "owner"], None)
        .accepted();
    eventually("the Pods of an owner to be collected", || {
        let pods = c.list(ns, "pods");
        let has_owner = |pod: &&Value| !pod["metadata"]["ownerReferences"].is_null();
        match pods.iter().filter(has_owner).count() {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    });
    c.delete_namespace(ns).accepted();
    c.gone(ns, "namespace", ns);
    c.start_server("{}");
}

fn refuses_networks(c: &Cluster) {
    let ns = "dead-refuses";
    c.namespace(ns);
    c.create(&pod(ns, "stored", "default/gke-network-1"))
        .accepted();
    c.create(&nad(ns, "stored", IPVLAN)).accepted();
    c.scheduled_on(ns, "stored");

    c.kill_server();

    let net = "default/gke-network-2";
    c.create(&pod(ns, "new", net)).refused_unanswered(PODS);
    c.create(&annotated(
        plain_pod(ns, "new"),
        DEFAULT_NETWORK,
        json!("default/gke-network-1"),
    ))
    .refused_unanswered(PODS);
    // null is stored as "", which breaks the sandbox: it is something that is asked for.
    c.create(&annotated(
        plain_pod(ns, "new"),
        DEFAULT_NETWORK,
        Value::Null,
    ))
    .refused_unanswered(PODS);
    c.annotate(ns, "pod", "stored", NETWORKS, Some(net))
        .refused_unanswered(PODS);
    let patch = json!({"metadata": {"annotations": {NETWORKS: net}}});
    c.patch(ns, "pod", "stored", &patch, &["--subresource=status"])
        .refused_unanswered(PODS);
    c.create(&with(
        plain_pod(ns, "unbound"),
        "schedulerName",
        json!("nobody"),
    ))
    .accepted();
    for path in [
        format!("/api/v1/namespaces/{ns}/pods/unbound/binding"),
        format!("/api/v1/namespaces/{ns}/bindings"),
    ] {
        c.post(
            &path,
            &binding(ns, "unbound", "node-2", &json!({NETWORKS: net})),
        )
        .refused_unanswered(PODS);
    }
    c.create(&nad(ns, "new", IPVLAN)).refused_unanswered(NADS);
    c.patch(ns, NAD, "stored", &json!({"spec": {"config": "{}"}}), &[])
        .refused_unanswered(NADS);
    c.annotate(ns, NAD, "stored", NODE_SELECTOR, Some("zone=a"))
        .refused_unanswered(NADS);

    // Templates are let in: their Pods are refused, in the words of an event.
    let mut deployment = workload("apps/v1", "Deployment", ns, "web", net);
    deployment["spec"]["replicas"] = json!(1);
    c.create(&deployment).accepted();
    let event = c.event(ns, "web-", "FailedCreate");
    assert!(
        event.contains(PODS),
        "expected: the event names {PODS}\ncame: {event}"
    );
    c.create(&cron_job(ns, "nightly", net)).accepted();

    c.kubectl(&["-n", ns, "delete", "deployment", "web"], None)
        .accepted();
    c.start_server("{}");
    // What was refused for want of an answer is let in when there is one.
    c.create(&pod(ns, "new", net)).accepted();
    c.delete_namespace(ns).accepted();
}
