//! What an object says of itself is believed only from those who may say it.

use std::sync::Arc;

use multinic_core::answer::{Answer, Verdict};
use multinic_core::config;
use multinic_core::finding::Level;
use multinic_core::network::{Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::view::networks::NETWORKS;
use serde_json::{Value, json};

use crate::manifest::{answer, created};
use crate::reviews::rules;

const CONFIG: &str = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;

fn world() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (namespace, name, selector) in [
        ("team-a", "zoned", Some("zone=a")),
        ("telecom", "sriov-a", None),
        ("telecom", "hidden", None),
    ] {
        let network = Network::read(name, CONFIG, selector);
        snapshot.insert(namespace, name, Arc::new(network));
    }
    snapshot
}

fn ask(object: &Value, user: &str, groups: &[&str], policy: &Policy) -> Answer {
    let mut review = created(object);
    review["request"]["userInfo"] = json!({"username": user, "groups": groups});
    let body = review.to_string();
    answer(body.as_bytes(), Webhook::Validate, &world(), policy)
}

fn pod(networks: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "team-a", "annotations": {NETWORKS: networks}},
        "spec": {},
    })
}

#[test]
fn the_mark_of_a_mirror_pod_counts_from_kubelets_only() {
    let mut pod = pod("zoned");
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x");
    let policy = Policy::default();
    let kubelet = ask(&pod, "system:node:n1", &["system:nodes"], &policy);
    assert_eq!(kubelet.verdict, Verdict::Allow);
    for (user, groups) in [
        ("alice", &["system:authenticated"][..]),
        ("system:node:n1", &[]),
    ] {
        let answer = ask(&pod, user, groups, &policy);
        let denied = rules(&answer, Level::Deny);
        assert!(
            denied.contains("unenforced-node-selector"),
            "{user}: {denied:?}"
        );
    }
}

#[test]
fn a_controlling_owner_counts_from_controllers_only() {
    let replica_set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "team-a",
            "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]},
        "spec": {"template": {"metadata": {"annotations": {NETWORKS: "team-b/secret"}}}},
    });
    let policy = Policy::default();
    for (user, wanted) in [
        (
            "system:serviceaccount:kube-system:deployment-controller",
            Verdict::Allow,
        ),
        ("system:kube-controller-manager", Verdict::Allow),
        ("alice", Verdict::Deny),
        ("system:serviceaccount:team-a:default", Verdict::Deny),
        ("", Verdict::Deny),
    ] {
        assert_eq!(
            ask(&replica_set, user, &[], &policy).verdict,
            wanted,
            "{user}"
        );
    }
    let own = config::parse("controllers: [\"system:serviceaccount:rollouts:*\"]").unwrap();
    let user = "system:serviceaccount:rollouts:rollouts";
    assert_eq!(ask(&replica_set, user, &[], &own).verdict, Verdict::Allow);
}

#[test]
fn an_exemption_by_user_is_for_that_user() {
    let network = json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "udn", "namespace": "team-a"},
        "spec": {"config": "{\"cniVersion\":\"1.0.0\",\"type\":\"some-overlay\"}"},
    });
    let policy = config::parse(
        "exemptions: [{rules: [unsupported-plugin], users: [\"system:serviceaccount:ovn:*\"], reason: x}]",
    )
    .unwrap();
    let controller = ask(
        &network,
        "system:serviceaccount:ovn:controller",
        &[],
        &policy,
    );
    assert_eq!(controller.verdict, Verdict::Allow);
    assert_eq!(ask(&network, "alice", &[], &policy).verdict, Verdict::Deny);
}

#[test]
fn no_advice_names_a_network_that_the_pod_may_not_use() {
    let policy =
        config::parse("grants: [{networks: \"telecom/sriov-*\", namespaces: [team-a]}]").unwrap();
    for (asked, named) in [
        ("telecom/sriov-b", Some("sriov-a")),
        ("telecom/sriov-hidden", None),
    ] {
        let answer = ask(&pod(asked), "alice", &[], &policy);
        let said = String::from_utf8(answer.body).unwrap();
        assert!(said.contains("missing-network"), "{said}");
        assert!(!said.contains("telecom/hidden"), "{said}");
        if let Some(named) = named {
            assert!(said.contains(named), "{said}");
        }
    }
}
