//! Writers that create Pods without a pause while something is done to multinic.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    api::{Access, Api, networks, pods},
    cluster::{Cluster, condition, seconds},
    http::Client,
    node::PAUSE,
};

/// The namespace in which the writers write.
const NAMESPACE: &str = "load";

/// How many writers there are, each on a connection of its own.
const WRITERS: usize = 3;

/// How long a writer rests after a Pod. More than one machine of two cores could take is no test of
/// multinic.
const REST: Duration = Duration::from_millis(20);

/// How many failures are shown: they often have one reason.
const SHOWN: usize = 5;

/// How long a Pod with a network may take to run. It takes 3 s; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Pod of the tests that asks for these networks.
pub(crate) fn pod(name: &str, networks: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "annotations": {"k8s.v1.cni.cncf.io/networks": networks}},
        "spec": {
            "containers": [{"name": "main", "image": PAUSE}],
            "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
        },
    })
}

/// Something that did not come out as it should.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) began: Instant,
    pub(crate) what: String,
}

/// What the writers have seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Pods that were created, and refused ones.
    pub(crate) writes: usize,
    /// Pods that ran, with their networks.
    pub(crate) ran: usize,
    pub(crate) failures: Vec<Failure>,
}

impl Report {
    /// Nothing failed, and there was enough that could have.
    #[track_caller]
    pub(crate) fn flawless(&self) {
        let first: Vec<_> = self.failures.iter().map(|f| &f.what).take(SHOWN).collect();
        assert!(
            first.is_empty(),
            "{} of {} writes failed, first: {first:#?}",
            self.failures.len(),
            self.writes
        );
        self.enough();
    }

    /// There was enough that could have failed.
    #[track_caller]
    pub(crate) fn enough(&self) {
        assert!(self.writes >= 50, "there were only {} writes", self.writes);
        assert!(self.ran >= 1, "no Pod ran meanwhile");
    }
}

/// Does something while Pods are created, and reports both.
pub(crate) fn during(c: &Cluster, what: &str, act: impl FnOnce()) -> Report {
    let started = Instant::now();
    let load = Load::start(c);
    // Before and after it too: a failure may come late.
    thread::sleep(Duration::from_secs(1));
    act();
    thread::sleep(Duration::from_secs(1));
    let report = load.end();
    eprintln!(
        "  {what}: {}, {} writes, {} Pods ran, {} failures",
        seconds(started.elapsed()),
        report.writes,
        report.ran,
        report.failures.len()
    );
    report
}

/// How many loads there have been. Names with the number of a load are not taken by what an earlier
/// one left.
static LOADS: AtomicUsize = AtomicUsize::new(0);

struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Report>>,
}

impl Load {
    fn start(c: &Cluster) -> Self {
        prepare(c);
        let stop = Arc::new(AtomicBool::new(false));
        let load = LOADS.fetch_add(1, Ordering::Relaxed);
        let spawn = |write: fn(&Access, &str, &AtomicBool) -> Report, number| {
            let (access, stop) = (c.access().clone(), Arc::clone(&stop));
            thread::spawn(move || write(&access, &format!("{load}-{number}"), &stop))
        };
        let mut writers: Vec<_> = (0..WRITERS).map(|number| spawn(write, number)).collect();
        writers.push(spawn(run, WRITERS));
        Self { stop, writers }
    }

    fn end(self) -> Report {
        self.stop.store(true, Ordering::Release);
        let mut all = Report::default();
        for writer in self.writers {
            let report = writer.join().expect("a writer that does not panic");
            all.writes += report.writes;
            all.ran += report.ran;
            all.failures.extend(report.failures);
        }
        all
    }
}

/// Makes the namespace and the networks of the load, unless they are there.
fn prepare(c: &Cluster) {
    let there = c.api.get(&format!("/api/v1/namespaces/{NAMESPACE}"));
    if there.is_ok_and(|answer| answer.is_success()) {
        return;
    }
    c.namespace(NAMESPACE);
    let config = json!({"cniVersion": "1.0.0", "name": "load", "type": "macvlan", "master": "ens192", "mode": "bridge",
        "ipam": {"type": "host-local", "subnet": "10.20.0.0/16"}});
    let network = |namespace: &str, name: &str| {
        c.create(
            &networks(namespace),
            &json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": name}, "spec": {"config": config.to_string()}}),
        );
    };
    network(NAMESPACE, "net");
    network("team-b", "secret");
}

/// Creates Pods that no scheduler places, and deletes them; every fifth is to be refused.
fn write(access: &Access, number: &str, stop: &AtomicBool) -> Report {
    let mut report = Report::default();
    let mut client: Option<Client> = None;
    let path = pods(NAMESPACE);
    for round in 0_usize.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let refused = round % 5 == 4;
        let name = format!("write-{number}-{round}");
        let mut object = pod(&name, if refused { "team-b/secret" } else { "net" });
        object["spec"]["schedulerName"] = json!("none");
        let began = Instant::now();
        let mut ask = |method: &str, path: &str, body: &str| {
            if client.is_none() {
                client = Some(Client::connect(
                    access.port,
                    &access.ca,
                    Some(&access.identity),
                )?);
            }
            let kept = client.as_mut().expect("a connection");
            kept.ask(method, path, "application/json", body)
        };
        report.writes += 1;
        let outcome = match ask("POST", &path, &object.to_string()) {
            Ok(it) if refused && it.status() == 403 && it.text().contains("isolated-network: ") => {
                Ok(())
            }
            Ok(it) if !refused && it.status() == 201 => {
                match ask("DELETE", &format!("{path}/{name}?gracePeriodSeconds=0"), "") {
                    Ok(it) if it.status() == 200 => Ok(()),
                    Ok(it) => Err(format!("deleting {name}: {}", it.text())),
                    Err(e) => Err(format!("deleting {name}: {e}")),
                }
            }
            Ok(it) => Err(format!("{name}: {} {}", it.status(), it.text())),
            Err(e) => Err(format!("{name}: {e}")),
        };
        if let Err(what) = outcome {
            report.failures.push(Failure { began, what });
            client = None;
        }
        thread::sleep(REST);
    }
    report
}

/// Creates Pods one after the other, each of which has to run with its network.
fn run(access: &Access, number: &str, stop: &AtomicBool) -> Report {
    let api = Api::new(access);
    let mut report = Report::default();
    let path = pods(NAMESPACE);
    for round in 0_usize.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let name = format!("run-{number}-{round}");
        let began = Instant::now();
        report.writes += 1;
        match ran(&api, &path, &name) {
            Ok(()) => report.ran += 1,
            Err(what) => report.failures.push(Failure {
                began,
                what: format!("{name}: {what}"),
            }),
        }
        let _ = api.delete(&format!("{path}/{name}"));
    }
    report
}

fn ran(api: &Api, path: &str, name: &str) -> Result<(), String> {
    let answer = api
        .post(path, &pod(name, "net"))
        .map_err(|e| e.to_string())?;
    if answer.status != 201 {
        return Err(answer.message());
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        thread::sleep(Duration::from_millis(200));
        let answer = api
            .get(&format!("{path}/{name}"))
            .map_err(|e| e.to_string())?;
        let attached = answer.body["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"]
            .as_str()
            .is_some_and(|status| status.contains("net1"));
        if condition(&answer.body, "Ready") && attached {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "it does not run within {}: {}",
                seconds(PATIENCE),
                answer.body["status"]
            ));
        }
    }
}
