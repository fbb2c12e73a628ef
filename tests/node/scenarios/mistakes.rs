//! Mistakes that multinic refuses: without it the Pods hang, and Multus' own event has the words
//! that multinic repeats.

mod cases;
mod stories;

use std::{fs, time::Duration};

use serde_json::{Value, json};

use self::cases::{Answers, CASES, Case};
use crate::{
    Scenario,
    api::{Answer, networks, pods},
    cluster::Cluster,
    process::eventually,
    programs,
};

pub(crate) const BEFORE: &[Scenario] = &[
    ("every_rule_that_promises_a_hang_has_a_case", complete),
    ("mistakes_hang_without_multinic", hang),
    (
        "mistakes_of_several_steps_hang_without_multinic",
        stories::hang,
    ),
];

pub(crate) const AFTER: &[Scenario] = &[
    ("mistakes_are_refused_in_the_words_of_multus", refused),
    ("mistakes_of_several_steps_are_reported", stories::answered),
];

/// Where the Pods hang. Its networks are older than multinic.
const NAMESPACE: &str = "mistakes";

/// Where the same networks are to be created again.
const JUDGED: &str = "mistakes-again";

/// What the pages of the rules say where a Pod does not get its networks.
const PROMISES: [&str; 3] = ["ContainerCreating", "hang", "does not start"];

/// A page that says so of what other rules find, each of which has a case.
const ABOUT_OTHERS: &str = "unusable-network";

/// Pages promise what is seen here: that a Pod hangs.
fn complete(_: &Cluster) {
    let rules = programs::root().join("core/src/rules");
    let pages = fs::read_dir(rules).expect("the folder of the rules");
    let mut promised = 0;
    for path in pages.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let page = fs::read_to_string(&path).expect("a page");
        let words = || page.split(|c: char| !c.is_alphanumeric());
        let says = |phrase: &str| {
            if phrase.contains(' ') {
                page.contains(phrase)
            } else {
                words().any(|word| word.trim_end_matches('s') == phrase)
            }
        };
        let rule = path.file_stem().unwrap_or_default().to_string_lossy();
        let rule = rule.replace('_', "-");
        if rule == ABOUT_OTHERS || !PROMISES.into_iter().any(says) {
            continue;
        }
        promised += 1;
        let of_one = CASES.iter().any(|case| case.rule == rule);
        assert!(
            of_one || stories::RULES.contains(&rule.as_str()),
            "the page of {rule} says that Pods hang: add a case to tests/node/scenarios/mistakes"
        );
    }
    assert!(promised > 12, "only {promised} pages promise it");
}

/// Creates the networks of all cases, unless they are there: multinic would refuse them.
fn define(c: &Cluster) {
    let known = c.api.get(&format!("/api/v1/namespaces/{NAMESPACE}"));
    if known.is_ok_and(|answer| answer.is_success()) {
        return;
    }
    assert!(!c.is_installed(), "multinic is installed already");
    c.namespace(NAMESPACE);
    for case in CASES {
        for network in case.networks {
            let answer = c.post(&networks(NAMESPACE), &cases::network(*network));
            assert!(
                answer.is_success() || answer.status == 409,
                "{}: {}",
                case.name,
                answer.message()
            );
        }
    }
}

fn hang(c: &Cluster) {
    assert!(!c.is_installed(), "multinic is installed already");
    define(c);
    for case in CASES {
        c.create(&pods(NAMESPACE), &case.pod());
    }
    for case in CASES {
        hangs(c, NAMESPACE, case.name, case.event);
    }
    // A second time round nothing has become better.
    std::thread::sleep(Duration::from_secs(2));
    for case in CASES {
        let name = case.name;
        eventually(&format!("Pod {name} to be in ContainerCreating"), || {
            let pod = c.get(&format!("{}/{name}", pods(NAMESPACE)));
            let state = &pod["status"]["containerStatuses"][0]["state"];
            // The kubelet writes the status some time after the event.
            match state["waiting"]["reason"].as_str() {
                Some("ContainerCreating") => Ok(()),
                _ => Err(pod["status"].to_string()),
            }
        });
    }
    for case in CASES {
        let path = format!("{}/{}", pods(NAMESPACE), case.name);
        c.api.delete(&path).expect("delete a Pod");
    }
}

/// Waits until the sandbox of a Pod cannot be made, for the reason that Multus gives.
fn hangs(c: &Cluster, namespace: &str, pod: &str, reason: &str) {
    let said = eventually(&format!("Pod {pod} to hang: {reason}"), || {
        let said = c.events(namespace, pod);
        let failed = said
            .lines()
            .find(|l| l.starts_with("FailedCreatePodSandBox: ") && l.contains(reason));
        failed.map(str::to_owned).ok_or(said)
    });
    eprintln!("  {pod}: {}", shortened(&said));
}

/// The event without what every event has.
fn shortened(event: &str) -> &str {
    event
        .rsplit_once("failed (add): ")
        .map_or(event, |(_, said)| said)
}

fn refused(c: &Cluster) {
    define(c);
    c.ensure_installed();
    c.namespace(JUDGED);
    let dry = |path: String| format!("{path}?dryRun=All");
    for case in CASES {
        let created = || c.post(&dry(pods(NAMESPACE)), &case.pod());
        let network = || cases::network(case.networks[0]);
        match case.answer {
            Answers::RefusesPod => refuses(case, &created(), case.rule),
            Answers::WarnsOfPod => warns(c, case.rule, &created(), NAMESPACE, &case.pod()),
            Answers::RefusesNetwork => {
                refuses(case, &created(), "unusable-network");
                let answer = c.post(&dry(networks(JUDGED)), &network());
                refuses(case, &answer, case.rule);
            }
            Answers::WarnsOfNetwork => {
                let answer = c.post(&dry(networks(JUDGED)), &network());
                warns(c, case.rule, &answer, JUDGED, &network());
            }
            Answers::RefusesUpdate => {
                let mut pod = case.pod();
                let annotations = pod["metadata"]["annotations"].take();
                pod["metadata"]["name"] = json!("plain");
                c.create(&pods(NAMESPACE), &pod);
                let path = dry(format!("{}/plain", pods(NAMESPACE)));
                let change = json!({"metadata": {"annotations": annotations}});
                let answer = c.api.patch(&path, &change).expect("an answer");
                refuses(case, &answer, case.rule);
            }
        }
    }
    c.delete_namespace(JUDGED);
    c.delete_namespace(NAMESPACE);
}

fn refuses(case: &Case, answer: &Answer, rule: &str) {
    let said = answer.message();
    let denied = said.contains(&format!("denied the request: {rule}: "));
    assert!(
        answer.status == 403 && denied && said.contains(case.quoted),
        "{}: expected to be refused by {rule}, saying {:?}\ncame: {} {said}",
        case.name,
        case.quoted,
        answer.status
    );
}

/// Warnings are headers, which kubectl shows.
fn warns(c: &Cluster, rule: &str, answer: &Answer, namespace: &str, object: &Value) {
    assert!(answer.is_success(), "{rule}: {}", answer.message());
    let file = c.file("warned.json");
    fs::write(&file, object.to_string()).expect("write a manifest");
    let file = file.display().to_string();
    c.kubectl(&["-n", namespace, "create", "--dry-run=server", "-f", &file])
        .accepted()
        .warned(rule);
}
