//! The three steps of use, and the ways in which they are taken.

use serde_json::json;

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{IPVLAN, NAD, SRIOV, annotated, nad, one_of, plain_pod, pod, selecting, terms},
};

pub(crate) const ALL: &[Scenario] = &[
    ("walk_through_network_pod_and_placement", walk),
    ("dry_run_is_answered_and_stores_nothing", dry_run),
    ("generated_names", generated_names),
];

fn walk(c: &Cluster) {
    let ns = "walk";
    c.namespace(ns);
    // 1. a network: a plugin that is not supported is refused, a supported one let in
    c.create(&nad(ns, "fast", SRIOV))
        .rejected("unsupported-plugin")
        .called(0, 1);
    assert!(!c.exists(ns, NAD, "fast"));
    // One whose addresses are the cluster's: nothing is to be said about it.
    let whereabouts = r#"{"cniVersion":"1.0.0","type":"ipvlan","master":"ens224","ipam":{"type":"whereabouts","range":"10.20.0.0/24"}}"#;
    c.create(&selecting(
        nad(ns, "fast", whereabouts),
        "nic=ens224,zone=b",
    ))
    .accepted()
    .unwarned()
    .called(0, 1);
    // 2. a Pod: a foreign network is refused, its own and a global one let in
    c.create(&pod(ns, "web", "team-b/secret"))
        .rejected("isolated-network")
        .called(1, 1);
    c.create(&pod(ns, "web", "fast, default/gke-network-1"))
        .accepted()
        .unwarned()
        .called(1, 1);
    // 3. placement: its affinity says where the network is, and the scheduler goes there
    let stored = c.get(ns, "pod", "web");
    let expected =
        json!([{"matchExpressions": [one_of("nic", &["ens224"]), one_of("zone", &["b"])]}]);
    assert_eq!(terms(&stored), &expected);
    assert_eq!(c.scheduled_on(ns, "web"), "node-2");
    // Who asks for nothing is not looked at.
    c.create(&plain_pod(ns, "plain")).accepted().uncalled();
    c.delete(ns, "pod", "web").accepted().uncalled();
    c.delete_namespace(ns).accepted().uncalled();
}

fn dry_run(c: &Cluster) {
    let dry = |object: &serde_json::Value| {
        c.kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            Some(object),
        )
    };
    dry(&pod("default", "dry", "team-b/secret"))
        .rejected("isolated-network")
        .called(1, 1);
    let shown = dry(&pod("default", "dry", "zoned"))
        .accepted()
        .called(1, 1)
        .json();
    assert_eq!(
        terms(&shown),
        &json!([{"matchExpressions": [one_of("nic", &["ens224"])]}])
    );
    assert!(!c.exists("default", "pod", "dry"));
    dry(&nad("default", "dry", SRIOV))
        .rejected("unsupported-plugin")
        .called(0, 1);
    dry(&nad("default", "dry", IPVLAN)).accepted().called(0, 1);
    assert!(!c.exists("default", NAD, "dry"));
    // What was shown is not known: there is no such network.
    c.create(&pod("default", "dry", "dry"))
        .rejected("missing-network")
        .called(1, 1);
}

fn generated_names(c: &Cluster) {
    let ns = "generated";
    c.namespace(ns);
    let unnamed = |networks: &str| {
        let mut pod = annotated(plain_pod(ns, ""), crate::objects::NETWORKS, json!(networks));
        pod["metadata"]["name"].take();
        pod["metadata"]["generateName"] = json!("web-");
        pod
    };
    c.create(&unnamed("team-b/secret"))
        .rejected("isolated-network")
        .called(1, 1);
    c.create(&unnamed("default/zoned")).accepted().called(1, 1);
    let pods = c.list(ns, "pods");
    assert_eq!(pods.len(), 1, "{pods:?}");
    assert_eq!(
        terms(&pods[0]),
        &json!([{"matchExpressions": [one_of("nic", &["ens224"])]}])
    );
    c.delete_namespace(ns).accepted();
}
