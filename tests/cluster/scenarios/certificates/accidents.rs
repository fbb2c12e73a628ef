//! What others do to the Secret and to the configurations.

use std::{
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{HOLD, OLD, YEAR};
use crate::{
    Scenario,
    cluster::Cluster,
    fleet::{CONFIGURATIONS, Fleet, INSTALLER, Rights, Seed, configuration, secret, set_bundle},
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    (
        "certificates_the_secret_is_lost_or_filled_with_garbage",
        secret_lost,
    ),
    (
        "certificates_the_secret_is_lost_with_all_replicas",
        all_lost,
    ),
    (
        "certificates_a_bundle_is_emptied_corrupted_or_swapped",
        bundle_changed,
    ),
    ("certificates_somebody_else_insists", dispute),
    ("certificates_each_right_is_missing", rights),
];

fn secret_lost(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.rights(Rights {
        create: true,
        ..Rights::ALL
    });
    fleet.start_ready(3);
    fleet.settled(1);
    let own = fleet.authorities();
    let other = Seed::new(0, YEAR);
    let leaf_as_ca = {
        let (certificate, key) = (&other.certificate, &Seed::new(1, YEAR).key);
        json!({"1.crt": BASE64_STANDARD.encode(certificate), "1.key": BASE64_STANDARD.encode(key)})
    };
    let garbage = json!({"1.crt": "Z2FyYmFnZQ==", "1.key": "Z2FyYmFnZQ==", "more": "Cg=="});
    let load = fleet.load();
    let restored = |fleet: &Fleet<'_>, what: &str| {
        let start = Instant::now();
        eventually(&format!("the authority to be restored: {what}"), || {
            let now = fleet.authorities();
            let there = now.contains(&own[0]);
            there.then_some(()).ok_or(format!("{} others", now.len()))
        });
        eprintln!("    {what}: restored after {:?}", start.elapsed());
        // The installer's labels come back too.
        let secret = fleet.api().get(&secret());
        assert_eq!(
            secret["metadata"]["labels"]["made-by"], "installer",
            "{what}"
        );
    };
    fleet.api().delete(&secret());
    restored(&fleet, "deleted");
    for (what, data) in [
        ("emptied", Value::Null),
        ("garbage", garbage),
        ("the key of another", leaf_as_ca),
    ] {
        fleet.api().change(&secret(), "test", |object| {
            object["data"] = data.clone();
        });
        restored(&fleet, what);
    }
    // Another authority with its key is sound, and is taken in.
    fleet.api().change(&secret(), "test", |object| {
        object["data"] = json!({"1.crt": BASE64_STANDARD.encode(&other.certificate),
            "1.key": BASE64_STANDARD.encode(&other.key)});
    });
    restored(&fleet, "another authority");
    fleet.settled(2);
    load.end_without_fault();
}

fn all_lost(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.start_ready(3);
    fleet.settled(1);
    let old = fleet.authorities();
    fleet.kill();
    fleet
        .api()
        .change(&secret(), "test", |object| object["data"] = Value::Null);
    let ready = fleet.start_ready(3);
    let works = fleet.answers();
    eprintln!("    ready after {ready:?}, a call worked {works:?} later");
    assert!(
        ready + works < Duration::from_secs(25),
        "{ready:?} + {works:?}"
    );
    let trusted = fleet.trusted();
    assert!(
        trusted
            .iter()
            .all(|one| one.len() == 2 && one.contains(&old[0])),
        "the old one stays"
    );
    let load = fleet.load();
    thread::sleep(Duration::from_secs(8));
    load.end_without_fault();
}

fn bundle_changed(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.start_ready(3);
    fleet.settled(1);
    let good = fleet.bundles();
    let foreign = Seed::new(0, YEAR).certificate;
    let before: u64 = fleet.replicas().iter().map(repairs).sum();
    let mut worst = Duration::ZERO;
    for (kind, index) in [
        ("mutating", 0),
        ("validating", 0),
        ("validating", 1),
        ("validating", 2),
    ] {
        for (what, text) in [
            ("emptied", ""),
            ("corrupted", "no certificate"),
            ("swapped", &*foreign),
        ] {
            fleet.api().change(&configuration(kind), "test", |object| {
                set_bundle(&mut object["webhooks"][index], text);
            });
            let start = Instant::now();
            eventually(&format!("{kind} {index} to be put right: {what}"), || {
                let own = &good[0].1;
                let bundles = fleet.bundles();
                let healed = bundles.iter().all(|(_, pem)| {
                    let text = String::from_utf8_lossy(pem);
                    text.contains(&*String::from_utf8_lossy(own)) && !text.contains("no cert")
                });
                healed.then_some(()).ok_or("not yet".to_owned())
            });
            worst = worst.max(start.elapsed());
            // Not so often that it is a dispute.
            thread::sleep(Duration::from_secs(5));
        }
    }
    eprintln!("    put right after {worst:?} at the longest");
    assert!(worst < Duration::from_secs(4), "{worst:?}");
    let after: u64 = fleet.replicas().iter().map(repairs).sum();
    assert!(after >= before + 12, "{before} to {after} repairs");
    // An entry that is dropped and comes back has no bundle.
    let (kind, entries) = CONFIGURATIONS[1];
    fleet.api().change(&configuration(kind), "test", |object| {
        object["webhooks"].as_array_mut().expect("entries").pop();
    });
    fleet.api().change(&configuration(kind), "test", |object| {
        let again = fleet.registration(kind, entries)["webhooks"][2].clone();
        object["webhooks"]
            .as_array_mut()
            .expect("entries")
            .push(again);
    });
    eventually("the entry to be trusted", || {
        let trusted = fleet.trusted();
        let all = trusted.len() == 4 && trusted.iter().all(|one| !one.is_empty());
        all.then_some(()).ok_or("not yet".to_owned())
    });
    // As does a configuration that is deleted and made again.
    fleet.api().delete(&configuration(kind));
    fleet.register(kind, entries);
    eventually("the configuration to be trusted", || {
        let trusted = fleet.trusted();
        let all = trusted.len() == 4 && trusted.iter().all(|one| !one.is_empty());
        all.then_some(()).ok_or("not yet".to_owned())
    });
    let load = fleet.load();
    thread::sleep(Duration::from_secs(5));
    load.end_without_fault();
}

fn repairs(replica: &crate::fleet::Replica) -> u64 {
    replica
        .metrics()
        .sum("multinic_ca_bundle_repairs_total", &[])
}

/// As Argo CD with `Replace=true` would, every three seconds, to what it installed itself.
fn dispute(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.start_ready(2);
    fleet.settled(1);
    let disputed = |replica: &crate::fleet::Replica| {
        replica.metrics().sum("multinic_ca_bundle_disputed", &[]) == 1
    };
    assert!(!fleet.replicas().iter().any(disputed));
    let (kind, _) = CONFIGURATIONS[1];
    let mut left = 0;
    for _ in 0..30 {
        fleet
            .api()
            .change(&configuration(kind), INSTALLER, |object| {
                set_bundle(&mut object["webhooks"][0], "");
            });
        thread::sleep(Duration::from_secs(3));
        let empty = fleet.trusted()[1].is_empty();
        left += u32::from(empty);
    }
    assert!(
        left >= 15,
        "it is put right less and less often: {left} of 30 were left"
    );
    assert!(fleet.replicas().iter().all(disputed));
    for replica in fleet.replicas() {
        let log = replica.logged();
        assert!(
            log.contains("field manager installer") && log.contains("two.certificates.test"),
            "{log}"
        );
        let ready = replica.ready();
        assert_eq!(ready, Ok(()), "once ready, always ready");
    }
    // It gives in, and all is well within a minute.
    let start = Instant::now();
    eventually("the bundle to be put right", || {
        let healed = !fleet.trusted()[1].is_empty();
        healed.then_some(()).ok_or("not yet".to_owned())
    });
    assert!(start.elapsed() < Duration::from_secs(70));
}

fn rights(c: &Cluster) {
    let table: [(&str, Rights); 5] = [
        (
            "update",
            Rights {
                secret: &["get", "list", "watch"],
                ..Rights::ALL
            },
        ),
        (
            "patch",
            Rights {
                validating: &["get", "list", "watch"],
                ..Rights::ALL
            },
        ),
        (
            "patch",
            Rights {
                mutating: &["get", "list", "watch"],
                ..Rights::ALL
            },
        ),
        (
            "watch",
            Rights {
                secret: &["get", "list", "update"],
                ..Rights::ALL
            },
        ),
        (
            "get",
            Rights {
                validating: &["list", "watch", "patch"],
                ..Rights::ALL
            },
        ),
    ];
    for (verb, rights) in table {
        let mut fleet = Fleet::new(c).with(&[HOLD]);
        fleet.seed(OLD, YEAR);
        let old = fleet.authorities();
        // All rights at the start; then one is taken away, and the replicas serve on.
        fleet.start_ready(2);
        fleet.settled(2);
        fleet.rights(rights);
        let load = fleet.load();
        fleet
            .api()
            .change(&secret(), "test", |object| object["data"] = Value::Null);
        fleet
            .api()
            .change(&configuration("mutating"), "test", |object| {
                object["metadata"]["labels"] = json!({"a": "b"});
            });
        thread::sleep(Duration::from_secs(4));
        load.end_without_fault();
        assert_eq!(fleet.trusted()[0][0], old[0]);
        // One that starts without the right names it.
        fleet.kill();
        fleet.reset();
        fleet.seed(OLD, YEAR);
        fleet.rights(rights);
        fleet.start(1);
        eventually(&format!("{rights:?}: the log to name the right"), || {
            let log = fleet.replicas()[0].logged();
            let names =
                log.contains("is forbidden") && log.contains(&format!("cannot {verb} resource"));
            names.then_some(()).ok_or(log)
        });
    }
}
