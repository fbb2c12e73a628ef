use std::collections::BTreeMap;
use std::sync::Arc;

use multinic_core::network::{Network, Snapshot};
use serde_json::json;

use super::*;

fn facts(object: &Value) -> Facts {
    let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"ens224","ipam":{"type":"whereabouts","range":"10.0.0.0/24"}}"#;
    let mut snapshot = Snapshot::default();
    for (namespace, name, selector) in [
        ("default", "fast", Some("nic=ens224")),
        ("team-a", "plain", None),
        ("team-b", "secret", None),
    ] {
        let network = Arc::new(Network::read(name, config, selector));
        snapshot.insert(namespace, name, network);
    }
    let node = |labels: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        labels.iter().map(owned).collect()
    };
    let nodes = [
        ("n1".to_owned(), node(&[("nic", "ens224")])),
        ("n2".to_owned(), node(&[("nic", "ens256")])),
        ("n3".to_owned(), node(&[])),
    ];
    Facts {
        kind: &POD,
        object: object.to_string(),
        policy: Policy::default(),
        networks: Networks {
            snapshot,
            is_complete: true,
            ..Networks::default()
        },
        nodes: Some(Nodes::from(nodes)),
        events: Vec::new(),
        pods: Vec::new(),
        unread: Vec::new(),
    }
}

fn pod(networks: &str, status: Option<&str>) -> Value {
    let mut pod = json!({"metadata": {"namespace": "team-a", "name": "web",
            "annotations": {"k8s.v1.cni.cncf.io/networks": networks}},
        "spec": {"containers": [], "nodeName": "n1"}, "status": {"phase": "Running"}});
    if let Some(status) = status {
        pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = json!(status);
    }
    pod
}

#[test]
fn a_pod_is_explained() {
    let status = r#"[{"name": "cbr0", "interface": "eth0", "ips": ["10.244.0.2"], "default": true},
        {"name": "default/fast", "interface": "net1", "ips": ["10.0.0.5"], "mac": "02:00:00:00:00:01"},
        {"name": "team-a/plain", "interface": "data", "ips": ["10.0.0.6"]}]"#;
    let networks = r#"[{"name":"fast","namespace":"default"},{"name":"plain","interface":"data"}]"#;
    let why = explain(&facts(&pod(networks, Some(status))));
    assert!(!why.has_problems());
    insta::assert_snapshot!(why.text("multinic"));
}

#[test]
fn what_is_wrong_with_a_pod_is_explained() {
    let status = r#"[{"name": "default/fast", "interface": "net1", "ips": ["10.0.0.5"]}]"#;
    let networks = r#"[{"name":"fast","namespace":"default","ips":["10.0.0.9/24"]},{"name":"gone"},
        {"name":"secret","namespace":"team-b"}]"#;
    let mut facts = facts(&pod(networks, Some(status)));
    facts.events = vec![Event {
        reason: "FailedCreatePodSandBox".to_owned(),
        message: r#"plugin type="multus" name="multus-cni-network" failed (add): error adding container to network "fast": Link not found"#.to_owned(),
        is_warning: true,
        count: 7,
        ..Event::default()
    }];
    facts.unread = vec!["events: forbidden".to_owned()];
    let why = explain(&facts);
    assert!(why.has_problems() && why.is_incomplete());
    insta::assert_snapshot!(why.text("kubectl multinic"));
}

#[test]
fn a_workload_is_explained_with_its_pods() {
    let template = pod("default/fast", None);
    let deployment = json!({"metadata": {"namespace": "team-a", "name": "web"},
        "spec": {"replicas": 2, "template": {"metadata": template["metadata"],
            "spec": {"containers": [], "nodeSelector": {"nic": "ens256"}}}},
        "status": {"readyReplicas": 1}});
    let mut facts = facts(&deployment);
    facts.kind = read::kind("deploy").expect("a kind");
    facts.pods = vec![
        ["web-1", "Running", "n1"].map(str::to_owned),
        ["web-2", "Pending", ""].map(str::to_owned),
    ];
    let why = explain(&facts);
    assert!(why.has_problems());
    insta::assert_snapshot!(why.text("multinic"));
}

#[test]
fn kinds_are_named_as_kubectl_does() {
    for name in [
        "pod",
        "Pods",
        "po",
        "deployment.apps",
        "sts",
        "CronJob",
        "vm",
    ] {
        assert_eq!(read::kind(name).is_some(), name != "vm", "{name}");
    }
}
