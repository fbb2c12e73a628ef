//! macvtap: moves a tap device that the device plugin of macvtap-cni made into the Pod.
//!
//! `pkg/cni/plugin.go` of kubevirt/macvtap-cni v0.13.1.

use super::chain::{Chain, Plugin, Role};
use super::ipam_result::IpamOutcome;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::link::{self, Negative};
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "macvtap",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "macvtap",
    go: "NetConf",
    keys: &[
        // Required; Multus fills in the device plugin's ID.
        key("deviceID", Takes::Text, Sink::Device, "the device plugin's"),
        // 0, or 68 to the MTU of the device.
        key("mtu", Takes::Integer, Sink::Number, "the device's"),
        key("promiscMode", Takes::Bool, Sink::Nothing, "false"),
        key("owner", Takes::Integer, Sink::Number, "107"),
        key("group", Takes::Integer, Sink::Number, "107"),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        (
            "mode",
            "the device plugin of macvtap-cni is configured with it",
        ),
        (
            "master",
            "the device plugin of macvtap-cni is configured with it, as \"lowerDevice\"",
        ),
    ]),
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        let says = "macvtap: failed to set the macvtap MTU: invalid argument";
        link::mtu(&conf, Negative::Refuse, says, report);
    }
    if raw.ipam_kind().is_some() {
        report.warn(
            raw.ipam_or_kind(),
            "macvtap does not call an IPAM plugin, so the Pod gets no address: remove \"ipam\"",
        );
    }
    chain.interface("macvtap", raw, IpamOutcome::NoPlugin, report);
}
