//! What breaks around multinic, and how that is survived.

use std::{
    io::ErrorKind,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    Scenario,
    cluster::Cluster,
    http::Client,
    objects::{IPVLAN, NAD, nad, plain_pod, pod, shared_networks},
    pki::Identity,
    process::eventually,
};

/// Those that break something that all others need.
pub(crate) const LAST: &[Scenario] = &[
    ("only_the_api_server_gets_in", only_the_api_server),
    ("watch_cut_is_taken_up_again", watch_cut),
    (
        "unreachable_api_server_is_a_fault_and_no_verdict",
        lookup_fault,
    ),
    ("blackholed_endpoint_is_bounded", blackholed),
    ("undecodable_network_does_not_stop_the_watch", undecodable),
    ("api_server_restarted", api_server_restarted),
    (
        "definition_missing_at_start_and_added_later",
        definition_missing,
    ),
];

fn only_the_api_server(c: &Cluster) {
    let settings = c.settings();
    let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#;
    let ask = |identity: Option<&Identity>| {
        Client::connect(settings.port, &settings.client_ca, identity)
            .and_then(|mut it| it.post("/validate", review))
    };
    let refused = ask(None).expect_err("a caller without a certificate is turned away");
    assert_ne!(refused.kind(), ErrorKind::ConnectionRefused, "{refused}");
    let answer = ask(Some(&c.plane().caller())).expect("the API server's certificate gets in");
    assert_eq!(answer.status(), 400, "no review: {}", answer.text());
}

fn watch_cut(c: &Cluster) {
    let ns = "cut";
    c.namespace(ns);
    for round in 0..3 {
        c.proxy.cut();
        let name = format!("net-{round}");
        c.create(&nad(ns, &name, IPVLAN)).accepted();
        c.create(&pod(ns, &name, &name)).accepted().called(1, 1);
        c.delete(ns, NAD, &name).accepted();
        // Only the watch can say that it is gone.
        eventually(
            "the deleted network to be missed",
            Duration::from_secs(20),
            || {
                let probe = c.kubectl(
                    &["create", "--dry-run=server", "-f", "-"],
                    Some(&pod(ns, "probe", &name)),
                );
                if probe.accepted {
                    Err(probe.to_string())
                } else {
                    Ok(())
                }
            },
        );
    }
    assert_eq!(c.ready(), Ok(()));
    c.delete_namespace(ns).accepted();
}

fn lookup_fault(c: &Cluster) {
    let ns = "fault";
    c.namespace(ns);
    c.create(&nad(ns, "known", IPVLAN)).accepted();
    c.create(&pod(ns, "before", "known")).accepted();
    c.proxy.close();
    // What is known is enough, and what is isolated is never looked up.
    c.create(&pod(ns, "while", "known, default/gke-network-1"))
        .accepted()
        .called(1, 1);
    c.create(&pod(ns, "foreign", "team-b/nothing"))
        .rejected("isolated-network")
        .called(1, 1);
    let start = Instant::now();
    let fault = c.create(&pod(ns, "unknown", "unknown"));
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "it took {:?}",
        start.elapsed()
    );
    assert!(
        !fault.stderr.contains("denied the request"),
        "expected: no verdict\ncame: {fault}"
    );
    fault.refused_unanswered("networks.pods.multinic.dev");
    c.proxy.open();
    eventually(
        "the answer to be a verdict again",
        Duration::from_secs(30),
        || {
            let answer = c.create(&pod(ns, "unknown", "unknown"));
            if answer.stderr.contains("missing-network: ") {
                Ok(())
            } else {
                Err(answer.to_string())
            }
        },
    );
    c.delete_namespace(ns).accepted();
}

fn blackholed(c: &Cluster) {
    let ns = "blackholed";
    c.namespace(ns);
    c.create(&nad(ns, "net", IPVLAN)).accepted();
    c.kill_server();
    // Accepts, by the kernel, and never answers.
    let hole = eventually(
        "the port of multinic to be free",
        Duration::from_secs(10),
        || TcpListener::bind(("127.0.0.1", c.settings().port)).map_err(|e| e.to_string()),
    );
    let timed = |what: &str, limit: u64, act: &dyn Fn()| {
        let start = Instant::now();
        act();
        assert!(
            start.elapsed() < Duration::from_secs(limit),
            "{what} took {:?}",
            start.elapsed()
        );
    };
    timed("a Pod without networks", 2, &|| {
        c.create(&plain_pod(ns, "plain")).accepted();
    });
    timed("a Pod with networks", 7, &|| {
        c.create(&pod(ns, "web", "net"))
            .refused_unanswered("networks.pods.multinic.dev");
    });
    timed("a label of a network", 2, &|| {
        c.patch(
            ns,
            NAD,
            "net",
            &json!({"metadata": {"labels": {"a": "b"}}}),
            &[],
        )
        .accepted();
    });
    timed("the end of a namespace with networks", 30, &|| {
        c.delete_namespace(ns).accepted();
        c.gone("default", "namespace", ns);
    });
    drop(hole);
    c.start_server("{}");
    eventually(
        "multinic to be called again",
        Duration::from_secs(10),
        || {
            let probe = c.probe();
            if probe.stderr.contains("isolated-network: ") {
                Ok(())
            } else {
                Err(probe.to_string())
            }
        },
    );
}

fn undecodable(c: &Cluster) {
    let ns = "undecodable";
    c.namespace(ns);
    let definition = "crd/network-attachment-definitions.k8s.cni.cncf.io";
    let config = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/config";
    let schema = |value: serde_json::Value| {
        let patch = json!([{"op": "replace", "path": config, "value": value}]).to_string();
        c.kubectl(&["patch", definition, "--type=json", "-p", &patch], None)
            .accepted();
    };
    schema(json!({"x-kubernetes-preserve-unknown-fields": true}));
    let mut odd = nad(ns, "odd", "");
    odd["spec"]["config"] = json!({"an": "object"});
    c.uninstall();
    eventually(
        "an object that is no network to be stored",
        Duration::from_secs(10),
        || {
            let stored = c.create(&odd);
            if stored.accepted {
                Ok(())
            } else {
                Err(stored.to_string())
            }
        },
    );
    // In the list of a start; and again after another one.
    c.reinstall(&["crds.install=false"]);
    for config in ["{}", "enforcement: deny"] {
        c.create(&pod(ns, "web", "odd"))
            .rejected("unusable-network")
            .called(1, 1);
        c.create(&nad(ns, "net", IPVLAN)).accepted();
        c.create(&pod(ns, "web", "net")).accepted().called(1, 1);
        c.delete(ns, "pod", "web").accepted();
        c.gone(ns, "pod", "web");
        c.delete(ns, NAD, "net").accepted();
        eventually(
            "the deleted network to be missed",
            Duration::from_secs(10),
            || {
                let probe = c.kubectl(
                    &["create", "--dry-run=server", "-f", "-"],
                    Some(&pod(ns, "probe", "net")),
                );
                if probe.accepted {
                    Err(probe.to_string())
                } else {
                    Ok(())
                }
            },
        );
        c.start_server(config);
    }
    c.delete(ns, NAD, "odd").accepted().uncalled();
    c.gone(ns, NAD, "odd");
    schema(json!({"type": "string"}));
    c.install(&[]);
    c.delete_namespace(ns).accepted();
}

fn api_server_restarted(c: &Cluster) {
    let ns = "restarted";
    c.namespace(ns);
    c.create(&nad(ns, "before", IPVLAN)).accepted();
    c.plane().stop_api_server();
    thread::sleep(Duration::from_secs(2));
    // What it knew it knows still.
    assert_eq!(c.ready(), Ok(()));
    c.plane().start_api_server().expect("start the API server");
    c.plane().wait_for_api_server();
    c.wait_until_registered();
    c.create(&pod(ns, "known", "before"))
        .accepted()
        .called(1, 1);
    c.create(&nad(ns, "after", IPVLAN)).accepted().called(0, 1);
    c.create(&pod(ns, "new", "after")).accepted().called(1, 1);
    assert!(!c.scheduled_on(ns, "new").is_empty());
    c.delete(ns, NAD, "after").accepted();
    eventually("the watch to go on", Duration::from_mins(1), || {
        let probe = c.kubectl(
            &["create", "--dry-run=server", "-f", "-"],
            Some(&pod(ns, "probe", "after")),
        );
        if probe.accepted {
            Err(probe.to_string())
        } else {
            Ok(())
        }
    });
    c.delete_namespace(ns).accepted();
}

fn definition_missing(c: &Cluster) {
    let ns = "undefined";
    c.namespace(ns);
    c.kill_server();
    c.kubectl(
        &[
            "delete",
            "crd",
            "network-attachment-definitions.k8s.cni.cncf.io",
        ],
        None,
    )
    .accepted();
    c.start_server_unready("{}");
    // It waits, in sight, and does not end.
    thread::sleep(Duration::from_secs(3));
    assert!(
        c.ready().is_err(),
        "expected: not ready without the definition of networks"
    );
    // Multus comes, and brings it.
    c.install(&[]);
    c.wait_until_ready();
    eventually(
        "networks to be known to kubectl",
        Duration::from_secs(20),
        || {
            let made = c.create(&nad(ns, "net", IPVLAN));
            if made.accepted {
                Ok(())
            } else {
                Err(made.to_string())
            }
        },
    );
    c.create(&pod(ns, "web", "net")).accepted().called(1, 1);
    for network in shared_networks() {
        c.create(&network).accepted();
    }
    c.delete_namespace(ns).accepted();
}
