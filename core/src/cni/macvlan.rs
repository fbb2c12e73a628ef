//! macvlan: an interface of its own hardware address on an interface of the node.
//!
//! `plugins/main/macvlan/macvlan.go` of v1.9.1.

use super::attachment::{self, Link, LinkUse};
use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, MASTER, Sink, Table, Takes, UnknownKeys, key};
use super::link::{self, MacUse, Negative, QUEUE};
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "macvlan",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "macvlan",
    go: "NetConf",
    keys: &[
        // An interface of the node, or of the Pod with linkInContainer; :121 "Link not found".
        key(
            "master",
            Takes::Text,
            MASTER,
            "the interface of the default route",
        ),
        // :183
        key(
            "mode",
            Takes::Word(
                &["", "bridge", "private", "vepa", "passthru"],
                "unknown macvlan mode:",
            ),
            Sink::Nothing,
            "bridge",
        ),
        // 0, or 68 to the MTU of the master; :125
        key("mtu", Takes::Integer, Sink::Number, "the MTU of the master"),
        // 6 bytes, unicast; :239. A Pod's mac comes before it if the capability is declared.
        key("mac", Takes::Text, Sink::Address, "a random one"),
        // Since 1.3.0.
        key("linkInContainer", Takes::Bool, Sink::Nothing, "false"),
        // Since 1.6.0.
        key("bcqueuelen", Takes::Unsigned, QUEUE, "0"),
        link::RUNTIME_CONFIG,
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "vlan",
            "macvlan has no VLAN: use a VLAN interface as the master",
        ),
        ("bridge", "macvlan has no bridge: set \"master\""),
    ]),
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        link::master(&conf, "macvlan", "Link not found", raw.kind_at, report);
        let says = "macvlan: invalid MTU, must be [0, master MTU]; failed to create macvlan: \
         invalid argument";
        link::mtu(&conf, Negative::Refuse, says, report);
        if !conf.is_true("linkInContainer") {
            report.link = Some(Link {
                name: conf.text("master").unwrap_or_default().into(),
                usage: LinkUse::Macvlan {
                    passthru: conf.text("mode").is_some_and(|mode| mode == "passthru"),
                    mac: conf.text("mac").and_then(|text| attachment::six(&text)),
                },
            });
        }
        let runtime = conf.object("runtimeConfig");
        let given = runtime.as_ref().and_then(|runtime| runtime.value("mac"));
        if let Some(mac) = given
            .filter(|mac| !mac.is_str(""))
            .or_else(|| conf.value("mac"))
        {
            link::mac(mac, MacUse::Create, "macvlan", raw.declares("mac"), report);
        }
    }
    let conf = sound.then_some(&conf);
    interface_plugin::attach("macvlan", raw, conf, IpamNeed::Optional, chain, report);
}
