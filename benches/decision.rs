//! One decision, bytes in to answer bytes out, beside the least that any reader of the same bytes
//! does: `serde::de::IgnoredAny`.
//!
//! The two take turns within one run, so that a machine that slows down slows both; what counts is
//! the ratio.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use multinic_core::answer::Case;
use multinic_core::network::{Fetched, Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::world::World;

const ROUNDS: usize = 200;
const PER_ROUND: u32 = 200;

fn main() {
    let few = snapshot(0);
    let many = snapshot(10_000);
    let config = Policy::default();
    let pod = pod();
    let nad = read("nad-node-selector.create-network-attachment-definitions.validate.json");
    let warned = read("nad-conflist-sbr.create-network-attachment-definitions.validate.json");
    let refused =
        read("nad-unsupported-plugin.create-network-attachment-definitions.validate.json");
    println!(
        "{:34} {:>7} {:>10} {:>10} {:>7}",
        "review", "bytes", "decide", "ignore", "ratio"
    );
    for (name, body, webhook, snapshot) in [
        ("Pod, two networks, a patch", &pod, Webhook::Mutate, &few),
        (
            "the same, among 10,000 networks",
            &pod,
            Webhook::Mutate,
            &many,
        ),
        ("Pod, two networks, judged", &pod, Webhook::Validate, &few),
        ("NAD, ipvlan and whereabouts", &nad, Webhook::Validate, &few),
        (
            "the same, among 10,000 networks",
            &nad,
            Webhook::Validate,
            &many,
        ),
        (
            "NAD, a list with a warning",
            &warned,
            Webhook::Validate,
            &few,
        ),
        (
            "NAD, refused for two things",
            &refused,
            Webhook::Validate,
            &few,
        ),
    ] {
        let (decide, ignore) = compare(
            || answer(black_box(body), webhook, snapshot, &config),
            || {
                let ignored: Result<serde::de::IgnoredAny, _> =
                    serde_json::from_slice(black_box(body));
                assert!(ignored.is_ok());
            },
        );
        let ratio = decide.as_secs_f64() / ignore.as_secs_f64();
        println!(
            "{name:34} {:>7} {decide:>10.1?} {ignore:>10.1?} {ratio:>7.2}",
            body.len()
        );
    }
    for (name, body) in [("scan of the Pod", &pod), ("scan of the NAD", &nad)] {
        let (scan, ignore) = compare(
            || {
                black_box(review::read(black_box(body)).is_ok());
            },
            || {
                let ignored: Result<serde::de::IgnoredAny, _> =
                    serde_json::from_slice(black_box(body));
                assert!(ignored.is_ok());
            },
        );
        println!("{name:34} {:>7} {scan:>10.1?} {ignore:>10.1?}", body.len());
    }
    event();
}

/// One event on a snapshot of 100,000 networks, in one namespace and in 100,000.
fn event() {
    for (name, namespaces) in [("one namespace", 1), ("1,000", 1_000), ("100,000", 100_000)] {
        let network = Arc::new(Network::read("n", CONFIG, None));
        let mut snapshot = Snapshot::default();
        for index in 0..100_000 {
            let namespace = format!("ns-{}", index % namespaces);
            snapshot.insert(&namespace, &format!("net-{index}"), Arc::clone(&network));
        }
        let published = snapshot.clone();
        let start = Instant::now();
        let events = 1_000;
        for index in 0..events {
            let mut next = published.clone();
            next.insert("ns-0", &format!("new-{index}"), Arc::clone(&network));
            black_box(&next);
        }
        let each = start.elapsed() / events;
        println!("an event on 100,000 networks in {name}: {each:.1?}");
    }
}

const CONFIG: &str = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;

fn answer(body: &[u8], webhook: Webhook, snapshot: &Snapshot, config: &Policy) {
    let document = review::read(body).expect("the recording is JSON");
    let request = Request::of(&document).expect("the recording is a review");
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        policy: config,
        usage: None,
    };
    black_box(Case::of(&request, config).answer(webhook, &world));
}

/// The best round of each, taken in turns.
fn compare(one: impl Fn(), other: impl Fn()) -> (Duration, Duration) {
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        for _ in 0..PER_ROUND {
            run();
        }
        start.elapsed() / PER_ROUND
    };
    let (mut best_one, mut best_other) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        best_one = best_one.min(time(&one));
        best_other = best_other.min(time(&other));
    }
    (best_one, best_other)
}

fn snapshot(others: usize) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut add = |namespace: &str, name: &str, selector| {
        let network = Network::read(name, CONFIG, selector);
        snapshot.insert(namespace, name, Arc::new(network));
    };
    add("default", "zoned", Some("nic=ens224"));
    add("team-a", "private", Some("zone=b"));
    for index in 0..others {
        add(
            &format!("ns-{}", index % 100),
            &format!("net-{index}"),
            None,
        );
    }
    snapshot
}

/// A recorded Pod with two networks, made as large as Pods are: 6.5 KB.
fn pod() -> Vec<u8> {
    let recorded = read("pod-affinity-terms.create-pods.validate.json");
    let text = String::from_utf8(recorded).expect("a recording is UTF-8");
    let variable = r#"{"name":"SOME_VARIABLE_OF_THE_APPLICATION","value":"http://service.namespace.svc:8080/path"},"#;
    let count = (6_500 - text.len()) / variable.len();
    let env = variable.repeat(count);
    let env = format!(r#""env":[{}],"image":"#, env.trim_end_matches(','));
    text.replacen(r#""image":"#, &env, 1).into_bytes()
}

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reviews/recorded");
    std::fs::read(folder.join(name)).expect("the recording is there")
}
