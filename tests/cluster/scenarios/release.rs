//! The release as helm and GitOps tools handle it: changes of the mode of certificates, of values, and what an upgrade
//! leaves to the replicas that it replaces. Nobody answers at its Service: who would write caBundle in a mode is played.

use std::fs;

use serde_json::{Value, json};

use crate::{Scenario, cluster::Cluster, kubectl::Outcome, process::eventually, programs};

/// These take multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[
    ("mode_of_certificates_changes_in_every_direction", modes),
    ("gitops_tools_keep_what_is_not_in_git", gitops),
    ("replaced_replicas_keep_their_configuration", configuration),
];

const NS: &str = "multinic-inside";

const KINDS: [(&str, &str); 3] = [
    ("mutatingwebhookconfiguration", "zzz-multinic"),
    ("validatingwebhookconfiguration", "zzz-multinic"),
    ("validatingwebhookconfiguration", "zzz-multinic-templates"),
];

/// The values of a mode.
fn values(mode: &str) -> Value {
    let mut certificates = json!({"mode": mode});
    if mode == "secret" || mode == "injected" {
        certificates["secretName"] = json!("multinic-cert");
    }
    json!({"image": {"repository": "example.test/multinic"}, "certificates": certificates})
}

fn upgrade(c: &Cluster, values: &Value, more: &[&str]) -> Outcome {
    let file = c.settings().folder.join("release-values.json");
    fs::write(&file, values.to_string()).expect("write the values");
    let (chart, file) = (
        programs::chart().display().to_string(),
        file.display().to_string(),
    );
    let args = [
        "upgrade",
        "--install",
        "multinic",
        &chart,
        "--namespace",
        NS,
        "-f",
        &file,
    ];
    c.helm(&[&args[..], more].concat())
}

/// Webhooks in all configurations, and those of templates among them.
const ENTRIES: usize = 7;
const TEMPLATES: usize = 3;

/// Every caBundle, by object and entry; none where the field is empty.
fn bundles(c: &Cluster) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for (kind, name) in KINDS {
        if !c.exists("default", kind, name) {
            continue;
        }
        let configuration = c.get("default", kind, name);
        for webhook in configuration["webhooks"].as_array().expect("webhooks") {
            all.push(
                webhook["clientConfig"]["caBundle"]
                    .as_str()
                    .map(str::to_owned),
            );
        }
    }
    all
}

/// Writes caBundle as the writer of that mode does: multinic and most injectors by an update, cert-manager's cainjector with
/// its feature gate by server-side apply of the field alone.
fn write_bundles(c: &Cluster, mode: &str, bundle: &str) {
    for (kind, name) in KINDS {
        let configuration = c.get("default", kind, name);
        let webhooks = configuration["webhooks"]
            .as_array()
            .expect("webhooks")
            .clone();
        if mode == "certManager" {
            let entries: Vec<_> = webhooks
                .iter()
                .map(|w| json!({"name": w["name"], "clientConfig": {"caBundle": bundle}}))
                .collect();
            let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": configuration["kind"],
                "metadata": {"name": name}, "webhooks": entries});
            let apply = [
                "apply",
                "--server-side",
                "--force-conflicts",
                "--field-manager=cert-manager-cainjector",
                "-f",
                "-",
            ];
            c.kubectl(&apply, Some(&object)).accepted();
        } else {
            let patch: Vec<_> = (0..webhooks.len())
                .map(|n| json!({"op": "add", "path": format!("/webhooks/{n}/clientConfig/caBundle"), "value": bundle}))
                .collect();
            let patch = json!(patch).to_string();
            c.kubectl(
                &[
                    "patch",
                    kind,
                    name,
                    "--type=json",
                    "--field-manager=multinic-ca",
                    "-p",
                    &patch,
                ],
                None,
            )
            .accepted();
        }
    }
}

fn begin(c: &Cluster) {
    c.uninstall();
    c.kill_server();
    c.namespace(NS);
}

fn end(c: &Cluster) {
    c.helm(&["uninstall", "multinic", "--namespace", NS, "--wait"])
        .accepted();
    c.delete_namespace(NS).accepted();
    c.gone("default", "namespace", NS);
    c.reinstall(&[]);
}

/// The valid base64 of something that is a CA to nobody: what is written has to be found again.
fn bundle(step: usize) -> String {
    ["Q0Ex", "Q0Ey", "Q0Ez"][step % 3].to_owned()
}

fn modes(c: &Cluster) {
    begin(c);
    let kinds = [("certificates", "Certificate"), ("issuers", "Issuer")];
    let definitions = kinds.map(|(plural, kind)| c.define("cert-manager.io", plural, kind));
    // Each mode to each other one, once.
    let walk = [
        "builtIn",
        "certManager",
        "builtIn",
        "secret",
        "builtIn",
        "injected",
        "certManager",
        "secret",
        "certManager",
        "injected",
        "secret",
        "injected",
        "builtIn",
    ];
    for apply in ["--server-side=true", "--server-side=false"] {
        upgrade(c, &values(walk[0]), &[apply]).accepted();
        for (step, pair) in walk.windows(2).enumerate() {
            write_bundles(c, pair[0], &bundle(step));
            let written = vec![Some(bundle(step)); ENTRIES];
            assert_eq!(bundles(c), written);
            upgrade(c, &values(pair[1]), &[apply]).accepted();
            assert_eq!(bundles(c), written, "{} to {}, {apply}", pair[0], pair[1]);
        }
        // The templates go and come back, whoever owns a field of them.
        for mode in ["builtIn", "certManager"] {
            upgrade(c, &values(mode), &[apply]).accepted();
            write_bundles(c, mode, &bundle(0));
            let mut without = values(mode);
            without["webhook"] = json!({"templates": false});
            upgrade(c, &without, &[apply]).accepted();
            assert_eq!(bundles(c), vec![Some(bundle(0)); ENTRIES - TEMPLATES]);
            upgrade(c, &values(mode), &[apply]).accepted();
            // It is a new object: its writer has to see that.
            let mut wanted = vec![Some(bundle(0)); ENTRIES - TEMPLATES];
            wanted.extend([const { None }; TEMPLATES]);
            assert_eq!(bundles(c), wanted);
            upgrade(c, &values("builtIn"), &[apply]).accepted();
        }
    }
    // A server outside the cluster has its CA from the values: the field changes hands, and the page says so.
    write_bundles(c, "builtIn", &bundle(0));
    let ca = fs::read_to_string(&c.settings().client_ca).expect("the CA");
    let outside =
        json!({"webhook": {"url": "https://127.0.0.1:1"}, "certificates": {"caBundle": ca}});
    upgrade(c, &outside, &["--server-side=true"]).refused_saying("conflict");
    upgrade(c, &outside, &["--server-side=true", "--force-conflicts"]).accepted();
    assert!(
        bundles(c)
            .iter()
            .all(|bundle| bundle.as_ref().is_some_and(|bundle| bundle.len() > 100))
    );
    upgrade(c, &values("builtIn"), &["--server-side=true"]).accepted();
    for definition in definitions {
        c.kubectl(&["delete", "crd", &definition], None).accepted();
    }
    end(c);
}

/// What the chart renders, without what `helm test` renders.
fn rendered(c: &Cluster, more: &[&str]) -> Vec<Value> {
    let chart = programs::chart().display().to_string();
    let args = [
        "template",
        "multinic",
        &chart,
        "--namespace",
        NS,
        "--set",
        "image.repository=example.test/multinic",
    ];
    let text = c.helm(&[&args[..], more].concat()).accepted().stdout;
    let objects: Vec<Option<Value>> = serde_saphyr::from_multiple(&text).expect("YAML");
    let of_test = |object: &Value| object["metadata"]["annotations"]["helm.sh/hook"].is_string();
    objects
        .into_iter()
        .flatten()
        .filter(|object| !of_test(object))
        .collect()
}

fn gitops(c: &Cluster) {
    begin(c);
    let list = |label: &str| {
        let label = format!("commonLabels.run={label}");
        json!({"apiVersion": "v1", "kind": "List", "items": rendered(c, &["--set", &label])})
    };
    let write_data = |key: &str| {
        let patch = json!([{"op": "add", "path": "/data", "value": {key: "c2VjcmV0"}}]).to_string();
        c.kubectl(
            &[
                "-n",
                NS,
                "patch",
                "secret",
                "multinic-authority",
                "--type=json",
                "-p",
                &patch,
            ],
            None,
        )
        .accepted();
    };
    let data = || c.get(NS, "secret", "multinic-authority")["data"].clone();
    let apply = |how: &[&str], label: &str| {
        c.kubectl(&[how, &["-f", "-"]].concat(), Some(&list(label)))
            .accepted();
        let secret = c.get(NS, "secret", "multinic-authority");
        assert_eq!(secret["metadata"]["labels"]["run"], label);
    };
    apply(&["apply"], "first");
    write_data("1.key");
    write_bundles(c, "builtIn", &bundle(1));
    let kept = || {
        assert_eq!(data(), json!({"1.key": "c2VjcmV0"}));
        assert_eq!(bundles(c), vec![Some(bundle(1)); ENTRIES]);
    };
    apply(&["apply"], "second");
    kept();
    apply(
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=argocd-controller",
        ],
        "third",
    );
    kept();
    apply(
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=kustomize-controller",
        ],
        "fourth",
    );
    kept();
    // What may not be done without somebody who writes it again.
    apply(&["replace"], "fifth");
    assert_eq!(data(), Value::Null);
    assert_eq!(bundles(c), vec![None; ENTRIES]);
    // Helm may take over what a tool has applied.
    upgrade(
        c,
        &values("builtIn"),
        &["--take-ownership", "--force-conflicts"],
    )
    .accepted();
    end(c);
}

fn configuration(c: &Cluster) {
    begin(c);
    let set = |more: &[&str]| {
        let args = ["--reset-then-reuse-values"];
        upgrade(c, &json!({}), &[&args[..], more].concat()).accepted()
    };
    let config = || {
        let deployment = c.get(NS, "deployment", "multinic");
        let text = deployment["spec"]["template"]["metadata"]["annotations"]["multinic.dev/config"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        serde_saphyr::from_str::<Value>(&text).expect("YAML")
    };
    upgrade(c, &values("builtIn"), &["--wait", "--timeout=60s"]).accepted();
    assert_eq!(config(), json!({}));
    set(&[
        "--set",
        "config.rules.missing-cni-version=off",
        "--set",
        "config.enforcement=warn",
    ]);
    assert_eq!(
        config(),
        json!({"enforcement": "warn", "rules": {"missing-cni-version": "off"}})
    );
    // A level and a key are taken back.
    set(&[
        "--set",
        "config.rules.missing-cni-version=null",
        "--set",
        "config.enforcement=null",
    ]);
    assert_eq!(config().get("enforcement"), None);
    assert!(
        config()["rules"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty),
        "{}",
        config()
    );

    // What a ReplicaSet of any revision mounts is still there: its Pods can start on another node.
    set(&[
        "--set",
        "config.rules.missing-network=warn",
        "--set",
        "certificates.mode=secret",
        "--set",
        "certificates.secretName=multinic-cert",
    ]);
    eventually("a ReplicaSet for each configuration", || {
        let found = c.list(NS, "replicasets");
        if found.len() >= 3 {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    });
    for set in c.list(NS, "replicasets") {
        let template = &set["spec"]["template"];
        assert!(
            template["metadata"]["annotations"]["multinic.dev/config"].is_string(),
            "{template}"
        );
        for volume in template["spec"]["volumes"].as_array().expect("volumes") {
            assert!(volume.get("configMap").is_none(), "{volume}");
        }
    }
    // The quota of the priority class counts the replicas.
    eventually("the quota to count", || {
        let quota = c.get(NS, "resourcequota", "multinic-critical");
        let used = quota["status"]["used"]["pods"]
            .as_str()
            .unwrap_or_default()
            .parse::<u32>();
        if used.is_ok_and(|used| used >= 2) {
            Ok(())
        } else {
            Err(quota.to_string())
        }
    });
    end(c);
}
