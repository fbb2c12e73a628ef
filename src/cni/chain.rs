//! The chain: which plugin runs after which, and what each hands to the next.

use std::borrow::Cow;

use super::envelope::Envelope;
use super::ipam::Answer;
use super::network::Network;
use super::part::Part;
use super::report::{Report, show};
use super::{bridge, host_local, ipvlan, macvlan, portmap, sbr, static_, tuning, whereabouts};
use crate::finding::shorten;
use crate::json::Value;

/// What the plugins so far have come to.
#[derive(Debug)]
pub(super) struct Chain<'d> {
    version: &'d str,
    version_at: Option<Value<'d>>,
    before: Before<'d>,
    /// Whether an sbr of the chain moves the interface's routes to a table of their own.
    has_sbr: bool,
    /// The tables that each sbr so far was told to use.
    pub(super) sbr: Vec<Option<i64>>,
}

/// The `prevResult` of the next plugin.
#[derive(Debug)]
enum Before<'d> {
    /// An interface, by the plugin of this name.
    Interface {
        plugin: &'static str,
        /// None on layer 2.
        network: Option<Network<'d>>,
    },
    /// There is none: no plugin has run.
    Nothing,
    /// Something, by a plugin that we do not know or that fails anyway.
    Something,
}

/// What the chain has given the interface.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'c, 'd> {
    /// These addresses and routes.
    Network(&'c Network<'d>),
    /// No address at all.
    NoAddress,
    /// That cannot be told.
    Unknown,
}

/// Runs the plugins of an envelope, one after the other.
pub(super) fn judge<'d>(envelope: &'d Envelope<'d>, root: Value<'d>, report: &mut Report) {
    check_length_of_name(envelope, root, report);
    let mut chain = Chain {
        version: &envelope.version,
        version_at: envelope.version_at,
        before: Before::Nothing,
        has_sbr: envelope.plugins.iter().any(|part| sbr::moves_routes(part)),
        sbr: Vec::new(),
    };
    let mut is_version_refused = false;
    for part in &envelope.plugins {
        if !is_version_refused {
            is_version_refused = refuse_version(part, &chain, report);
        }
        match part.kind.as_ref() {
            "bridge" => bridge::judge(part, &mut chain, report),
            "ipvlan" => ipvlan::judge(part, &mut chain, report),
            "macvlan" => macvlan::judge(part, &mut chain, report),
            "portmap" => portmap::judge(part, &chain, report),
            "sbr" => sbr::judge(part, &mut chain, report),
            "tuning" => tuning::judge(part, &chain, report),
            "host-local" | "static" | "whereabouts" => chain.ipam_plugin(part, report),
            _ => {
                refuse_type(&part.kind, part.kind_at, report);
                chain.before = Before::Something;
            }
        }
    }
    if envelope.is_list {
        warn_of_list_keys(root, report);
    }
}

impl<'d> Chain<'d> {
    /// Whether results are handed on in the format before 0.3.0, with one address of each family.
    pub(super) fn is_old(&self) -> bool {
        matches!(self.version, "" | "0.1.0" | "0.2.0")
    }

    /// Whether the interface's routes leave the main table again.
    pub(super) fn moves_routes(&self) -> bool {
        self.has_sbr
    }

    /// The version, for messages.
    pub(super) fn version(&self) -> &'d str {
        self.version
    }

    /// Whether the plugin gets a `prevResult`.
    pub(super) fn is_chained(&self, part: &Part<'_>) -> bool {
        !matches!(self.before, Before::Nothing) || part.has_prev_result()
    }

    /// Refuses a meta plugin that no other runs before.
    pub(super) fn expect_chained(&self, part: &Part<'_>, says: &str, report: &mut Report) -> bool {
        let is_chained = self.is_chained(part);
        if !is_chained {
            let plugin = &part.kind;
            report.refuse(
                part.kind_at,
                format!(
                    "{plugin} changes an interface that another plugin made: put it into \"plugins\" behind ipvlan, macvlan or bridge ({plugin}: {says})"
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
            Before::Interface { .. } | Before::Nothing | Before::Something => Given::Unknown,
        }
    }

    /// The plugin that made the interface, if it is one that we know.
    pub(super) fn interface_plugin(&self) -> Option<&'static str> {
        match self.before {
            Before::Interface { plugin, .. } => Some(plugin),
            Before::Nothing | Before::Something => None,
        }
    }

    /// An interface plugin has run.
    pub(super) fn interface(
        &mut self,
        plugin: &'static str,
        part: &Part<'d>,
        answer: Answer<'d>,
        report: &mut Report,
    ) {
        if let Before::Interface { plugin: first, .. } = self.before {
            report.refuse(
                part.kind_at,
                format!(
                    "{first} has already made the Pod's interface, and {plugin} cannot make it again: keep one of them, and make a second network of the other ({plugin}: failed to rename, file exists)"
                ),
            );
            self.before = Before::Something;
            return;
        }
        if self.is_old() && plugin != "ipvlan" && matches!(answer, Answer::Nobody) {
            // cni/pkg/types/040/types.go:188
            let version = if self.version.is_empty() {
                "without a \"cniVersion\"".to_owned()
            } else {
                format!("with \"cniVersion\": \"{}\"", self.version)
            };
            report.refuse(
                self.version_at.unwrap_or(part.kind_at),
                format!(
                    "a network without addresses cannot be described {version}: write \"cniVersion\": \"0.3.1\" or later, at the top of the config ({plugin}: cannot convert: no valid IP addresses)"
                ),
            );
            self.before = Before::Something;
            return;
        }
        self.before = match answer {
            _ if matches!(self.before, Before::Something) => Before::Something,
            Answer::Network(network) => Before::Interface {
                plugin,
                network: Some(network),
            },
            Answer::Nobody if part.has_prev_result() => Before::Something,
            Answer::Nobody => Before::Interface {
                plugin,
                network: None,
            },
            Answer::Refusal => Before::Something,
        };
    }

    /// An IPAM plugin as a plugin of its own: it gives addresses to nobody.
    fn ipam_plugin(&mut self, part: &Part<'d>, report: &mut Report) {
        let plugin = &part.kind;
        if part.ipam().next().is_none() {
            report.refuse(
                part.kind_at,
                format!(
                    "{plugin} gives addresses and makes no interface: name it in \"ipam\" of ipvlan, macvlan or bridge ({plugin}: IPAM config missing 'ipam' key)"
                ),
            );
        } else {
            report.warn(
                part.kind_at,
                format!(
                    "{plugin} gives addresses and makes no interface, so the Pod gets none: name it in \"ipam\" of ipvlan, macvlan or bridge"
                ),
            );
            match plugin.as_ref() {
                "host-local" => drop(host_local::answer(part, self, report)),
                "static" => drop(static_::answer(part, self, report)),
                _ => drop(whereabouts::answer(part, self, report)),
            }
        }
        self.before = Before::Something;
    }
}

/// Refuses a `type` that cannot be the name of a plugin. False where it may be one.
pub(super) fn refuse_type(kind: &str, place: Value<'_>, report: &mut Report) -> bool {
    let problem = if kind.contains('/') {
        format!(
            "is a path, and a plugin is looked up by its name alone (invalid plugin name: {})",
            shorten(kind)
        )
    } else {
        let plain = |letter: u8| match letter.to_ascii_lowercase() {
            b'_' => b'-',
            letter => letter,
        };
        let trimmed = kind.trim();
        let is_meant = |known: &&&str| known.bytes().eq(trimmed.bytes().map(plain));
        match PLUGINS.iter().find(is_meant) {
            Some(meant) if kind != *meant => format!(
                "is no plugin: names are compared letter by letter, did you mean \"{meant}\"? (failed to find plugin \"{}\" in path)",
                shorten(kind)
            ),
            _ => return false,
        }
    };
    report.refuse(place, format!("{} {problem}", show(place)));
    true
}

/// The name of a plugin, kept without a copy of the ones that everybody uses.
pub(super) fn name(kind: &str) -> Cow<'static, str> {
    match PLUGINS.iter().find(|known| **known == kind) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(kind.to_owned()),
    }
}

const PLUGINS: &[&str] = &[
    "bridge",
    "host-local",
    "ipvlan",
    "macvlan",
    "portmap",
    "sbr",
    "static",
    "tuning",
    "whereabouts",
];

/// What a plugin of containernetworking/plugins 1.9.1 supports: these versions from one of them on.
const VERSIONS: &[&str] = &[
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];
const SINCE: &[(&str, &str)] = &[
    ("bandwidth", "0.3.0"),
    ("firewall", "0.4.0"),
    ("vrf", "0.3.1"),
];

/// `cni/pkg/skel/skel.go:197`: a plugin runs only for the versions it names.
fn refuse_version(part: &Part<'_>, chain: &Chain<'_>, report: &mut Report) -> bool {
    let plugin = part.kind.as_ref();
    let since = SINCE.iter().find(|(name, _)| *name == plugin);
    if since.is_none() && !PLUGINS.contains(&plugin) {
        return false;
    }
    if since.is_none() && (chain.version.is_empty() || VERSIONS.contains(&chain.version)) {
        return false;
    }
    let first = since.map_or("0.1.0", |(_, first)| *first);
    let supported: Vec<_> = VERSIONS
        .iter()
        .filter(|version| **version >= first)
        .collect();
    let version = if chain.version.is_empty() {
        "0.1.0"
    } else {
        chain.version
    };
    if supported.iter().any(|supported| **supported == version) {
        return false;
    }
    let listed: Vec<_> = supported
        .iter()
        .map(|version| format!("\"{version}\""))
        .collect();
    let shown = shorten(version);
    report.refuse(
        chain.version_at.unwrap_or(part.kind_at),
        format!(
            "{plugin} does not know the version \"{shown}\": write one of {} ({plugin}: incompatible CNI versions; config is \"{shown}\", plugin supports [{}])",
            listed.join(", "),
            listed.join(" ")
        ),
    );
    true
}

/// libcni keeps its result in a file called `<name>-<container>-<interface>`
/// (`cni/libcni/api.go:252`), and the name of a file has at most 255 bytes.
fn check_length_of_name(envelope: &Envelope<'_>, root: Value<'_>, report: &mut Report) {
    const LONGEST_FILE: usize = 255;
    const CONTAINER: usize = 64;
    let longest = |interface: &str| LONGEST_FILE - CONTAINER - interface.len() - 2;
    let length = envelope.name.len();
    let place = root
        .get("name")
        .filter(|name| !name.is_str(""))
        .unwrap_or(root);
    if length > longest("net1") {
        let most = longest("net1");
        report.refuse(
            place,
            format!(
                "the name of the network has {length} bytes and can have {most}, since libcni makes the name of a file of it: write a shorter \"name\" (file name too long)"
            ),
        );
    } else if length > longest("fifteen-letters") {
        let most = longest("fifteen-letters");
        report.warn(
            place,
            format!(
                "the name of the network has {length} bytes: beyond {most} a Pod that asks for a long interface name fails, since libcni makes the name of a file of both"
            ),
        );
    }
}

/// Keys that belong to a plugin and do nothing beside `plugins`.
fn warn_of_list_keys(root: Value<'_>, report: &mut Report) {
    for member in root.members() {
        let Some(key) = member.key.str() else {
            continue;
        };
        let key = key.as_ref();
        if matches!(
            key,
            "ipam"
                | "capabilities"
                | "runtimeConfig"
                | "args"
                | "dns"
                | "master"
                | "mode"
                | "mtu"
                | "bridge"
        ) && !member.value.is_null()
        {
            report.warn(
                member.key,
                format!("\"{key}\" does nothing beside \"plugins\": move it into the plugin that is to read it"),
            );
        }
    }
}
