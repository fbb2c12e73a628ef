//! vrf: puts the interface into a routing domain of the Pod.
//!
//! `plugins/meta/vrf/main.go` of containernetworking/plugins v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::interface::{self, MAX_LENGTH};
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "vrf",
    role: Role::Meta(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "vrf",
    go: "VRFNetConf",
    keys: &[
        // Required: an interface of the Pod, made if it does not exist.
        key("vrfname", Takes::Text, Sink::Text, ""),
        // The routing table.
        key("table", Takes::Unsigned, Sink::Number, "the first free one"),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("vrf", "write \"vrfname\""),
        ("vrf_name", "write \"vrfname\""),
    ]),
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        let name = conf.text("vrfname").unwrap_or_default();
        let shown = shorten(&name);
        let place = conf.value("vrfname").unwrap_or(raw.kind_at);
        if name.is_empty() {
            report.refuse(
                place,
                "vrf requires a \"vrfname\": write the name of an interface, as in \"vrfname\": \
                 \"blue\" (vrf: configuration is expected to have a valid vrf name)",
            );
        } else if name.len() > MAX_LENGTH {
            report.refuse(
                place,
                format!(
                    "\"{shown}\" has {} bytes, and the name of an interface has at most \
                     {MAX_LENGTH}: write a shorter name (vrf: could not add VRF: numerical result \
                     out of range)",
                    name.len()
                ),
            );
        } else if name.contains('%') {
            report.refuse(
                place,
                format!(
                    "\"{shown}\" cannot be the name of an interface, because the kernel replaces \
                     \"%\" in a name with a number (vrf: could not set link up for VRF: no such \
                     device)"
                ),
            );
        } else if let Some(fault) = interface::name_fault(&name) {
            report.refuse(
                place,
                format!(
                    "\"{shown}\" cannot be the name of an interface, because {fault} (vrf: could \
                     not add VRF)"
                ),
            );
        } else if name == "lo" {
            report.refuse(
                place,
                "\"lo\" is the Pod's loopback interface: use another name (vrf: Netlink lo is not \
                 a VRF)",
            );
        }
    }
    chain.expect_chained(raw, "missing prevResult from earlier plugin", report);
}
