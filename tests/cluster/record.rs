//! Writes down the reviews that this API server sends, byte for byte: `cargo test --test cluster -- record FOLDER`.
//!
//! A webhook that lets everything in stands beside multinic, which is taken out of the cluster. The file of a review is
//! named `<scenario>.<operation>-<resource>[-<subresource>].<webhook>.json`.

mod steps;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    http::Message,
    objects::{NAD, plain_pod, shared_networks},
    process::eventually,
    webhook,
};

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

/// Records into `target`, in place of what was recorded there before.
pub(crate) fn run(c: &Cluster, target: &Path) {
    let folder = c.settings().folder.join("recorded");
    fs::create_dir_all(&folder).expect("the folder");
    c.uninstall();
    for network in shared_networks() {
        let word = |key: &str| network["metadata"][key].as_str().unwrap_or_default();
        c.delete(word("namespace"), NAD, word("name")).accepted();
    }
    let recorder = Arc::new(Recorder {
        folder: folder.clone(),
        scenario: Mutex::default(),
    });
    register(c, &recorder);
    let on = |scenario: &str| {
        // What controllers still do for the last one is not this one's.
        c.settle();
        scenario.clone_into(&mut recorder.scenario());
    };
    let networks = fs::read_to_string(target.join("../networks.yaml")).expect("networks.yaml");
    steps::world(c, &on, &networks);
    steps::pods(c, &on);
    steps::updates(c, &on);
    steps::bindings(c, &on);
    steps::networks(c, &on);
    steps::workloads(c, &on);
    c.settle();
    replace(&folder, target).expect("replace the recorded reviews");
    unchanged(target).expect("copy them to the cases that change nothing");
}

/// A case that differs from its recording in its world only has the recording itself.
fn unchanged(target: &Path) -> io::Result<()> {
    for rule in fs::read_dir(target.join(".."))?.flatten() {
        for case in fs::read_dir(rule.path()).into_iter().flatten().flatten() {
            let Ok(text) = fs::read_to_string(case.path().join("case.yaml")) else {
                continue;
            };
            let derived: Value = serde_saphyr::from_str(&text).map_err(io::Error::other)?;
            let word = |key: &str| derived[key].as_str().unwrap_or_default();
            if word("changed").starts_with("Nothing;") {
                fs::copy(target.join(word("from")), case.path().join("review.json"))?;
            }
        }
    }
    Ok(())
}

/// Only now: a run that fails leaves what was there.
fn replace(folder: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let reviews = |of: &Path| -> io::Result<Vec<PathBuf>> {
        let files = fs::read_dir(of)?.map(|file| Ok(file?.path()));
        let files = files.collect::<io::Result<Vec<_>>>()?.into_iter();
        Ok(files
            .filter(|file| file.extension().is_some_and(|e| e == "json"))
            .collect())
    };
    for old in reviews(target)? {
        fs::remove_file(old)?;
    }
    for new in reviews(folder)? {
        let name = new.file_name().unwrap_or_default();
        fs::copy(&new, target.join(name))?;
    }
    Ok(())
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
