//! Pods run where their networks are, and nowhere else.

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    kubectl::Outcome,
    objects::{
        IPVLAN, NAD, NETWORKS, NODE_SELECTOR, annotated, nad, one_of, plain_pod, pod, required,
        selecting, terms, with, workload,
    },
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    ("placement_is_merged_into_every_shape_of_affinity", merged),
    ("placement_is_where_pods_really_run", really_run),
    ("conflicting_networks_are_refused", conflicting),
    ("gated_pod_gets_its_network_by_update", gated),
    (
        "second_apply_changes_nothing_and_fails_nothing",
        second_apply,
    ),
    (
        "daemonset_runs_on_exactly_the_nodes_of_its_network",
        daemon_set,
    ),
    ("changed_selector_holds_for_later_pods", changed_selector),
];

type Apply<'a> = &'a dyn Fn(&Value) -> Outcome;

const ZONED: &str = "default/zoned";

fn nic() -> Value {
    one_of("nic", &["ens224"])
}

fn zone(values: &[&str]) -> Value {
    one_of("zone", values)
}

fn with_terms(pod: Value, list: &[Value]) -> Value {
    with(pod, "affinity", required(list))
}

fn merged(c: &Cluster) {
    let ns = "placement-merged";
    c.namespace(ns);
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 1, "preference": {"matchExpressions": [zone(&["a"])]}}]}});
    let expression = |list: Value| json!({"matchExpressions": list});
    // the affinity of its own, and the terms that are stored
    let cases = [
        ("none", Value::Null, vec![json!([nic()])]),
        ("empty", json!({}), vec![json!([nic()])]),
        ("preferred", preferred, vec![json!([nic()])]),
        (
            "one-term",
            required(&[json!([zone(&["b"])])]),
            vec![json!([zone(&["b"]), nic()])],
        ),
        (
            "two-terms",
            required(&[json!([zone(&["a"])]), json!([zone(&["b"])])]),
            vec![json!([zone(&["a"]), nic()]), json!([zone(&["b"]), nic()])],
        ),
        (
            "there-already",
            required(&[json!([nic()])]),
            vec![json!([nic()])],
        ),
    ];
    for (name, own, expected) in cases {
        let own = if own.is_null() {
            pod(ns, name, ZONED)
        } else {
            with(pod(ns, name, ZONED), "affinity", own)
        };
        c.create(&own).accepted().called(1, 1);
        let expected: Vec<_> = expected.into_iter().map(expression).collect();
        let stored = c.get(ns, "pod", name);
        assert_eq!(terms(&stored), &json!(expected), "terms of Pod {name}");
    }
    // What else was in its affinity is there as it was.
    let stored = c.get(ns, "pod", "preferred");
    let preferred = &stored["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(preferred.as_array().map(Vec::len), Some(1), "{stored}");
    // One who wrote what is needed is not patched: nothing is there twice.
    c.delete_namespace(ns).accepted();
}

fn really_run(c: &Cluster) {
    let ns = "placement-runs";
    c.namespace(ns);
    // node-3 is the emptiest, and never chosen
    for n in 0..6 {
        let name = format!("web-{n}");
        c.create(&pod(ns, &name, ZONED)).accepted();
        assert_ne!(c.scheduled_on(ns, &name), "node-3");
    }
    c.create(&with_terms(
        pod(ns, "narrow", ZONED),
        &[json!([zone(&["b"])])],
    ))
    .accepted();
    assert_eq!(c.scheduled_on(ns, "narrow"), "node-2");
    c.create(&with(
        pod(ns, "selected", ZONED),
        "nodeSelector",
        json!({"zone": "a"}),
    ))
    .accepted();
    assert_eq!(c.scheduled_on(ns, "selected"), "node-1");
    c.create(&selecting(nad(ns, "nowhere", IPVLAN), "nic=none"))
        .accepted();
    c.create(&pod(ns, "waiting", "nowhere")).accepted();
    c.unschedulable(ns, "waiting");
    // A node that has the network later is used then.
    c.kubectl(&["label", "node", "node-3", "nic=none"], None)
        .accepted()
        .uncalled();
    assert_eq!(c.scheduled_on(ns, "waiting"), "node-3");
    c.kubectl(&["label", "node", "node-3", "nic-"], None)
        .accepted()
        .uncalled();
    c.delete_namespace(ns).accepted();
}

fn conflicting(c: &Cluster) {
    let ns = "placement-conflicts";
    c.namespace(ns);
    for (name, selector) in [
        ("here", "zone=a"),
        ("there", "zone in (b)"),
        ("anywhere", "zone in (a, b)"),
    ] {
        c.create(&selecting(nad(ns, name, IPVLAN), selector))
            .accepted();
    }
    let unsatisfiable = "unsatisfiable-node-selector";
    let said = c
        .create(&pod(ns, "web", "here, there"))
        .rejected(unsatisfiable)
        .called(1, 1);
    said.saying("here").saying("there");
    let chosen = with(
        pod(ns, "web", "there"),
        "nodeSelector",
        json!({"zone": "a"}),
    );
    c.create(&chosen).rejected(unsatisfiable).called(1, 1);
    c.create(&with_terms(
        pod(ns, "web", "there"),
        &[json!([zone(&["a"])])],
    ))
    .rejected(unsatisfiable)
    .called(1, 1);
    c.create(&pod(ns, "web", "here, anywhere"))
        .accepted()
        .called(1, 1);
    assert_eq!(c.scheduled_on(ns, "web"), "node-1");
    c.delete_namespace(ns).accepted();
}

fn gated(c: &Cluster) {
    let ns = "placement-gated";
    c.namespace(ns);
    let gates = json!([{"name": "test/gate"}]);
    let shapes = [
        ("none", plain_pod(ns, "none")),
        (
            "own",
            with_terms(plain_pod(ns, "own"), &[json!([zone(&["b"])])]),
        ),
        (
            "chosen",
            with(
                plain_pod(ns, "chosen"),
                "nodeSelector",
                json!({"zone": "b"}),
            ),
        ),
    ];
    for (name, shape) in shapes {
        c.create(&with(shape, "schedulingGates", gates.clone()))
            .accepted()
            .uncalled();
        c.annotate(ns, "pod", name, NETWORKS, Some("team-b/secret"))
            .rejected("isolated-network")
            .called(1, 1);
        c.annotate(ns, "pod", name, NETWORKS, Some(ZONED))
            .accepted()
            .called(1, 1);
        let stored = c.get(ns, "pod", name);
        assert!(
            terms(&stored).to_string().contains("ens224"),
            "placed by the update: {stored}"
        );
        let ungated = json!({"spec": {"schedulingGates": null}});
        c.patch(ns, "pod", name, &ungated, &[])
            .accepted()
            .uncalled();
        let node = c.scheduled_on(ns, name);
        assert!(
            if name == "none" {
                node != "node-3"
            } else {
                node == "node-2"
            },
            "{name} runs on {node}"
        );
    }
    // In the update that takes the last gate away too.
    c.create(&with(plain_pod(ns, "last"), "schedulingGates", gates))
        .accepted()
        .uncalled();
    let both =
        json!({"metadata": {"annotations": {NETWORKS: ZONED}}, "spec": {"schedulingGates": null}});
    c.patch(ns, "pod", "last", &both, &[])
        .accepted()
        .called(1, 1);
    assert_ne!(c.scheduled_on(ns, "last"), "node-3");
    // Of a Pod that runs the place cannot change.
    c.create(&plain_pod(ns, "running")).accepted().uncalled();
    c.scheduled_on(ns, "running");
    c.annotate(ns, "pod", "running", NETWORKS, Some(ZONED))
        .rejected("unenforced-node-selector")
        .called(1, 1);
    c.delete_namespace(ns).accepted();
}

fn second_apply(c: &Cluster) {
    let ns = "placement-applied";
    c.namespace(ns);
    let client = |o: &Value| c.apply(o);
    let server = |o: &Value| c.server_side_apply(o);
    let forced = |o: &Value| {
        c.kubectl(
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            Some(o),
        )
    };
    let ways: [(&str, Apply<'_>); 3] = [
        ("client", &client),
        ("server", &server),
        ("forced", &forced),
    ];
    for (way, apply) in ways {
        for own in [false, true] {
            let name = format!("{way}-{own}");
            let mut manifest = pod(ns, &name, ZONED);
            if own {
                manifest = with_terms(manifest, &[json!([zone(&["b"])]), json!([zone(&["a"])])]);
            }
            apply(&manifest).accepted().called(1, 1);
            assert_ne!(c.scheduled_on(ns, &name), "node-3");
            let before = c.get(ns, "pod", &name);
            // Only a manifest with an affinity of its own asks for another one than is stored.
            apply(&manifest)
                .accepted()
                .unwarned()
                .called(u64::from(own), 0);
            let after = c.get(ns, "pod", &name);
            assert_eq!(after["spec"], before["spec"], "{name}");
            assert_eq!(
                after["metadata"]["generation"], before["metadata"]["generation"],
                "{name}"
            );
            // A changed label goes through as well.
            manifest["metadata"]["labels"] = json!({"changed": "yes"});
            apply(&manifest)
                .accepted()
                .unwarned()
                .called(u64::from(own), 0);
            let after = c.get(ns, "pod", &name);
            assert_eq!(after["metadata"]["labels"]["changed"], "yes", "{name}");
            assert_eq!(after["spec"], before["spec"], "{name}");
        }
    }
    c.delete_namespace(ns).accepted();
}

fn daemon_set(c: &Cluster) {
    let ns = "placement-daemons";
    c.namespace(ns);
    let plain = workload("apps/v1", "DaemonSet", ns, "agent", ZONED);
    let refused = c
        .create(&plain)
        .rejected("unenforced-node-selector")
        .called(0, 1);
    // The refusal holds what is to be pasted, as JSON: it is pasted.
    let affinity = pasted(&refused.stderr);
    let mut with_affinity = plain;
    with_affinity["spec"]["template"]["spec"]["affinity"] = affinity;
    let of = |kind: &str| c.metrics().sum("multinic_reviews_total", &[("kind", kind)]);
    let (sets, pods) = (of("DaemonSet"), of("Pod"));
    c.create(&with_affinity).accepted().unwarned();
    let nodes = eventually("the DaemonSet to run", || {
        let pods = c.list(ns, "pods");
        let mut nodes: Vec<_> = pods
            .iter()
            .filter_map(|p| p["spec"]["nodeName"].as_str().map(str::to_owned))
            .collect();
        nodes.sort();
        let running = pods
            .iter()
            .filter(|p| p["status"]["phase"] == "Running")
            .count();
        let set = c.get(ns, "daemonset", "agent");
        let ready =
            set["status"]["numberReady"] == 2 && set["status"]["desiredNumberScheduled"] == 2;
        // None waits: all that are there run.
        if ready && running == 2 && pods.len() == 2 {
            Ok(nodes)
        } else {
            Err(format!("{nodes:?}, {}", set["status"]))
        }
    });
    assert_eq!(nodes, ["node-1", "node-2"]);
    // The set was judged once, and each of its Pods placed and judged once: none was made for a third node.
    assert_eq!((of("DaemonSet"), of("Pod")), (sets + 1, pods + 4));
    c.delete_namespace(ns).accepted();
}

/// The first JSON object in a text that speaks of node affinity.
fn pasted(text: &str) -> Value {
    let starts = text.match_indices('{').map(|(at, _)| at);
    let objects = starts.filter_map(|at| {
        serde_json::Deserializer::from_str(&text[at..])
            .into_iter::<Value>()
            .next()?
            .ok()
    });
    let found = objects
        .into_iter()
        .find(|o| o.to_string().contains("nodeAffinity"));
    let mut found = found.unwrap_or_else(|| panic!("expected: an affinity to paste\ncame: {text}"));
    if found.get("affinity").is_some() {
        found["affinity"].take()
    } else {
        found
    }
}

fn changed_selector(c: &Cluster) {
    let ns = "placement-changed";
    c.namespace(ns);
    c.create(&selecting(nad(ns, "moving", IPVLAN), "zone=a"))
        .accepted();
    c.create(&pod(ns, "before", "moving")).accepted();
    assert_eq!(c.scheduled_on(ns, "before"), "node-1");
    c.annotate(ns, NAD, "moving", NODE_SELECTOR, Some("zone="))
        .accepted()
        .called(0, 1);
    c.annotate(ns, NAD, "moving", NODE_SELECTOR, Some("zone=b,nic"))
        .accepted()
        .called(0, 1);
    c.annotate(ns, NAD, "moving", NODE_SELECTOR, Some("zone in a"))
        .rejected("invalid-node-selector")
        .called(0, 1);
    // Seen by the watch a moment later.
    eventually("the new selector to be used", || {
        let shown = c.kubectl(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            Some(&annotated(
                plain_pod(ns, "after"),
                NETWORKS,
                json!("moving"),
            )),
        );
        let shown = shown.accepted().json();
        if terms(&shown).to_string().contains("nic") {
            Ok(())
        } else {
            Err(shown.to_string())
        }
    });
    c.create(&pod(ns, "after", "moving")).accepted();
    assert_eq!(c.scheduled_on(ns, "after"), "node-2");
    // The Pod that runs stays, and its labels can be changed.
    assert_eq!(c.scheduled_on(ns, "before"), "node-1");
    c.patch(
        ns,
        "pod",
        "before",
        &json!({"metadata": {"labels": {"a": "b"}}}),
        &[],
    )
    .accepted()
    .uncalled();
    c.delete_namespace(ns).accepted();
}
