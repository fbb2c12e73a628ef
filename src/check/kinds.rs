//! The kinds of objects that are judged.

use multinic_core::cluster_config::ClusterConfig;
use multinic_core::json::Document;

use crate::manifest::Node;

/// A kind that is judged: those that the webhooks are registered for.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
}

/// The kind of cluster configurations, which are sent to no API server.
pub(super) static CLUSTER: Kind = kind("cluster configuration", "", "");

const NETWORK: &str = "NetworkAttachmentDefinition";

static KINDS: [Kind; 13] = [
    kind("Pod", "", "pods"),
    kind("ReplicationController", "", "replicationcontrollers"),
    kind("DaemonSet", "apps", "daemonsets"),
    kind("Deployment", "apps", "deployments"),
    kind("ReplicaSet", "apps", "replicasets"),
    kind("StatefulSet", "apps", "statefulsets"),
    kind("CronJob", "batch", "cronjobs"),
    kind("Job", "batch", "jobs"),
    kind(NETWORK, "k8s.cni.cncf.io", "network-attachment-definitions"),
    kind("VirtualMachine", "kubevirt.io", "virtualmachines"),
    kind(
        "VirtualMachineInstance",
        "kubevirt.io",
        "virtualmachineinstances",
    ),
    kind("ResourceClaim", "resource.k8s.io", "resourceclaims"),
    kind(
        "ResourceClaimTemplate",
        "resource.k8s.io",
        "resourceclaimtemplates",
    ),
];

const fn kind(name: &'static str, group: &'static str, resource: &'static str) -> Kind {
    Kind {
        name,
        group,
        resource,
    }
}

impl Kind {
    /// The kind of an object, if it is judged.
    pub(super) fn find(api_version: &str, name: &str) -> Option<&'static Self> {
        let (group, _) = group_version(api_version);
        KINDS
            .iter()
            .find(|kind| kind.name == name && kind.group == group)
    }

    /// Whether it is that of cluster configurations.
    pub(super) fn is_cluster(&self) -> bool {
        self.name == CLUSTER.name
    }

    /// Whether it is that of networks.
    pub(super) fn is_network(&self) -> bool {
        self.name == NETWORK
    }
}

/// The cluster configuration that a document is, if it is one.
pub(super) fn cluster(document: &Node) -> Option<ClusterConfig> {
    let kind = document.get("kind").and_then(Node::text);
    if !matches!(kind, None | Some("UserCluster" | "Cluster"))
        || document.get("apiVersion").is_none()
    {
        return None;
    }
    let mut json = String::new();
    document.write_json(&mut json);
    let json = Document::parse(&json).ok()?;
    ClusterConfig::of(json.root())
}

/// The group and the version of an `apiVersion`.
pub(super) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The file that `kustomize build` rendered an object from, if `buildMetadata` has
/// `originAnnotations`.
pub(super) fn origin(object: &Node) -> Option<String> {
    let annotations = object.get("metadata")?.get("annotations")?;
    let origin = annotations.get("config.kubernetes.io/origin")?.text()?;
    let path = origin.lines().find_map(|line| line.strip_prefix("path:"))?;
    Some(path.trim().to_owned())
}
