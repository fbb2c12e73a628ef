//! The life of a release: warnings first, upgrades, and its end.

use serde_json::json;

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{NAD, SRIOV, nad, pod, terms},
    process::eventually,
    programs,
};

pub(crate) const ALL: &[Scenario] = &[(
    "enforcement_warn_says_all_and_changes_nothing",
    enforcement_warn,
)];

/// Those that take multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[
    (
        "upgrade_and_uninstall_leave_nothing_that_blocks",
        upgrade_and_uninstall,
    ),
    (
        "release_inside_the_cluster_is_what_the_api_server_takes",
        inside,
    ),
];

fn enforcement_warn(c: &Cluster) {
    let ns = "warned";
    c.namespace(ns);
    c.start_server("enforcement: warn");
    c.create(&pod(ns, "foreign", "team-b/secret"))
        .accepted()
        .warned("isolated-network")
        .called(1, 1);
    c.create(&pod(ns, "missing", "nothing"))
        .accepted()
        .warned("missing-network")
        .called(1, 1);
    c.create(&pod(ns, "malformed", "a/b/c"))
        .accepted()
        .warned("malformed-networks")
        .called(1, 1);
    c.create(&nad(ns, "unsupported", SRIOV))
        .accepted()
        .warned("unsupported-plugin")
        .called(0, 1);
    c.create(&pod(ns, "placed", "default/zoned"))
        .accepted()
        .unwarned()
        .called(1, 1);
    let stored = c.get(ns, "pod", "placed");
    assert!(
        terms(&stored).is_null(),
        "expected: nothing was changed\ncame: {stored}"
    );
    let said = c.metrics().sum(
        "multinic_findings_total",
        &[("rule", "isolated-network"), ("level", "warn")],
    );
    assert!(said > 0, "expected: it is counted\ncame: {:?}", c.metrics());
    c.start_server("{}");
    c.create(&pod(ns, "later", "team-b/secret"))
        .rejected("isolated-network")
        .called(1, 1);
    c.delete_namespace(ns).accepted();
}

/// What is in the cluster that belongs to the release.
fn belongings(c: &Cluster) -> Vec<String> {
    let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings,\
        roles,rolebindings,serviceaccounts,services,deployments,configmaps,secrets,resourcequotas,poddisruptionbudgets,\
        networkpolicies,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let selector = "app.kubernetes.io/name=multinic";
    let all = c
        .kubectl(
            &[
                "get",
                kinds,
                "--all-namespaces",
                "-l",
                selector,
                "-o",
                "name",
            ],
            None,
        )
        .accepted();
    all.stdout.lines().map(str::to_owned).collect()
}

fn upgrade_and_uninstall(c: &Cluster) {
    let ns = "released";
    c.namespace(ns);
    let before = belongings(c);
    // An upgrade to other values, under a running server.
    c.install(&["webhook.templates=false"]).accepted();
    let foreign = crate::objects::workload("apps/v1", "Deployment", ns, "web", "team-b/secret");
    eventually("templates to be let in", || {
        let dry = c.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&foreign));
        if dry.accepted {
            Ok(())
        } else {
            Err(dry.to_string())
        }
    });
    c.create(&pod(ns, "web", "team-b/secret"))
        .rejected("isolated-network")
        .called(1, 1);
    c.install(&[]).accepted();
    assert_eq!(belongings(c), before);

    // It ends while every replica is dead: nothing stays that would call one.
    c.create(&pod(ns, "stays", "default/gke-network-1"))
        .accepted();
    c.kill_server();
    c.uninstall();
    assert_eq!(belongings(c), Vec::<String>::new());
    c.create(&pod(ns, "foreign", "team-b/secret")).accepted();
    c.create(&foreign).accepted();
    c.create(&nad(ns, "anything", SRIOV)).accepted();
    // The networks outlive it, and the Pods that use them.
    assert!(c.exists("default", NAD, "gke-network-1"));
    c.scheduled_on(ns, "stays");
    c.delete_namespace(ns).accepted();
    c.gone("default", "namespace", ns);

    c.reinstall(&[]);
}

/// The Deployment, under the strictest Pod security, on nodes that only pretend to run it.
fn inside(c: &Cluster) {
    let ns = "multinic-inside";
    c.uninstall();
    c.namespace(ns);
    let strict =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    c.kubectl(&["patch", "namespace", ns, "-p", &strict.to_string()], None)
        .accepted();
    let ca = format!("certificates.caBundle={}", c.settings().client_ca.display());
    let (cert, key) = (
        c.settings().cert.display().to_string(),
        c.settings().key.display().to_string(),
    );
    let (cert, key) = (format!("--cert={cert}"), format!("--key={key}"));
    c.kubectl(
        &[
            "-n",
            ns,
            "create",
            "secret",
            "tls",
            "multinic-cert",
            &cert,
            &key,
        ],
        None,
    )
    .accepted();
    let chart = programs::chart().display().to_string();
    let mut args = vec![
        "upgrade",
        "--install",
        "multinic",
        &chart,
        "--namespace",
        ns,
        "--wait",
        "--timeout=60s",
    ];
    args.extend([
        "--set",
        "certificates.mode=secret",
        "--set",
        "certificates.secretName=multinic-cert",
    ]);
    args.extend([
        "--set-file",
        &ca,
        "--set",
        "image.repository=example.test/multinic",
    ]);
    // helm waits for both replicas, here and in the upgrade.
    c.helm(&args).accepted();
    args.extend([
        "--set",
        "config.rules.missing-cni-version=off",
        "--set",
        "drainDelaySeconds=1",
        "--set",
        "networkPolicy.enabled=true",
    ]);
    c.helm(&args).accepted();
    let deployment = c.get(ns, "deployment", "multinic");
    let template = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert!(
        template["multinic.dev/config"]
            .as_str()
            .is_some_and(|t| t.contains("missing-cni-version: \"off\"")),
        "{deployment}"
    );
    let pods = c.list(ns, "pods");
    let living = pods
        .iter()
        .filter(|p| p["metadata"]["deletionTimestamp"].is_null())
        .count();
    assert_eq!(living, 2, "{pods:?}");
    // Its own Pods never need it: they were made while nobody answered at its Service.
    c.helm(&["uninstall", "multinic", "--namespace", ns, "--wait"])
        .accepted();
    assert_eq!(belongings(c), Vec::<String>::new());
    c.delete_namespace(ns).accepted();
    c.reinstall(&[]);
}
