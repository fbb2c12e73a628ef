//! The decisions of the administrator, ready for use. `config` reads them from a file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::cluster_config::ClusterConfig;
use crate::finding::Level;

pub mod pattern;
pub mod path_pattern;

use path_pattern::PathPattern;
use pattern::Pattern;

/// The decisions of the administrator. The fields are those of the configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The highest level of any finding. At `warn` nothing is denied and nothing is patched.
    pub enforcement: Level,
    /// Whether a Pod may have networks in addition to its default one.
    pub multiple_network_interfaces: bool,
    /// Namespaces whose networks Pods of all namespaces may use.
    pub global_namespaces: Vec<String>,
    /// The namespace in which Multus looks up a default network that names no namespace.
    pub multus_namespace: String,
    /// Namespaces whose networks may be default networks, in addition to a Pod's own and the global
    /// ones.
    pub default_network_namespaces: Vec<String>,
    /// Networks shared with namespaces of the administrator's choice.
    pub grants: Vec<Grant>,
    /// The CNI plugins that may be used.
    pub supported_plugins: SupportedPlugins,
    /// The highest level of a finding on a workload's template.
    pub templates: Level,
    /// Users who write objects for others: if one of them writes an object that has a controller,
    /// the object is not judged, because its controller was.
    pub controllers: Vec<Pattern>,
    /// Levels that differ from the rules' own.
    pub levels: BTreeMap<&'static str, Level>,
    /// Objects to which rules do not apply.
    pub exemptions: Vec<Exemption>,
    /// The container that requests for devices are added to; the first one if there is none of that
    /// name.
    pub device_container: Option<String>,
    /// Where a denial refers its reader to, with `{rule}` for the name of the rule; empty for nowhere.
    pub documentation: String,
    /// Whether the Pods are watched for the networks that they use.
    pub usage: bool,
    /// Files and folders of the nodes that plugins may open.
    pub node_paths: NodePaths,
    /// The namespaces whose networks may build on links of the nodes; if empty, all may on any.
    pub node_interfaces: Vec<NodeInterfaces>,
    /// Ports of the nodes that no Pod may take.
    pub reserved_host_ports: Vec<PortRange>,
    /// The interfaces that the nodes have by the cluster configuration, if that is known. It is not
    /// part of the configuration file.
    pub declared_interfaces: Option<&'static [&'static str]>,
}

/// Files and folders of the nodes that plugins, which run as root, may open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodePaths {
    /// Those that may be read.
    pub read: Vec<PathPattern>,
    /// Those that may be created, written and appended to.
    pub write: Vec<PathPattern>,
}

/// Links of the nodes that the networks of some namespaces may build on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeInterfaces {
    /// The names of the links.
    pub interfaces: Vec<Pattern>,
    /// The namespaces of the networks.
    pub namespaces: Vec<Pattern>,
}

/// A port, or a range of ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last, which is not below the first.
    pub last: u16,
}

impl PortRange {
    const fn new(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    /// Whether a port is in the range.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for PortRange {
    type Err = ();

    /// `22`, or `2379-2380`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let port = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(()),
            Ok(port) if text.starts_with(|first: char| first.is_ascii_digit()) => Ok(port),
            Ok(_) => Err(()),
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first)?, port(last)?);
        (first <= last).then_some(Self { first, last }).ok_or(())
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The CNI plugins that may be used, by their place in a chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SupportedPlugins {
    /// Plugins that make an interface.
    pub interface: Vec<String>,
    /// Plugins that change an interface.
    pub meta: Vec<String>,
    /// Plugins that assign addresses.
    pub ipam: Vec<String>,
}

/// Networks that the Pods of some namespaces may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The networks, `namespace/name`.
    pub networks: Pattern,
    /// The namespaces of the Pods.
    pub namespaces: Vec<Pattern>,
}

/// Objects to which rules do not apply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exemption {
    /// Names of the rules.
    pub rules: Vec<&'static str>,
    /// The objects, `namespace/name`; all if empty.
    pub objects: Vec<Pattern>,
    /// The users who write them; all if empty.
    pub users: Vec<Pattern>,
}

impl Policy {
    /// Whether a Pod of `own` may use the network `namespace`/`name`.
    pub fn isolation_allows(
        &self,
        own: &str,
        namespace: &str,
        name: &str,
        default_network: bool,
    ) -> bool {
        let listed = |list: &[String]| list.iter().any(|listed| listed == namespace);
        namespace == own
            || listed(&self.global_namespaces)
            || (default_network && listed(&self.default_network_namespaces))
            || self.grants.iter().any(|grant| {
                grant.namespaces.iter().any(|pattern| pattern.matches(own))
                    && grant.networks.matches_pair(namespace, name)
            })
    }

    /// The level of the rule of that name; `default` if none is configured.
    pub fn level(&self, rule: &str, default: Level) -> Level {
        self.levels.get(rule).copied().unwrap_or(default)
    }

    /// Whether the object `namespace`/`name` that `user` writes is exempt from a rule.
    ///
    /// For a stored object the user is not known. It was judged when it was written, so an
    /// exemption by user covers it.
    #[inline]
    pub fn exempts(&self, rule: &str, namespace: &str, name: &str, user: Option<&str>) -> bool {
        self.exemptions.iter().any(|exemption| {
            let (objects, users) = (&exemption.objects, &exemption.users);
            let is_object = |pattern: &Pattern| pattern.matches_pair(namespace, name);
            exemption.rules.contains(&rule)
                && (objects.is_empty() || objects.iter().any(is_object))
                && (users.is_empty()
                    || user.is_none_or(|user| users.iter().any(|pattern| pattern.matches(user))))
        })
    }

    /// What a cluster configuration says takes the place of what the configuration file says.
    #[must_use]
    pub fn with_cluster(self, cluster: &ClusterConfig) -> Self {
        Self {
            multiple_network_interfaces: cluster.multiple_network_interfaces,
            declared_interfaces: cluster.node_interfaces(),
            ..self
        }
    }

    /// Whether a user writes objects for others; see [`Self::controllers`].
    pub fn is_controller(&self, user: &str) -> bool {
        self.controllers.iter().any(|pattern| pattern.matches(user))
    }

    /// The namespaces whose networks a Pod may use, for messages: `its own namespace or of:
    /// default`.
    pub fn allowed_namespaces(&self, default_network: bool) -> String {
        let mut namespaces: Vec<&str> = self.global_namespaces.iter().map(String::as_str).collect();
        if default_network {
            namespaces.extend(self.default_network_namespaces.iter().map(String::as_str));
        }
        if namespaces.is_empty() {
            return "its own namespace only".to_owned();
        }
        format!("its own namespace or of: {}", namespaces.join(", "))
    }
}

impl Default for Policy {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            enforcement: Level::Deny,
            multiple_network_interfaces: true,
            global_namespaces: owned(&["default"]),
            multus_namespace: "kube-system".to_owned(),
            default_network_namespaces: owned(&["kube-system"]),
            grants: Vec::new(),
            supported_plugins: SupportedPlugins::default(),
            templates: Level::Deny,
            controllers: [
                "system:kube-controller-manager",
                "system:serviceaccount:kube-system:*",
                "system:serviceaccount:kubevirt:kubevirt-controller",
                "system:serviceaccount:openshift-cnv:kubevirt-controller",
            ]
            .map(Pattern::new)
            .into(),
            levels: BTreeMap::new(),
            exemptions: Vec::new(),
            device_container: None,
            documentation: "multinic explain {rule}".to_owned(),
            usage: false,
            node_paths: NodePaths::default(),
            node_interfaces: Vec::new(),
            reserved_host_ports: RESERVED.to_vec(),
            declared_interfaces: None,
        }
    }
}

/// SSH, and the ports that Kubernetes documents for its own components ("Ports and Protocols"),
/// except those of Services. 10248 and 10249 are the kubelet's health and kube-proxy's metrics.
const RESERVED: [PortRange; 7] = [
    PortRange::new(22, 22),
    PortRange::new(2379, 2380),
    PortRange::new(6443, 6443),
    PortRange::new(10248, 10250),
    PortRange::new(10256, 10256),
    PortRange::new(10257, 10257),
    PortRange::new(10259, 10259),
];

impl Default for NodePaths {
    /// The defaults of the plugins, and the paths in their documentation.
    fn default() -> Self {
        let patterns = |texts: &[&str]| {
            let patterns = texts.iter().filter_map(|text| PathPattern::new(text));
            patterns.collect()
        };
        Self {
            read: patterns(&[
                "/etc/cni/net.d/**",
                "/etc/kubernetes/cni/net.d/**",
                "/var/lib/rancher/k3s/agent/etc/cni/net.d/**",
                "/etc/resolv.conf",
                "/run/systemd/resolve/resolv.conf",
                // The sockets of kube-ovn and nv-ipam.
                "/run/openvswitch/kube-ovn-daemon.sock",
                "/run/nvidia/nv-ipam.sock",
            ]),
            write: patterns(&[
                "/var/lib/cni/**",
                "/run/cni/**",
                "/run/cni-ipam-state/**",
                // The folder in an example of the Network Plumbing Working Group's specification.
                "/mnt/cluster-ipam/**",
                "/var/log/*.log",
                "/tmp/*.log",
            ]),
        }
    }
}

impl Default for SupportedPlugins {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            interface: owned(&["ipvlan", "macvlan", "bridge"]),
            meta: owned(&["portmap", "sbr", "tuning"]),
            ipam: owned(&["host-local", "static", "whereabouts"]),
        }
    }
}
