//! The CronJob that runs `multinic audit`.

use serde_json::{Value, json};

use crate::helm::{IMAGE, refused, render, with};

const ENABLED: &str = "audit: {enabled: true}";
const NAME: &str = "multinic-audit";

#[test]
fn nothing_is_rendered_unless_it_is_asked_for() {
    let rendered = with("");
    assert!(rendered.find("CronJob", NAME).is_none());
    assert!(rendered.find("ClusterRole", NAME).is_none());
}

#[test]
fn an_audit_runs_with_the_configuration_of_the_server() {
    let rendered = with(&format!(
        "{ENABLED}\nconfig: {{globalNamespaces: [shared]}}"
    ));
    let job = &rendered.get("CronJob", NAME)["spec"]["jobTemplate"]["spec"];
    let template = &job["template"];
    let container = &template["spec"]["containers"][0];
    assert_eq!(
        container["args"],
        json!([
            "audit",
            "--config=/etc/multinic/config.yaml",
            "--output=json",
            "--fail-on=deny"
        ])
    );
    let config = &template["metadata"]["annotations"]["multinic.dev/config"];
    assert_eq!(config, "globalNamespaces:\n- shared");
    assert_eq!(template["spec"]["serviceAccountName"], NAME);
    assert_eq!(job["backoffLimit"], 0);
    // The Service and the PodDisruptionBudget select the Pods of the server.
    let selector = &rendered.get("Service", "")["spec"]["selector"];
    let labels = &template["metadata"]["labels"];
    let mut pairs = selector.as_object().expect("a selector").iter();
    assert!(!pairs.all(|(key, value)| labels[key] == *value), "{labels}");
}

#[test]
fn an_audit_may_list_and_nothing_else() {
    let rendered = with(ENABLED);
    let rules = rendered.get("ClusterRole", NAME)["rules"]
        .as_array()
        .cloned();
    let rules = rules.expect("rules");
    assert!(
        rules.iter().all(|rule| rule["verbs"] == json!(["list"])),
        "{rules:?}"
    );
    let resources: Vec<&str> = rules
        .iter()
        .flat_map(|rule| rule["resources"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    // What the program lists, and no more.
    let mut listed: Vec<&str> = multinic::stored::WORKLOADS
        .iter()
        .map(|kind| kind.resource)
        .collect();
    listed.extend(["pods", "network-attachment-definitions", "nodes"]);
    listed.sort_unstable();
    let mut granted = resources.clone();
    granted.sort_unstable();
    assert_eq!(granted, listed);
    // A right without its account would be nobody's.
    assert!(
        with(&format!("{ENABLED}\nrbac: {{create: false}}"))
            .find("ClusterRole", NAME)
            .is_none()
    );
}

#[test]
fn an_audit_of_a_cluster_whose_server_is_outside_needs_an_image() {
    let outside = "webhook: {url: \"https://webhooks.example.test\"}\n";
    refused(
        &format!("{outside}{ENABLED}"),
        "audit.enabled is set and image.repository is not",
    );
    let rendered = render(&format!("{IMAGE}{outside}{ENABLED}"));
    assert!(rendered.find("CronJob", NAME).is_some());
    refused(&format!("{IMAGE}audit: {{failOn: Deny}}"), "/audit/failOn");
}
