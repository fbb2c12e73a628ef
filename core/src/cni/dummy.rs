//! dummy: an interface without a link, for addresses of the Pod's own.
//!
//! `plugins/main/dummy/dummy.go` of containernetworking/plugins v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, Table, UnknownKeys};
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "dummy",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

/// It reads no key of its own.
static CONF: Table = Table {
    plugin: "dummy",
    go: "NetConf",
    keys: &[],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("master", "a dummy interface has no master"),
        ("mtu", "chain tuning after it to set the MTU"),
        ("mac", "chain tuning after it to set the hardware address"),
    ]),
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    Decoded::new(&CONF, [raw.object]).check(report);
    let ipam = IpamNeed::Required("dummy interface requires an IPAM configuration");
    interface_plugin::attach("dummy", raw, None, ipam, chain, report);
}
