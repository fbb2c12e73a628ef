//! One tenant sends the most expensive objects as fast as it may, and the others do not notice.
//!
//! Three times of the same length: without it; with it, where multinic is not called for its objects,
//! so that they cost the API server alone; and with it, judged. What the API server needs for them on
//! the same machine is no fault of multinic.

mod worst;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use worst::Worst;

use crate::{
    Scenario,
    cluster::{Cluster, SYSTEM},
    http::Client,
    objects::{IPVLAN, NODE_SELECTOR, nad, one_of, pod, selecting, terms, with},
    process::eventually,
};

/// The objects are large, so what comes after them finds a busy API server.
pub(crate) const LAST: &[Scenario] = &[("worst_objects_do_not_delay_others", neighbours)];

/// The namespace of those who want to be left alone.
const ORDINARY: &str = "ordinary";
/// The namespace of the one who does not leave them alone.
const NOISY: &str = "noisy";
/// How long each time lasts.
const TIME: Duration = Duration::from_secs(20);
/// Connections of the noisy client; the API server gives each a worker of its own.
const CONNECTIONS: usize = 8;
/// How much longer a Pod of the others may take.
const LONGER: Duration = Duration::from_millis(250);
/// The kubelet's default, `timeoutSeconds` of a probe.
const PROBE: Duration = Duration::from_secs(1);
/// When a change of a network must be in force.
const SEEN: Duration = Duration::from_secs(1);

/// What was seen during one time.
#[derive(Debug, Default)]
struct Seen {
    /// How long each Pod of the others took.
    pods: Vec<Duration>,
    /// How long each probe took; none for one that failed.
    probes: Vec<Option<Duration>>,
    /// When each change of a network was in force.
    changes: Vec<Duration>,
    /// Objects that the noisy client sent.
    sent: usize,
    /// Reviews that multinic answered.
    reviews: u64,
}

fn neighbours(c: &Cluster) {
    for namespace in [ORDINARY, NOISY] {
        c.namespace(namespace);
    }
    // Ordinary users: the API server queues their requests, and never those of system:masters.
    c.create(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "tenants"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "tenants"}]}))
        .accepted();
    c.create(&selecting(nad(ORDINARY, "placed", IPVLAN), "nic=ens224"))
        .accepted();
    c.create(&selecting(nad(ORDINARY, "changing", IPVLAN), "turn=v0"))
        .accepted();
    for network in worst::networks(NOISY) {
        let made = tenant(c, "noisy").post(&path(NOISY, worst::NADS), &network.to_string());
        let made = made.expect("an answer");
        assert_eq!(made.status(), 201, "{}", made.text());
    }
    c.informed();
    // Each of them reaches multinic: none is refused before.
    let mut noisy = tenant(c, "noisy");
    // Made once: that costs much more than to send them.
    let here = worst::objects(NOISY);
    let elsewhere = worst::objects(SYSTEM);
    for worst in &here {
        let before = reviews(c);
        let answer = worst.send(&mut noisy, NOISY).expect("an answer");
        assert!(reviews(c) > before, "{}: {}", worst.name, answer.text());
        assert!(answer.status() != 500, "{}: {}", worst.name, answer.text());
    }

    let quiet = during(c, 1, None);
    // multinic does not look at the namespace of its release.
    let unjudged = during(c, 2, Some((SYSTEM, &elsewhere)));
    let judged = during(c, 3, Some((NOISY, &here)));
    for (name, seen) in [
        ("quiet", &quiet),
        ("unjudged", &unjudged),
        ("judged", &judged),
    ] {
        eprintln!("    {name}: {}", seen.shown());
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    eprintln!(
        "    load of the machine: {}; {}",
        load.trim(),
        memory(c.server_id())
    );

    assert!(
        judged.reviews > judged.pods.len() as u64 * 2 + 100,
        "{}",
        judged.shown()
    );
    assert!(
        judged.sent > 100 && unjudged.sent > 100,
        "too little was sent"
    );
    for seen in [&quiet, &unjudged, &judged] {
        assert!(
            seen.pods.len() > 50 && seen.changes.len() > 5,
            "{}",
            seen.shown()
        );
    }
    let bound = worst_of(&quiet.pods).max(worst_of(&unjudged.pods)) + LONGER;
    assert!(
        worst_of(&judged.pods) <= bound,
        "a Pod of another tenant waited"
    );
    assert!(judged.probes.iter().all(Option::is_some), "a probe failed");
    assert!(worst_of(&judged.changes) <= SEEN, "a change was seen late");
    c.kubectl(&["delete", "clusterrolebinding", "tenants"], None)
        .accepted();
    let stored = format!("--raw={}", path(SYSTEM, worst::NADS));
    c.kubectl(&["delete", &stored], None).accepted();
    for namespace in [ORDINARY, NOISY] {
        c.delete_namespace(namespace).accepted();
    }
}

/// What is seen while the noisy client writes these objects to this namespace, if to any.
fn during(c: &Cluster, turn: usize, noisy: Option<(&str, &[Worst])>) -> Seen {
    let start = Instant::now();
    let over = || start.elapsed() > TIME;
    let sent = AtomicUsize::new(0);
    let before = reviews(c);
    let mut seen = thread::scope(|scope| {
        let pods = scope.spawn(|| pods(c, turn, over));
        let probes = scope.spawn(|| probes(c.settings().admin_port, over));
        let changes = scope.spawn(|| changes(c, turn, over));
        for connection in 0..CONNECTIONS {
            let (sent, over) = (&sent, &over);
            if let Some((namespace, objects)) = noisy {
                scope.spawn(move || send(c, (namespace, objects), connection, sent, over));
            }
        }
        Seen {
            pods: joined(pods),
            probes: joined(probes),
            changes: joined(changes),
            ..Seen::default()
        }
    });
    seen.sent = sent.into_inner();
    seen.reviews = reviews(c) - before;
    seen
}

/// What a thread found; where it failed, this one does, for its reason.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|fault| {
        let text = fault.downcast_ref::<String>();
        panic!("{}", text.map_or("a thread failed", String::as_str))
    })
}

/// Sends the worst objects one after the other, and stores a network once a second.
fn send(
    c: &Cluster,
    (namespace, objects): (&str, &[Worst]),
    first: usize,
    sent: &AtomicUsize,
    over: &(dyn Fn() -> bool + Sync),
) {
    let mut client = tenant(c, "noisy");
    let mut stored = Instant::now();
    for turn in first.. {
        if over() {
            return;
        }
        let object = &objects[turn % objects.len()];
        // Whatever the answer is: refused, too large, too many.
        if object.send(&mut client, namespace).is_err() {
            client = tenant(c, "noisy");
        }
        sent.fetch_add(1, Ordering::Relaxed);
        if first == 0 && stored.elapsed() > Duration::from_secs(1) {
            stored = Instant::now();
            let large = worst::stored(namespace, turn);
            let _ = client.post(&path(namespace, worst::NADS), &large.to_string());
        }
    }
}

/// Creates Pods with two networks, twenty a second.
fn pods(c: &Cluster, turn: usize, over: impl Fn() -> bool) -> Vec<Duration> {
    let mut client = tenant(c, "ordinary");
    let mut taken = Vec::new();
    while !over() {
        let name = format!("web-{turn}-{}", taken.len());
        let pod = pod(ORDINARY, &name, "placed, default/gke-network-1");
        let pod = with(pod, "schedulerName", json!("nobody")).to_string();
        let start = Instant::now();
        let made = client.post(&path(ORDINARY, "api/v1/pods"), &pod);
        let made = made.expect("an answer");
        taken.push(start.elapsed());
        assert_eq!(made.status(), 201, "{}", made.text());
        let made: Value = serde_json::from_slice(&made.body).expect("a Pod");
        let placed = json!([{"matchExpressions": [one_of("nic", &["ens224"])]}]);
        assert_eq!(terms(&made), &placed, "it was placed");
        thread::sleep(Duration::from_millis(50));
    }
    taken
}

/// Asks as the kubelet does, and more often.
fn probes(port: u16, over: impl Fn() -> bool) -> Vec<Option<Duration>> {
    let mut taken = Vec::new();
    while !over() {
        let start = Instant::now();
        let path = ["/healthz", "/readyz"][taken.len() % 2];
        let answered = probe(port, path).is_ok_and(|ok| ok) && start.elapsed() <= PROBE;
        taken.push(answered.then(|| start.elapsed()));
        thread::sleep(Duration::from_millis(100));
    }
    taken
}

fn probe(port: u16, path: &str) -> io::Result<bool> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PROBE)?;
    stream.set_read_timeout(Some(PROBE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

/// Changes the selector of a network twice a second, and looks when multinic places by it.
fn changes(c: &Cluster, turn: usize, over: impl Fn() -> bool) -> Vec<Duration> {
    let mut client = tenant(c, "ordinary");
    let (caller, settings) = (c.plane().caller(), c.settings());
    let multinic = Client::connect(settings.port, &settings.client_ca, Some(&caller));
    let mut multinic = multinic.expect("multinic");
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "00000000-0000-0000-0000-000000000000",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web", "namespace": ORDINARY, "operation": "CREATE",
        "userInfo": {"username": "ordinary"},
        "object": pod(ORDINARY, "web", "changing"), "oldObject": null,
        "dryRun": true, "options": null}})
        .to_string();
    let mut taken: Vec<Duration> = Vec::new();
    while !over() {
        let value = format!("v{turn}x{}", taken.len());
        let patch = json!({"metadata": {"annotations": {NODE_SELECTOR: format!("turn={value}")}}});
        let network = format!("{}/changing", path(ORDINARY, worst::NADS));
        let kind = "application/merge-patch+json";
        let made = client.ask("PATCH", &network, kind, &patch.to_string());
        let made = made.expect("an answer");
        assert_eq!(made.status(), 200, "{}", made.text());
        let start = Instant::now();
        eventually("the change to be in force", || {
            let answer = multinic.post("/mutate", &review).expect("an answer");
            let answer: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
            let patch = answer["response"]["patch"].as_str().unwrap_or_default();
            let patch = BASE64_STANDARD.decode(patch).unwrap_or_default();
            let patch = String::from_utf8_lossy(&patch).into_owned();
            patch.contains(&value).then_some(()).ok_or(patch)
        });
        taken.push(start.elapsed());
        thread::sleep(Duration::from_millis(500));
    }
    taken
}

/// A connection to the API server, as a user who may do much and is not of system:masters.
fn tenant(c: &Cluster, name: &str) -> Client {
    let plane = c.plane();
    let identity = plane.pki.client(name, name, Some("tenants"));
    let identity = identity.expect("a certificate");
    Client::connect(plane.port(), &plane.pki.ca(), Some(&identity)).expect("the API server")
}

/// The path of a resource in a namespace.
fn path(namespace: &str, resource: &str) -> String {
    let (group, resource) = resource.rsplit_once('/').expect("a group");
    format!("/{group}/namespaces/{namespace}/{resource}")
}

fn reviews(c: &Cluster) -> u64 {
    c.metrics().sum("multinic_reviews_total", &[])
}

fn worst_of(taken: &[Duration]) -> Duration {
    taken.iter().max().copied().unwrap_or_default()
}

/// The most memory that a process has held.
fn memory(id: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    let peak = peak
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>();
    format!("multinic's memory, at most: {}", peak[1..].join(" "))
}

impl Seen {
    fn shown(&self) -> String {
        let spread = |taken: &[Duration]| {
            let mut taken = taken.to_vec();
            taken.sort_unstable();
            let at = |share: usize| taken.get(taken.len() * share / 100).copied();
            let (median, most) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
            format!(
                "{} (median {median:.1?}, 99 % {most:.1?}, worst {:.1?})",
                taken.len(),
                worst_of(&taken)
            )
        };
        let answered: Vec<_> = self.probes.iter().flatten().copied().collect();
        format!(
            "Pods {}, probes {} of {}, changes {}, {} objects sent, {} reviews",
            spread(&self.pods),
            spread(&answered),
            self.probes.len(),
            spread(&self.changes),
            self.sent,
            self.reviews,
        )
    }
}
