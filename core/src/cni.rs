//! A CNI configuration as Multus, libcni and the plugins read it.
//!
//! [`Config::read`] takes the text of a `spec.config` once and keeps what the rules need, owned and
//! small: which plugins would run, what the chain as a whole declares, and what is wrong with it,
//! already sorted by how certain it is. It knows nothing of the configuration of multinic: which
//! plugins are supported is for the rules to say.

// In the order of their imports, as in lib.rs.
pub mod known_plugins;
pub mod attachment;
mod node_use;
mod report;
mod keys;
mod route;
mod raw_plugin;
mod ipam_result;
mod envelope;
mod ambiguity;
mod chain;
mod ipam_routes;
mod ipam;
mod link;
mod interface_plugin;
// The plugins.
mod bandwidth;
mod bond;
mod bridge;
mod dhcp;
mod dummy;
mod firewall;
mod host_device;
mod host_local;
mod ipoib;
mod ipvlan;
mod macvlan;
mod macvtap;
mod ovn;
mod ovs;
mod portmap;
mod ptp;
mod sbr;
mod sriov;
mod static_;
mod whereabouts;
mod tuning;
mod vlan;
mod vrf;
// All of them, and a chain of them.
mod registry;
mod unknown;
mod run;

use std::borrow::Cow;

use crate::danger;
use crate::fault::{Fault, Inside};
use crate::json::{Document, SyntaxError, Value};
use crate::limits::MAX_CONFIG;
use attachment::{Addresses, Link};
pub use node_use::{Access, NodeUse, Used};
use raw_plugin::RawPlugin;
pub(crate) use registry::list_of;
pub use registry::reads_argument;
use report::{Report, show};

/// What a `spec.config` comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Config {
    /// Whether the config is empty, so that Multus would read a file on the node.
    pub on_disk: bool,
    /// Why the text is not read (rule `beyond-limits`): then there are no plugins.
    pub beyond_limits: Option<Fault>,
    /// Why Multus or libcni cannot read the text (rule `malformed-config`): then there are no plugins.
    pub malformed: Option<Fault>,
    /// What two readers would read differently, such as keys that Go folds (rule `ambiguous-config`).
    pub ambiguous: Vec<Fault>,
    /// Whether `cniVersion` is missing, so that it counts as 0.1.0 (rule `missing-cni-version`).
    pub version_missing: bool,
    /// Where a version stands inside a plugin of a list that has none: nothing reads it there.
    pub misplaced_version: Option<Inside>,
    /// The plugins that would run, in this order.
    pub plugins: Vec<PluginConf>,
    /// What a plugin refuses on every node and for every Pod (rule `invalid-plugin-config`).
    pub invalid: Vec<Fault>,
    /// What the plugins accept, although it is hardly intended (rule `suspicious-plugin-config`).
    pub suspicious: Vec<Fault>,
    /// Default routes, which take the traffic of every Pod (rule `unrequested-default-route`).
    pub default_routes: Vec<Fault>,
    /// What a program running as root would do harm with (rule `dangerous-value`).
    pub dangerous: Vec<Fault>,
    /// What the plugins use of the node: which of it they may, the rules decide.
    pub uses: Vec<NodeUse>,
    /// What becomes of addresses that a Pod asks for.
    pub addresses: Addresses,
    /// The link of the node that the interface plugin uses, unless it may be shared with everything.
    pub link: Option<Link>,
    /// The network attachment definition that OVN-Kubernetes has to find it in.
    pub own_name: Option<OwnName>,
}

/// The namespace and the name that a configuration gives of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnName {
    /// As `namespace/name`.
    pub text: Box<str>,
    /// Where it stands.
    pub at: Inside,
}

/// One plugin of a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginConf {
    /// Its `type`.
    pub kind: Cow<'static, str>,
    /// Its index in `plugins`; `None` if it is the whole config.
    pub index: Option<usize>,
    /// The place of the type.
    at: TypeAt,
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
    /// How many addresses are written down in `addresses`, as static reads them.
    pub addresses: usize,
    /// The place of the type.
    at: TypeAt,
}

/// The place of a `type`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct TypeAt {
    /// Both from 1.
    line_and_column: (usize, usize),
    /// Its path, if a key on the way is spelled otherwise than in the documentation: of the others it
    /// need not be kept.
    odd_path: Option<Box<str>>,
}

impl Config {
    /// Reads the `spec.config` of the NAD `name`, which Multus uses if the config has no name of its
    /// own; it is empty if it is not known yet.
    pub fn read(name: &str, config: &str) -> Self {
        if config.is_empty() {
            return Self {
                on_disk: true,
                ..Self::default()
            };
        }
        if config.len() > MAX_CONFIG {
            return Self {
                beyond_limits: Some(Fault {
                    at: Inside::whole(),
                    message: format!(
                        "the config has {} bytes, and at most {MAX_CONFIG} are read",
                        config.len()
                    ),
                }),
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
        control_characters(config, &document, &mut report);
        run::run(&envelope, document.root(), &mut report);
        let plugins = envelope.plugins.iter().enumerate();
        Self {
            on_disk: false,
            beyond_limits: None,
            malformed: None,
            ambiguous,
            version_missing: envelope.version.is_empty(),
            misplaced_version: misplaced_version(&envelope),
            plugins: plugins
                .map(|(index, raw)| PluginConf::of(raw, envelope.is_list.then_some(index)))
                .collect(),
            invalid: report.invalid,
            suspicious: report.suspicious,
            addresses: report.addresses,
            link: report.link,
            own_name: report.own_name,
            dangerous: report.dangerous,
            default_routes: report.default_routes,
            uses: report.uses,
        }
    }

    /// Where it keeps addresses: two networks with the same number share one store.
    pub fn stores(&self) -> impl Iterator<Item = u64> {
        self.uses
            .iter()
            .filter_map(|NodeUse { used, .. }| match used {
                Used::AddressStore(store) => Some(*store),
                _ => None,
            })
    }
}

/// Reports the strings with control characters, keys among them.
fn control_characters(text: &str, document: &Document<'_>, report: &mut Report) {
    if !danger::may_have_control_characters(text) {
        return;
    }
    for string in document.root().strings() {
        let problem = string
            .str()
            .and_then(|text| danger::control_character(&text));
        if let Some(problem) = problem {
            report.danger(string, format!("{} {problem}", show(string)));
        }
    }
}

impl PluginConf {
    fn of(raw: &RawPlugin<'_>, index: Option<usize>) -> Self {
        Self {
            kind: registry::name(&raw.kind),
            index,
            at: TypeAt::of(raw.kind_at, true),
            ipam: raw.ipam_kind().map(|(kind, at)| Ipam {
                kind: registry::name(kind),
                addresses: if kind == "static" { raw.addresses() } else { 0 },
                at: TypeAt::of(at, raw.ipam_or_kind().has_key("ipam")),
            }),
            capabilities: raw.capabilities().map(Into::into).collect(),
        }
    }

    /// Whether it is one that is judged here.
    pub fn is_judged(&self) -> bool {
        matches!(self.kind, Cow::Borrowed(_))
    }

    /// The place of its type.
    pub fn place(&self) -> Inside {
        self.inside("type", &self.at)
    }

    /// The place of the type of its IPAM plugin.
    pub fn ipam_place(&self, ipam: &Ipam) -> Inside {
        self.inside("ipam.type", &ipam.at)
    }

    fn inside(&self, path: &str, at: &TypeAt) -> Inside {
        let path = match (&at.odd_path, self.index) {
            (Some(odd), _) => odd.to_string(),
            (None, Some(index)) => format!("plugins[{index}].{path}"),
            (None, None) => path.to_owned(),
        };
        Inside::at(at.line_and_column, path)
    }
}

impl TypeAt {
    fn of(value: Value<'_>, is_usual: bool) -> Self {
        let is_usual = is_usual && value.has_key("type");
        Self {
            line_and_column: value.line_and_column(),
            odd_path: (!is_usual).then(|| value.path().into()),
        }
    }
}

/// The first version inside a plugin of a list that has none.
fn misplaced_version(envelope: &envelope::Envelope<'_>) -> Option<Inside> {
    if !envelope.is_list || !envelope.version.is_empty() {
        return None;
    }
    let mut plugins = envelope.plugins.iter();
    let version = plugins.find_map(|raw| raw.object.get("cniVersion"))?;
    Some(Inside::value(version, version.path()))
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
        None if is_yaml => {
            ": the config is JSON inside of a string, begin it with a brace".to_owned()
        }
        None => String::new(),
    };
    let near = Inside::surroundings(config, *offset);
    let message = format!(
        "the config is not valid JSON{near}{hint} (failed to unmarshal Spec.Config: {problem})"
    );
    Fault::offset(config, *offset, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_type_has_the_keys_as_they_are_written() {
        for (config, places) in [
            (
                r#"{"type":"a","ipam":{"type":"b"}}"#,
                ["type (line 1, column 9)", "ipam.type (line 1, column 28)"],
            ),
            (
                "{\"TYPE\":\"a\",\n\"Ipam\":{\"type\":\"b\"}}",
                ["TYPE (line 1, column 9)", "Ipam.type (line 2, column 16)"],
            ),
            (
                r#"{"name":"n","plugins":[{"type":"a","ipam":{"Type":"b"}}]}"#,
                [
                    "plugins[0].type (line 1, column 32)",
                    "plugins[0].ipam.Type (line 1, column 51)",
                ],
            ),
        ] {
            let read = Config::read("n", config);
            let plugin = &read.plugins[0];
            let ipam = plugin.ipam.as_ref().unwrap();
            let found = [plugin.place(), plugin.ipam_place(ipam)];
            assert_eq!(found.map(|place| place.to_string()), places, "{config}");
        }
    }
}
