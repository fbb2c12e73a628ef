//! Objects that are made to cost, up to what the API server reads.

use std::io;

use serde_json::{Value, json};

use crate::{
    http::{Client, Message},
    objects::{IPVLAN, annotated, nad, pod, selecting, with, workload},
};

pub(super) const NADS: &str = "apis/k8s.cni.cncf.io/v1/network-attachment-definitions";
const PODS: &str = "api/v1/pods";
const DEPLOYMENTS: &str = "apis/apps/v1/deployments";

/// What the API server reads of a request (`MaxRequestBodyBytes`), with room for the rest of the object.
const LARGEST_OBJECT: usize = (3 << 20) - (64 << 10);
/// What all annotations of an object may have together (`TotalAnnotationSizeLimitB`).
const LARGEST_ANNOTATIONS: usize = (256 << 10) - 1000;
/// `multinic_core::limits::MAX_PLACEMENT`, with room for what is around it.
const LARGEST_PLACEMENT: usize = (64 << 10) - 150;
/// `multinic_core::limits::MAX_CONFIG`, likewise.
const LARGEST_CONFIG: usize = (256 << 10) - 200;
/// Networks with a selector each, as many as one Pod may ask for.
const NETWORKS_OF_A_POD: usize = 256;

/// An object, and where it is sent.
pub(super) struct Worst {
    pub(super) name: &'static str,
    resource: &'static str,
    body: String,
}

impl Worst {
    /// Sends it, to be judged and not stored.
    pub(super) fn send(&self, client: &mut Client, namespace: &str) -> io::Result<Message> {
        let path = format!("{}?dryRun=All", super::path(namespace, self.resource));
        client.post(&path, &self.body)
    }
}

/// What is there before: networks with the largest selectors.
pub(super) fn networks(namespace: &str) -> Vec<Value> {
    let most: Vec<_> = (0..64).map(|n| format!("k{n}")).collect();
    let values = list(60_000, |n| format!("v{n}"));
    let mut all = vec![
        selecting(nad(namespace, "most", IPVLAN), &most.join(",")),
        selecting(
            nad(namespace, "values", IPVLAN),
            &format!("k0 in ({values})"),
        ),
    ];
    for n in 0..NETWORKS_OF_A_POD {
        all.push(selecting(
            nad(namespace, &format!("net-{n}"), IPVLAN),
            &format!("own{n}!=x"),
        ));
    }
    all
}

/// A network that is stored, as large as one may be.
pub(super) fn stored(namespace: &str, n: usize) -> Value {
    nad(
        namespace,
        &format!("large-{n}"),
        &plugins(r#"{"type":"tuning"}"#, LARGEST_CONFIG),
    )
}

pub(super) fn objects(namespace: &str) -> Vec<Worst> {
    let asking = |networks: &str| pod(namespace, "worst", networks);
    let placed = |networks: &str, terms: String| {
        let terms: Value = serde_json::from_str(&terms).expect("JSON");
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": terms}}});
        with(asking(networks), "affinity", affinity)
    };
    let exists =
        |n: usize| format!(r#"{{"matchExpressions":[{{"key":"o{n}","operator":"Exists"}}]}}"#);
    let in_and_not_in = {
        let values = list(LARGEST_PLACEMENT / 2, |n| format!("\"v{n}\""));
        let not_in = list(LARGEST_PLACEMENT / 2 - 100, |n| {
            format!(r#"{{"key":"k0","operator":"NotIn","values":["v{n}"]}}"#)
        });
        format!(
            r#"[{{"matchExpressions":[{{"key":"k0","operator":"In","values":[{values}]}},{not_in}]}}]"#
        )
    };
    let all_networks: Vec<_> = (0..NETWORKS_OF_A_POD).map(|n| format!("net-{n}")).collect();
    let all_networks = all_networks.join(",");
    let unknown: Vec<_> = (0..NETWORKS_OF_A_POD).map(|n| format!("no-{n}")).collect();
    let addresses = list(LARGEST_ANNOTATIONS - 100, |_| "\"a\"".to_owned());
    let addresses = format!(r#"[{{"name":"most","ips":[{addresses}]}}]"#);
    let bracketed = |terms: String| format!("[{terms}]");
    let pods = [
        (
            "networks with selectors, and terms",
            placed(&all_networks, bracketed(list(LARGEST_PLACEMENT, exists))),
        ),
        (
            "the most requirements, and terms",
            placed("most", bracketed(list(LARGEST_PLACEMENT, exists))),
        ),
        ("values, In and NotIn", placed("values", in_and_not_in)),
        (
            "terms up to the limit of the API server",
            placed("most", bracketed(list(LARGEST_OBJECT, exists))),
        ),
        ("unknown networks", asking(&unknown.join(","))),
        (
            "names",
            asking(&list(LARGEST_ANNOTATIONS, |n| format!("n{n}"))),
        ),
        (
            "isolated networks",
            asking(&list(LARGEST_ANNOTATIONS, |n| format!("x/n{n}"))),
        ),
        ("wrong addresses", asking(&addresses)),
        (
            "empty elements",
            asking(&format!(
                "[{}]",
                list(LARGEST_ANNOTATIONS - 2, |_| "{}".to_owned())
            )),
        ),
        (
            "annotations up to the limit of the API server",
            annotated(
                asking("most"),
                "example.com/large",
                json!("\n".repeat(LARGEST_OBJECT / 2)),
            ),
        ),
    ];
    let configs = [
        ("plugins", plugins(r#"{"type":"tuning"}"#, LARGEST_CONFIG)),
        (
            "unknown plugins",
            plugins(r#"{"type":"unknown#"}"#, LARGEST_CONFIG),
        ),
        (
            "routes",
            format!(
                r#"{{"cniVersion":"1.0.0","type":"macvlan","master":"eth1","ipam":{{"type":"host-local","routes":[{}]}}}}"#,
                list(LARGEST_CONFIG, |n| format!(r#"{{"dst":"10.{n}.0.0/16"}}"#))
            ),
        ),
        (
            "sysctls",
            format!(
                r#"{{"cniVersion":"1.0.0","plugins":[{{"type":"bridge"}},{{"type":"tuning","sysctl":{{{}}}}}]}}"#,
                list(LARGEST_CONFIG, |n| format!(r#""net.ipv4.conf.{n}":"1""#))
            ),
        ),
        (
            "plugins up to the limit of the API server",
            plugins(r#"{"type":"tuning"}"#, LARGEST_OBJECT / 2),
        ),
    ];
    let mut all = Vec::new();
    for (name, object) in pods {
        all.push(Worst {
            name,
            resource: PODS,
            body: object.to_string(),
        });
    }
    for (name, config) in configs {
        all.push(Worst {
            name,
            resource: NADS,
            body: nad(namespace, "worst", &config).to_string(),
        });
    }
    let deployment = workload("apps/v1", "Deployment", namespace, "worst", &addresses);
    all.push(Worst {
        name: "a template with wrong addresses",
        resource: DEPLOYMENTS,
        body: deployment.to_string(),
    });
    all
}

/// A chain of plugins; `#` is the number of each.
fn plugins(unit: &str, length: usize) -> String {
    let all = list(length, |n| unit.replace('#', &n.to_string()));
    format!(r#"{{"cniVersion":"1.0.0","plugins":[{all}]}}"#)
}

/// What `unit` writes for 0, 1, 2 … separated by commas, as far as it fits into `length` bytes.
fn list(length: usize, unit: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(length);
    for n in 0.. {
        let next = unit(n);
        if text.len() + next.len() + 1 > length {
            break;
        }
        if n > 0 {
            text.push(',');
        }
        text.push_str(&next);
    }
    text
}
