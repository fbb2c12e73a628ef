//! ipoib: a child of an IP-over-InfiniBand interface of the node.
//!
//! `pkg/config/config.go` and `cmd/ipoib/main.go` of Mellanox/ipoib-cni at bc0726f.

use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, LINK, Sink, Table, Takes, UnknownKeys, key};
use super::link;
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "ipoib",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "ipoib",
    go: "NetConf",
    keys: &[
        // Required; `pkg/config/config.go:33`
        key("master", Takes::Text, LINK, ""),
        key("mtu", Takes::Integer, Sink::Number, "the MTU of the master"),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[]),
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        let name = conf.text("master").unwrap_or_default();
        match conf.value("master").filter(|_| !name.is_empty()) {
            Some(place) => {
                let says = "failed to lookup master: Link not found";
                link::name(place, &name, "ipoib", says, report);
            }
            None => report.refuse(
                conf.value("master").unwrap_or(raw.kind_at),
                "ipoib requires a \"master\": name an IP-over-InfiniBand interface of the node \
                 (ipoib: host master interface is missing)",
            ),
        }
    }
    refuse_dhcp(raw, report);
    interface_plugin::attach("ipoib", raw, None, IpamNeed::Optional, chain, report);
}

/// An InfiniBand interface has no Ethernet address to ask for a lease with.
pub(super) fn refuse_dhcp(raw: &RawPlugin<'_>, report: &mut Report) {
    if let Some(("dhcp", place)) = raw.ipam_kind() {
        let plugin = &raw.kind;
        report.refuse(
            place,
            format!(
                "{plugin} does not work with dhcp: name another IPAM plugin ({plugin}: ipam type \
                 dhcp is not supported)"
            ),
        );
    }
}
