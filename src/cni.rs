//! A CNI configuration as Multus, libcni and the plugins read it.
//!
//! [`Config::read`] takes the text of a `spec.config` once and keeps what the rules need, owned and
//! small: which plugins would run, what the chain as a whole declares, and what is wrong with it,
//! already sorted by how certain it is. It knows nothing of the configuration of multinic: which
//! plugins are supported is for the rules to say.

use crate::finding::{Fault, Inside};

/// What a `spec.config` comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Config {
    /// The config is empty: Multus would read a file on the node.
    pub on_disk: bool,
    /// Why Multus or libcni cannot read the text (rule `malformed-config`). The plugins are empty then.
    pub malformed: Option<Fault>,
    /// Where Go folds keys together, or two readers would see two things (rule `ambiguous-config`).
    pub ambiguous: Vec<Fault>,
    /// There is no `cniVersion`: it is read as 0.1.0 (rule `missing-cni-version`).
    pub version_missing: bool,
    /// The plugins that would run, in this order.
    pub plugins: Vec<Plugin>,
    /// What a real plugin refuses whatever the node and the Pod (rule `invalid-plugin-config`).
    pub invalid: Vec<Fault>,
    /// What the plugins accept and is almost surely not meant (rule `suspicious-plugin-config`).
    pub suspicious: Vec<Fault>,
}

/// One plugin of a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plugin {
    /// Its `type`.
    pub kind: Box<str>,
    /// Where the type stands.
    pub at: Inside,
    /// Its IPAM plugin.
    pub ipam: Option<Ipam>,
    /// The capabilities it declares with `true`.
    pub capabilities: Vec<Box<str>>,
}

/// The IPAM plugin of an interface plugin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ipam {
    /// Its `type`.
    pub kind: Box<str>,
    /// Where the type stands.
    pub at: Inside,
}

impl Config {
    /// Placeholder until the branch lands.
    pub fn read(_name: &str, config: &str) -> Self {
        Self {
            on_disk: config.is_empty(),
            ..Self::default()
        }
    }
}
