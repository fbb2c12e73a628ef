//! The chain: the order in which plugins run, and what each passes to the next.

use std::net::IpAddr;

use super::ipam_result::{IpamOutcome, IpamResult};
use super::keys::Table;
use super::raw_plugin::RawPlugin;
use super::report::{Report, show};
use crate::address::family;
use crate::json::Value;
use crate::text::shorten;

/// The state of a chain after the plugins that have run so far.
#[derive(Debug)]
pub(super) struct Chain<'d> {
    /// The name of the network; empty if it is not known yet.
    pub(super) name: &'d str,
    version: &'d str,
    pub(super) version_at: Option<Value<'d>>,
    before: Before<'d>,
    /// Whether an sbr of the chain moves the interface's routes to a table of their own.
    has_sbr: bool,
    /// The tables that each sbr so far was configured with.
    pub(super) sbr: Vec<Option<i64>>,
    plugins: &'static [&'static Plugin],
    /// How many plugins it has.
    pub(super) len: usize,
}

/// A plugin that is judged: an entry of the registry.
#[derive(Debug)]
pub(super) struct Plugin {
    /// Its `type`.
    pub(super) name: &'static str,
    /// Its place in a chain, and how it is judged there.
    pub(super) role: Role,
    /// The keys that it reads of its configuration, by the path of their object (empty, or `ipam`).
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test compares them with docs/sinks.md")
    )]
    pub(super) tables: &'static [(&'static str, &'static Table)],
    /// The keys that it reads of `args.cni`, which a Pod sets with `cni-args`.
    pub(super) arguments: Option<&'static Table>,
}

/// The place of a plugin in a chain.
#[derive(Debug)]
pub(super) enum Role {
    /// It makes the interface.
    Interface(Judge),
    /// It assigns addresses to the interface of the plugin that calls it: `None` if it refuses.
    Ipam(for<'d> fn(&RawPlugin<'d>, &Chain<'d>, &mut Report) -> Option<IpamResult<'d>>),
    /// It changes an interface that is there.
    Meta(Judge),
}

/// Runs a plugin on the chain.
type Judge = for<'d> fn(&RawPlugin<'d>, &mut Chain<'d>, &mut Report);

/// The `prevResult` of the next plugin.
#[derive(Debug)]
enum Before<'d> {
    /// An interface that the plugin of this name made.
    Interface {
        plugin: &'static str,
        /// `None` on layer 2.
        network: Option<IpamResult<'d>>,
    },
    /// There is none: no plugin has run.
    Nothing,
    /// The result of a plugin that is not known here, or that fails anyway.
    Unknown,
}

/// What the chain has given the interface.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'c, 'd> {
    /// These addresses and routes.
    Network(&'c IpamResult<'d>),
    /// No address at all.
    NoAddress,
    /// Not known.
    Unknown,
}

impl<'d> Chain<'d> {
    /// A chain in which no plugin has run; `moves_routes` is whether it has an sbr that moves
    /// routes.
    pub(super) fn new(
        name: &'d str,
        version: &'d str,
        version_at: Option<Value<'d>>,
        moves_routes: bool,
        plugins: &'static [&'static Plugin],
    ) -> Self {
        Self {
            name,
            version,
            version_at,
            before: Before::Nothing,
            has_sbr: moves_routes,
            sbr: Vec::new(),
            plugins,
            len: 1,
        }
    }

    /// The chain, of so many plugins.
    pub(super) fn of_length(self, len: usize) -> Self {
        Self { len, ..self }
    }

    /// The plugin of that name, if it is one that is judged.
    pub(super) fn find(&self, name: &str) -> Option<&'static Plugin> {
        find(self.plugins, name)
    }

    /// Notes that a plugin has run that is not judged, or that fails anyway.
    pub(super) fn unknown(&mut self) {
        self.before = Before::Unknown;
    }

    /// Refuses a `type` that cannot be the name of a plugin. Returns `false` if it may be one.
    pub(super) fn refuse_type(&self, kind: &str, place: Value<'_>, report: &mut Report) -> bool {
        let problem = if kind.contains('/') {
            format!(
                "is a path, and a plugin is looked up by its name: write the name alone (invalid \
                 plugin name: {})",
                shorten(kind)
            )
        } else {
            let plain = |letter: u8| match letter.to_ascii_lowercase() {
                b'_' => b'-',
                letter => letter,
            };
            let trimmed = kind.trim();
            let is_meant = |known: &&&Plugin| known.name.bytes().eq(trimmed.bytes().map(plain));
            match self.plugins.iter().find(is_meant) {
                Some(meant) if kind != meant.name => format!(
                    "is not the name of a plugin, which is case-sensitive: did you mean \"{}\"? \
                     (failed to find plugin \"{}\" in path)",
                    meant.name,
                    shorten(kind)
                ),
                _ => return false,
            }
        };
        report.refuse(place, format!("{} {problem}", show(place)));
        true
    }

    /// Whether results are passed on in the format before 0.3.0, with one address of each family.
    pub(super) fn is_old(&self) -> bool {
        matches!(self.version, "" | "0.1.0" | "0.2.0")
    }

    /// Refuses a second address of a family if the version is older than 0.3.0. Returns `None`
    /// then.
    pub(super) fn limit_families<'v>(
        &self,
        plugin: &str,
        addresses: &(impl Iterator<Item = (IpAddr, Value<'v>)> + Clone),
        report: &mut Report,
    ) -> Option<()> {
        if !self.is_old() {
            return Some(());
        }
        let second = [true, false].into_iter().find_map(|is_v4| {
            let mut of_family = addresses.clone().filter(|(ip, _)| ip.is_ipv4() == is_v4);
            of_family.nth(1)
        });
        let Some((ip, place)) = second else {
            return Some(());
        };
        let (family, version) = (family(ip), self.version);
        report.refuse(
            place,
            format!(
                "before version 0.3.0 an interface has at most one {family} address: write \
                 \"cniVersion\": \"0.3.1\" or later, or remove one ({plugin}: CNI version \
                 {version} does not support more than 1 address per family)"
            ),
        );
        None
    }

    /// Whether an sbr moves the interface's routes out of the main table.
    pub(super) fn moves_routes(&self) -> bool {
        self.has_sbr
    }

    /// The version, for messages.
    pub(super) fn version(&self) -> &'d str {
        self.version
    }

    /// Whether the plugin gets a `prevResult`.
    pub(super) fn is_chained(&self, raw: &RawPlugin<'_>) -> bool {
        !matches!(self.before, Before::Nothing) || raw.has_prev_result()
    }

    /// Refuses a meta plugin before which no other plugin runs.
    pub(super) fn expect_chained(
        &self,
        raw: &RawPlugin<'_>,
        says: &str,
        report: &mut Report,
    ) -> bool {
        let is_chained = self.is_chained(raw);
        if !is_chained {
            let plugin = &raw.kind;
            report.refuse(
                raw.kind_at,
                format!(
                    "{plugin} changes an interface that another plugin made: put it into \
                     \"plugins\" after ipvlan, macvlan or bridge ({plugin}: {says})"
                ),
            );
        }
        is_chained
    }

    /// What the plugins so far have given the interface.
    pub(super) fn given(&self) -> Given<'_, 'd> {
        match &self.before {
            Before::Interface {
                network: Some(network),
                ..
            } if network.leases.is_some() && !network.is_replaceable => Given::Network(network),
            Before::Interface { network: None, .. } => Given::NoAddress,
            Before::Interface { .. } | Before::Nothing | Before::Unknown => Given::Unknown,
        }
    }

    /// The plugin that made the interface, if it is known here.
    pub(super) fn interface_plugin(&self) -> Option<&'static str> {
        match self.before {
            Before::Interface { plugin, .. } => Some(plugin),
            Before::Nothing | Before::Unknown => None,
        }
    }

    /// Notes that an interface plugin has run.
    pub(super) fn interface(
        &mut self,
        plugin: &'static str,
        raw: &RawPlugin<'d>,
        answer: IpamOutcome<'d>,
        report: &mut Report,
    ) {
        if let Before::Interface { plugin: first, .. } = self.before {
            report.refuse(
                raw.kind_at,
                format!(
                    "{first} has already made the Pod's interface, and {plugin} cannot make it \
                     again: keep one of them, and define a second network for the other \
                     ({plugin}: failed to rename, file exists)"
                ),
            );
            self.before = Before::Unknown;
            return;
        }
        if self.is_old() && plugin != "ipvlan" && matches!(answer, IpamOutcome::NoPlugin) {
            // cni/pkg/types/040/types.go:188
            let version = if self.version.is_empty() {
                "without a \"cniVersion\"".to_owned()
            } else {
                format!("with \"cniVersion\": \"{}\"", self.version)
            };
            report.refuse(
                self.version_at.unwrap_or(raw.kind_at),
                format!(
                    "a network without addresses cannot be described {version}: write \
                     \"cniVersion\": \"0.3.1\" or later, at the top of the config ({plugin}: \
                     cannot convert: no valid IP addresses)"
                ),
            );
            self.before = Before::Unknown;
            return;
        }
        self.before = match answer {
            _ if matches!(self.before, Before::Unknown) => Before::Unknown,
            IpamOutcome::Result(network) => Before::Interface {
                plugin,
                network: Some(network),
            },
            IpamOutcome::NoPlugin if raw.has_prev_result() => Before::Unknown,
            IpamOutcome::NoPlugin => Before::Interface {
                plugin,
                network: None,
            },
            IpamOutcome::Refused => Before::Unknown,
        };
    }
}

/// The plugin of that name among `plugins`.
pub(super) fn find(plugins: &'static [&'static Plugin], name: &str) -> Option<&'static Plugin> {
    plugins.iter().find(|plugin| plugin.name == name).copied()
}
