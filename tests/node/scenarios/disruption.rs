//! What is done to the replicas while Pods are created: no creation fails.

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Scenario,
    api::pods,
    cluster::{Cluster, SYSTEM, condition, seconds},
    interfaces::processes,
    load,
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    ("rollout_of_three_replicas", rollout),
    ("changed_configuration", configuration),
    ("drain_by_eviction", drain),
    ("killed_replica", killed),
];

/// Three replicas, whatever was before.
fn three(c: &Cluster) {
    c.ensure_installed();
    if c.replicas().len() != 3 {
        c.upgrade(&["--set", "replicaCount=3"]);
    }
}

fn rollout(c: &Cluster) {
    three(c);
    let before = names(c);
    let report = load::during(c, "rollout of three replicas", || {
        c.kubectl(&["-n", SYSTEM, "rollout", "restart", "deployment/multinic"])
            .accepted();
        c.rolled_out();
        // The old ones serve on until they have drained.
        gone(c, &before);
    });
    report.flawless();
}

fn configuration(c: &Cluster) {
    three(c);
    let before = names(c);
    let foreign = load::pod("granted", "team-b/secret");
    let path = format!("{}?dryRun=All", pods("team-a"));
    let report = load::during(c, "changed configuration", || {
        let grant = r#"config={"grants":[{"networks":"team-b/secret","namespaces":["team-a"]}]}"#;
        c.upgrade(&["--set-json", grant]);
        gone(c, &before);
    });
    let answer = c.post(&path, &foreign);
    assert!(answer.is_success(), "{}", answer.message());
    report.flawless();
}

fn drain(c: &Cluster) {
    three(c);
    // The node that has two of them: the budget lets one go at a time.
    let on = |node: &str| {
        let replicas = c.replicas();
        replicas
            .iter()
            .filter(|pod| pod["spec"]["nodeName"] == node)
            .count()
    };
    let node = if on("node-1") >= on("node-2") {
        "node-1"
    } else {
        "node-2"
    };
    let selector = "--pod-selector=app.kubernetes.io/name=multinic";
    let report = load::during(c, "drain by eviction", || {
        c.kubectl(&["drain", node, selector, "--timeout=120s"])
            .accepted();
        c.rolled_out();
        assert_eq!(on(node), 0, "replicas on {node}");
    });
    c.kubectl(&["uncordon", node]).accepted();
    report.flawless();
}

/// How long after a replica died a creation may still fail: what was in flight, and until the API
/// server has noticed.
const IN_FLIGHT: Duration = Duration::from_secs(1);

fn killed(c: &Cluster) {
    three(c);
    let mut died = Instant::now();
    let report = load::during(c, "killed replica", || {
        let victim = &c.replicas()[0];
        let name = victim["metadata"]["name"].as_str().expect("a name");
        died = kill(victim);
        eventually("the replica to have been restarted", || {
            let pod = c.get(&format!("{}/{name}", pods(SYSTEM)));
            let restarted = pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
            if restarted > Some(0) && condition(&pod, "Ready") {
                Ok(())
            } else {
                Err(pod["status"].to_string())
            }
        });
        thread::sleep(Duration::from_secs(2));
    });
    for failure in &report.failures {
        let after = failure.began.saturating_duration_since(died);
        eprintln!("    {} after the kill: {}", seconds(after), failure.what);
    }
    let late: Vec<_> = report
        .failures
        .iter()
        .filter(|f| f.began > died + IN_FLIGHT || !f.what.contains("failed calling webhook"))
        .collect();
    assert!(late.is_empty(), "{late:#?}");
    report.enough();
}

/// Kills the server in a Pod as a crash would.
fn kill(pod: &serde_json::Value) -> Instant {
    let program = |process: &u32| {
        std::fs::read_to_string(format!("/proc/{process}/cmdline"))
            .is_ok_and(|line| line.starts_with("/multinic\0"))
    };
    let process = processes(pod).into_iter().find(program);
    let process = process.and_then(|number| Pid::from_raw(number.try_into().ok()?));
    let process = process.expect("the process of the server");
    kill_process(process, Signal::KILL).expect("kill the server");
    Instant::now()
}

fn names(c: &Cluster) -> Vec<String> {
    let replicas = c.replicas();
    let names = replicas
        .iter()
        .filter_map(|pod| pod["metadata"]["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Waits until none of these Pods is left.
fn gone(c: &Cluster, names: &[String]) {
    eventually("the old replicas to be gone", || {
        let left: Vec<_> = c
            .items(&pods(SYSTEM))
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
            .filter(|name| names.contains(name))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?} are"))
        }
    });
}
