//! The chart as a user installs it, and what is left when it is gone.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;

use crate::{
    Scenario,
    cluster::{Cluster, REPOSITORY, SYSTEM},
    load,
    process::eventually,
    programs,
};

pub(crate) const ALL: &[Scenario] = &[("helm_install_with_an_image_and_nothing_else", install)];

/// These end the release.
pub(crate) const LAST: &[Scenario] = &[
    ("upgrade_from_the_previous_chart", upgrade),
    ("helm_uninstall_leaves_nothing", uninstall),
];

/// Where the certificate of multinic comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Certificates {
    /// From a Secret that the tests make.
    Supplied,
}

/// What the chart is installed with.
const CERTIFICATES: Certificates = Certificates::Supplied;

impl Cluster {
    /// Installs the chart, unless it is installed.
    pub(crate) fn ensure_installed(&self) {
        if !self.is_installed() {
            self.install();
        }
    }

    /// `helm install` as README has it: the image, and nothing else.
    fn install(&self) {
        let chart = programs::chart().display().to_string();
        self.release("install", &chart, CERTIFICATES, &[]);
        self.set_installed(true);
        self.rolled_out();
        self.wait_until_refusing();
    }

    /// Upgrades to the chart of this project, with the values that the release has and these.
    pub(crate) fn upgrade(&self, values: &[&str]) {
        let chart = programs::chart().display().to_string();
        let args = [
            "upgrade",
            "multinic",
            &chart,
            "-n",
            SYSTEM,
            "--reuse-values",
        ];
        self.helm(&[&args[..], values].concat()).accepted();
        self.rolled_out();
    }

    fn release(&self, command: &str, chart: &str, certificates: Certificates, values: &[&str]) {
        let image = format!("image.repository={REPOSITORY}");
        let mut args = vec![command, "multinic", chart, "-n", SYSTEM];
        if command == "install" {
            args.push("--create-namespace");
        }
        args.extend(["--set", &image]);
        args.extend(values);
        let ca = format!("certificates.caBundle={}", self.plane.pki.ca().display());
        if certificates == Certificates::Supplied {
            self.supply_certificate();
            args.extend(["--set", "certificates.mode=secret"]);
            args.extend(["--set", "certificates.secretName=multinic-tls"]);
            args.extend(["--set-file", &ca]);
        }
        self.helm(&args).accepted();
    }

    /// Makes the Secret of a certificate for the Service, unless it is there.
    fn supply_certificate(&self) {
        let secrets = format!("/api/v1/namespaces/{SYSTEM}/secrets");
        let there = self.api.get(&format!("{secrets}/multinic-tls"));
        if there.is_ok_and(|answer| answer.is_success()) {
            return;
        }
        let known = self.api.get(&format!("/api/v1/namespaces/{SYSTEM}"));
        if !known.is_ok_and(|answer| answer.is_success()) {
            self.namespace(SYSTEM);
        }
        let name = format!("multinic.{SYSTEM}.svc");
        let leaf = self.plane.pki.server("multinic", &[&name]);
        let leaf = leaf.expect("a certificate");
        let text = |path: &Path| std::fs::read_to_string(path).expect("a file of the certificate");
        self.create(
            &secrets,
            &json!({"metadata": {"name": "multinic-tls"}, "type": "kubernetes.io/tls", "stringData": {
                "tls.crt": text(&leaf.cert), "tls.key": text(&leaf.key), "ca.crt": text(&self.plane.pki.ca()),
            }}),
        );
    }
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
    // The strictest Pod security standard has nothing to say of them.
    let label = "pod-security.kubernetes.io/enforce=restricted";
    c.kubectl(&["label", "--dry-run=server", "namespace", SYSTEM, label])
        .accepted()
        .unwarned();
}

/// The chart before this one, which a cluster may have. It was made with
/// `git archive --prefix=multinic/ 3e5ea11:charts/multinic | gzip -n9`.
const PREVIOUS: &str = "tests/node/previous.tgz";

fn upgrade(c: &Cluster) {
    if c.is_installed() {
        uninstall(c);
    }
    let chart = programs::root().join(PREVIOUS).display().to_string();
    c.release("install", &chart, Certificates::Supplied, &[]);
    c.set_installed(true);
    c.rolled_out();
    c.wait_until_refusing();
    let report = load::during(c, "upgrade from the previous chart", || {
        let chart = programs::chart().display().to_string();
        // Nothing of the old values: a user who never set more than the image has none.
        c.release("upgrade", &chart, CERTIFICATES, &["--reset-values"]);
        c.rolled_out();
    });
    report.flawless();
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
