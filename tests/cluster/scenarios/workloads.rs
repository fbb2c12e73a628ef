//! Workloads are told at apply what their Pods would be told.

use serde_json::{Value, json};

use crate::{
    Scenario,
    cluster::Cluster,
    objects::{NETWORKS, annotated, cron_job, workload},
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    (
        "workloads_of_refused_pods_are_refused_at_apply",
        refused_at_apply,
    ),
    ("labelling_and_scaling_workloads_never_calls", never_called),
    (
        "templates_warn_says_it_and_the_event_says_why",
        templates_warn,
    ),
    ("networks_beside_the_template_are_warned_of", misplaced),
];

const FOREIGN: &str = "team-b/secret";
const KINDS: [(&str, &str); 4] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "DaemonSet"),
];

fn job(ns: &str, name: &str, networks: &str) -> Value {
    let mut job = cron_job(ns, name, networks);
    job["kind"] = json!("Job");
    job["spec"] = job["spec"]["jobTemplate"]["spec"].take();
    job
}

fn controller(ns: &str, name: &str, networks: &str) -> Value {
    let mut controller = workload("v1", "ReplicationController", ns, name, networks);
    controller["spec"]["selector"] = json!({"app": name});
    controller
}

fn refused_at_apply(c: &Cluster) {
    let ns = "workloads-refused";
    c.namespace(ns);
    let mut all: Vec<_> = KINDS
        .map(|(api, kind)| workload(api, kind, ns, "web", FOREIGN))
        .into();
    all.extend([
        controller(ns, "web", FOREIGN),
        job(ns, "web", FOREIGN),
        cron_job(ns, "web", FOREIGN),
    ]);
    for refused in &all {
        c.apply(refused).rejected("isolated-network").called(0, 1);
    }
    // One that is let in, and is then changed.
    c.apply(&cron_job(ns, "nightly", "default/gke-network-1"))
        .accepted()
        .called(0, 1);
    c.apply(&cron_job(ns, "nightly", FOREIGN))
        .rejected("isolated-network")
        .called(0, 1);
    let mut deployment = workload("apps/v1", "Deployment", ns, "web", "default/gke-network-1");
    deployment["spec"]["replicas"] = json!(0);
    c.apply(&deployment).accepted();
    deployment["spec"]["template"]["metadata"]["annotations"][NETWORKS] = json!(FOREIGN);
    c.apply(&deployment)
        .rejected("isolated-network")
        .called(0, 1);
    // The order of things is not judged here: a network may come after its Deployment.
    deployment["spec"]["template"]["metadata"]["annotations"][NETWORKS] = json!("comes-later");
    c.apply(&deployment).accepted().warned("missing-network");
    c.delete_namespace(ns).accepted();
}

fn never_called(c: &Cluster) {
    let ns = "workloads-scaled";
    c.namespace(ns);
    let of = |kind: &str| c.metrics().sum("multinic_reviews_total", &[("kind", kind)]);
    let (deployments, sets) = (of("Deployment"), of("ReplicaSet"));
    let mut web = workload("apps/v1", "Deployment", ns, "web", "default/gke-network-1");
    web["spec"]["replicas"] = json!(3);
    let before = of("Pod");
    c.create(&web).accepted();
    running(c, ns, 3);
    // Its ReplicaSet is not judged again, and each Pod is: once to place, once to judge.
    assert_eq!(
        (of("Deployment"), of("ReplicaSet"), of("Pod")),
        (deployments + 1, sets, before + 6)
    );
    c.kubectl(
        &["-n", ns, "label", "deployment", "web", "some=label"],
        None,
    )
    .accepted()
    .uncalled();
    c.kubectl(
        &["-n", ns, "annotate", "deployment", "web", "some=annotation"],
        None,
    )
    .accepted()
    .uncalled();
    c.kubectl(
        &["-n", ns, "scale", "deployment", "web", "--replicas=1"],
        None,
    )
    .accepted()
    .uncalled();
    running(c, ns, 1);
    c.kubectl(
        &["-n", ns, "scale", "deployment", "web", "--replicas=2"],
        None,
    )
    .accepted();
    running(c, ns, 2);
    assert_eq!(
        (of("Deployment"), of("ReplicaSet"), of("Pod")),
        (deployments + 1, sets, before + 8)
    );
    c.kubectl(
        &[
            "-n",
            ns,
            "delete",
            "deployment",
            "web",
            "--cascade=foreground",
        ],
        None,
    )
    .accepted()
    .uncalled();
    c.delete_namespace(ns).accepted();
}

fn running(c: &Cluster, ns: &str, expected: usize) {
    eventually(&format!("{expected} Pods to run, and no others"), || {
        let pods = c.list(ns, "pods");
        let run = pods
            .iter()
            .filter(|p| p["status"]["phase"] == "Running")
            .count();
        if run == expected && pods.len() == expected {
            Ok(())
        } else {
            Err(format!("{run} of {}", pods.len()))
        }
    });
}

fn templates_warn(c: &Cluster) {
    let ns = "workloads-warned";
    c.namespace(ns);
    c.start_server("templates: warn");
    let of = |kind: &str, verdict: &str| {
        let labels = [("kind", kind), ("verdict", verdict)];
        c.metrics().sum("multinic_reviews_total", &labels)
    };
    let refused = of("Pod", "deny");
    c.create(&workload("apps/v1", "Deployment", ns, "web", FOREIGN))
        .accepted()
        .warned("isolated-network");
    let event = c.event(ns, "web-", "FailedCreate");
    for word in ["isolated-network: ", FOREIGN] {
        assert!(
            event.contains(word),
            "expected: the event's first line says {word:?}\ncame: {event}"
        );
    }
    c.create(&cron_job(ns, "nightly", FOREIGN))
        .accepted()
        .warned("isolated-network");
    assert_eq!((of("Deployment", "allow"), of("CronJob", "allow")), (1, 1));
    assert!(of("Pod", "deny") > refused, "{:?}", c.metrics());
    c.kubectl(
        &[
            "-n",
            ns,
            "delete",
            "deployment",
            "web",
            "--cascade=foreground",
        ],
        None,
    )
    .accepted();
    c.start_server("{}");
    c.delete_namespace(ns).accepted();
}

fn misplaced(c: &Cluster) {
    let ns = "workloads-misplaced";
    c.namespace(ns);
    let mut web = workload("apps/v1", "Deployment", ns, "web", "");
    web["spec"]["template"]["metadata"]["annotations"] = json!({});
    let web = annotated(web, NETWORKS, json!("default/gke-network-1"));
    c.create(&web)
        .accepted()
        .warned("misplaced-networks")
        .called(0, 1);
    c.delete_namespace(ns).accepted();
}
