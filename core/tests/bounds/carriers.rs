//! Pods, Bindings and templates that are made to cost.

use std::sync::{Arc, LazyLock};

use multinic_core::limits::{MAX_PLACEMENT, MAX_SELECTOR, MAX_SELECTOR_REQUIREMENTS};
use multinic_core::network::{Network, Snapshot};
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS};
use multinic_core::view::placement::REQUIRED;

use crate::measure::{Case, bounded};
use crate::{LARGEST_ANNOTATIONS, LARGEST_OBJECT, fill, list};

/// The carriers: group, resource, subresource, kind, and what stands around metadata and spec.
const CARRIERS: [(&str, &str, &str, &str); 9] = [
    ("", "pods", "", "Pod"),
    ("", "pods", "binding", "Binding"),
    ("apps", "deployments", "", "Deployment"),
    ("apps", "statefulsets", "", "StatefulSet"),
    ("apps", "daemonsets", "", "DaemonSet"),
    ("apps", "replicasets", "", "ReplicaSet"),
    ("", "replicationcontrollers", "", "ReplicationController"),
    ("batch", "jobs", "", "Job"),
    ("batch", "cronjobs", "", "CronJob"),
];

/// What is in the namespace of the Pods.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
    let broken = format!(
        r#"{{"cniVersion":"1.0.0","type":"bridge","ipam":{{"type":"static","addresses":[{}]}}}}"#,
        list(8 << 10, |index| format!(r#"{{"address":"wrong-{index}"}}"#)),
    );
    let selectors = [
        ("none", None),
        ("one", Some("zone=a".to_owned())),
        // B1: every requirement has to go to every term.
        (
            "most",
            Some(
                (0..MAX_SELECTOR_REQUIREMENTS)
                    .map(|index| format!("k{index}"))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
        ),
        (
            "values",
            Some(format!(
                "k0 in ({})",
                list(MAX_SELECTOR - 20, |index| format!("v{index}"))
            )),
        ),
        (
            "same-key",
            Some(
                (0..MAX_SELECTOR_REQUIREMENTS)
                    .map(|index| format!("k0!=v{index}"))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
        ),
        (
            "numbers",
            Some(
                (0..MAX_SELECTOR_REQUIREMENTS)
                    .map(|index| format!("k0>{index}"))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
        ),
    ];
    let mut snapshot = Snapshot::default();
    let mut insert = |name: &str, config: &str, selector: Option<&str>| {
        let network = Network::read(name, config, selector);
        snapshot.insert("team-a", name, Arc::new(network));
    };
    for (name, selector) in &selectors {
        insert(name, config, selector.as_deref());
    }
    // As many as one Pod may use, each with a selector of its own, or useless.
    for number in 0..1000 {
        let selector = list(1200, |index| format!("k{index}!=v{number}"));
        insert(&format!("net-{number}"), config, Some(&selector));
        insert(&format!("bad-{number}"), &broken, Some("not a selector"));
    }
    snapshot
});

/// A review of a carrier that is created, or written again where there is an old object.
fn review(
    (group, resource, sub_resource, kind): (&str, &str, &str, &str),
    metadata: &str,
    spec: &str,
    is_update: bool,
) -> String {
    let carried = format!(r#""metadata":{{{metadata}}},"spec":{{{spec}}}"#);
    let object = match kind {
        "Pod" | "Binding" => carried,
        "CronJob" => format!(r#""spec":{{"jobTemplate":{{"spec":{{"template":{{{carried}}}}}}}}}"#),
        _ => format!(r#""spec":{{"template":{{{carried}}}}}"#),
    };
    let (operation, old) = if is_update {
        ("UPDATE", format!("{{{object}}}").replace("zone", "zones"))
    } else {
        ("CREATE", "null".to_owned())
    };
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"{group}","version":"v1","kind":"{kind}"}},"resource":{{"group":"{group}","version":"v1","resource":"{resource}"}},"subResource":"{sub_resource}","name":"web","namespace":"team-a","operation":"{operation}","object":{{{object}}},"oldObject":{old}}}}}"#
    )
}

fn annotations(all: &[(&str, &str)]) -> String {
    let all: Vec<_> = all
        .iter()
        .map(|(key, text)| format!("{}:{}", quoted(key), quoted(text)))
        .collect();
    format!(r#""annotations":{{{}}}"#, all.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn affinity(terms: &str) -> String {
    format!(r#""affinity":{{"nodeAffinity":{{"{REQUIRED}":{{"nodeSelectorTerms":[{terms}]}}}}}}"#)
}

fn expression(key: &str, operator: &str, values: &str) -> String {
    format!(r#"{{"key":"{key}","operator":"{operator}","values":[{values}]}}"#)
}

fn term(expressions: &str) -> String {
    format!(r#"{{"matchExpressions":[{expressions}]}}"#)
}

/// Affinities and node selectors of up to `length` bytes.
fn specs(length: usize) -> Vec<(&'static str, String)> {
    let half = length / 2;
    let exists = |index: usize| term(&expression(&format!("o{index}"), "Exists", ""));
    let values = |length| list(length, |index| format!("\"v{index}\""));
    let in_and_not_in = |ins: usize| {
        // B3: hundreds of In whose common values thousands of NotIn take away one by one.
        let ins: Vec<_> = (0..ins)
            .map(|_| expression("k0", "In", &values(half / ins)))
            .collect();
        let not_in = list(half, |index| {
            expression("k0", "NotIn", &format!("\"v{index}\""))
        });
        affinity(&term(&format!("{},{not_in}", ins.join(","))))
    };
    let node_selector = |length| {
        let selected = list(length, |index| format!(r#""s{index}":"x""#));
        format!(r#""nodeSelector":{{{selected}}}"#)
    };
    vec![
        ("nothing", String::new()),
        (
            "terms with a requirement each",
            affinity(&list(length, exists)),
        ),
        (
            "terms of one key",
            affinity(&list(length, |_| term(&expression("k0", "Exists", "")))),
        ),
        (
            "terms of one value",
            affinity(&list(length, |index| {
                term(&expression("k0", "In", &format!("\"v{index}\"")))
            })),
        ),
        (
            "terms that contradict",
            affinity(&list(length, |_| {
                term(&format!(
                    "{},{}",
                    expression("k0", "Exists", ""),
                    expression("k0", "DoesNotExist", "")
                ))
            })),
        ),
        ("empty terms", affinity(&list(length, |_| "{}".to_owned()))),
        ("null terms", affinity(&list(length, |_| "0".to_owned()))),
        (
            "one term with requirements",
            affinity(&term(&list(length, |index| {
                expression(&format!("k{index}"), "Exists", "")
            }))),
        ),
        (
            "one term of one key",
            affinity(&term(&list(length, |index| {
                expression("k0", "NotIn", &format!("\"v{index}\""))
            }))),
        ),
        (
            "one term of bounds",
            affinity(&term(&list(length, |index| {
                expression("k0", "Gt", &format!("\"{index}\""))
            }))),
        ),
        (
            "one requirement with values",
            affinity(&term(&expression("k0", "In", &values(length)))),
        ),
        ("2 In and NotIn", in_and_not_in(2)),
        ("300 In and NotIn", in_and_not_in(300)),
        ("In and bounds", {
            let numbers = list(half, |index| format!("\"{index}\""));
            let bounds = list(half, |index| {
                expression("k0", "Gt", &format!("\"{index}\""))
            });
            affinity(&term(&format!(
                "{},{bounds}",
                expression("k0", "In", &numbers)
            )))
        }),
        (
            "fields",
            affinity(&format!(
                r#"{{"matchFields":[{}]}}"#,
                list(length, |index| {
                    expression("metadata.name", "NotIn", &format!("\"v{index}\""))
                })
            )),
        ),
        ("a node selector", node_selector(length)),
        // B4
        (
            "a node selector and terms",
            format!("{},{}", node_selector(half), affinity(&list(half, exists))),
        ),
        (
            "affinity of many values",
            format!(
                r#""affinity":{{"podAffinity":[{}]}}"#,
                list(length, |_| "{\"a\":0}".to_owned())
            ),
        ),
        (
            "affinity, then terms",
            format!(
                r#""affinity":{{"podAffinity":[{}],{}"#,
                list(half, |_| "{\"a\":0}".to_owned()),
                affinity(&list(half, exists)).replacen(r#""affinity":{"#, "", 1),
            ),
        ),
        (
            "gates",
            format!(
                r#""schedulingGates":[{}]"#,
                list(length, |_| "{}".to_owned())
            ),
        ),
        ("keys", list(length, |index| format!("\"{index}\":0"))),
        (
            "escaped keys",
            list(length, |index| format!("\"\\u003c{index}\":0")),
        ),
        (
            "values",
            format!(r#""a":[{}]"#, list(length, |_| "0".to_owned())),
        ),
        (
            "brackets",
            format!(r#""a":[{}]"#, list(length, |_| "[]".to_owned())),
        ),
        ("a long text", format!(r#""a":"{}""#, fill("x", length))),
        (
            "an escaped text",
            format!(r#""a":"{}""#, fill("\\n", length)),
        ),
        (
            "a deep value",
            format!(r#""a":{}{}"#, fill("[", 9_900), fill("]", 9_900)),
        ),
    ]
}

/// What may stand in an annotation of up to `length` bytes.
fn texts(length: usize) -> Vec<(&'static str, String)> {
    let names = |prefix: &str| list(length, |index| format!("{prefix}{index}"));
    let json = |unit: &dyn Fn(usize) -> String| format!("[{}]", list(length - 2, unit));
    let inner = |before: &str, unit: &str, after: &str| {
        format!("{before}{}{after}", list(length - 100, |_| unit.to_owned()))
    };
    vec![
        (
            "one name again and again",
            list(length, |_| "none".to_owned()),
        ),
        ("one with a selector", list(length, |_| "most".to_owned())),
        ("letters", list(length, |_| "a".to_owned())),
        ("commas", fill(",", length)),
        ("unknown names", names("n")),
        ("unusable networks", names("bad-")),
        ("networks with selectors", names("net-")),
        ("isolated networks", names("x/n")),
        ("interfaces", names("none@i")),
        ("wrong interfaces", list(length, |_| "none@////".to_owned())),
        ("slashes", fill("/", length)),
        ("signs", fill("@", length)),
        ("a long name", fill("a", length)),
        ("wide letters", fill("\u{e9}", length)),
        ("lines", list(length, |_| "\nn".to_owned())),
        ("format characters", fill("\u{202e}", length)),
        ("brackets", fill("[", length)),
        ("objects", json(&|_| r#"{"name":"none"}"#.to_owned())),
        (
            "unknown objects",
            json(&|index| format!(r#"{{"name":"n{index}"}}"#)),
        ),
        ("empty objects", json(&|_| "{}".to_owned())),
        ("numbers", json(&|_| "0".to_owned())),
        ("nulls", json(&|_| "null".to_owned())),
        (
            "addresses",
            inner(r#"[{"name":"none","ips":["#, "\"10.0.0.1\"", "]}]"),
        ),
        (
            "wrong addresses",
            inner(r#"[{"name":"none","ips":["#, "\"a\"", "]}]"),
        ),
        (
            "routes",
            inner(
                r#"[{"name":"none","default-route":["#,
                "\"10.0.0.1\"",
                "]}]",
            ),
        ),
        (
            "ports",
            inner(
                r#"[{"name":"none","portMappings":["#,
                r#"{"hostPort":0}"#,
                "]}]",
            ),
        ),
        (
            "numbers of arguments",
            inner(r#"[{"name":"none","cni-args":{"a":["#, "1e999", "]}}]"),
        ),
        ("keys", inner("[{", r#""Name":"none""#, "}]")),
        (
            "unknown keys",
            inner("[{\"name\":\"none\",", r#""k":0"#, "}]"),
        ),
        ("escaped keys", inner("[{", "\"\\u006eame\":\"none\"", "}]")),
        ("a half list", inner("[", "{\"name\":\"none\"}", "")),
    ]
}

/// A Pod with an annotation that asks for `networks`, at every kind of carrier in turn.
fn cases(name: &str, metadata: &str, spec: &str) -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for is_update in [false, true] {
        cases.push(Case {
            name: format!("Pod, {name}{}", if is_update { ", UPDATE" } else { "" }),
            body: review(CARRIERS[0], metadata, spec, is_update),
            snapshot: &SNAPSHOT,
        });
    }
    cases
}

#[test]
fn placement_of_pods() {
    let mut all = Vec::new();
    for network in ["none", "one", "most", "values", "same-key", "numbers"] {
        for (name, spec) in specs(LARGEST_OBJECT - 1000) {
            let metadata = annotations(&[(NETWORKS, network)]);
            all.extend(cases(&format!("{network}: {name}"), &metadata, &spec));
        }
    }
    bounded(&all);
}

#[test]
fn placement_within_the_limits() {
    let mut all = Vec::new();
    for network in ["most", "values", "same-key", "numbers"] {
        for length in [10_000, MAX_PLACEMENT / 2, MAX_PLACEMENT - 150] {
            for (name, spec) in specs(length) {
                let metadata = annotations(&[(NETWORKS, network)]);
                all.extend(cases(
                    &format!("{network}: {length}: {name}"),
                    &metadata,
                    &spec,
                ));
            }
        }
    }
    bounded(&all);
}

#[test]
fn annotations_of_pods() {
    let mut all = Vec::new();
    for annotation in [NETWORKS, DEFAULT_NETWORK] {
        for length in [
            2_000,
            20_000,
            LARGEST_ANNOTATIONS - 1000,
            LARGEST_OBJECT - 1000,
        ] {
            for (name, text) in texts(length) {
                let metadata = annotations(&[(annotation, &text)]);
                all.extend(cases(&format!("{length}: {name}"), &metadata, ""));
            }
        }
    }
    bounded(&all);
}

#[test]
fn annotations_and_placement() {
    let terms = specs(LARGEST_OBJECT - 2 * LARGEST_ANNOTATIONS);
    let mut all = Vec::new();
    for length in [1_000, 2_000, 10_000, LARGEST_ANNOTATIONS - 1000] {
        let names = list(length, |index| format!("net-{index}"));
        let metadata = annotations(&[(NETWORKS, &names)]);
        for (name, spec) in &terms {
            all.extend(cases(
                &format!("{length} of networks: {name}"),
                &metadata,
                spec,
            ));
        }
    }
    bounded(&all);
}

#[test]
fn metadata_of_pods() {
    let own = |more: &str| format!(r#""annotations":{{{more}"{NETWORKS}":"one"}}"#);
    let length = LARGEST_OBJECT - 1000;
    let mut all = Vec::new();
    for (name, metadata) in [
        (
            "annotations",
            own(&(list(length, |index| format!("\"{index}\":\"\"")) + ",")),
        ),
        (
            "escaped annotations",
            own(&(list(length, |index| format!("\"\\u003c{index}\":\"\"")) + ",")),
        ),
        (
            "the same annotation",
            own(&(list(length, |_| format!("\"{NETWORKS}\":\"one\"")) + ",")),
        ),
        (
            "escaped spellings",
            own(&(list(length, |_| {
                format!("\"{}\":\"one\"", NETWORKS.replace('k', "\\u006b"))
            }) + ",")),
        ),
        (
            "labels",
            format!(
                "{},\"labels\":{{{}}}",
                own(""),
                list(length, |index| format!("\"{index}\":\"\""))
            ),
        ),
        (
            "owners",
            format!(
                "{},\"ownerReferences\":[{}]",
                own(""),
                list(length, |_| "{\"controller\":false}".to_owned())
            ),
        ),
        (
            "keys",
            format!(
                "{},{}",
                own(""),
                list(length, |index| format!("\"{index}\":0"))
            ),
        ),
    ] {
        all.extend(cases(name, &metadata, ""));
    }
    bounded(&all);
}

#[test]
fn every_carrier() {
    let names = list(250 << 10, |index| format!("net-{index}"));
    let chosen = ["terms with a requirement each", "values", "keys"];
    let specs = specs(LARGEST_OBJECT - 2000);
    let specs = specs.iter().filter(|(name, _)| chosen.contains(name));
    let objects: Vec<_> = specs
        .map(|(name, spec)| (*name, "most", &**spec))
        .chain([("many networks", &*names, "")])
        .collect();
    assert_eq!(objects.len(), chosen.len() + 1);
    for carrier in CARRIERS {
        let mut all = Vec::new();
        for (name, networks, spec) in &objects {
            for is_update in [false, true] {
                let metadata = annotations(&[(NETWORKS, networks)]);
                all.push(Case {
                    name: format!("{}, {name}, {is_update}", carrier.3),
                    body: review(carrier, &metadata, spec, is_update),
                    snapshot: &SNAPSHOT,
                });
            }
        }
        bounded(&all);
    }
}
