//! `multinic doctor`: with every right, with few, with the rights that the chart gives to `helm test`, and with nobody
//! who answers.

use std::path::Path;

use serde_json::{Value, json};

use super::tools::{self, assert_shown, file, nowhere, service_account};
use crate::{
    Scenario,
    cluster::{Cluster, SYSTEM},
    process::eventually,
    programs,
};

/// Kills multinic in the end.
pub(crate) const LAST: &[Scenario] = &[
    ("doctor_finds_everything_in_place", in_place),
    ("doctor_names_what_is_wrong", what_is_wrong),
    ("doctor_says_whether_multinic_is_asked", helm_test),
];

/// Runs the program: its exit code, and all that it says.
fn run(kubeconfig: &Path, args: &[&str]) -> (Option<i32>, String) {
    let (code, stdout, stderr) = tools::run(kubeconfig, args);
    (code, stdout + &stderr)
}

/// The line of a check.
#[track_caller]
fn line<'s>(said: &'s str, check: &str) -> &'s str {
    let mut lines = said.lines();
    lines
        .find(|line| line.contains(&format!(" {check}: ")))
        .unwrap_or_else(|| panic!("no line of {check} in:\n{said}"))
}

fn multus(c: &Cluster, config: &Value) {
    let labels = json!({"name": "multus"});
    let container = json!({"name": "kube-multus", "image": "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2-thick"});
    let volume = json!({"name": "daemon-config", "configMap": {"name": "multus-daemon-config"}});
    c.apply(&json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"namespace": "kube-system", "name": "kube-multus-ds"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec":
            {"nodeSelector": {"nobody": "has"}, "containers": [container], "volumes": [volume]}}}}))
        .accepted();
    c.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "kube-system", "name": "multus-daemon-config"},
        "data": {"daemon-config.json": config.to_string()}}))
        .accepted();
}

fn in_place(c: &Cluster) {
    multus(c, &json!({"type": "multus"}));
    let (code, said) = run(&c.admin(), &["doctor"]);
    // Golden but for the version, the ports and the dates.
    let shape: Vec<_> = said
        .lines()
        .map(|line| line.split(':').next().unwrap_or_default().trim_end())
        .collect();
    assert_eq!(
        shape,
        [
            "ok           api-server",
            "ok           clock",
            "ok           networks",
            "ok           registration",
            "skipped      replicas",
            "ok           certificate",
            "ok           multus",
            "not checked  multus-isolation",
            "             name its file with --config",
            "ok           refusal",
            "ok           refusal-of-networks",
            "ok           placement",
        ],
        "{said}"
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(
        line(&said, "api-server").contains(" runs Kubernetes v1."),
        "{said}"
    );
    assert!(
        line(&said, "registration").contains("entries call https://127.0.0.1:"),
        "{said}"
    );
    assert!(
        line(&said, "certificate").contains("every caBundle verifies"),
        "{said}"
    );
    assert!(line(&said, "multus").ends_with("kube-multus-ds runs ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.2-thick, ready on 0 of 0 nodes"), "{said}");
    assert!(
        line(&said, "placement")
            .contains("a Pod that uses default/zoned is placed on nodes with nic=ens224"),
        "{said}"
    );

    // With its configuration, there is nothing left that was not looked at.
    let config = |text| format!("--config={}", file(c, "doctor.yaml", text).display());
    let (code, said) = run(&c.admin(), &["doctor", &config("{}")]);
    assert_eq!(code, Some(0), "{said}");
    assert_shown(
        "docs/doctor.md",
        "multinic doctor --config multinic.yaml",
        &said,
    );
    let (code, said) = run(
        &c.admin(),
        &["doctor", "-o", "json", "--only=networks,refusal"],
    );
    let checks: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(code, Some(0));
    assert_eq!(checks[1]["check"], "refusal");
    assert_eq!(checks[1]["outcome"], "ok");

    // Multus' own isolation is compared.
    multus(c, &json!({"type": "multus", "namespaceIsolation": true}));
    let config = config("globalNamespaces: [default, shared]");
    let (code, said) = run(&c.admin(), &["doctor", &config]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        line(&said, "multus-isolation").contains("lack shared"),
        "{said}"
    );
    c.delete("kube-system", "daemonset", "kube-multus-ds")
        .accepted();
    c.delete("kube-system", "configmap", "multus-daemon-config")
        .accepted();
}

fn what_is_wrong(c: &Cluster) {
    // Nobody there.
    let none = c.admin().with_file_name("none");
    let (code, said) = run(&none, &["doctor"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = run(&nowhere(c), &["doctor"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        line(&said, "api-server").contains("does not answer: nothing listens there"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");

    // An entry that somebody removed, and a bundle that is not PEM. The API server takes both.
    let bundle = |value: &str| {
        let entry =
            json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": value}]);
        c.kubectl(
            &[
                "patch",
                "validatingwebhookconfiguration",
                "zzz-multinic",
                "--type=json",
                "-p",
                &entry.to_string(),
            ],
            None,
        )
        .accepted();
    };
    bundle("dGV4dAo=");
    let (code, said) = run(&c.admin(), &["doctor", "--wait=1s"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        line(&said, "registration")
            .contains("entry networks.pods.multinic.dev: caBundle cannot be used"),
        "{said}"
    );
    assert!(
        line(&said, "refusal").contains("does not reach multinic: caBundle is not PEM"),
        "{said}"
    );
    c.kubectl(
        &["delete", "mutatingwebhookconfiguration", "zzz-multinic"],
        None,
    )
    .accepted();
    c.kubectl(
        &["delete", "validatingwebhookconfiguration", "zzz-multinic"],
        None,
    )
    .accepted();
    eventually("the configurations to be forgotten", || {
        let (_, said) = run(&c.admin(), &["doctor"]);
        if line(&said, "refusal").contains("multinic was not asked") {
            return Ok(());
        }
        Err(said)
    });
    let (code, said) = run(&c.admin(), &["doctor"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        line(&said, "registration")
            .contains("has the entry placement.pods.multinic.dev: no Pod is placed"),
        "{said}"
    );
    assert!(
        line(&said, "placement").contains("is admitted and not placed on nodes with nic=ens224"),
        "{said}"
    );
    c.install(&[]);
    c.wait_until_registered();

    // Somebody who may do nothing is told what was not looked at.
    let few = service_account(c, "default", "default");
    let (code, said) = run(&few, &["doctor"]);
    assert_eq!(code, Some(3), "{said}");
    for check in [
        "registration",
        "multus",
        "refusal",
        "refusal-of-networks",
        "placement",
    ] {
        assert!(line(&said, check).starts_with("not checked  "), "{said}");
    }
    assert!(line(&said, "networks").starts_with("ok"), "{said}");
}

fn helm_test(c: &Cluster) {
    let chart = programs::chart().display().to_string();
    let image = "image.repository=example.test/multinic";
    let only = "templates/tests/doctor.yaml";
    let text = c
        .helm(&[
            "template", "multinic", &chart, "-n", SYSTEM, "--set", image, "-s", only,
        ])
        .accepted()
        .stdout;
    let objects: Vec<Option<Value>> = serde_saphyr::from_multiple(&text).expect("YAML");
    let (pods, rights): (Vec<Value>, Vec<Value>) = objects
        .into_iter()
        .flatten()
        .partition(|object| object["kind"] == "Pod");
    for object in &rights {
        c.apply(object).accepted();
    }
    let args: Vec<String> =
        serde_json::from_value(pods[0]["spec"]["containers"][0]["args"].clone())
            .expect("arguments");
    let kubeconfig = service_account(c, SYSTEM, "multinic-test");
    let run = |args: &[&str]| run(&kubeconfig, args);

    // As the Pod of `helm test` is run.
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (code, said) = run(&args);
    assert_eq!(
        (code, said.contains("refusal: the API server asks multinic")),
        (Some(0), true),
        "{said}"
    );

    c.start_server("enforcement: warn");
    let (code, said) = run(&["doctor", "--only=refusal"]);
    assert_eq!(
        (code, said.contains("which warns of a Pod")),
        (Some(0), true),
        "{said}"
    );

    // It may create Pods in that namespace alone.
    let (code, said) = run(&["doctor", "--only=refusal", "--namespace=team-a"]);
    assert_eq!(
        (code, said.contains("before multinic was asked")),
        (Some(3), true),
        "{said}"
    );

    c.kill_server();
    let (code, said) = run(&["doctor", "--only=refusal", "--wait=2s"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("does not reach multinic: nothing listens on the port of the webhooks"),
        "{said}"
    );

    for object in &rights {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let kind = object["kind"].as_str().expect("a kind");
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .expect("a namespace");
        c.delete(namespace, kind, name).accepted();
    }
    c.start_server("{}");
}
