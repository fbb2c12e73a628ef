//! Mistakes that take more than one step, or another configuration than the default one, to be
//! seen.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{hangs, warns};
use crate::{
    api::{networks, pods},
    cluster::Cluster,
    interfaces::processes,
    load::pod,
};

/// The rules whose hang is shown here.
pub(super) const RULES: [&str; 3] = ["network-in-use", "unrequested-resource", "repeated-address"];

/// Where all of it is.
const NAMESPACE: &str = "stories";

/// The network that is deleted.
const DELETED: &str = "deleted";

/// The network with devices, which only a device plugin hands out.
const DEVICES: &str = "devices";

/// The network with fixed addresses.
const FIXED: &str = "fixed";

/// What both Pods of a workload ask for.
const ONE_ADDRESS: &str = r#"[{"name": "fixed", "ips": ["10.36.0.9/24"]}]"#;

/// The configuration under which multinic answers: with Pods watched, and one plugin more.
const CONFIG: &str = r#"config={"usage":true,"supportedPlugins":{"interface":["ipvlan","macvlan","bridge","host-device"]}}"#;

fn network(name: &str, config: &Value) -> Value {
    json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name}, "spec": {"config": config.to_string()}})
}

fn macvlan(subnet: &str) -> Value {
    json!({"cniVersion": "1.0.0", "type": "macvlan", "master": "ens192", "mode": "bridge",
        "capabilities": {"ips": true}, "ipam": {"type": "host-local", "subnet": subnet}})
}

fn devices() -> Value {
    let config = json!({"cniVersion": "1.0.0", "type": "host-device"});
    let mut network = network(DEVICES, &config);
    network["metadata"]["annotations"] =
        json!({"k8s.v1.cni.cncf.io/resourceName": "example.com/device"});
    network
}

/// Two Pods on one node, as a Deployment of two would make them.
fn of_one_address(number: u8) -> Value {
    let mut pod = pod(&format!("fixed-{number}"), ONE_ADDRESS);
    pod["spec"]["nodeName"] = json!("node-1");
    pod
}

fn define(c: &Cluster) {
    let known = c.api.get(&format!("/api/v1/namespaces/{NAMESPACE}"));
    if known.is_ok_and(|answer| answer.is_success()) {
        return;
    }
    c.namespace(NAMESPACE);
    for network in [
        network(DELETED, &macvlan("10.35.0.0/24")),
        network(FIXED, &macvlan("10.36.0.0/24")),
        devices(),
    ] {
        c.create(&networks(NAMESPACE), &network);
    }
}

/// Without multinic: the Pods hang.
pub(super) fn hang(c: &Cluster) {
    assert!(!c.is_installed(), "multinic is installed already");
    define(c);
    let all = pods(NAMESPACE);
    c.create(&all, &pod("devices", DEVICES));
    c.create(&all, &pod("deleted", DELETED));
    c.create(&all, &of_one_address(1));
    c.running(NAMESPACE, "fixed-1");
    c.create(&all, &of_one_address(2));
    hangs(c, NAMESPACE, "fixed-2", "10.36.0.9");
    // host-device, for want of a device that Multus could hand it.
    hangs(c, NAMESPACE, "devices", "specify either \"device\"");

    let running = c.running(NAMESPACE, "deleted");
    let path = format!("{}/{DELETED}", networks(NAMESPACE));
    c.api.delete(&path).expect("delete a network");
    // What a restart of the node does: the sandbox ends, and is made anew.
    for process in processes(&running) {
        let process = process.try_into().ok().and_then(Pid::from_raw);
        let _ = kill_process(process.expect("a process"), Signal::KILL);
    }
    let said = "cannot find a network-attachment-definition (deleted) in namespace (stories)";
    hangs(c, NAMESPACE, "deleted", said);

    for name in ["devices", "deleted", "fixed-1", "fixed-2"] {
        let path = format!("{all}/{name}");
        c.api.delete(&path).expect("delete a Pod");
    }
}

/// With multinic, as configured for it: each is refused or warned of before anything hangs.
pub(super) fn answered(c: &Cluster) {
    define(c);
    c.ensure_installed();
    c.upgrade(&["--set-json", CONFIG]);
    in_use(c);
    unrequested(c);
    repeated(c);
    c.delete_namespace(NAMESPACE);
}

/// A network that a Pod uses is deleted.
fn in_use(c: &Cluster) {
    let path = format!("{}/{DELETED}", networks(NAMESPACE));
    if !c.api.get(&path).is_ok_and(|answer| answer.is_success()) {
        let again = network(DELETED, &macvlan("10.35.0.0/24"));
        c.create(&networks(NAMESPACE), &again);
    }
    c.create(&pods(NAMESPACE), &pod("user", DELETED));
    c.running(NAMESPACE, "user");
    let args = ["-n", NAMESPACE, "delete", "net-attach-def", DELETED];
    c.kubectl(&[&args[..], &["--dry-run=server"]].concat())
        .accepted()
        .warned("network-in-use");
}

/// A new Pod is given the request for the device; one that exists already is refused the network.
fn unrequested(c: &Cluster) {
    let path = format!("{}?dryRun=All", pods(NAMESPACE));
    let answer = c.post(&path, &pod("devices", DEVICES));
    assert!(answer.is_success(), "{}", answer.message());
    let limits = &answer.body["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits["example.com/device"], "1", "{}", answer.body["spec"]);

    let mut plain = pod("plain", DEVICES);
    let annotations = plain["metadata"]["annotations"].take();
    c.create(&pods(NAMESPACE), &plain);
    let path = format!("{}/plain?dryRun=All", pods(NAMESPACE));
    let change = json!({"metadata": {"annotations": annotations}});
    let answer = c.api.patch(&path, &change).expect("an answer");
    let said = answer.message();
    assert!(
        answer.status == 403 && said.contains("denied the request: unrequested-resource: "),
        "{} {said}",
        answer.status
    );
}

fn repeated(c: &Cluster) {
    let template = pod("fixed", ONE_ADDRESS);
    let labels = json!({"app": "fixed"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fixed"},
    "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
        "metadata": {"labels": labels, "annotations": template["metadata"]["annotations"]},
        "spec": {"containers": template["spec"]["containers"]},
    }}});
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments?dryRun=All");
    let answer = c.post(&path, &deployment);
    warns(c, "repeated-address", &answer, NAMESPACE, &deployment);
}
