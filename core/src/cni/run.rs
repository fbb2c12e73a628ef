//! Running a chain: one plugin after the other, as libcni runs them.

use super::chain::{Chain, Role};
use super::envelope::Envelope;
use super::node_use::{Access, NodeUse, Used};
use super::raw_plugin::RawPlugin;
use super::registry::PLUGINS;
use super::report::{Report, show};
use super::{sbr, unknown};
use crate::json::{Kind, Value};
use crate::text::shorten;

/// Runs the plugins of an envelope, one after the other.
pub(super) fn run<'d>(envelope: &'d Envelope<'d>, root: Value<'d>, report: &mut Report) {
    check_length_of_name(envelope, root, report);
    let moves_routes = envelope.plugins.iter().any(sbr::moves_routes);
    let mut chain = Chain::new(
        &envelope.name,
        &envelope.version,
        envelope.version_at,
        moves_routes,
        &PLUGINS,
    )
    .of_length(envelope.plugins.len());
    let mut is_version_refused = false;
    for raw in &envelope.plugins {
        arguments(raw, report);
        if !is_version_refused {
            is_version_refused = refuse_version(raw, &chain, report);
        }
        match chain.find(&raw.kind).map(|plugin| &plugin.role) {
            Some(Role::Interface(judge) | Role::Meta(judge)) => judge(raw, &mut chain, report),
            Some(Role::Ipam(answer)) => {
                refuse_standalone(raw, report);
                // Its other faults are reported too.
                if raw.ipam().next().is_some() {
                    let _ = answer(raw, &chain, report);
                }
                chain.unknown();
            }
            None => {
                if !chain.refuse_type(&raw.kind, raw.kind_at, report) {
                    unknown::judge(raw, &chain, report);
                }
                chain.unknown();
            }
        }
    }
    if envelope.is_list {
        warn_of_list_keys(root, report);
    }
    join_stores(&envelope.name, report);
}

/// Judges `args` and `args.cni`: `injectCNIArgs` of Multus (`pkg/types/conf.go:597`) panics if one
/// of them is not an object and a Pod has `cni-args`.
fn arguments(raw: &RawPlugin<'_>, report: &mut Report) {
    let Some(args) = raw.args else {
        return;
    };
    let wrong = if args.kind() == Kind::Object {
        args.get("cni").filter(|cni| cni.kind() != Kind::Object)
    } else {
        Some(args)
    };
    if let Some(wrong) = wrong {
        report.danger(
            wrong,
            format!(
                "expected an object, found {}: remove the key, because Multus panics on it as soon \
                 as a Pod has cni-args (interface conversion)",
                show(wrong)
            ),
        );
    }
}

/// Adds the name of the network to the paths of stores: host-local writes into the folder of the
/// network, not into `dataDir` itself (`backend/disk/backend.go:48`).
fn join_stores(network: &str, report: &mut Report) {
    for NodeUse { used, .. } in &mut report.uses {
        if let Used::Path {
            access: Access::Store,
            path,
        } = used
        {
            *path = format!("{path}/{network}").into();
        }
    }
}

/// Refuses an IPAM plugin in the place of another plugin: its addresses are assigned to no
/// interface.
fn refuse_standalone(raw: &RawPlugin<'_>, report: &mut Report) {
    let plugin = &raw.kind;
    if raw.ipam().next().is_none() {
        report.refuse(
            raw.kind_at,
            format!(
                "{plugin} assigns addresses and does not make an interface: use it in \"ipam\" of \
                 ipvlan, macvlan or bridge ({plugin}: IPAM config missing 'ipam' key)"
            ),
        );
    } else {
        report.warn(
            raw.kind_at,
            format!(
                "{plugin} assigns addresses and does not make an interface, so the Pod gets none: \
                 use it in \"ipam\" of ipvlan, macvlan or bridge"
            ),
        );
    }
}

/// The versions that plugins of containernetworking/plugins 1.9.1 support.
const VERSIONS: &[&str] = &[
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];
/// The plugins that support fewer: the first and the last.
const FEWER: &[(&str, &str, &str)] = &[
    ("bandwidth", "0.3.0", "1.1.0"),
    ("firewall", "0.4.0", "1.1.0"),
    // Built with containernetworking/cni v0.8.1.
    ("macvtap", "0.1.0", "0.4.0"),
    ("vrf", "0.3.1", "1.1.0"),
];

/// Refuses a version that the plugin does not support (`cni/pkg/skel/skel.go:197`). Returns whether
/// it does.
fn refuse_version(raw: &RawPlugin<'_>, chain: &Chain<'_>, report: &mut Report) -> bool {
    let plugin = raw.kind.as_ref();
    if chain.find(plugin).is_none() {
        return false;
    }
    let fewer = FEWER.iter().find(|(name, ..)| *name == plugin);
    let (first, last) = fewer.map_or(("0.1.0", "1.1.0"), |(_, first, last)| (*first, *last));
    let supported = VERSIONS
        .iter()
        .filter(|version| (first..=last).contains(*version));
    let version = if chain.version().is_empty() {
        "0.1.0"
    } else {
        chain.version()
    };
    if supported.clone().any(|supported| *supported == version) {
        return false;
    }
    let listed: Vec<_> = supported.map(|version| format!("\"{version}\"")).collect();
    let shown = shorten(version);
    report.refuse(
        chain.version_at.unwrap_or(raw.kind_at),
        format!(
            "{plugin} does not support version \"{shown}\": write one of {} ({plugin}: \
             incompatible CNI versions; config is \"{shown}\", plugin supports [{}])",
            listed.join(", "),
            listed.join(" ")
        ),
    );
    true
}

/// Judges the length of the network's name: libcni keeps its result in a file called
/// `<name>-<container>-<interface>` (`cni/libcni/api.go:252`), and the name of a file has at most
/// 255 bytes.
fn check_length_of_name(envelope: &Envelope<'_>, root: Value<'_>, report: &mut Report) {
    const MAX_FILE_NAME: usize = 255;
    const CONTAINER: usize = 64;
    let longest = |interface: &str| MAX_FILE_NAME - CONTAINER - interface.len() - 2;
    let length = envelope.name.len();
    let place = || {
        let name = root.get("name").filter(|name| !name.is_str(""));
        name.unwrap_or(root)
    };
    if length > longest("net1") {
        let most = longest("net1");
        report.refuse(
            place(),
            format!(
                "the name of the network has {length} bytes and can have at most {most}, because \
                 libcni uses it in the name of a file: write a shorter \"name\" (file name too \
                 long)"
            ),
        );
    } else if length > longest("fifteen-letters") {
        let most = longest("fifteen-letters");
        report.warn(
            place(),
            format!(
                "the name of the network has {length} bytes: above {most}, a Pod that requests a \
                 long interface name fails, because libcni uses both in the name of a file: write \
                 a shorter \"name\""
            ),
        );
    }
}

/// Warns of keys that belong to a plugin and have no effect beside `plugins`.
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
                format!(
                    "\"{key}\" has no effect beside \"plugins\": move it into the plugin that \
                     should read it"
                ),
            );
        }
    }
}
