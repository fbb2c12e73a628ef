//! No write path brings a foreign network to a Pod.

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{DEFAULT_NETWORK, IPVLAN, NETWORKS, annotated, binding, nad, plain_pod, pod, with},
};

pub(crate) const ALL: &[Scenario] = &[
    ("isolation_on_create", on_create),
    (
        "isolation_on_update_of_a_pending_and_of_a_terminating_pod",
        on_update,
    ),
    ("isolation_on_server_side_apply", on_server_side_apply),
    ("isolation_over_the_status", over_status),
    ("isolation_over_bindings", over_bindings),
    ("isolation_of_the_default_network", default_network),
    ("isolation_lets_in_what_was_granted", granted),
    ("folded_keys_are_refused", folded_keys),
    ("excluded_namespaces_are_not_looked_at", excluded),
];

const FOREIGN: &str = "team-b/secret";

/// A Pod that nobody schedules.
fn pending(pod: Value) -> Value {
    with(pod, "schedulerName", json!("nobody"))
}

fn on_create(c: &Cluster) {
    let ns = "isolation-create";
    c.namespace(ns);
    c.create(&nad(ns, "own", IPVLAN)).accepted();
    for foreign in [
        FOREIGN,
        "own, team-b/secret",
        "team-b/secret@net1",
        r#"[{"name":"secret","namespace":"team-b"}]"#,
        // Whether it exists or not makes no difference.
        "team-b/nothing",
        "nowhere/nothing",
    ] {
        c.create(&pod(ns, "web", foreign))
            .rejected("isolated-network")
            .called(1, 1);
    }
    c.create(&pod(ns, "web", "nothing"))
        .rejected("missing-network")
        .called(1, 1);
    c.create(&pod(ns, "web", "own, default/gke-network-1"))
        .accepted()
        .called(1, 1);
    c.create(&pod("team-b", "web", "secret"))
        .accepted()
        .called(1, 1);
    c.delete("team-b", "pod", "web").accepted().uncalled();
    c.delete_namespace(ns).accepted();
}

fn on_update(c: &Cluster) {
    let ns = "isolation-update";
    c.namespace(ns);
    c.create(&nad(ns, "own", IPVLAN)).accepted();
    c.create(&pending(plain_pod(ns, "pending")))
        .accepted()
        .uncalled();
    let mut held = pending(plain_pod(ns, "terminating"));
    held["metadata"]["finalizers"] = json!(["test/held"]);
    c.create(&held).accepted().uncalled();
    c.delete(ns, "pod", "terminating").accepted().uncalled();
    c.create(&plain_pod(ns, "running")).accepted().uncalled();
    c.scheduled_on(ns, "running");
    for name in ["pending", "terminating", "running"] {
        let annotate = |value| c.annotate(ns, "pod", name, NETWORKS, value);
        annotate(Some(FOREIGN))
            .rejected("isolated-network")
            .called(1, 1);
        annotate(Some("own")).accepted().called(1, 1);
        annotate(Some("own, team-b/secret"))
            .rejected("isolated-network")
            .called(1, 1);
        annotate(None).accepted().uncalled();
    }
    c.patch(
        ns,
        "pod",
        "terminating",
        &json!({"metadata": {"finalizers": null}}),
        &[],
    )
    .accepted()
    .uncalled();
    c.delete_namespace(ns).accepted();
}

fn on_server_side_apply(c: &Cluster) {
    let ns = "isolation-apply";
    c.namespace(ns);
    c.server_side_apply(&pod(ns, "web", FOREIGN))
        .rejected("isolated-network")
        .called(1, 1);
    c.server_side_apply(&pod(ns, "web", "default/gke-network-1"))
        .accepted()
        .called(1, 1);
    c.server_side_apply(&pod(ns, "web", FOREIGN))
        .rejected("isolated-network")
        .called(1, 1);
    c.delete_namespace(ns).accepted();
}

fn over_status(c: &Cluster) {
    let ns = "isolation-status";
    c.namespace(ns);
    c.create(&pending(plain_pod(ns, "web"))).accepted();
    let status = |value: Value| {
        let patch = json!({"metadata": {"annotations": {NETWORKS: value}}, "status": {"message": "by the test"}});
        c.patch(ns, "pod", "web", &patch, &["--subresource=status"])
    };
    status(json!(FOREIGN))
        .rejected("isolated-network")
        .called(0, 1);
    status(json!("default/gke-network-1"))
        .accepted()
        .called(0, 1);
    // The status is a way in: what is written there is what Multus reads.
    assert_eq!(
        c.get(ns, "pod", "web")["metadata"]["annotations"][NETWORKS],
        "default/gke-network-1"
    );
    // Nobody places a Pod through its status: what would have to be placed is refused.
    status(json!("default/zoned"))
        .rejected("unenforced-node-selector")
        .called(0, 1);
    status(Value::Null).accepted().uncalled();
    c.delete_namespace(ns).accepted();
}

fn over_bindings(c: &Cluster) {
    let ns = "isolation-bindings";
    c.namespace(ns);
    for (name, path) in [
        ("one", format!("/api/v1/namespaces/{ns}/pods/one/binding")),
        ("two", format!("/api/v1/namespaces/{ns}/bindings")),
    ] {
        c.create(&pending(plain_pod(ns, name)))
            .accepted()
            .uncalled();
        let bind = |annotations: Value| c.post(&path, &binding(ns, name, "node-3", &annotations));
        bind(json!({NETWORKS: FOREIGN}))
            .rejected("isolated-network")
            .called(0, 1);
        bind(json!({DEFAULT_NETWORK: FOREIGN}))
            .rejected("isolated-network")
            .called(0, 1);
        bind(json!({NETWORKS: "default/zoned"}))
            .rejected("unenforced-node-selector")
            .called(0, 1);
        bind(json!({NETWORKS: "default/gke-network-1"}))
            .accepted()
            .called(0, 1);
        // Its annotations are the Pod's now.
        let pod = c.get(ns, "pod", name);
        assert_eq!(
            pod["metadata"]["annotations"][NETWORKS],
            "default/gke-network-1"
        );
        assert_eq!(c.scheduled_on(ns, name), "node-3");
    }
    c.create(&pending(plain_pod(ns, "three"))).accepted();
    let path = format!("/api/v1/namespaces/{ns}/pods/three/binding");
    c.post(&path, &binding(ns, "three", "node-1", &json!({})))
        .accepted()
        .uncalled();
    c.delete_namespace(ns).accepted();
}

fn default_network(c: &Cluster) {
    let ns = "isolation-default";
    c.namespace(ns);
    c.create(&nad("kube-system", "cluster-wide", IPVLAN))
        .accepted()
        .uncalled();
    let pod = |value: Value| annotated(plain_pod(ns, "web"), DEFAULT_NETWORK, value);
    c.create(&pod(json!(FOREIGN)))
        .rejected("isolated-network")
        .called(1, 1);
    // null is stored as "", and that is nothing that Multus could attach.
    for nothing in [json!(""), Value::Null] {
        c.create(&pod(nothing))
            .rejected("malformed-networks")
            .called(1, 1);
    }
    c.create(&pod(json!("cluster-wide")))
        .accepted()
        .called(1, 1);
    c.annotate(ns, "pod", "web", DEFAULT_NETWORK, Some(FOREIGN))
        .rejected("isolated-network")
        .called(1, 1);
    c.annotate(ns, "pod", "web", DEFAULT_NETWORK, None)
        .accepted()
        .uncalled();
    c.kubectl(
        &[
            "-n",
            "kube-system",
            "delete",
            crate::objects::NAD,
            "cluster-wide",
        ],
        None,
    )
    .accepted()
    .uncalled();
    c.delete_namespace(ns).accepted();
}

fn granted(c: &Cluster) {
    let ns = "isolation-granted";
    c.namespace(ns);
    c.start_server("grants: [{networks: team-b/*, namespaces: [isolation-granted]}]");
    c.create(&pod(ns, "web", FOREIGN)).accepted().called(1, 1);
    c.create(&pod(ns, "other", "team-a/private"))
        .rejected("isolated-network")
        .called(1, 1);
    c.start_server("{}");
    c.create(&pod(ns, "later", FOREIGN))
        .rejected("isolated-network")
        .called(1, 1);
    c.delete_namespace(ns).accepted();
}

fn folded_keys(c: &Cluster) {
    let ns = "folded";
    c.namespace(ns);
    for folded in [
        r#"[{"name":"gke-network-1","namespace":"default","Namespace":"team-b"}]"#,
        r#"[{"name":"gke-network-1","namespace":"default","name\u017fpace":"team-b"}]"#,
        r#"[{"name":"gke-network-1","namespace":"default","namespace":"team-b"}]"#,
    ] {
        let came = c.create(&pod(ns, "web", folded)).called(1, 1);
        assert!(!came.accepted, "expected: refused\ncame: {came}");
        came.saying("ambiguous-networks");
    }
    c.delete_namespace(ns).accepted();
}

fn excluded(c: &Cluster) {
    for ns in ["kube-system", crate::cluster::SYSTEM] {
        c.create(&pending(pod(ns, "web", FOREIGN)))
            .accepted()
            .uncalled();
        c.kubectl(
            &[
                "-n",
                ns,
                "delete",
                "pod",
                "web",
                "--grace-period=0",
                "--force",
            ],
            None,
        )
        .accepted()
        .uncalled();
    }
    // A label cannot take a namespace out.
    let ns = "labelled-out";
    c.namespace(ns);
    c.kubectl(
        &[
            "label",
            "namespace",
            ns,
            "kubernetes.io/metadata.name=kube-system",
            "--overwrite",
        ],
        None,
    );
    c.create(&pod(ns, "web", FOREIGN))
        .rejected("isolated-network")
        .called(1, 1);
    c.delete_namespace(ns).accepted();
}
