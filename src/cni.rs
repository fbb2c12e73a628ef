//! A CNI configuration as Multus, libcni and the plugins read it.
//!
//! [`Config::read`] takes the text of a `spec.config` once and keeps what the rules need, owned and
//! small: which plugins would run, what the chain as a whole declares, and what is wrong with it,
//! already sorted by how certain it is. It knows nothing of the configuration of multinic: which
//! plugins are supported is for the rules to say.

mod address;
mod ambiguity;
mod bridge;
mod chain;
mod envelope;
mod host_local;
mod ipam;
mod ipvlan;
mod keys;
mod link;
mod macvlan;
mod network;
mod part;
mod portmap;
mod report;
mod route;
mod sbr;
mod static_;
mod tuning;
mod whereabouts;

use std::borrow::Cow;

use crate::finding::{Fault, Inside};
use crate::json::{Document, SyntaxError};
use part::Part;
use report::Report;

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
    pub kind: Cow<'static, str>,
    /// Its number in `plugins`, from 0; `None` where it is the whole config.
    pub index: Option<usize>,
    /// Where the type stands: line and column, both from 1.
    pub at: (usize, usize),
    /// Its IPAM plugin.
    pub ipam: Option<Ipam>,
    /// The capabilities it declares with `true`.
    pub capabilities: Vec<Box<str>>,
}

/// The IPAM plugin of an interface plugin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ipam {
    /// Its `type`.
    pub kind: Cow<'static, str>,
    /// Where the type stands: line and column, both from 1.
    pub at: (usize, usize),
}

impl Config {
    /// Reads the `spec.config` of the NAD `name`, which Multus puts in where the config has no name
    /// of its own; an empty one where it is not known yet.
    pub fn read(name: &str, config: &str) -> Self {
        if config.is_empty() {
            return Self {
                on_disk: true,
                ..Self::default()
            };
        }
        let document = match Document::parse(config) {
            Ok(document) => document.surveyed(),
            Err(error) => {
                return Self {
                    malformed: Some(not_json(config, &error)),
                    ..Self::default()
                };
            }
        };
        let ambiguous = ambiguity::find(&document);
        let envelope = match envelope::read(&document, name) {
            Ok(envelope) => envelope,
            Err(fault) => {
                return Self {
                    malformed: Some(fault),
                    ambiguous,
                    ..Self::default()
                };
            }
        };
        let mut report = Report::default();
        chain::judge(&envelope, document.root(), &mut report);
        let plugins = envelope.plugins.iter().enumerate();
        Self {
            on_disk: false,
            malformed: None,
            ambiguous,
            version_missing: envelope.version.is_empty(),
            plugins: plugins
                .map(|(index, part)| Plugin::of(part, envelope.is_list.then_some(index)))
                .collect(),
            invalid: report.invalid,
            suspicious: report.suspicious,
        }
    }
}

impl Plugin {
    fn of(part: &Part<'_>, index: Option<usize>) -> Self {
        Self {
            kind: chain::name(&part.kind),
            index,
            at: part.kind_at.line_and_column(),
            ipam: part.ipam_kind().map(|(kind, at)| Ipam {
                kind: chain::name(kind),
                at: at.line_and_column(),
            }),
            capabilities: part.capabilities().map(Into::into).collect(),
        }
    }

    /// Where its type stands, by the names of the keys as they are spelled in the documentation.
    pub fn place(&self) -> Inside {
        self.inside("type", self.at)
    }

    /// Where the type of its IPAM plugin stands.
    pub fn ipam_place(&self, ipam: &Ipam) -> Inside {
        self.inside("ipam.type", ipam.at)
    }

    fn inside(&self, path: &str, at: (usize, usize)) -> Inside {
        let path = match self.index {
            Some(index) => format!("plugins[{index}].{path}"),
            None => path.to_owned(),
        };
        Inside::at(at, path)
    }
}

fn not_json(config: &str, error: &SyntaxError) -> Fault {
    let SyntaxError {
        offset,
        problem,
        hint,
    } = error;
    let is_yaml = config.trim_start().lines().next().is_some_and(|line| {
        line.starts_with(|c: char| c.is_alphabetic() || c == '-') && line.contains(':')
    });
    let hint = match hint {
        Some(hint) => format!(": {hint}"),
        None if is_yaml => ": the config is a text of JSON, begin it with a brace".to_owned(),
        None => String::new(),
    };
    let message =
        format!("the config is not JSON{hint} (failed to unmarshal Spec.Config: {problem})");
    Fault::offset(config, *offset, "", message)
}
