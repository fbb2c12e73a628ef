//! `multinic why` and `multinic map`, and both as a plugin of kubectl.

use std::{os::unix::fs::symlink, path::Path, process::Command};

use serde_json::{Value, json};

use super::tools::{assert_shown, file, run, service_account, store_unjudged};
use crate::{
    Scenario,
    cluster::Cluster,
    objects::{IPVLAN, nad, pod, selecting, with, workload},
    process::eventually,
    programs,
};

pub(crate) const ALL: &[Scenario] = &[
    ("why_explains_a_pod_that_runs", running),
    ("why_explains_a_pod_without_a_node", nowhere_to_run),
    ("why_says_what_it_may_not_read", few_rights),
    ("map_draws_a_cluster", map),
    ("kubectl_finds_the_plugin", plugin),
];

/// It takes multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[("why_explains_a_workload_that_is_refused", refused)];

fn running(c: &Cluster) {
    let ns = "explained";
    c.namespace(ns);
    c.create(&pod(ns, "web", "default/zoned,default/gke-network-1"))
        .accepted();
    let node = c.scheduled_on(ns, "web");
    // As Multus reports it.
    let status = json!([
        {"name": "cbr0", "interface": "eth0", "ips": ["10.244.0.2"], "default": true},
        {"name": "default/zoned", "interface": "net1", "ips": ["10.9.0.5"], "mac": "02:00:00:00:00:01"},
    ]);
    c.annotate(
        ns,
        "pod",
        "web",
        "k8s.v1.cni.cncf.io/network-status",
        Some(&status.to_string()),
    )
    .accepted();
    let (code, said, _) = run(&c.admin(), &["why", "pod", "explained/web"]);
    // The second one is not reported.
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with(&format!("Pod explained/web: Running on node {node}\n")),
        "{said}"
    );
    let said = said.replace(&node, "node-1");
    assert_shown("docs/why.md", "multinic why pod explained/web", &said);
    for form in [
        &["why", "pod/web", "-n", ns][..],
        &["why", "po", "web", "--namespace=explained"],
    ] {
        let (_, other, _) = run(&c.admin(), form);
        assert_eq!(other.replace(&node, "node-1"), said);
    }
    let (_, said, _) = run(&c.admin(), &["why", "pod", "explained/web", "-o", "json"]);
    let why: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(why["networks"][0]["selector"], "nic=ens224");
    assert_eq!(
        why["nodes"]["lacking"]["nic=ens224 of network default/zoned: it has no such label"],
        json!(["node-3"])
    );
    // What is not there, and what asks for nothing.
    let (code, _, said) = run(&c.admin(), &["why", "pod", "explained/none"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("there is no Pod explained/none"), "{said}");
    let (code, _, said) = run(&c.admin(), &["why", "configmap", "explained/web"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("is not a kind that asks for networks"),
        "{said}"
    );
    c.delete_namespace(ns).accepted();
}

fn nowhere_to_run(c: &Cluster) {
    let ns = "explained-nowhere";
    c.namespace(ns);
    c.create(&selecting(nad(ns, "far", IPVLAN), "zone=c"))
        .accepted();
    c.informed();
    c.create(&pod(ns, "web", "far")).accepted();
    c.unschedulable(ns, "web");
    c.event(ns, "web", "FailedScheduling");
    let (code, said, _) = run(&c.admin(), &["why", "pod", &format!("{ns}/web")]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "Pod explained-nowhere/web: Pending, on no node",
        "  none of 3 is left by labels",
        "  lacking zone=c of network explained-nowhere/far: it has zone=a: node-1",
        "  lacking zone=c of network explained-nowhere/far: it has zone=b: node-2, node-3",
        "  → nodes lack labels that the Pod or its networks demand: see the nodes above",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    c.delete_namespace(ns).accepted();
}

fn few_rights(c: &Cluster) {
    let ns = "explained-to-few";
    c.namespace(ns);
    c.create(&pod(ns, "web", "default/gke-network-1"))
        .accepted();
    let few = service_account(c, ns, "default");
    let (code, _, said) = run(&few, &["why", "pod", &format!("{ns}/web")]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("cannot be read: pods \"web\" is forbidden"),
        "{said}"
    );
    c.kubectl(
        &[
            "-n",
            ns,
            "create",
            "role",
            "reader",
            "--verb=get",
            "--resource=pods",
        ],
        None,
    )
    .accepted();
    let account = format!("--serviceaccount={ns}:default");
    c.kubectl(
        &[
            "-n",
            ns,
            "create",
            "rolebinding",
            "reader",
            "--role=reader",
            &account,
        ],
        None,
    )
    .accepted();
    eventually("the role to hold", || {
        let (_, said, error) = run(&few, &["why", "pod", &format!("{ns}/web")]);
        if said.is_empty() { Err(error) } else { Ok(()) }
    });
    let (code, said, _) = run(&few, &["why", "pod", &format!("{ns}/web")]);
    assert_eq!(code, Some(3), "{said}");
    for what in [
        "networks of namespace default",
        "the labels of nodes",
        "events",
    ] {
        assert!(said.contains(&format!("  {what}: ")), "{said}");
    }
    assert!(
        said.contains("not known: networks of namespace \"default\" cannot be read"),
        "{said}"
    );
    c.delete_namespace(ns).accepted();
}

/// A Deployment that was stored before multinic came; its Pods are refused now.
fn refused(c: &Cluster) {
    let ns = "explained-refused";
    c.namespace(ns);
    let deployment = workload("apps/v1", "Deployment", ns, "web", "team-b/secret");
    store_unjudged(c, &[with(deployment, "replicas", json!(0))]);
    c.kubectl(
        &["-n", ns, "scale", "deployment", "web", "--replicas=1"],
        None,
    )
    .accepted();
    c.event(ns, "web", "FailedCreate");
    let (code, said, _) = run(&c.admin(), &["why", "deployment", &format!("{ns}/web")]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "Deployment explained-refused/web: 0 of 1 Pods are ready",
        "not permitted: it belongs to namespace \"team-b\"",
        "  deny: isolated-network: ",
        "  FailedCreate ReplicaSet web-",
        "  → multinic refused it: the message says what to change",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    c.delete_namespace(ns).accepted();
}

fn map(c: &Cluster) {
    let ns = "drawn";
    c.namespace(ns);
    c.create(&pod(ns, "web", "default/zoned")).accepted();
    c.scheduled_on(ns, "web");
    let (code, said, error) = run(&c.admin(), &["map", "--format", "json"]);
    assert_eq!((code, &*error), (Some(0), ""));
    let graph: Value = serde_json::from_str(&said).expect("JSON");
    let networks = graph["networks"].as_array().expect("networks");
    let zoned = networks
        .iter()
        .position(|own| own["name"] == "default/zoned")
        .expect("zoned");
    let groups: Vec<_> = networks[zoned]["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|group| {
            let index = usize::try_from(group.as_u64().expect("an index")).expect("a size");
            graph["groups"][index]["nodes"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .collect();
    assert_eq!(groups, [json!("node-1"), json!("node-2")]);
    assert_eq!(networks[zoned]["interfaces"], json!([0]));
    assert_eq!(graph["interfaces"], json!(["ens224"]));
    let mut namespaces = graph["namespaces"].as_array().into_iter().flatten();
    let own = namespaces
        .find(|own| own["name"] == ns)
        .expect("the namespace");
    assert_eq!(
        own["reaches"],
        json!([{"network": zoned, "pods": 1, "by": "global"}])
    );
    for (format, mark) in [
        ("html", "<!doctype html>"),
        ("svg", "<svg "),
        ("mermaid", "flowchart LR"),
        ("dot", "digraph "),
    ] {
        let (code, said, _) = run(&c.admin(), &["map", "-o", format, "-n", ns]);
        assert_eq!((code, said.starts_with(mark)), (Some(0), true), "{format}");
        assert!(said.contains("default/zoned"), "{format}");
    }
    let few = service_account(c, ns, "default");
    let (code, _, error) = run(&few, &["map", "-o", "dot"]);
    assert_eq!(code, Some(3));
    for what in ["networks", "the labels of nodes", "namespaces", "pods"] {
        assert!(error.contains(&format!("not checked: {what}: ")), "{error}");
    }
    c.delete_namespace(ns).accepted();
}

fn plugin(c: &Cluster) {
    let folder = c.admin().with_file_name("kubectl-plugins");
    std::fs::create_dir_all(&folder).expect("a folder");
    let link = |name: &str, of: &Path| {
        let path = folder.join(name);
        let _ = std::fs::remove_file(&path);
        symlink(of, &path).expect("a link");
    };
    link("kubectl-multinic", programs::multinic());
    link(
        "kubectl_complete-multinic",
        &programs::root().join("deploy/krew/kubectl_complete-multinic"),
    );
    let program = c.plane().program("kubectl");
    link("kubectl", &program);
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let kubectl = |args: &[&str]| {
        let output = Command::new(&program)
            .args(args)
            .env("PATH", &path)
            .output()
            .expect("kubectl");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, said, error) = kubectl(&["multinic", "--help"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("Usage: kubectl multinic <COMMAND>"), "{said}");
    assert!(
        said.contains("  kubectl multinic why pod team-a/web"),
        "{said}"
    );
    let (_, said, _) = kubectl(&["multinic", "why", "--help"]);
    assert!(said.contains("Usage: kubectl multinic why "), "{said}");
    let (code, _, error) = kubectl(&["multinic", "why", "pod"]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("kubectl multinic: expected a kind and a name"),
        "{error}"
    );

    // kubectl asks the second program what can follow.
    let (_, said, error) = kubectl(&["__complete", "multinic", "do"]);
    assert!(
        said.starts_with("doctor\t") && said.contains("\n:4\n"),
        "{said}{error}"
    );

    // A context of the kubeconfig, by its name.
    let text = std::fs::read_to_string(c.admin()).expect("a kubeconfig");
    let many = file(c, "contexts", &text);
    let config = format!("--kubeconfig={}", many.display());
    let (_, name, _) = kubectl(&["config", "current-context", &config]);
    let context = format!("--context={}", name.trim());
    let (code, _, error) = kubectl(&["multinic", "doctor", "--only=networks", &config, &context]);
    assert_eq!(code, Some(0), "{error}");
    let (code, _, error) = kubectl(&["multinic", "doctor", &config, "--context=none"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("none"), "{error}");
}
