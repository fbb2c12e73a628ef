//! Networks that come, change and go while Pods use them, and what was there before multinic.

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    http::Client,
    objects::{IPVLAN, NAD, NETWORKS, NODE_SELECTOR, SRIOV, annotated, nad, plain_pod, pod, with},
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    ("network_made_just_before_its_pod_is_found", just_before),
    ("network_is_changed_and_deleted", changed_and_deleted),
    ("more_networks_than_a_page_holds_are_all_listed", pages),
];

/// Those that take multinic out of the cluster for a while.
pub(crate) const LAST: &[Scenario] = &[
    (
        "networks_stored_before_us_are_judged_where_they_are_used",
        networks_before_us,
    ),
    ("pods_stored_before_us_are_left_alone", pods_before_us),
];

/// Fifty times, on one connection: the network, and with its answer the Pod.
fn just_before(c: &Cluster) {
    let ns = "just-before";
    c.namespace(ns);
    let mut api = api_client(c);
    let of = |webhook: &str, kind: &str| {
        let labels = [("webhook", webhook), ("kind", kind), ("verdict", "allow")];
        c.metrics().sum("multinic_reviews_total", &labels)
    };
    let counts = || {
        [
            of("validate", "NetworkAttachmentDefinition"),
            of("mutate", "Pod"),
            of("validate", "Pod"),
        ]
    };
    let before = counts();
    for n in 0..50 {
        let name = format!("net-{n}");
        let nads =
            format!("/apis/k8s.cni.cncf.io/v1/namespaces/{ns}/network-attachment-definitions");
        let made = api
            .post(&nads, &nad(ns, &name, IPVLAN).to_string())
            .expect("an answer");
        assert_eq!(made.status(), 201, "network {n}: {}", made.text());
        let made = api
            .post(
                &format!("/api/v1/namespaces/{ns}/pods"),
                &pod(ns, &name, &name).to_string(),
            )
            .expect("an answer");
        assert_eq!(made.status(), 201, "Pod {n}: {}", made.text());
    }
    // Each was judged, and each network was there: none was let in for want of an answer.
    let [networks, kept, allowed] = before;
    assert_eq!(counts(), [networks + 50, kept + 50, allowed + 50]);
    c.delete_namespace(ns).accepted();
}

/// A kept connection to the API server, as the administrator.
pub(crate) fn api_client(c: &Cluster) -> Client {
    let plane = c.plane();
    let identity = plane
        .pki
        .client("fast", "fast", Some("system:masters"))
        .expect("a certificate");
    Client::connect(plane.port(), &plane.pki.ca(), Some(&identity))
        .expect("a connection to the API server")
}

/// The API server is asked for 500 at a time.
fn pages(c: &Cluster) {
    const MANY: u64 = 620;
    let ns = "pages";
    c.namespace(ns);
    let mut api = api_client(c);
    let path = format!("/apis/k8s.cni.cncf.io/v1/namespaces/{ns}/network-attachment-definitions");
    for n in 0..MANY {
        let made = api
            .post(&path, &nad(ns, &format!("net-{n}"), IPVLAN).to_string())
            .expect("an answer");
        assert_eq!(made.status(), 201, "network {n}: {}", made.text());
    }
    // Ready is said with all of them, and not with a page.
    c.start_server("{}");
    // Other scenarios' networks may still be on their way out: at least these are known, and later none of them.
    let known = || c.metrics().sum("multinic_networks", &[]);
    assert!(known() >= MANY, "{} networks are known", known());
    for name in ["net-0", "net-99", "net-499", "net-500", "net-619"] {
        c.create(&pod(ns, name, name)).accepted().called(1, 1);
    }
    // A burst of events is taken whole.
    let path = format!("--raw={path}");
    c.kubectl(&["delete", &path], None).accepted().uncalled();
    eventually("the networks to be gone", || {
        if known() < 100 {
            Ok(())
        } else {
            Err(format!("{} are known", known()))
        }
    });
    c.delete_namespace(ns).accepted();
}

fn changed_and_deleted(c: &Cluster) {
    let ns = "changed";
    c.namespace(ns);
    c.create(&nad(ns, "net", IPVLAN)).accepted();
    c.create(&pod(ns, "before", "net")).accepted();
    let config = |text: &str| c.patch(ns, NAD, "net", &json!({"spec": {"config": text}}), &[]);
    config(SRIOV).rejected("unsupported-plugin").called(0, 1);
    config("{\n  # a comment\n}")
        .rejected("malformed-config")
        .called(0, 1);
    config(&IPVLAN.replace("10.9.0.0", "10.10.0.0"))
        .accepted()
        .called(0, 1);
    c.patch(
        ns,
        NAD,
        "net",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted()
    .uncalled();
    c.annotate(ns, NAD, "net", "example.test/other", Some("x"))
        .accepted()
        .uncalled();
    c.delete(ns, NAD, "net").accepted().uncalled();
    c.forgotten(ns, "net");
    c.create(&pod(ns, "after", "net"))
        .rejected("missing-network")
        .called(1, 1);
    // The Pod that has it lives on.
    c.scheduled_on(ns, "before");
    c.patch(
        ns,
        "pod",
        "before",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted()
    .uncalled();
    c.annotate(ns, "pod", "before", NETWORKS, None)
        .accepted()
        .uncalled();
    c.delete_namespace(ns).accepted();
}

/// What is stored while nobody judges.
fn before_us(c: &Cluster, store: impl FnOnce()) {
    c.uninstall();
    store();
    c.reinstall(&[]);
}

fn networks_before_us(c: &Cluster) {
    let ns = "stored-networks";
    c.namespace(ns);
    let mut bare = nad(ns, "bare", "");
    bare.as_object_mut().expect("an object").remove("spec");
    let mut held = nad(ns, "held", SRIOV);
    held["metadata"]["finalizers"] = json!(["test/held"]);
    before_us(c, || {
        for network in [
            nad(ns, "unsupported", SRIOV),
            nad(ns, "comment", "{\n  # a comment\n}"),
            annotated(
                nad(ns, "selector", IPVLAN),
                NODE_SELECTOR,
                json!("zone in a"),
            ),
            bare,
            held,
        ] {
            c.create(&network).accepted().uncalled();
        }
    });
    let all = ["unsupported", "comment", "selector", "bare", "held"];
    for name in all {
        let unusable = || {
            let said = c.create(&pod(ns, "web", name));
            if said.stderr.contains("missing-network") {
                Err(said.to_string())
            } else {
                Ok(said)
            }
        };
        let said = eventually("the network to be known", unusable);
        said.rejected("unusable-network").called(1, 1);
    }
    // They can be labelled, freed, deleted and put right.
    for name in all {
        c.patch(
            ns,
            NAD,
            name,
            &json!({"metadata": {"labels": {"a": "b"}}}),
            &[],
        )
        .accepted()
        .uncalled();
    }
    c.delete(ns, NAD, "held").accepted().uncalled();
    c.patch(
        ns,
        NAD,
        "held",
        &json!({"metadata": {"finalizers": null}}),
        &[],
    )
    .accepted()
    .uncalled();
    c.gone(ns, NAD, "held");
    c.delete(ns, NAD, "bare").accepted().uncalled();
    let config =
        |name: &str, text: &str| c.patch(ns, NAD, name, &json!({"spec": {"config": text}}), &[]);
    config("unsupported", r#"{"cniVersion":"1.0.0","type":"other"}"#)
        .rejected("unsupported-plugin")
        .called(0, 1);
    config("unsupported", IPVLAN).accepted().called(0, 1);
    eventually("the network to be usable", || {
        let pod = c.create(&pod(ns, "web", "unsupported"));
        if pod.accepted {
            Ok(())
        } else {
            Err(pod.to_string())
        }
    });
    c.delete_namespace(ns).accepted().uncalled();
    c.gone("default", "namespace", ns);
}

fn pods_before_us(c: &Cluster) {
    let ns = "stored-pods";
    c.namespace(ns);
    let pending = |pod: Value| with(pod, "schedulerName", json!("nobody"));
    before_us(c, || {
        for stored in [
            pending(pod(ns, "foreign", "team-b/secret")),
            pending(pod(ns, "malformed", "a/b/c")),
            pod(ns, "missing", "nothing"),
            pod(ns, "unplaced", "default/zoned"),
            with(
                pod(ns, "gated", "team-b/secret"),
                "schedulingGates",
                json!([{"name": "test/gate"}]),
            ),
            plain_pod(ns, "plain"),
        ] {
            c.create(&stored).accepted().uncalled();
        }
    });
    let all = [
        "foreign",
        "malformed",
        "missing",
        "unplaced",
        "gated",
        "plain",
    ];
    for name in all {
        c.patch(
            ns,
            "pod",
            name,
            &json!({"metadata": {"labels": {"a": "b"}}}),
            &[],
        )
        .accepted()
        .uncalled();
        let status = json!({"status": {"message": "by the test"}});
        c.patch(ns, "pod", name, &status, &["--subresource=status"])
            .accepted()
            .uncalled();
    }
    for name in ["foreign", "malformed"] {
        let bound = crate::objects::binding(ns, name, "node-3", &json!({}));
        c.post(
            &format!("/api/v1/namespaces/{ns}/pods/{name}/binding"),
            &bound,
        )
        .accepted()
        .uncalled();
        assert_eq!(c.scheduled_on(ns, name), "node-3");
    }
    c.patch(
        ns,
        "pod",
        "gated",
        &json!({"spec": {"schedulingGates": null}}),
        &[],
    )
    .accepted()
    .uncalled();
    c.scheduled_on(ns, "gated");
    // A removal passes; another network instead is judged.
    c.annotate(ns, "pod", "foreign", NETWORKS, Some("team-b/other"))
        .rejected("isolated-network")
        .called(1, 1);
    c.annotate(ns, "pod", "foreign", NETWORKS, None)
        .accepted()
        .uncalled();
    for name in all {
        c.delete(ns, "pod", name).accepted().uncalled();
        c.gone(ns, "pod", name);
    }
    c.delete_namespace(ns).accepted();
}
