//! What multinic adds to the creation of a Pod: no webhook, one that answers a constant, and multinic, in one run.
//!
//! `cargo test --release --test cluster -- measure`

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{cluster::Cluster, http::Client, objects::pod, scenarios::api_client, webhook};

/// Pods each way.
const PODS: usize = 1000;
/// Of them, those that warm up and are not counted.
const WARM: usize = 100;

/// The ways in which a Pod is made, and how a namespace is put on it.
const WAYS: [&str; 3] = ["none", "constant", "multinic"];

/// Prints the median and the 99th percentile of each way, and what a webhook adds to the median.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn run(c: &Cluster) {
    // multinic does not look at the namespace of its release: the way without a webhook.
    let namespaces = [
        crate::cluster::SYSTEM,
        "measure-constant",
        "measure-multinic",
    ];
    for namespace in &namespaces[1..] {
        c.namespace(namespace);
    }
    constant(c, namespaces[1]);
    let mut api = api_client(c);
    let mut times: [Vec<Duration>; 3] = Default::default();
    // One of each in turn, so that what else the machine does falls on all of them alike; and nobody is always first.
    for n in 0..WARM + PODS {
        for turn in 0..namespaces.len() {
            let way = (n + turn) % namespaces.len();
            let taken = create(&mut api, namespaces[way], n);
            if n >= WARM {
                times[way].push(taken);
            }
        }
    }
    let mut medians = [Duration::ZERO; 3];
    for (way, taken) in times.iter_mut().enumerate() {
        taken.sort_unstable();
        medians[way] = taken[taken.len() / 2];
        let p99 = taken[taken.len() * 99 / 100];
        println!(
            "{:9} {} Pods: p50 {:.2?}, p99 {p99:.2?}",
            WAYS[way],
            taken.len(),
            medians[way]
        );
    }
    let added = |way: usize| medians[way].saturating_sub(medians[0]);
    println!(
        "added to p50: constant {:.2?}, multinic {:.2?}, which is {:.2} times as much",
        added(1),
        added(2),
        added(2).as_secs_f64() / added(1).as_secs_f64()
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

/// Two webhooks, as multinic has two, that let everything in; multinic does not look at this namespace.
fn constant(c: &Cluster, namespace: &str) {
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
    let mutating = webhook::configuration("constant", namespace, &url, &ca);
    let mut validating = mutating.clone();
    validating["kind"] = json!("ValidatingWebhookConfiguration");
    c.create(&mutating).accepted();
    c.create(&validating).accepted();
    let excluded =
        format!("webhook.excludedNamespaces={{kube-system,kube-node-lease,{namespace}}}");
    c.install(&[&excluded]).accepted();
    crate::process::eventually("multinic not to look at the constant's namespace", || {
        let dry = ["create", "--dry-run=server", "-f", "-"];
        let probe = c.kubectl(&dry, Some(&pod(namespace, "probe", "team-b/secret")));
        if probe.accepted {
            Ok(())
        } else {
            Err(probe.to_string())
        }
    });
}
