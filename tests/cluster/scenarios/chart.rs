//! What the chart renders for each file in its `ci/` is what this API server takes to the letter.

use std::fs;

use serde_json::{Value, json};

use crate::{Scenario, cluster::Cluster, programs};

/// This takes multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[(
    "every_object_that_the_chart_renders_is_valid",
    every_object_that_the_chart_renders_is_valid,
)];

const NS: &str = "rendered";

/// Nothing is stored. Fields that do not exist are refused, and expressions are compiled.
fn every_object_that_the_chart_renders_is_valid(c: &Cluster) {
    // A configuration that is there would be merged with what is rendered.
    c.uninstall();
    c.kill_server();
    c.namespace(NS);
    // A Pod is not taken before its account is there.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"namespace": NS, "name": "multinic-test"}});
    c.create(&account).accepted();
    // The API server cannot judge these: their definitions are not ours.
    let kinds = [
        ("cert-manager.io", "certificates", "Certificate"),
        ("cert-manager.io", "issuers", "Issuer"),
        ("monitoring.coreos.com", "servicemonitors", "ServiceMonitor"),
        ("monitoring.coreos.com", "prometheusrules", "PrometheusRule"),
    ];
    let definitions = kinds.map(|(group, plural, kind)| c.define(group, plural, kind));
    let files = fs::read_dir(programs::chart().join("ci")).expect("files of values");
    let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let chart = programs::chart().display().to_string();
        let values = file.display().to_string();
        c.helm(&["lint", "--strict", &chart, "--values", &values])
            .accepted();
        let template = [
            "template",
            "multinic",
            &chart,
            "--namespace",
            NS,
            "--values",
            &values,
        ];
        let text = c.helm(&template).accepted().stdout;
        let objects = serde_saphyr::from_multiple::<Option<Value>>(&text).expect("YAML");
        let objects: Vec<Value> = objects.into_iter().flatten().collect();
        assert!(objects.len() > 3, "{values}: {} objects", objects.len());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
        ];
        let outcome = c.kubectl(&apply, Some(&list)).accepted().unwarned();
        let shown = outcome.stdout.lines().count();
        assert_eq!(shown, objects.len(), "{values}: {outcome}");
    }
    for name in definitions {
        c.kubectl(&["delete", "crd", &name], None).accepted();
    }
    c.delete_namespace(NS).accepted();
    c.reinstall(&[]);
}
