//! How multinic gets to the API server, and the API server to multinic.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::{Cluster, SYSTEM},
    process::{eventually, free_port},
    server::{Server, Settings},
};

pub(crate) const ALL: &[Scenario] = &[
    ("registration_is_as_designed", registration),
    ("every_common_kubeconfig_gets_in", kubeconfigs),
    ("without_rights_it_says_so_and_is_not_ready", without_rights),
];

/// What each webhook is registered for: where a webhook is called at all is proven by all other scenarios.
fn registration(c: &Cluster) {
    // name, failure policy, seconds, (resources, operations)
    type Row<'a> = (&'a str, &'a str, u64, &'a [(&'a str, &'a str)]);
    let rows: [Row<'_>; 7] = [
        (
            "placement.pods.multinic.dev",
            "Ignore",
            2,
            &[("pods", "CREATE UPDATE")],
        ),
        (
            "networks.pods.multinic.dev",
            "Fail",
            3,
            &[
                ("pods", "CREATE UPDATE"),
                ("pods/status", "UPDATE"),
                ("pods/binding bindings", "CREATE"),
            ],
        ),
        (
            "config.network-attachment-definitions.multinic.dev",
            "Fail",
            3,
            &[("network-attachment-definitions", "CREATE UPDATE")],
        ),
        (
            "networks.resourceclaims.multinic.dev",
            "Fail",
            3,
            &[("resourceclaims", "CREATE UPDATE")],
        ),
        (
            "networks.workloads.multinic.dev",
            "Ignore",
            3,
            &[
                (
                    "deployments statefulsets daemonsets replicasets",
                    "CREATE UPDATE",
                ),
                ("jobs cronjobs", "CREATE UPDATE"),
                ("replicationcontrollers", "CREATE UPDATE"),
            ],
        ),
        (
            "networks.resourceclaimtemplates.multinic.dev",
            "Ignore",
            3,
            &[("resourceclaimtemplates", "CREATE UPDATE")],
        ),
        (
            "networks.virtualmachines.multinic.dev",
            "Ignore",
            3,
            &[("virtualmachines virtualmachineinstances", "CREATE UPDATE")],
        ),
    ];
    let mut webhooks = Vec::new();
    for (kind, name) in [
        ("mutatingwebhookconfiguration", "zzz-multinic"),
        ("validatingwebhookconfiguration", "zzz-multinic"),
        ("validatingwebhookconfiguration", "zzz-multinic-templates"),
    ] {
        // The last of all names, whatever the release is called.
        let configuration = c.get("default", kind, name);
        webhooks.extend(
            configuration["webhooks"]
                .as_array()
                .cloned()
                .expect("webhooks"),
        );
    }
    assert_eq!(webhooks.len(), rows.len());
    let joined = |words: &Value| {
        let words = words.as_array().into_iter().flatten();
        let words: Vec<_> = words.filter_map(Value::as_str).collect();
        words.join(" ")
    };
    for ((name, policy, seconds, rules), webhook) in rows.iter().zip(&webhooks) {
        assert_eq!(&webhook["name"], name);
        assert_eq!(&webhook["failurePolicy"], policy, "{name}");
        assert_eq!(&webhook["timeoutSeconds"], seconds, "{name}");
        assert_eq!(webhook["sideEffects"], "None", "{name}");
        assert_eq!(webhook["matchPolicy"], "Equivalent", "{name}");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]), "{name}");
        assert_eq!(webhook["objectSelector"], json!({}), "{name}");
        // By the name that the API server sets, and never by a label that a user could.
        let excluded = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn",
            "values": ["kube-system", "kube-node-lease", SYSTEM]}]});
        assert_eq!(webhook["namespaceSelector"], excluded, "{name}");
        let registered: Vec<_> = webhook["rules"].as_array().into_iter().flatten().collect();
        let registered: Vec<_> = registered
            .iter()
            .map(|rule| (joined(&rule["resources"]), joined(&rule["operations"])))
            .collect();
        let expected: Vec<_> = rules
            .iter()
            .map(|(resources, operations)| ((*resources).to_owned(), (*operations).to_owned()))
            .collect();
        assert_eq!(registered, expected, "{name}");
        let placing = name.starts_with("placement");
        let again = if placing {
            json!("IfNeeded")
        } else {
            Value::Null
        };
        assert_eq!(webhook["reinvocationPolicy"], again, "{name}");
        let conditions = webhook["matchConditions"].as_array().map_or(0, Vec::len);
        assert!(conditions > 0, "{name} is called for everything");
    }
}

const USER: &str = "system:serviceaccount:multinic-system:multinic";

fn token(c: &Cluster, account: &str) -> String {
    let token = c.kubectl(&["-n", SYSTEM, "create", "token", account], None);
    token.accepted().stdout.trim().to_owned()
}

/// Another multinic, beside the one that is registered.
fn beside(c: &Cluster, name: &str, user: &Value) -> Server {
    let kubeconfig = c.plane().write_kubeconfig(name, user);
    let settings = Settings {
        kubeconfig: kubeconfig.expect("write a kubeconfig"),
        port: free_port(),
        admin_port: free_port(),
        ..c.settings().clone()
    };
    Server::start(&settings, "{}")
}

fn kubeconfigs(c: &Cluster) {
    let token = token(c, "multinic");
    let certificate = c.plane().pki.client("by-certificate", USER, None);
    let certificate = certificate.expect("a certificate");
    let folder = &c.settings().folder;
    let token_file = folder.join("token");
    fs::write(&token_file, &token).expect("write a token");
    let plugin = folder.join("plugin");
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": token}});
    fs::write(&plugin, format!("#!/bin/sh\necho '{credential}'\n")).expect("write a plugin");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).expect("make it a program");
    for (name, user) in [
        (
            "certificate",
            json!({"client-certificate": certificate.cert, "client-key": certificate.key}),
        ),
        ("token", json!({"token": token})),
        ("token-file", json!({"tokenFile": token_file})),
        (
            "exec",
            json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": plugin,
                "interactiveMode": "Never"}}),
        ),
    ] {
        let mut server = beside(c, name, &user);
        server.wait_until_ready();
        let known = server.metrics().sum("multinic_networks", &[]);
        assert!(known > 0, "{name}: {known} networks");
    }
}

fn without_rights(c: &Cluster) {
    let from = c.log_end();
    let token = token(c, "default");
    let server = beside(c, "nobody", &json!({"token": token}));
    eventually("the log to say what is not allowed", || {
        let log = c.log(from);
        if log.contains("cannot watch networks") && log.contains("forbidden") {
            Ok(())
        } else {
            Err(log)
        }
    });
    let labels = [("what", "networks"), ("result", "error")];
    assert!(server.metrics().sum("multinic_reloads_total", &labels) > 0);
    let why = server.ready().expect_err("it knows nothing");
    assert!(why.contains("the networks are not loaded yet"), "{why}");
}
