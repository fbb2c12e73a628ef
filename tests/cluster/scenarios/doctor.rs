//! `multinic doctor`, with the rights that the chart gives to `helm test`.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::{Cluster, SYSTEM},
    programs,
};

/// Kills multinic in the end.
pub(crate) const LAST: &[Scenario] = &[("doctor_says_whether_multinic_is_asked", doctor)];

fn doctor(c: &Cluster) {
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
    let token = c
        .kubectl(&["-n", SYSTEM, "create", "token", "multinic-test"], None)
        .accepted();
    let user = json!({"token": token.stdout.trim()});
    let kubeconfig = c
        .plane()
        .write_kubeconfig("doctor", &user)
        .expect("a kubeconfig");
    let run = |args: &[&str]| {
        let output = Command::new(programs::multinic())
            .args(args)
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .output()
            .expect("multinic");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.code(),
            said + &String::from_utf8_lossy(&output.stderr),
        )
    };

    // As the Pod of `helm test` is run.
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (code, said) = run(&args);
    assert_eq!(
        (code, said.contains("ok: the API server asks multinic")),
        (Some(0), true),
        "{said}"
    );

    c.start_server("enforcement: warn");
    let (code, said) = run(&["doctor"]);
    assert_eq!(
        (code, said.contains("which warns of a Pod")),
        (Some(0), true),
        "{said}"
    );

    // It may create Pods in that namespace alone.
    let (code, said) = run(&["doctor", "--namespace=team-a"]);
    assert_eq!(
        (code, said.contains("before multinic was asked")),
        (Some(1), true),
        "{said}"
    );

    c.kill_server();
    let (code, said) = run(&["doctor", "--wait=2s"]);
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
