//! What the administrator decided, ready for use. `config` reads it from a file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Level;

pub mod pattern;

use pattern::Pattern;

/// What an administrator decides. The fields are those of the configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The highest level of any finding. At `warn` nothing is denied and nothing is patched.
    pub enforcement: Level,
    /// Whether a Pod may have networks beside its default one.
    pub multiple_network_interfaces: bool,
    /// Namespaces whose networks are for the Pods of all.
    pub global_namespaces: Vec<String>,
    /// Where Multus looks up a default network that names no namespace.
    pub multus_namespace: String,
    /// Namespaces whose networks may be default networks, beside a Pod's own and the global ones.
    pub default_network_namespaces: Vec<String>,
    /// Networks shared with namespaces of the administrator's choice.
    pub grants: Vec<Grant>,
    /// The CNI plugins that may be used.
    pub supported_plugins: SupportedPlugins,
    /// The highest level of a finding on a workload's template.
    pub templates: Level,
    /// Levels other than the rules' own.
    pub levels: BTreeMap<&'static str, Level>,
    /// Objects that rules pass over.
    pub exemptions: Vec<Exemption>,
}

/// The CNI plugins that may be used, by their place in a chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SupportedPlugins {
    /// Plugins that make an interface.
    pub interface: Vec<String>,
    /// Plugins that change one that is there.
    pub meta: Vec<String>,
    /// Plugins that give addresses.
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

/// Objects that rules pass over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exemption {
    /// Names of the rules.
    pub rules: Vec<&'static str>,
    /// The objects, `namespace/name`.
    pub objects: Vec<Pattern>,
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

    /// Whether a rule passes over the object `namespace`/`name`.
    pub fn exempts(&self, rule: &str, namespace: &str, name: &str) -> bool {
        self.exemptions.iter().any(|exemption| {
            exemption.rules.contains(&rule)
                && exemption
                    .objects
                    .iter()
                    .any(|object| object.matches_pair(namespace, name))
        })
    }

    /// What a Pod of a namespace may use, for people: `its own namespace or of: default`.
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
            levels: BTreeMap::new(),
            exemptions: Vec::new(),
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
