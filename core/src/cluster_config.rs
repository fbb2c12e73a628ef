//! The cluster configuration file of Google Distributed Cloud, as far as it is about networks of
//! Pods: the file of a user cluster on VMware, and the Cluster of bare metal.
//!
//! The fields are those of the documentation, "Configure multiple network interfaces for Pods".

use crate::json::Value;

/// A cluster configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterConfig {
    /// `multipleNetworkInterfaces`: whether Pods may have networks beside the default one. It is
    /// false if it is not there.
    pub multiple_network_interfaces: bool,
    /// What only the file for VMware has.
    pub vmware: Option<Vmware>,
}

/// The fields of a user cluster on VMware.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vmware {
    /// `enableDataplaneV2`
    pub dataplane_v2: bool,
    /// `network.additionalNodeInterfaces`: the interfaces of a node beside its first one.
    pub interfaces: Vec<NodeInterface>,
}

/// An element of `network.additionalNodeInterfaces`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeInterface {
    /// `networkName`: the network in vSphere; empty if absent.
    pub network: String,
    /// `type`: how the interface gets an address; empty if it is not there.
    pub kind: String,
    /// `ipBlockFilePath`: the file with the addresses; empty if absent.
    pub ip_block_file: String,
}

/// The names that Linux gives the network adapters of a virtual machine of vSphere, in their order: by
/// the PCI slots of vmxnet3 adapters, of which there are ten at most. The first is that of the node
/// itself.
const ADAPTERS: [&str; 10] = [
    "ens192", "ens224", "ens256", "ens161", "ens193", "ens225", "ens257", "ens162", "ens194",
    "ens226",
];

impl ClusterConfig {
    /// Reads a document; `None` if it is not a cluster configuration.
    pub fn of(document: Value<'_>) -> Option<Self> {
        let text = |key| document.get(key).and_then(Value::str);
        let kind = text("kind");
        let group = text("apiVersion").unwrap_or_default();
        if kind.as_deref() == Some("Cluster") && group.starts_with("baremetal.cluster.gke.io/") {
            let network = document.get("spec")?.get("clusterNetwork");
            return Some(Self {
                multiple_network_interfaces: is_true(network, MULTIPLE),
                vmware: None,
            });
        }
        let network = document.get("network");
        let interfaces = network.and_then(|network| network.get("additionalNodeInterfaces"));
        let is_marked = document.get(MULTIPLE).is_some() || interfaces.is_some();
        let is_one = match kind.as_deref() {
            // The examples of the documentation have no kind. Without the version it could be
            // anything, such as the configuration of multinic.
            None => is_marked && group == "v1",
            Some(kind) => kind == "UserCluster",
        };
        let interfaces = interfaces.into_iter().flat_map(Value::elements);
        is_one.then(|| Self {
            multiple_network_interfaces: is_true(Some(document), MULTIPLE),
            vmware: Some(Vmware {
                dataplane_v2: is_true(Some(document), "enableDataplaneV2"),
                interfaces: interfaces.map(NodeInterface::of).collect(),
            }),
        })
    }

    /// The names of the interfaces that each node has by this configuration; `None` if it does not say
    /// so.
    pub fn node_interfaces(&self) -> Option<&'static [&'static str]> {
        let additional = self.vmware.as_ref()?.interfaces.len();
        ADAPTERS.get(..=additional)
    }
}

const MULTIPLE: &str = "multipleNetworkInterfaces";

impl NodeInterface {
    fn of(element: Value<'_>) -> Self {
        let text = |key| {
            let text = element.get(key).and_then(Value::str);
            text.map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        Self {
            network: text("networkName"),
            kind: text("type"),
            ip_block_file: text("ipBlockFilePath"),
        }
    }
}

fn is_true(object: Option<Value<'_>>, key: &str) -> bool {
    object.and_then(|object| object.get(key)?.bool()) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn read(text: &str) -> Option<ClusterConfig> {
        ClusterConfig::of(Document::parse(text).unwrap().root())
    }

    #[test]
    fn both_products_are_recognized_and_nothing_else() {
        let vmware = read(
            r#"{"apiVersion": "v1", "kind": "UserCluster", "multipleNetworkInterfaces": true,
                "network": {"additionalNodeInterfaces": [{"networkName": "a", "type": "dhcp"}]}}"#,
        )
        .unwrap();
        assert!(vmware.multiple_network_interfaces);
        assert_eq!(vmware.node_interfaces().unwrap(), ["ens192", "ens224"]);
        let bare_metal = read(
            r#"{"apiVersion": "baremetal.cluster.gke.io/v1", "kind": "Cluster",
                "spec": {"clusterNetwork": {"multipleNetworkInterfaces": true}}}"#,
        )
        .unwrap();
        assert!(bare_metal.multiple_network_interfaces && bare_metal.vmware.is_none());
        assert!(read(r#"{"apiVersion": "v1", "multipleNetworkInterfaces": false}"#).is_some());
        for other in [
            r#"{"kind": "Pod", "multipleNetworkInterfaces": true}"#,
            r#"{"kind": "Cluster", "apiVersion": "cluster.x-k8s.io/v1", "spec": {}}"#,
            r#"{"apiVersion": "v1", "network": {}}"#,
            r#"{"multipleNetworkInterfaces": false}"#,
            "[]",
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }
}
