//! Writes down the reviews that this API server sends, byte for byte: `cargo test --test cluster -- record FOLDER`.
//!
//! A webhook that lets everything in stands beside multinic, which is taken out of the cluster. The file of a review is
//! named `<scenario>.<operation>-<resource>[-<subresource>].<webhook>.json`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    http::Message,
    objects::{
        DEFAULT_NETWORK, IPVLAN, NAD, NETWORKS, NODE_SELECTOR, SRIOV, annotated, binding, cron_job,
        nad, one_of, plain_pod, pod, required, selecting, with, workload,
    },
    process::eventually,
    webhook,
};

/// Where a review is written to, and what is being done.
struct Recorder {
    folder: PathBuf,
    scenario: Mutex<String>,
}

const NS: &str = "default";

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
    pods(c, &on);
    updates(c, &on);
    bindings(c, &on);
    networks(c, &on);
    workloads(c, &on);
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
    eventually("the recorder to be called", Duration::from_secs(10), || {
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

type On<'a> = &'a dyn Fn(&str);

fn pods(c: &Cluster, on: On<'_>) {
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 1, "preference": {"matchExpressions": [one_of("zone", &["a"])]}}]}});
    let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]}});
    let zoned = |name: &str| pod(NS, name, "zoned");
    let (a, b) = (
        json!([one_of("zone", &["a"])]),
        json!([one_of("zone", &["b"])]),
    );
    let all = [
        ("plain", plain_pod(NS, "plain")),
        ("short", pod(NS, "short", "gke-network-1")),
        (
            "two-networks",
            pod(NS, "two-networks", "gke-network-1, gke-network-2"),
        ),
        (
            "same-network-twice",
            pod(NS, "same-network-twice", "gke-network-1,gke-network-1"),
        ),
        (
            "json",
            pod(
                NS,
                "json",
                r#"[{"name":"gke-network-1","namespace":"default","interface":"data0"}]"#,
            ),
        ),
        (
            "json-folded-keys",
            pod(
                NS,
                "json-folded-keys",
                r#"[{"name":"gke-network-1","Namespace":"team-b","namespace":"default"}]"#,
            ),
        ),
        ("malformed-networks", pod(NS, "malformed-networks", "a/b/c")),
        (
            "missing-network",
            pod(NS, "missing-network", "gke-network-9"),
        ),
        (
            "foreign-network",
            pod(NS, "foreign-network", "team-b/secret"),
        ),
        ("empty-networks", pod(NS, "empty-networks", "")),
        (
            "default-network",
            annotated(
                plain_pod(NS, "default-network"),
                DEFAULT_NETWORK,
                json!("default/gke-network-1"),
            ),
        ),
        (
            "affinity-one-term",
            with(
                zoned("affinity-one-term"),
                "affinity",
                required(std::slice::from_ref(&b)),
            ),
        ),
        (
            "affinity-terms",
            with(zoned("affinity-terms"), "affinity", required(&[a, b])),
        ),
        (
            "affinity-preferred-only",
            with(zoned("affinity-preferred-only"), "affinity", preferred),
        ),
        (
            "affinity-satisfied",
            with(
                zoned("affinity-satisfied"),
                "affinity",
                required(&[json!([one_of("nic", &["ens224"])])]),
            ),
        ),
        (
            "affinity-contradicts",
            with(
                zoned("affinity-contradicts"),
                "affinity",
                required(&[json!([one_of("nic", &["ens192"])])]),
            ),
        ),
        (
            "anti-affinity-only",
            with(zoned("anti-affinity-only"), "affinity", apart),
        ),
        (
            "node-selector",
            with(zoned("node-selector"), "nodeSelector", json!({"zone": "b"})),
        ),
        (
            "node-name",
            with(zoned("node-name"), "nodeName", json!("node-3")),
        ),
        (
            "host-network",
            with(zoned("host-network"), "hostNetwork", json!(true)),
        ),
        (
            "unschedulable",
            with(
                zoned("unschedulable"),
                "nodeSelector",
                json!({"zone": "none"}),
            ),
        ),
    ];
    for (name, object) in all {
        on(&format!("pod-{name}"));
        c.create(&object).accepted();
    }
    on("pod-dry-run");
    c.kubectl(
        &["create", "--dry-run=server", "-f", "-"],
        Some(&pod(NS, "dry-run", "zoned")),
    )
    .accepted();
    on("pod-server-side-apply");
    c.server_side_apply(&pod(NS, "server-side", "zoned"))
        .accepted();
    on("pod-generate-name");
    let mut unnamed = zoned("");
    unnamed["metadata"] =
        json!({"namespace": NS, "generateName": "web-", "annotations": {NETWORKS: "zoned"}});
    c.create(&unnamed).accepted();
}

fn updates(c: &Cluster, on: On<'_>) {
    let gates = json!([{"name": "test/gate"}]);
    on("pod-gated");
    c.create(&with(plain_pod(NS, "gated"), "schedulingGates", gates))
        .accepted();
    on("pod-gated-annotated");
    c.annotate(NS, "pod", "gated", NETWORKS, Some("zoned"))
        .accepted();
    on("pod-gated-released");
    c.patch(
        NS,
        "pod",
        "gated",
        &json!({"spec": {"schedulingGates": null}}),
        &[],
    )
    .accepted();
    c.scheduled_on(NS, "plain");
    on("pod-network-added-later");
    c.annotate(NS, "pod", "plain", NETWORKS, Some("gke-network-1"))
        .accepted();
    on("pod-labelled");
    c.patch(
        NS,
        "pod",
        "plain",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted();
    on("pod-image-changed");
    c.kubectl(
        &[
            "-n",
            NS,
            "set",
            "image",
            "pod/plain",
            "main=none.invalid/other",
        ],
        None,
    )
    .accepted();
    on("pod-network-removed");
    c.annotate(NS, "pod", "plain", NETWORKS, None).accepted();
    on("pod-status-with-annotation");
    let status = json!({"metadata": {"annotations": {NETWORKS: "team-b/secret"}}, "status": {"message": "by the test"}});
    c.patch(NS, "pod", "short", &status, &["--subresource=status"])
        .accepted();
    on("pod-resize-with-annotation");
    let resources = json!({"metadata": {"annotations": {NETWORKS: "team-b/secret"}},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "10m"}}}]}});
    let resources = resources.to_string();
    let resize = [
        "-n",
        NS,
        "patch",
        "pod",
        "short",
        "--subresource=resize",
        "--type=strategic",
        "-p",
        &resources,
    ];
    c.kubectl(&resize, None);
    on("pod-ephemeral-with-annotation");
    let more = json!({"metadata": {"annotations": {NETWORKS: "team-b/secret"}},
        "spec": {"ephemeralContainers": [{"name": "look", "image": "none.invalid/none"}]}});
    c.patch(
        NS,
        "pod",
        "short",
        &more,
        &["--subresource=ephemeralcontainers"],
    )
    .accepted();
    on("pod-deleted");
    c.delete(NS, "pod", "short").accepted();
    c.gone(NS, "pod", "short");
}

fn bindings(c: &Cluster, on: On<'_>) {
    for name in ["unbound", "unbound-too"] {
        on("");
        c.create(&with(plain_pod(NS, name), "schedulerName", json!("nobody")))
            .accepted();
    }
    on("binding-with-annotation");
    let annotations = json!({NETWORKS: "team-b/secret"});
    c.post(
        &format!("/api/v1/namespaces/{NS}/pods/unbound/binding"),
        &binding(NS, "unbound", "node-1", &annotations),
    )
    .accepted();
    on("bindings-with-annotation");
    c.post(
        &format!("/api/v1/namespaces/{NS}/bindings"),
        &binding(NS, "unbound-too", "node-1", &annotations),
    )
    .accepted();
    on("binding-by-scheduler");
    c.create(&pod(NS, "scheduled", "zoned")).accepted();
    c.scheduled_on(NS, "scheduled");
}

fn networks(c: &Cluster, on: On<'_>) {
    let list = r#"{"cniVersion":"0.3.1","name":"sbr-net","plugins":[{"type":"ipvlan","master":"ens224","ipam":{"type":"static"}},{"type":"sbr"}]}"#;
    for (name, object) in [
        ("single-plugin", nad(NS, "single-plugin", IPVLAN)),
        ("conflist-sbr", nad(NS, "conflist-sbr", list)),
        ("own-namespace", nad("team-a", "own", IPVLAN)),
        ("other-namespace", nad("team-b", "other", IPVLAN)),
        (
            "node-selector",
            selecting(nad(NS, "node-selector", IPVLAN), "nic=ens224"),
        ),
        (
            "comment-in-config",
            nad(
                NS,
                "comment-in-config",
                "{\n  # a comment\n  \"type\": \"ipvlan\"\n}",
            ),
        ),
        ("empty-config", nad(NS, "empty-config", "")),
        ("unsupported-plugin", nad(NS, "unsupported-plugin", SRIOV)),
    ] {
        on(&format!("nad-{name}"));
        c.create(&object).accepted();
    }
    on("nad-client-side-apply");
    c.apply(&nad(NS, "client-side", IPVLAN)).accepted();
    on("nad-server-side-apply");
    c.server_side_apply(&nad(NS, "server-side", IPVLAN))
        .accepted();
    on("nad-dry-run");
    c.kubectl(
        &["create", "--dry-run=server", "-f", "-"],
        Some(&nad(NS, "dry-run", IPVLAN)),
    )
    .accepted();
    on("nad-generate-name");
    let mut unnamed = nad(NS, "", IPVLAN);
    unnamed["metadata"] = json!({"namespace": NS, "generateName": "net-"});
    c.create(&unnamed).accepted();
    on("nad-labelled");
    c.patch(
        NS,
        NAD,
        "single-plugin",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted();
    on("nad-config-changed");
    c.patch(
        NS,
        NAD,
        "single-plugin",
        &json!({"spec": {"config": SRIOV}}),
        &[],
    )
    .accepted();
    on("nad-selector-changed");
    c.annotate(NS, NAD, "node-selector", NODE_SELECTOR, Some("zone=b"))
        .accepted();
    on("nad-selector-restored");
    c.annotate(NS, NAD, "node-selector", NODE_SELECTOR, Some("nic=ens224"))
        .accepted();
    on("nad-finalizer");
    c.patch(
        NS,
        NAD,
        "conflist-sbr",
        &json!({"metadata": {"finalizers": ["test/held"]}}),
        &[],
    )
    .accepted();
    on("nad-deleted-with-finalizer");
    c.delete(NS, NAD, "conflist-sbr").accepted();
    on("nad-finalizer-removed");
    c.patch(
        NS,
        NAD,
        "conflist-sbr",
        &json!({"metadata": {"finalizers": null}}),
        &[],
    )
    .accepted();
    on("nad-deleted");
    c.delete(NS, NAD, "client-side").accepted();
    on("nad-deleted-in-use");
    c.delete(NS, NAD, "gke-network-1").accepted();
    on("nads-deleted-collection");
    c.kubectl(&["-n", "team-b", "delete", NAD, "--all"], None)
        .accepted();
    on("");
    c.namespace("short-lived");
    c.create(&nad("short-lived", "net", IPVLAN)).accepted();
    on("nad-deleted-with-namespace");
    c.delete_namespace("short-lived").accepted();
    c.gone(NS, "namespace", "short-lived");
}

fn workloads(c: &Cluster, on: On<'_>) {
    let net = "default/gke-network-2";
    for (scenario, kind) in [
        ("deployment", "Deployment"),
        ("statefulset", "StatefulSet"),
        ("replicaset", "ReplicaSet"),
        ("daemonset", "DaemonSet"),
    ] {
        on(scenario);
        c.create(&workload("apps/v1", kind, NS, scenario, net))
            .accepted();
    }
    on("deployment-foreign");
    c.create(&workload(
        "apps/v1",
        "Deployment",
        NS,
        "foreign",
        "team-b/secret",
    ))
    .accepted();
    on("replicationcontroller");
    let mut controller = workload("v1", "ReplicationController", NS, "controller", net);
    controller["spec"]["selector"] = json!({"app": "controller"});
    c.create(&controller).accepted();
    on("cronjob");
    let nightly = cron_job(NS, "nightly", net);
    c.create(&nightly).accepted();
    on("job");
    let mut job = nightly;
    job["kind"] = json!("Job");
    job["metadata"]["name"] = json!("once");
    job["spec"] = job["spec"]["jobTemplate"]["spec"].take();
    c.create(&job).accepted();
    on("daemonset-changed");
    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "none.invalid/other"}]).to_string();
    c.kubectl(
        &[
            "-n",
            NS,
            "patch",
            "daemonset",
            "daemonset",
            "--type=json",
            "-p",
            &image,
        ],
        None,
    )
    .accepted();
    on("");
}
