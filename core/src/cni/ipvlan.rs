//! ipvlan: an interface on an interface of the node, with its hardware address.
//!
//! `plugins/main/ipvlan/ipvlan.go` of v1.9.1.

use super::attachment::{Link, LinkUse};
use super::chain::{Chain, Plugin, Role};
use super::interface_plugin;
use super::ipam;
use super::ipam_result::IpamOutcome;
use super::keys::{Decoded, MASTER, Sink, Table, Takes, UnknownKeys, key};
use super::link::{self, Negative};
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "ipvlan",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "ipvlan",
    go: "NetConf",
    keys: &[
        // An interface of the node, or of the Pod with linkInContainer; "failed to lookup master".
        key(
            "master",
            Takes::Text,
            MASTER,
            "the interface of the default route",
        ),
        // :103
        key(
            "mode",
            Takes::Word(&["", "l2", "l3", "l3s"], "unknown ipvlan mode:"),
            Sink::Nothing,
            "l2",
        ),
        // 0, or 68 to 65535; netlink sets it only above 0, so a negative one counts as none.
        key("mtu", Takes::Integer, Sink::Number, "the MTU of the master"),
        // Since 1.3.0.
        key("linkInContainer", Takes::Bool, Sink::Nothing, "false"),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "mac",
            "an ipvlan interface has the hardware address of its master",
        ),
        ("bridge", "ipvlan has no bridge: set \"master\""),
        (
            "vlan",
            "ipvlan has no VLAN: use a VLAN interface as the master",
        ),
    ]),
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        link::master(
            &conf,
            "ipvlan",
            "failed to lookup master: Link not found",
            raw.kind_at,
            report,
        );
        if !conf.is_true("linkInContainer") {
            report.link = Some(Link {
                name: conf.text("master").unwrap_or_default().into(),
                usage: LinkUse::Ipvlan,
            });
        }
        let says = "ipvlan: failed to create ipvlan: invalid argument";
        link::mtu(&conf, Negative::Accept, says, report);
    }
    let answer = ipam::ask(raw, chain, report);
    if matches!(answer, IpamOutcome::NoPlugin) && !chain.is_chained(raw) {
        // ipvlan.go:267, cni/pkg/invoke/find.go:27
        report.refuse(
            raw.ipam_or_kind(),
            "ipvlan needs an IPAM plugin: add one, as in \"ipam\": {\"type\": \"static\"} \
             (ipvlan: no plugin name provided)",
        );
    }
    let conf = sound.then_some(&conf);
    interface_plugin::configure("ipvlan", raw, conf, answer, chain, report);
}
