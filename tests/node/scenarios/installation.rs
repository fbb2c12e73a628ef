//! The chart as a user installs it, its certificates, and what is left when it is gone.

use std::{collections::BTreeSet, path::Path, thread, time::Duration};

use serde_json::json;

use crate::{
    Scenario,
    api::{networks, pods},
    cluster::{Cluster, REPOSITORY, SYSTEM},
    load,
    process::eventually,
    programs,
};

pub(crate) const ALL: &[Scenario] = &[
    ("helm_install_with_an_image_and_nothing_else", install),
    ("helm_test", helm_test),
];

/// These end the release.
pub(crate) const LAST: &[Scenario] = &[
    ("authorities_are_replaced", authorities_replaced),
    ("upgrade_from_the_previous_chart", upgrade),
    ("helm_uninstall_leaves_nothing", uninstall),
];

/// The name of the Secret with a certificate that the tests make.
const SUPPLIED: &str = "multinic-tls";

impl Cluster {
    /// Installs the chart, unless it is installed.
    pub(crate) fn ensure_installed(&self) {
        if !self.is_installed() {
            self.install();
        }
    }

    /// The command that README shows first: the image, and nothing else.
    fn install(&self) {
        self.helm(&readme_command("install")).accepted();
        self.ready();
    }

    fn install_with(&self, chart: &Path, values: &[&str]) {
        self.release(
            "install",
            chart,
            &[&["--create-namespace"], values].concat(),
        );
        self.ready();
    }

    fn ready(&self) {
        self.set_installed(true);
        self.rolled_out();
        self.wait_until_refusing();
    }

    /// Upgrades to the chart of this project, with the values that the release has and these.
    pub(crate) fn upgrade(&self, values: &[&str]) {
        let values = [&["--reuse-values"], values].concat();
        self.release("upgrade", &programs::chart(), &values);
        self.rolled_out();
    }

    fn release(&self, command: &str, chart: &Path, values: &[&str]) {
        let chart = chart.display().to_string();
        let image = format!("image.repository={REPOSITORY}");
        let args = [command, "multinic", &chart, "-n", SYSTEM, "--set", &image];
        self.helm(&[&args[..], values].concat()).accepted();
    }

    /// Makes the Secret of a certificate for the Service, in the namespace of the release.
    fn supply_certificate(&self) {
        let known = self.api.get(&format!("/api/v1/namespaces/{SYSTEM}"));
        if !known.is_ok_and(|answer| answer.is_success()) {
            self.namespace(SYSTEM);
        }
        let name = format!("multinic.{SYSTEM}.svc");
        let leaf = self.plane.pki.server("multinic", &[&name]);
        let leaf = leaf.expect("a certificate");
        let text = |path: &Path| std::fs::read_to_string(path).expect("a file of the certificate");
        self.create(
            &format!("/api/v1/namespaces/{SYSTEM}/secrets"),
            &json!({"metadata": {"name": SUPPLIED}, "type": "kubernetes.io/tls", "stringData": {
                "tls.crt": text(&leaf.cert), "tls.key": text(&leaf.key), "ca.crt": text(&self.plane.pki.ca()),
            }}),
        );
    }
}

/// The arguments of the first `helm COMMAND` that README shows.
fn readme_command(command: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(programs::root().join("README.md")).expect("README.md");
    let line = readme
        .lines()
        .filter_map(|line| line.strip_prefix("helm "))
        .find(|line| line.split(' ').next() == Some(command));
    let line = line.unwrap_or_else(|| panic!("README.md shows no `helm {command}`"));
    line.replace("REPOSITORY/multinic", REPOSITORY)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn install(c: &Cluster) {
    assert!(!c.is_installed(), "multinic is installed already");
    c.install();
    let replicas = c.replicas();
    assert_eq!(replicas.len(), 2, "{replicas:?}");
    let nodes: BTreeSet<_> = replicas
        .iter()
        .filter_map(|pod| pod["spec"]["nodeName"].as_str())
        .collect();
    assert_eq!(nodes.len(), 2, "both replicas are on {nodes:?}");
    places(c);
    // The strictest Pod security standard has nothing to say of them.
    let label = "pod-security.kubernetes.io/enforce=restricted";
    c.kubectl(&["label", "--dry-run=server", "namespace", SYSTEM, label])
        .accepted()
        .unwarned();
}

/// A Pod of a network with a node selector gets the affinity: what [`Cluster::wait_until_refusing`]
/// is for refusals.
fn places(c: &Cluster) {
    let config = json!({"cniVersion": "1.0.0", "type": "macvlan", "master": "ens256",
        "ipam": {"type": "host-local", "subnet": "10.50.0.0/24"}});
    let network = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "elsewhere", "annotations": {"k8s.v1.cni.cncf.io/nodeSelector": "nic=ens256"}},
        "spec": {"config": config.to_string()}});
    c.create(&networks("team-a"), &network);
    let path = format!("{}?dryRun=All", pods("team-a"));
    let answer = c.post(&path, &load::pod("probe", "elsewhere"));
    assert!(answer.is_success(), "{}", answer.message());
    let required = &answer.body["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(
        required["nodeSelectorTerms"][0]["matchExpressions"],
        json!([{"key": "nic", "operator": "In", "values": ["ens256"]}])
    );
}

/// The chart before this one, which a cluster may have. It was made with
/// `git archive --prefix=multinic/ 3e5ea11:charts/multinic | gzip -n9`.
const PREVIOUS: &str = "tests/node/previous.tgz";

fn upgrade(c: &Cluster) {
    if c.is_installed() {
        uninstall(c);
    }
    c.supply_certificate();
    let secret = format!("certificates.secretName={SUPPLIED}");
    let ca = format!("certificates.caBundle={}", c.plane.pki.ca().display());
    c.install_with(
        &programs::root().join(PREVIOUS),
        &[
            "--set",
            "certificates.mode=secret",
            "--set",
            &secret,
            "--set-file",
            &ca,
        ],
    );
    let report = load::during(c, "upgrade from the previous chart", || {
        // To the default mode, in which multinic makes its certificates itself.
        c.release("upgrade", &programs::chart(), &["--reset-values"]);
        c.rolled_out();
    });
    report.flawless();
    let secret = format!("/api/v1/namespaces/{SYSTEM}/secrets/{SUPPLIED}");
    c.api.delete(&secret).expect("delete the Secret");
}

/// The authorities of the release, the oldest first.
fn authorities(c: &Cluster) -> Vec<(u32, String)> {
    let secret = format!("/api/v1/namespaces/{SYSTEM}/secrets/multinic-authority");
    let secret = c.get(&secret);
    let entries = secret["data"].as_object().into_iter().flatten();
    let authority = |(key, value): (&String, &serde_json::Value)| {
        let number = key.strip_suffix(".crt")?.parse().ok()?;
        Some((number, value.as_str()?.to_owned()))
    };
    let mut all: Vec<_> = entries.filter_map(authority).collect();
    all.sort();
    all
}

/// A year, shortened to 40 s: twice the authority that signs is replaced while Pods are created.
fn authorities_replaced(c: &Cluster) {
    if c.is_installed() {
        uninstall(c);
    }
    let lives =
        r#"extraArgs=["--test-authority-life=40s","--test-leaf-life=30s","--test-hold=3s"]"#;
    c.install_with(
        &programs::chart(),
        &["--set", "replicaCount=3", "--set-json", lives],
    );
    let report = load::during(c, "two replaced authorities", || {
        for _ in 0..2 {
            let before = authorities(c);
            eventually("a new authority", || {
                let now = authorities(c);
                if now.last() == before.last() {
                    Err(format!("{} authorities", now.len()))
                } else {
                    Ok(())
                }
            });
        }
        // Until every replica serves what the last one signed.
        thread::sleep(Duration::from_secs(8));
    });
    report.flawless();
}

fn helm_test(c: &Cluster) {
    c.ensure_installed();
    c.helm(&readme_command("test")).accepted();
}

fn uninstall(c: &Cluster) {
    c.ensure_installed();
    c.helm(&["uninstall", "multinic", "-n", SYSTEM, "--wait"])
        .accepted();
    c.set_installed(false);
    eventually("nothing of multinic to be left", || {
        let kinds =
            "all,configmaps,secrets,roles,rolebindings,serviceaccounts,poddisruptionbudgets";
        let selector = "--selector=app.kubernetes.io/name=multinic";
        let named = ["-n", SYSTEM, "get", kinds, selector, "-o", "name"];
        let wide = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,\
                    validatingadmissionpolicies,validatingadmissionpolicybindings";
        let of_cluster = ["get", wide, selector, "-o", "name"];
        let left = [&named[..], &of_cluster[..]].map(|args| c.kubectl(args).accepted().stdout);
        let left = left.concat();
        if left.trim().is_empty() {
            Ok(())
        } else {
            Err(left)
        }
    });
}
