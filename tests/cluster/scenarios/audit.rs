//! `multinic audit`: what is stored, also what was stored before multinic came.

use std::{process::Command, time::Instant};

use serde_json::{Value, json};

use super::{
    networks::api_client,
    tools::{assert_shown, nowhere, run, service_account, store_unjudged},
};
use crate::{
    Scenario,
    cluster::Cluster,
    objects::{IPVLAN, NAD, NODE_SELECTOR, SRIOV, nad, plain_pod, pod, selecting, workload},
    process::eventually,
    programs,
};

/// They take multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[
    ("audit_finds_what_is_stored", stored),
    ("audit_says_what_it_may_not_look_at", few_rights),
    ("audit_reads_many_objects_in_little_memory", many),
];

const STATIC: &str = r#"{"cniVersion":"1.0.0","type":"ipvlan","master":"ens224","ipam":{"type":"static","addresses":[{"address":"10.9.1.7/24"}]}}"#;
const REQUESTED: &str = r#"{"cniVersion":"1.0.0","type":"ipvlan","master":"ens224","capabilities":{"ips":true},"ipam":{"type":"static"}}"#;

/// A namespace with one of each.
fn prepare(c: &Cluster, ns: &str) {
    c.namespace(ns);
    for object in [
        nad(ns, "fixed", STATIC),
        nad(ns, "requested", REQUESTED),
        selecting(nad(ns, "moved", IPVLAN), "zone=a"),
        nad(ns, "gone", IPVLAN),
        nad(ns, "idle", IPVLAN),
    ] {
        c.create(&object).accepted();
    }
    c.informed();
    let ips = r#"[{"name":"requested","ips":["10.9.1.9/24"]}]"#;
    for (name, networks) in [
        ("fixed-1", "fixed"),
        ("fixed-2", "fixed"),
        ("lost", "gone"),
        ("moved", "moved"),
        ("requested-1", ips),
        ("requested-2", ips),
    ] {
        c.create(&pod(ns, name, networks)).accepted();
    }
    c.scheduled_on(ns, "moved");
    c.annotate(ns, NAD, "moved", NODE_SELECTOR, Some("zone=b"))
        .accepted();
    c.delete(ns, NAD, "gone").accepted();
    store_unjudged(
        c,
        &[
            nad(ns, "odd", SRIOV),
            pod(ns, "foreign", "team-b/secret"),
            workload("apps/v1", "Deployment", ns, "foreign", "team-b/secret"),
            plain_pod(ns, "plain"),
        ],
    );
    c.settle();
}

fn stored(c: &Cluster) {
    let ns = "audited";
    prepare(c, ns);
    let (code, said, summary) = run(&c.admin(), &["audit", "-o", "json"]);
    assert_eq!(code, Some(1), "{said}{summary}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let own = |finding: &&Value| {
        finding["object"]
            .as_str()
            .is_some_and(|object| object.contains(" audited/"))
    };
    let mut found: Vec<_> = findings
        .iter()
        .filter(own)
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or_default();
            // The Pods of a Deployment have names of their own.
            let object = text("object").split("/foreign-").next().unwrap_or_default();
            format!("{} {} {object}", text("level"), text("rule"))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(
        found,
        [
            "deny isolated-network Deployment audited/foreign",
            "deny isolated-network Pod audited",
            "deny isolated-network Pod audited/foreign",
            "deny missing-network Pod audited/lost",
            "deny unsatisfiable-node-selector Pod audited/moved",
            "deny unsupported-plugin NetworkAttachmentDefinition audited/odd",
            "warn duplicate-address Pod audited/requested-2",
            "warn node-local-addresses NetworkAttachmentDefinition audited/idle",
            "warn node-local-addresses NetworkAttachmentDefinition audited/moved",
            "warn shared-static-network NetworkAttachmentDefinition audited/fixed",
            "warn unmet-node-selector Pod audited/moved",
            "warn unused-network NetworkAttachmentDefinition audited/idle",
            "warn unused-network NetworkAttachmentDefinition audited/odd",
        ],
        "{said}"
    );
    assert_eq!(report["summary"][ns]["missing-network"], 1);
    assert!(
        summary.contains("audited                        missing-network                      1"),
        "{summary}"
    );

    // The same exit code in every format, and the formats that only this command has a use for.
    for format in [
        "text",
        "sarif",
        "junit",
        "github",
        "policyreport",
        "openreport",
    ] {
        let (code, said, _) = run(&c.admin(), &["audit", "-o", format]);
        assert_eq!((code, said.is_empty()), (Some(1), false), "{format}");
    }
    let (_, said, _) = run(&c.admin(), &["audit", "-n", ns, "-o", "policyreport"]);
    let list: Value = serde_json::from_str(&said).expect("JSON");
    let report = &list["items"][0];
    assert_eq!(report["metadata"]["namespace"], ns);
    assert_eq!(report["summary"]["fail"], 6, "{report:#}");

    // What the documentation shows. Without the Deployment, whose Pods have other names each time.
    c.delete(ns, "deployment", "foreign").accepted();
    eventually("its Pods to be gone", || {
        let pods = c.list(ns, "pods");
        if pods.len() == 8 {
            Ok(())
        } else {
            Err(format!("{} Pods", pods.len()))
        }
    });
    let (code, said, summary) = run(&c.admin(), &["audit", "-n", ns]);
    assert_eq!(code, Some(1), "{said}");
    assert_shown(
        "docs/audit.md",
        "multinic audit -n audited",
        &(said + &summary),
    );
    // Of some objects alone.
    let (code, said, _) = run(&c.admin(), &["audit", "-n", ns, "-l", "app=none"]);
    assert!(
        !said.contains("missing-network") && code == Some(1),
        "{said}"
    );
    c.delete_namespace(ns).accepted();
}

fn few_rights(c: &Cluster) {
    let ns = "audited-by-few";
    c.namespace(ns);
    c.create(&nad(ns, "net", IPVLAN)).accepted();
    c.informed();
    c.create(&pod(ns, "web", "net,default/gke-network-1"))
        .accepted();
    c.delete(ns, NAD, "net").accepted();
    let few = service_account(c, ns, "default");
    let (code, said, _) = run(&few, &["audit"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not checked: networks: "), "{said}");
    assert!(said.contains("not checked: Pods and workloads"), "{said}");

    // In its own namespace it may read Pods and networks, as an editor of a namespace may.
    c.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"namespace": ns, "name": "reader"}, "rules": [
            {"apiGroups": ["", "k8s.cni.cncf.io"], "resources": ["pods", "network-attachment-definitions"], "verbs": ["list"]}]}))
        .accepted();
    c.apply(
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"namespace": ns, "name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": ns}]}),
    )
    .accepted();
    let own = ["audit", "-n", ns];
    eventually("the role to hold", || {
        let (_, said, _) = run(&few, &own);
        if said.contains("[missing-network]") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let (code, said, _) = run(&few, &own);
    assert_eq!(code, Some(3), "{said}");
    for what in [
        "networks of namespace default",
        "the labels of nodes",
        "deployments",
    ] {
        assert!(
            said.contains(&format!("not checked: {what}: ")),
            "{what}: {said}"
        );
    }
    // Its own network is gone; whether that of the other namespace is, nobody can say.
    assert!(said.contains(&format!("{ns}/net")), "{said}");
    assert!(!said.contains("gke-network-1\" does not exist"), "{said}");

    let (code, said, _) = run(&nowhere(c), &["audit"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("does not answer"), "{said}");
    c.delete_namespace(ns).accepted();
}

/// 10,000 Pods and 1,000 networks, against kubectl in the same run.
fn many(c: &Cluster) {
    const PODS: usize = 10_000;
    const NETWORKS: usize = 1_000;
    let ns = "audited-many";
    c.namespace(ns);
    let mut api = api_client(c);
    let path = format!("/apis/k8s.cni.cncf.io/v1/namespaces/{ns}/network-attachment-definitions");
    let pods = format!("/api/v1/namespaces/{ns}/pods");
    for n in 0..NETWORKS {
        let made = api.post(&path, &nad(ns, &format!("net-{n}"), IPVLAN).to_string());
        assert_eq!(made.expect("an answer").status(), 201, "network {n}");
    }
    c.informed();
    for n in 0..PODS {
        let networks = format!("net-{},net-{}", n % NETWORKS, (n * 7 + 1) % NETWORKS);
        let mut pod = pod(ns, &format!("web-{n}"), &networks);
        // Nobody schedules them: the API server is enough.
        pod["spec"]["schedulerName"] = json!("nobody");
        let made = api.post(&pods, &pod.to_string());
        assert_eq!(made.expect("an answer").status(), 201, "Pod {n}");
    }
    let timed = |command: &mut Command| {
        let start = Instant::now();
        let child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let status = child.status().expect("it runs");
        (start.elapsed().as_secs_f64(), status.code())
    };
    let admin = format!("--kubeconfig={}", c.admin().display());
    let kubectl = c.plane().program("kubectl");
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let all = [
            "get",
            "pods,network-attachment-definitions",
            "-A",
            "-o",
            "json",
        ];
        let (taken, _) = timed(Command::new(&kubectl).arg(&admin).args(all));
        theirs = theirs.min(taken);
        let (taken, code) = timed(
            Command::new(programs::multinic())
                .args(["audit", "-o", "json"])
                .arg(&admin),
        );
        assert!(matches!(code, Some(0 | 1)), "{code:?}");
        ours = ours.min(taken);
    }
    let peak = peak_memory(
        Command::new(programs::multinic())
            .args(["audit", "-o", "json"])
            .arg(&admin),
    );
    eprintln!(
        "audit of {PODS} Pods and {NETWORKS} networks: {ours:.2} s, kubectl get: {theirs:.2} s, {:.2} times; {peak} KiB resident",
        ours / theirs
    );
    assert!(peak < 64 * 1024, "{peak} KiB");
    // Measured in a release build: see docs/measurements.md.
    assert!(
        cfg!(debug_assertions) || ours < 1.5 * theirs,
        "{ours} s, kubectl {theirs} s"
    );
    for path in [&pods, &path] {
        c.kubectl(&["delete", &format!("--raw={path}")], None)
            .accepted();
    }
    c.delete_namespace(ns).accepted();
}

/// The most memory that a process has while it runs, in KiB.
fn peak_memory(command: &mut Command) -> u64 {
    let child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = child.spawn().expect("it runs");
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if child.try_wait().expect("it ends").is_some() {
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
