//! What multinic adds to the creation of a Pod: no webhook, one that answers a constant, and multinic, in one run.
//!
//! `cargo test --release --test cluster -- measure`

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cluster::{Cluster, SYSTEM},
    http::Client,
    kubectl::Calls,
    objects::pod,
    process::eventually,
    scenarios::api_client,
    webhook,
};

/// Pods each way.
const PODS: usize = 1000;
/// Of them, those that warm up and are not counted.
const WARM: usize = 100;

/// The ways in which a Pod is made, each in a namespace of its own.
const WAYS: [(&str, &str); 4] = [
    // multinic does not look at the namespace of its release.
    ("no webhook", SYSTEM),
    ("constant answer", "measure-constant"),
    ("constant answer, registered as multinic is", "measure-same"),
    ("multinic", "measure-multinic"),
];

/// Prints the median and the 99th percentile of each way, and what a webhook adds to the median.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn run(c: &Cluster) {
    for (_, namespace) in &WAYS[1..] {
        c.namespace(namespace);
    }
    constants(c, WAYS[1].1, WAYS[2].1);
    let mut api = api_client(c);
    let mut times: [Vec<Duration>; 4] = Default::default();
    // One of each in turn, so that what else the machine does falls on all of them alike; and nobody is always first.
    for n in 0..WARM + PODS {
        for turn in 0..WAYS.len() {
            let way = (n + turn) % WAYS.len();
            let taken = create(&mut api, WAYS[way].1, n);
            if n >= WARM {
                times[way].push(taken);
            }
        }
    }
    let mut medians = [Duration::ZERO; 4];
    for (way, taken) in times.iter_mut().enumerate() {
        taken.sort_unstable();
        medians[way] = taken[taken.len() / 2];
        println!(
            "{:44} {} Pods: p50 {:.2?}, p99 {:.2?}, added to p50 {:.2?}",
            WAYS[way].0,
            taken.len(),
            medians[way],
            taken[taken.len() * 99 / 100],
            medians[way].saturating_sub(medians[0]),
        );
    }
    let added = |way: usize| medians[way].saturating_sub(medians[0]).as_secs_f64();
    println!(
        "multinic adds {:.2} times what a constant answer adds, {:.2} times where both are registered alike",
        added(3) / added(1),
        added(3) / added(2),
    );
}

fn create(api: &mut Client, namespace: &str, n: usize) -> Duration {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let mut pod = pod(namespace, &format!("web-{n}"), "default/gke-network-1");
    // Nobody schedules it: only the API server works.
    pod["spec"]["schedulerName"] = json!("nobody");
    let body = pod.to_string();
    let start = Instant::now();
    let answer = api.post(&path, &body).expect("an answer");
    let taken = start.elapsed();
    assert_eq!(answer.status(), 201, "{}", answer.text());
    taken
}

/// Two webhooks, as multinic has two, that let everything in, for either namespace; multinic looks at neither.
fn constants(c: &Cluster, bare: &str, same: &str) {
    let (identity, ca) = {
        let plane = c.plane();
        (
            plane
                .pki
                .server("constant", &["localhost"])
                .expect("a certificate"),
            fs::read(plane.pki.ca()).expect("the CA"),
        )
    };
    let port = webhook::constant(&identity).expect("a webhook");
    let url = format!("https://127.0.0.1:{port}/");
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        let mut plain = webhook::configuration("constant", bare, &url, &ca);
        plain["kind"] = json!(kind);
        c.create(&plain).accepted();
        // The one for Pods stands first in both: its rules and conditions, with the constant behind them.
        let registered = c.get("default", kind, "zzz-multinic");
        let mut alike = webhook::configuration("constant-alike", same, &url, &ca);
        alike["kind"] = json!(kind);
        for field in ["rules", "matchConditions", "matchPolicy"] {
            alike["webhooks"][0][field] = registered["webhooks"][0][field].clone();
        }
        c.create(&alike).accepted();
    }
    let excluded =
        format!("webhook.excludedNamespaces={{kube-system,kube-node-lease,{bare},{same}}}");
    c.install(&[&excluded]).accepted();
    for namespace in [bare, same] {
        eventually("multinic not to look at a constant's namespace", || {
            let dry = ["create", "--dry-run=server", "-f", "-"];
            let probe = c.kubectl(&dry, Some(&pod(namespace, "probe", "team-b/secret")));
            if probe.accepted && probe.calls.unwrap_or_default() == Calls::default() {
                Ok(())
            } else {
                Err(probe.to_string())
            }
        });
    }
}
