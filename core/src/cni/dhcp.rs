//! dhcp: addresses from a DHCP server of the network, through a daemon of the node.
//!
//! `plugins/ipam/dhcp/main.go`, `options.go` and `lease.go` of containernetworking/plugins v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::ipam_result::IpamResult;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::node_use::Access;
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "dhcp",
    role: Role::Ipam(answer),
    tables: &[("ipam", &IPAM)],
    arguments: None,
};

static IPAM: Table = Table {
    plugin: "dhcp",
    go: "IPAMConfig",
    keys: &[
        key("type", Takes::Text, Sink::Nothing, ""),
        key(
            "daemonSocketPath",
            Takes::Text,
            Sink::Path(Access::Write),
            "/run/cni/dhcp.sock",
        ),
        key(
            "provide",
            Takes::List(&Takes::Object(&PROVIDE)),
            Sink::Below,
            "none",
        ),
        key(
            "request",
            Takes::List(&Takes::Object(&REQUEST)),
            Sink::Below,
            "the defaults",
        ),
        // The metric of routes.
        key("priority", Takes::Integer, Sink::Number, "0"),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        ("subnet", "the addresses are the DHCP server's"),
        ("range", "the addresses are the DHCP server's"),
        ("addresses", "the addresses are the DHCP server's"),
        ("routes", "the routes are the DHCP server's"),
        ("gateway", "the gateway is the DHCP server's"),
        ("dns", "write it beside \"ipam\""),
    ]),
};

static PROVIDE: Table = Table {
    plugin: "dhcp",
    go: "ProvideOption",
    keys: &[
        key("option", Takes::Text, Sink::Nothing, ""),
        key("value", Takes::Text, Sink::Text, ""),
        key("fromArg", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[]),
};

static REQUEST: Table = Table {
    plugin: "dhcp",
    go: "RequestOption",
    keys: &[
        key("skipDefault", Takes::Bool, Sink::Nothing, "false"),
        key("option", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[]),
};

/// The options that have a name (`optionNameToID`); others are written as numbers.
const NAMED: [&str; 6] = [
    "dhcp-client-identifier",
    "subnet-mask",
    "routers",
    "host-name",
    "user-class",
    "vendor-class-identifier",
];

/// The result of dhcp: addresses that only the server knows.
fn answer<'d>(raw: &RawPlugin<'d>, _: &Chain<'d>, report: &mut Report) -> Option<IpamResult<'d>> {
    let ipam = Decoded::new(&IPAM, raw.ipam());
    if !ipam.check(report) {
        return None;
    }
    let mut sound = true;
    for (key, table) in [("provide", &PROVIDE), ("request", &REQUEST)] {
        for item in ipam.elements(key) {
            let read = Decoded::new(table, [item]);
            let option = read.text("option").unwrap_or_default();
            // A request without an option has no effect.
            if option.is_empty() && key == "request" {
                continue;
            }
            if NAMED.contains(&option.as_ref()) || option.parse::<u8>().is_ok() {
                continue;
            }
            let (shown, named) = (shorten(&option), NAMED.join(", "));
            report.refuse(
                read.value("option").unwrap_or(item),
                format!(
                    "\"{shown}\" is not a DHCP option that dhcp knows: write its number in \
                     quotes, as in \"42\", or one of {named} (dhcp: Can not parse option)"
                ),
            );
            sound = false;
        }
    }
    sound.then(IpamResult::default)
}
