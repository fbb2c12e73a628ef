//! Other mutating webhooks beside multinic.

use std::fs;

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{NETWORKS, plain_pod, pod, terms},
    webhook,
};

pub(crate) const ALL: &[Scenario] = &[
    ("later_webhook_that_adds_a_foreign_network", adds_foreign),
    ("later_webhook_that_adds_the_first_network", adds_first),
    (
        "earlier_webhook_that_adds_the_first_network",
        adds_first_before_us,
    ),
];

/// Runs a mutating webhook for the Pods of a namespace while something is done.
fn beside(
    c: &Cluster,
    name: &str,
    ns: &str,
    answer: fn(&Value) -> Option<Value>,
    act: impl FnOnce(),
) {
    let (identity, ca) = {
        let plane = c.plane();
        let identity = plane
            .pki
            .server(name, &["localhost"])
            .expect("a certificate");
        (identity, fs::read(plane.pki.ca()).expect("the CA"))
    };
    let port = webhook::serve(&identity, answer).expect("a webhook");
    let url = format!("https://127.0.0.1:{port}/mutate");
    c.create(&webhook::configuration(name, ns, &url, &ca))
        .accepted();
    // It marks what it sees: from then on the API server calls it.
    crate::process::eventually(&format!("{name} to be called"), || {
        let dry = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let shown = c.kubectl(&dry, Some(&plain_pod(ns, "probe")));
        if shown.stdout.contains("example.test/seen") || !shown.accepted {
            Ok(())
        } else {
            Err(shown.to_string())
        }
    });
    act();
    c.kubectl(&["delete", "mutatingwebhookconfiguration", name], None)
        .accepted();
}

/// Adds to the networks annotation, once.
fn adds(object: &Value, network: &str) -> Option<Value> {
    let annotations = &object["metadata"]["annotations"];
    if !annotations["example.test/seen"].is_null() {
        return None;
    }
    let mut merged = annotations.as_object().cloned().unwrap_or_default();
    let networks = match merged.get(NETWORKS).and_then(Value::as_str) {
        Some(there) => format!("{there}, {network}"),
        None => network.to_owned(),
    };
    merged.insert("example.test/seen".to_owned(), json!("yes"));
    merged.insert(NETWORKS.to_owned(), json!(networks));
    Some(json!([{"op": "add", "path": "/metadata/annotations", "value": merged}]))
}

fn adds_foreign(c: &Cluster) {
    let ns = "others-foreign";
    c.namespace(ns);
    beside(
        c,
        "zzzz-later",
        ns,
        |pod| adds(pod, "team-b/secret"),
        || {
            // Called again for what the other one added, and judged at last.
            c.create(&pod(ns, "web", "default/zoned"))
                .rejected("isolated-network")
                .called(2, 1);
        },
    );
    c.delete_namespace(ns).accepted();
}

fn adds_first(c: &Cluster) {
    let ns = "others-late";
    c.namespace(ns);
    beside(
        c,
        "zzzz-later",
        ns,
        |pod| adds(pod, "default/zoned"),
        || {
            // Who runs after us adds what we never place: it is refused, and said why.
            c.create(&plain_pod(ns, "web"))
                .rejected("unenforced-node-selector")
                .called(0, 1);
        },
    );
    beside(
        c,
        "zzzz-later",
        ns,
        |pod| adds(pod, "default/gke-network-1"),
        || {
            c.create(&plain_pod(ns, "web")).accepted().called(0, 1);
        },
    );
    c.delete_namespace(ns).accepted();
}

fn adds_first_before_us(c: &Cluster) {
    let ns = "others-early";
    c.namespace(ns);
    beside(
        c,
        "earlier",
        ns,
        |pod| adds(pod, "default/zoned"),
        || {
            c.create(&plain_pod(ns, "web")).accepted().called(1, 1);
            assert!(
                terms(&c.get(ns, "pod", "web"))
                    .to_string()
                    .contains("ens224")
            );
            assert_ne!(c.scheduled_on(ns, "web"), "node-3");
        },
    );
    c.delete_namespace(ns).accepted();
}
