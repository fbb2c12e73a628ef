//! Writes down the reviews that this API server sends, byte for byte: `cargo test --test cluster -- record FOLDER`.
//!
//! A webhook that lets everything in stands beside multinic, which is taken out of the cluster. The file of a review is
//! named `<scenario>.<operation>-<resource>[-<subresource>].<webhook>.json`.

mod steps;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{cluster::Cluster, http::Message, objects::plain_pod, process::eventually, webhook};

/// Where a review is written to, and what is being done.
struct Recorder {
    folder: PathBuf,
    scenario: Mutex<String>,
}

const NS: &str = "team-a";

/// Scenarios of which the Pods are no part.
const OF_ITSELF: [&str; 4] = [
    "binding-by-scheduler",
    "daemonset-changed",
    "replicaset",
    "replicationcontroller",
];

/// Records into `folder`.
pub(crate) fn run(c: &Cluster, folder: &Path) {
    fs::create_dir_all(folder).expect("the folder");
    c.uninstall();
    let recorder = Arc::new(Recorder {
        folder: folder.to_owned(),
        scenario: Mutex::default(),
    });
    register(c, &recorder);
    let on = |scenario: &str| {
        // What controllers still do for the last one is not this one's.
        c.settle();
        scenario.clone_into(&mut recorder.scenario());
    };
    steps::pods(c, &on);
    steps::updates(c, &on);
    steps::bindings(c, &on);
    steps::networks(c, &on);
    steps::workloads(c, &on);
}

impl Recorder {
    fn scenario(&self) -> std::sync::MutexGuard<'_, String> {
        self.scenario.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, request: &Message) {
        let scenario = self.scenario().clone();
        let Ok(review) = serde_json::from_slice::<Value>(&request.body) else {
            return;
        };
        let asked = &review["request"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
        let mut what = format!(
            "{}-{}",
            word(&asked["operation"]),
            word(&asked["resource"]["resource"])
        );
        if let Some(sub) = asked["subResource"].as_str() {
            what = format!("{what}-{sub}");
        }
        let webhook = if request.start.contains("/mutate") {
            "mutate"
        } else {
            "validate"
        };
        let file = self
            .folder
            .join(format!("{scenario}.{what}.{webhook}.json"));
        // What the scheduler and the kubelet do to every Pod is recorded once, where it is the scenario.
        let pod = asked["resource"]["resource"] == "pods";
        let aside = match asked["subResource"].as_str() {
            Some("binding") => !scenario.starts_with("binding"),
            Some("status") => !scenario.contains("status"),
            _ => pod && OF_ITSELF.contains(&scenario.as_str()),
        };
        if aside {
            return;
        }
        // The first of its kind: a controller may send more of them.
        if !scenario.is_empty() && !file.exists() {
            fs::write(&file, &request.body).expect("write a review");
        }
    }
}

fn register(c: &Cluster, recorder: &Arc<Recorder>) {
    let (identity, ca) = {
        let plane = c.plane();
        (
            plane
                .pki
                .server("recorder", &["localhost"])
                .expect("a certificate"),
            fs::read(plane.pki.ca()).expect("the CA"),
        )
    };
    let keeping = Arc::clone(recorder);
    let keep = move |request: &Message| {
        keeping.keep(request);
        None
    };
    let port = webhook::handle(&identity, Arc::new(keep)).expect("a webhook");
    let every = |group: &str, resources: Value| json!({"apiGroups": [group], "apiVersions": ["v1"], "resources": resources, "operations": ["CREATE", "UPDATE", "DELETE"]});
    for (kind, path) in [
        ("MutatingWebhookConfiguration", "mutate"),
        ("ValidatingWebhookConfiguration", "validate"),
    ] {
        let url = format!("https://127.0.0.1:{port}/{path}");
        let mut configuration = webhook::configuration("recorder", NS, &url, &ca);
        configuration["kind"] = json!(kind);
        configuration["webhooks"][0]["rules"] = json!([
            every(
                "",
                json!([
                    "pods",
                    "pods/status",
                    "pods/binding",
                    "pods/ephemeralcontainers",
                    "pods/resize",
                    "bindings",
                    "replicationcontrollers"
                ])
            ),
            every(
                "apps",
                json!(["deployments", "statefulsets", "daemonsets", "replicasets"])
            ),
            every("batch", json!(["jobs", "cronjobs"])),
            every("k8s.cni.cncf.io", json!(["network-attachment-definitions"])),
        ]);
        configuration["webhooks"][0]["timeoutSeconds"] = json!(5);
        configuration["webhooks"][0]["namespaceSelector"] = json!({"matchExpressions":
            [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]});
        c.create(&configuration).accepted();
    }
    eventually("the recorder to be called", || {
        "probe".clone_into(&mut recorder.scenario());
        c.kubectl(
            &["create", "--dry-run=server", "-f", "-"],
            Some(&plain_pod(NS, "probe")),
        )
        .accepted();
        let seen = |webhook: &str| {
            recorder
                .folder
                .join(format!("probe.create-pods.{webhook}.json"))
        };
        if fs::remove_file(seen("mutate")).is_ok() & fs::remove_file(seen("validate")).is_ok() {
            Ok(())
        } else {
            Err("it is not".to_owned())
        }
    });
}
