//! What breaks around multinic, and how that is survived.

use std::{
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

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
        c.forgotten(ns, &name);
    }
    assert_eq!(c.ready(), Ok(()));
    c.delete_namespace(ns).accepted();
}

fn lookup_fault(c: &Cluster) {
    let ns = "fault";
    c.namespace(ns);
    c.create(&nad(ns, "known", IPVLAN)).accepted();
    c.create(&pod(ns, "before", "known")).accepted();
    c.informed();
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
        start.elapsed() < Duration::from_secs(15),
        "it took {:?}",
        start.elapsed()
    );
    assert!(
        !fault.stderr.contains("denied the request"),
        "expected: no verdict\ncame: {fault}"
    );
    // The API server shows the text of a 500, so whoever waits for the Pod reads what was not found out.
    fault
        .refused_unanswered("networks.pods.multinic.dev")
        .saying("cannot look up network fault/unknown: ");
    c.proxy.open();
    eventually("the answer to be a verdict again", || {
        let answer = c.create(&pod(ns, "unknown", "unknown"));
        if answer.stderr.contains("missing-network: ") {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    });
    c.delete_namespace(ns).accepted();
}

/// Accepts connections, and never says a word.
struct Hole {
    taken: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
    port: u16,
}

impl Hole {
    fn open(port: u16) -> Self {
        let listener = eventually("the port of multinic to be free", || {
            TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())
        });
        let (taken, closed) = (Arc::default(), Arc::default());
        let hole = Self {
            taken: Arc::clone(&taken),
            closed: Arc::clone(&closed),
            port,
        };
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::Acquire) {
                    return;
                }
                taken.fetch_add(1, Ordering::AcqRel);
                held.push(stream);
            }
        });
        hole
    }

    /// How often somebody fell into it while something is done.
    fn taken(&self, act: impl FnOnce()) -> usize {
        let before = self.taken.load(Ordering::Acquire);
        act();
        self.taken.load(Ordering::Acquire) - before
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // So that it looks.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn blackholed(c: &Cluster) {
    let ns = "blackholed";
    c.namespace(ns);
    c.create(&nad(ns, "net", IPVLAN)).accepted();
    c.kill_server();
    let hole = Hole::open(c.settings().port);
    assert_eq!(
        hole.taken(|| {
            c.create(&plain_pod(ns, "plain")).accepted();
            let label = json!({"metadata": {"labels": {"a": "b"}}});
            c.patch(ns, NAD, "net", &label, &[]).accepted();
        }),
        0,
        "what adds no network is never sent"
    );
    // 2 s to place it and 3 s to judge it; the rest is for a busy machine.
    let start = Instant::now();
    let taken = hole.taken(|| {
        c.create(&pod(ns, "web", "net"))
            .refused_unanswered("networks.pods.multinic.dev");
    });
    assert!(taken > 0, "what adds a network is sent");
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "it took {:?}",
        start.elapsed()
    );
    assert_eq!(
        hole.taken(|| {
            c.delete_namespace(ns).accepted();
            c.gone("default", "namespace", ns);
        }),
        0,
        "the end of a namespace with networks is never sent"
    );
    drop(hole);
    c.start_server("{}");
}

/// Whatever is stored: where the definition leaves fields open, anything can be.
fn undecodable(c: &Cluster) {
    let (ns, odd) = ("undecodable", "undecodable-stored");
    c.namespace(ns);
    c.namespace(odd);
    let definition = "crd/network-attachment-definitions.k8s.cni.cncf.io";
    let schema = |spec: Value| {
        let field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
        let change = json!([{"op": "replace", "path": field, "value": spec}]).to_string();
        c.kubectl(&["patch", definition, "--type=json", "-p", &change], None)
            .accepted();
    };
    let before = c.get("default", "crd", &definition["crd/".len()..]);
    let before =
        before["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
    schema(json!({"x-kubernetes-preserve-unknown-fields": true}));
    // Nobody judges what is stored there, and everybody may use it.
    let excluded = format!("webhook.excludedNamespaces={{kube-system,kube-node-lease,{odd}}}");
    c.install(&["crds.install=false", &excluded]);
    c.start_server(&format!("globalNamespaces: [default, {odd}]"));
    let deep = (0..300).fold(json!(1), |inside, _| json!([inside]));
    let all = [
        ("text", json!("a text")),
        ("number", json!(7)),
        ("list", json!(["{}"])),
        ("deep", json!({"config": IPVLAN, "more": deep})),
        ("deep-config", json!({"config": deep})),
        ("object-config", json!({"config": {"type": "ipvlan"}})),
        ("number-config", json!({"config": 7})),
        ("other-case", json!({"Config": IPVLAN})),
    ];
    // "deep" alone has a configuration: what is beside it matters to nobody.
    let usable = |name: &str| name == "deep";
    let judged = |name: &str| {
        let name = format!("{odd}/{name}");
        let web = pod(ns, "web", &name);
        let dry = ["create", "--dry-run=server", "-f", "-"];
        c.kubectl(&dry, Some(&web)).called(1, 1)
    };
    let known = || c.metrics().sum("multinic_networks", &[]);
    let others = known();
    let path = format!("/apis/k8s.cni.cncf.io/v1/namespaces/{odd}/network-attachment-definitions");
    for (name, spec) in &all {
        let mut network = nad(odd, name, "");
        network["spec"] = spec.clone();
        eventually("an odd object to be stored", || {
            // By the path: kubectl itself would refuse some of them.
            let stored = c.post(&path, &network);
            if stored.accepted {
                Ok(())
            } else {
                Err(stored.to_string())
            }
        });
    }
    let judge_all = |how: &str| {
        eventually(&format!("all to be known {how}"), || {
            if known() == others + all.len() as u64 {
                Ok(())
            } else {
                Err(format!("{} networks are", known()))
            }
        });
        for (name, _) in &all {
            let judged = judged(name);
            if usable(name) {
                judged.accepted();
            } else {
                judged.rejected("unusable-network");
            }
        }
    };
    // As events; then as the list of a start; and the watch goes on behind them.
    judge_all("by the watch");
    c.start_server(&format!("globalNamespaces: [default, {odd}]"));
    judge_all("by the list");
    c.create(&nad(ns, "net", IPVLAN)).accepted();
    c.create(&pod(ns, "web", "net")).accepted().called(1, 1);
    c.delete(ns, NAD, "net").accepted();
    c.forgotten(ns, "net");
    for (name, _) in &all {
        c.delete(odd, NAD, name).accepted().uncalled();
        c.gone(odd, NAD, name);
    }
    schema(before);
    c.install(&[]);
    c.start_server("{}");
    for namespace in [ns, odd] {
        c.delete_namespace(namespace).accepted();
    }
}

fn api_server_restarted(c: &Cluster) {
    let ns = "restarted";
    c.namespace(ns);
    c.create(&nad(ns, "before", IPVLAN)).accepted();
    let faults = || reloads(c, "error");
    let before = faults();
    c.plane().stop_api_server();
    eventually("multinic to miss the API server", || {
        if faults() > before {
            Ok(())
        } else {
            Err("it counts no fault".to_owned())
        }
    });
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
    c.forgotten(ns, "after");
    c.delete_namespace(ns).accepted();
}

/// How often networks were read from the API server, with this result.
fn reloads(c: &Cluster, result: &str) -> u64 {
    let labels = [("what", "networks"), ("result", result)];
    c.metrics().sum("multinic_reloads_total", &labels)
}

/// Makes a network, as soon as the API server knows of networks.
fn define(c: &Cluster, ns: &str) {
    eventually("networks to be known to the API server", || {
        let made = c.create(&nad(ns, "net", IPVLAN));
        if made.accepted {
            Ok(())
        } else {
            Err(made.to_string())
        }
    });
}

fn definition_missing(c: &Cluster) {
    let ns = "undefined";
    c.namespace(ns);
    let definition = "network-attachment-definitions.k8s.cni.cncf.io";
    let undefine = || {
        c.kubectl(&["delete", "crd", definition], None)
            .accepted()
            .uncalled();
    };
    let known = |expected: u64| {
        eventually(&format!("{expected} networks to be known"), || {
            match c.metrics().sum("multinic_networks", &[]) {
                known if known == expected => Ok(()),
                known => Err(format!("{known} are\n{}", c.log(0))),
            }
        });
    };
    // It goes, and with it every network, and comes again, while multinic runs.
    undefine();
    known(0);
    c.install(&[]);
    define(c, ns);
    known(1);
    undefine();
    known(0);
    let from = c.log_end();
    // Without a definition there are no networks: that is known, and said. So it is ready.
    c.start_server("{}");
    eventually("the log to say what is missing", || {
        let log = c.log(from);
        if log.contains("the cluster has no definition of networks") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert!(reloads(c, "error") > 0, "{:?}", c.metrics());
    known(0);
    c.create(&pod(ns, "web", "net"))
        .rejected("missing-network")
        .called(1, 1);
    c.create(&plain_pod(ns, "plain")).accepted().uncalled();
    // Multus comes, and brings it. What is made then is found at once, whether listed yet or not.
    c.install(&[]);
    define(c, ns);
    c.create(&pod(ns, "web", "net")).accepted().called(1, 1);
    for network in shared_networks() {
        c.create(&network).accepted();
    }
    eventually("the networks to be listed", || {
        if reloads(c, "ok") > 0 {
            Ok(())
        } else {
            Err(c.log(from))
        }
    });
    c.delete(ns, NAD, "net").accepted();
    c.forgotten(ns, "net");
    c.delete_namespace(ns).accepted();
}
