//! Objects that are stored, judged as if they were created now.

use std::fmt::Write as _;

use multinic_core::finding::Finding;
use multinic_core::patch;
use multinic_core::policy::Policy;
use multinic_core::review::{self, Request};
use multinic_core::rules;
use multinic_core::view::{Attach, Subject};
use multinic_core::world::World;
use serde::Deserialize;

/// A kind of objects that the webhooks judge.
#[derive(Debug, Eq, PartialEq)]
pub struct Kind {
    /// Its name.
    pub kind: &'static str,
    /// Its group; empty for the core group.
    pub group: &'static str,
    /// The version in which it is read.
    pub version: &'static str,
    /// Its plural, in lower case.
    pub resource: &'static str,
    /// Texts of which an object has one if it asks for networks.
    marks: &'static [&'static str],
}

/// What is read of every object, whatever its kind.
#[derive(Debug, Default, Deserialize)]
pub struct Head {
    /// Its metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// What is read of its spec.
    #[serde(default)]
    pub spec: Option<Spec>,
}

/// What is read of an object's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    owner_references: Option<Vec<Owner>>,
}

/// What is read of an object's spec.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The node that a Pod runs on.
    #[serde(default)]
    pub node_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    #[serde(default)]
    controller: Option<bool>,
}

const ANNOTATIONS: &[&str] = &[
    "\"k8s.v1.cni.cncf.io/networks\"",
    "\"v1.multus-cni.io/default-network\"",
];
const CLAIM: &[&str] = &["netAttachDefName", "netattachdefname"];
const MACHINE: &[&str] = &["\"multus\""];

/// Pods.
pub static POD: Kind = kind("Pod", "", "v1", "pods", ANNOTATIONS);
/// Networks.
pub static NETWORK: Kind = kind(
    "NetworkAttachmentDefinition",
    "k8s.cni.cncf.io",
    "v1",
    "network-attachment-definitions",
    &[""],
);
/// What makes Pods, and what asks for networks in another way.
pub static WORKLOADS: [Kind; 11] = [
    kind("Deployment", "apps", "v1", "deployments", ANNOTATIONS),
    kind("StatefulSet", "apps", "v1", "statefulsets", ANNOTATIONS),
    kind("DaemonSet", "apps", "v1", "daemonsets", ANNOTATIONS),
    kind("ReplicaSet", "apps", "v1", "replicasets", ANNOTATIONS),
    kind("Job", "batch", "v1", "jobs", ANNOTATIONS),
    kind("CronJob", "batch", "v1", "cronjobs", ANNOTATIONS),
    kind(
        "ReplicationController",
        "",
        "v1",
        "replicationcontrollers",
        ANNOTATIONS,
    ),
    kind(
        "ResourceClaim",
        "resource.k8s.io",
        "v1",
        "resourceclaims",
        CLAIM,
    ),
    kind(
        "ResourceClaimTemplate",
        "resource.k8s.io",
        "v1",
        "resourceclaimtemplates",
        CLAIM,
    ),
    kind(
        "VirtualMachine",
        "kubevirt.io",
        "v1",
        "virtualmachines",
        MACHINE,
    ),
    kind(
        "VirtualMachineInstance",
        "kubevirt.io",
        "v1",
        "virtualmachineinstances",
        MACHINE,
    ),
];

const fn kind(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    marks: &'static [&'static str],
) -> Kind {
    Kind {
        kind,
        group,
        version,
        resource,
        marks,
    }
}

impl Kind {
    /// The path of its list, in all namespaces or in one.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.resource),
            None => format!("{root}/{}", self.resource),
        }
    }

    /// Whether an object in JSON may ask for networks. Cheap, and wrong only in that some objects are
    /// looked at in vain.
    pub fn may_ask(&self, object: &str) -> bool {
        self.marks.iter().any(|mark| object.contains(mark))
    }

    /// Its `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            return self.version.to_owned();
        }
        format!("{}/{}", self.group, self.version)
    }
}

impl Head {
    /// What an object in JSON says of itself; nothing where it cannot be read.
    pub fn of(object: &str) -> Self {
        serde_json::from_str(object).unwrap_or_default()
    }

    /// Whether a controller made it, which was judged in its place.
    pub fn is_controlled(&self) -> bool {
        let mut owners = self.metadata.owner_references.iter().flatten();
        owners.any(|owner| owner.controller == Some(true))
    }

    /// `namespace/name`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }
}

/// Calls `ask` with what an object is about, as if it were created. Returns `None` if the object is
/// not JSON.
pub fn with_subject<T>(
    kind: &Kind,
    head: &Head,
    object: &str,
    policy: &Policy,
    ask: impl FnOnce(&Subject<'_>) -> T,
) -> Option<T> {
    // Whoever writes a Pod with a node chooses it; in one that is stored, the scheduler did.
    let placed = head
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    let text = match placed.then(|| without_node(object)).flatten() {
        Some(object) => review(kind, head, &object),
        None => review(kind, head, object),
    };
    let document = review::read(text.as_bytes()).ok()?;
    let request = Request::of(&document).ok()?;
    let mut subject = Subject::of(&request, policy);
    // Nobody knows who wrote it.
    match &mut subject {
        Subject::Attach(attach) => attach.object.user = None,
        Subject::Define(define) => define.object.user = None,
        Subject::Cluster(_) | Subject::Other => {}
    }
    Some(ask(&subject))
}

/// A Pod as it was before it had a node.
fn without_node(object: &str) -> Option<String> {
    let mut object: serde_json::Value = serde_json::from_str(object).ok()?;
    object
        .get_mut("spec")?
        .as_object_mut()?
        .remove("nodeName")?;
    Some(object.to_string())
}

/// What the validating webhook would say of an object, with what the mutating one would write.
pub fn findings(subject: &Subject<'_>, world: &World<'_>) -> Vec<Finding> {
    let mut findings = rules::decide(subject, world);
    if let Subject::Attach(attach) = subject {
        findings.retain(|finding| !is_mended(finding, attach, world));
    }
    findings
}

/// Whether the mutating webhook would write what the rule misses.
fn is_mended(finding: &Finding, attach: &Attach<'_>, world: &World<'_>) -> bool {
    let rule = rules::find(finding.rule);
    let fix = rule.and_then(|rule| rule.fix?(attach, world));
    fix.is_some_and(|fix| patch::operations(&fix, attach).is_some())
}

/// The AdmissionReview of an object that is created.
fn review(kind: &Kind, head: &Head, object: &str) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    // Only the kubelet makes mirror Pods: the API server made sure of that when this one was stored.
    let groups = if object.contains("\"kubernetes.io/config.mirror\"") {
        r#""system:nodes""#
    } else {
        ""
    };
    let mut out = String::with_capacity(object.len() + 512);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        r#"{{"apiVersion":"{}","kind":"AdmissionReview","request":{{"uid":"0","kind":{{"group":"{group}","version":"{version}","kind":"{}"}},"resource":{{"group":"{group}","version":"{version}","resource":"{}"}},"name":{},"namespace":{},"operation":"CREATE","userInfo":{{"username":"","groups":[{groups}]}},"object":{object}}}}}"#,
        review::API_VERSION,
        kind.kind,
        kind.resource,
        text(&head.metadata.name),
        text(&head.metadata.namespace),
        group = kind.group,
        version = kind.version,
    );
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use multinic_core::network::{Fetched, Network, Snapshot};

    use super::*;

    fn found(kind: &Kind, object: &str) -> Vec<&'static str> {
        let mut snapshot = Snapshot::default();
        let config = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
        let network = Network::read("fast", config, Some("nic=a"));
        snapshot.insert("default", "fast", Arc::new(network));
        let policy = Policy::default();
        let world = World {
            snapshot: &snapshot,
            fetched: &Fetched::default(),
            policy: &policy,
            usage: None,
        };
        let head = Head::of(object);
        let findings = with_subject(kind, &head, object, &policy, |subject| {
            findings(subject, &world)
        });
        let findings = findings.expect("an object");
        findings.iter().map(|finding| finding.rule).collect()
    }

    fn pod(networks: &str) -> String {
        format!(
            r#"{{"metadata": {{"namespace": "team-a", "name": "web",
                "annotations": {{"k8s.v1.cni.cncf.io/networks": "{networks}"}}}},
                "spec": {{"containers": [], "nodeName": "n1"}}}}"#
        )
    }

    #[test]
    fn a_stored_pod_is_judged_with_what_would_be_written_into_it() {
        assert_eq!(found(&POD, &pod("default/fast")), [""; 0]);
        assert_eq!(found(&POD, &pod("default/gone")), ["missing-network"]);
        assert_eq!(found(&POD, &pod("team-b/x")), ["isolated-network"]);
        // Of a template, nothing is mended: a DaemonSet is refused.
        let daemon_set = format!(
            r#"{{"metadata": {{"namespace": "team-a", "name": "web"}}, "spec": {{"template": {}}}}}"#,
            pod("default/fast")
        );
        let [.., daemon_sets] = [&WORKLOADS[0], &WORKLOADS[2]];
        assert_eq!(
            found(daemon_sets, &daemon_set),
            ["unenforced-node-selector", "suspicious-networks"]
        );
    }

    #[test]
    fn only_what_may_ask_is_looked_at() {
        assert!(POD.may_ask(&pod("a")));
        assert!(!POD.may_ask(r#"{"annotations":{"k8s.v1.cni.cncf.io/network-status":"[]"}}"#));
        assert!(NETWORK.may_ask("{}"));
    }

    #[test]
    fn paths_are_those_of_the_api() {
        assert_eq!(POD.path(None), "/api/v1/pods");
        assert_eq!(
            WORKLOADS[0].path(Some("a")),
            "/apis/apps/v1/namespaces/a/deployments"
        );
        assert_eq!(WORKLOADS[0].api_version(), "apps/v1");
        assert_eq!(POD.api_version(), "v1");
    }
}
