//! Authorities that are made, and replaced by others.

use std::{thread, time::Duration};

use super::{HOLD, OLD, YEAR};
use crate::{
    Scenario,
    cluster::Cluster,
    fleet::{DAY, Fleet, NAMESPACE, Rights, configuration, verify},
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    ("certificates_five_replicas_start_on_nothing", on_nothing),
    ("certificates_an_authority_is_replaced", replaced),
    ("certificates_are_replaced_again_and_again", again_and_again),
    (
        "certificates_replicas_die_after_each_write",
        die_after_each_write,
    ),
    ("certificates_everything_expired_while_down", expired),
    ("certificates_clocks_differ", clocks),
    ("certificates_an_api_server_is_late", late_api_server),
    ("certificates_the_api_server_pauses", paused_api_server),
];

fn on_nothing(c: &Cluster) {
    let mut fleet = Fleet::new(c);
    let took = fleet.start_ready(5);
    eprintln!("    five replicas were ready after {took:?}");
    fleet.settled(1);
    let load = fleet.load();
    thread::sleep(Duration::from_secs(5));
    load.end_without_fault();
    // The labels that the installer gave are still there, and no key is where it does not belong.
    let secret = fleet.api().get(&crate::fleet::secret());
    assert_eq!(secret["metadata"]["labels"]["made-by"], "installer");
    assert!(
        !secret["metadata"]["managedFields"]
            .to_string()
            .contains("PRIVATE")
    );
    let managers = secret["metadata"]["managedFields"].to_string();
    assert!(managers.contains("multinic-ca"), "{managers}");
}

/// A replacement from beginning to end; what is served at each moment is trusted by old and new.
fn replaced(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    // Half its life is over in ten seconds, or in thirty.
    fleet.seed(190, 400);
    fleet.start_ready(3);
    fleet.settled(1);
    let old = fleet.authorities();
    let load = fleet.load();
    fleet.settled(2);
    for replica in fleet.replicas() {
        let chain = replica.chain().expect("a chain");
        assert_eq!(chain.len(), 2, "with the bridge");
        verify(&chain, &old).expect("who knows only the old authority trusts it");
    }
    thread::sleep(Duration::from_secs(5));
    load.end_without_fault();
}

fn again_and_again(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[
        "--test-hold=1s",
        "--test-authority-life=20s",
        "--test-leaf-life=12s",
    ]);
    fleet.start_ready(3);
    let load = fleet.load();
    let mut last = fleet.authorities();
    for replacement in 1..=20 {
        eventually(&format!("replacement {replacement}"), || {
            let now = fleet.authorities();
            if now.last() == last.last() {
                return Err("the same authority".to_owned());
            }
            last = now;
            Ok(())
        });
        assert!(last.len() <= 4, "{} authorities", last.len());
    }
    let calls = load.end_without_fault();
    eprintln!("    20 replacements, {calls} calls and handshakes, none failed");
}

/// Rights are what stops a replacement after each of its writes, to the write.
fn die_after_each_write(c: &Cluster) {
    let read: &[&str] = &["get", "list", "watch"];
    let rights = [
        Rights {
            secret: read,
            mutating: read,
            validating: read,
            ..Rights::ALL
        },
        Rights {
            mutating: read,
            validating: read,
            ..Rights::ALL
        },
        Rights {
            validating: read,
            ..Rights::ALL
        },
        Rights {
            mutating: read,
            ..Rights::ALL
        },
        Rights::ALL,
    ];
    for (step, rights) in rights.into_iter().enumerate() {
        let mut fleet = Fleet::new(c).with(&[HOLD]);
        fleet.rights(rights);
        fleet.seed(OLD, YEAR);
        fleet.start_ready(3);
        let load = fleet.load();
        let writes = |fleet: &Fleet<'_>| {
            let secret = usize::from(fleet.authorities().len() == 2);
            let trusted = fleet.trusted();
            let bundles: usize = trusted.iter().map(|one| usize::from(one.len() == 2)).sum();
            [secret, bundles]
        };
        let expected = [[0, 0], [1, 0], [1, 1], [1, 3], [1, 4]][step];
        eventually(&format!("the writes of step {step}"), || {
            let done = writes(&fleet);
            (done == expected).then_some(()).ok_or(format!("{done:?}"))
        });
        // Nothing more happens, and what is served is trusted.
        thread::sleep(Duration::from_secs(5));
        assert_eq!(writes(&fleet), expected);
        load.end_without_fault();
        fleet.kill();
        fleet.rights(Rights::ALL);
        fleet.start_ready(3);
        let load = fleet.load();
        fleet.settled(2);
        thread::sleep(Duration::from_secs(2));
        load.end_without_fault();
    }
}

fn expired(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.seed(YEAR + 2 * DAY, YEAR);
    let ready = fleet.start_ready(2);
    let works = fleet.answers();
    eprintln!("    ready after {ready:?}, a call worked {works:?} later");
    let load = fleet.load();
    thread::sleep(Duration::from_secs(3));
    load.end_without_fault();
    assert!(
        ready + works < Duration::from_secs(25),
        "{ready:?} + {works:?}"
    );
}

fn clocks(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD, "--test-clock-offset=7200"]);
    fleet.seed(OLD, YEAR);
    // The one whose clock is ahead makes the successor.
    fleet.start_ready(1);
    fleet.settled(2);
    fleet.set(&[HOLD, "--test-clock-offset=-7200"]);
    fleet.start(1);
    fleet.set(&[HOLD]);
    fleet.start_ready(1);
    let load = fleet.load();
    fleet.settled(2);
    thread::sleep(Duration::from_secs(8));
    load.end_without_fault();
    // And the same where the clock that is behind makes it.
    fleet.kill();
    fleet.reset();
    fleet.seed(OLD, YEAR);
    fleet.set(&[HOLD, "--test-clock-offset=-7200"]);
    fleet.start_ready(1);
    fleet.settled(2);
    fleet.set(&[HOLD]);
    fleet.start_ready(2);
    let load = fleet.load();
    fleet.settled(2);
    thread::sleep(Duration::from_secs(8));
    load.end_without_fault();
}

/// A second API server that learns nothing for a while calls with the bundles of before.
fn late_api_server(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.seed(OLD, YEAR);
    // Nothing can be written yet, so that the second API server knows only the old authority.
    let read: &[&str] = &["get", "list", "watch"];
    fleet.rights(Rights {
        secret: read,
        mutating: read,
        validating: read,
        ..Rights::ALL
    });
    fleet.start_ready(3);
    let second = c.plane().second().expect("a second API server");
    second.wait(&c.plane());
    let probe = second.api(&c.plane());
    let denied = |what: &str| {
        // A Pod that is refused is refused before anything is stored: a frozen API server answers.
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "probe", "annotations": {"k8s.v1.cni.cncf.io/networks": "others/net"}},
            "spec": {"containers": [{"name": "main", "image": "none"}]}});
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All");
        let (status, answer) = probe.call("POST", &path, &pod);
        let text = answer.to_string();
        assert!(
            status == 403 && text.contains("isolated-network"),
            "{what}: {status} {text}"
        );
    };
    eventually("the second API server to call", || {
        let path = configuration("validating");
        let (status, answer) = probe.call("GET", &path, &serde_json::Value::Null);
        (status == 200).then_some(()).ok_or(answer.to_string())
    });
    denied("before");
    second.freeze();
    fleet.rights(Rights::ALL);
    let load = fleet.load();
    fleet.settled(2);
    load.end_without_fault();
    // Everybody else is there, and this one calls on with the old bundle.
    for _ in 0..10 {
        fleet.cut();
        denied("frozen, on a fresh connection");
    }
    second.thaw();
    eventually("the second API server to learn", || {
        let (_, object) = probe.call(
            "GET",
            &configuration("validating"),
            &serde_json::Value::Null,
        );
        let bundle = object["webhooks"][0]["clientConfig"]["caBundle"]
            .as_str()
            .map(str::len);
        (bundle > Some(1200))
            .then_some(())
            .ok_or(format!("{bundle:?}"))
    });
    fleet.cut();
    denied("after");
}

fn paused_api_server(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.seed(OLD, YEAR);
    let read: &[&str] = &["get", "list", "watch"];
    fleet.rights(Rights {
        validating: read,
        ..Rights::ALL
    });
    fleet.start_ready(3);
    eventually("the middle of the replacement", || {
        let trusted: Vec<_> = fleet.trusted().iter().map(Vec::len).collect();
        (trusted == [2, 1, 1, 1])
            .then_some(())
            .ok_or(format!("{trusted:?}"))
    });
    fleet.rights(Rights::ALL);
    c.plane().pause_api_server(Duration::from_secs(20));
    let load = fleet.load();
    fleet.settled(2);
    thread::sleep(Duration::from_secs(3));
    load.end_without_fault();
    // And restarted in the middle of the next one.
    fleet.kill();
    fleet.reset();
    fleet.seed(OLD, YEAR);
    fleet.start_ready(3);
    c.plane().stop_api_server();
    c.plane().start_api_server().expect("start the API server");
    c.plane().wait_for_api_server();
    let load = fleet.load();
    fleet.settled(2);
    thread::sleep(Duration::from_secs(3));
    load.end_without_fault();
    c.wait_until_registered();
}
