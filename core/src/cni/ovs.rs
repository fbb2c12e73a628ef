//! ovs: a port of an Open vSwitch bridge of the node.
//!
//! `pkg/plugin/plugin.go` and `pkg/types/types.go` of k8snetworkplumbingwg/ovs-cni v0.39.0. Keys
//! that are left out may be set in a file of the node, `/etc/cni/net.d/ovs.d/ovs.conf`.

use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, LINK, Sink, Table, Takes, UnknownKeys, key};
use super::link::{self, Negative};
use super::node_use::Access;
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::json::Value;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "ovs",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "ovs",
    go: "NetConf",
    keys: &[
        key(
            "bridge",
            Takes::Text,
            LINK,
            "the node's, or the one that the device is a port of",
        ),
        // 0 to 4095, of an access port.
        key("vlan", Takes::Unsigned64, Sink::Number, "a trunk port"),
        key(
            "trunk",
            Takes::List(&Takes::Object(&TRUNK)),
            Sink::Below,
            "all VLANs",
        ),
        // 0, or 68 to 65535; netlink sets it only above 0.
        key("mtu", Takes::Integer, Sink::Number, "1500"),
        key("deviceID", Takes::Text, Sink::Device, "the device plugin's"),
        // 1 to 65279, or 0 for any.
        key("ofport_request", Takes::Unsigned64, Sink::Number, "any"),
        key("interface_type", Takes::Text, Sink::Text, "the system's"),
        key(
            "configuration_path",
            Takes::Text,
            Sink::Path(Access::Read),
            "none",
        ),
        key(
            "socket_file",
            Takes::Text,
            Sink::Path(Access::Write),
            "unix:/run/openvswitch/db.sock",
        ),
        key(
            "link_state_check_retries",
            Takes::Integer,
            Sink::AtMost(3600, RETRIES),
            "5",
        ),
        // In milliseconds.
        key(
            "link_state_check_interval",
            Takes::Integer,
            Sink::AtMost(60_000, RETRIES),
            "600",
        ),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("vlanId", "write \"vlan\""),
        ("vlan_id", "write \"vlan\""),
        ("tag", "write \"vlan\""),
        ("vlanTrunk", "write \"trunk\""),
        ("trunks", "write \"trunk\""),
        ("master", "write \"bridge\""),
    ]),
};

const RETRIES: &str = "Multus and the kubelet wait for it";

static TRUNK: Table = Table {
    plugin: "ovs",
    go: "Trunk",
    keys: &[
        key("minID", Takes::Unsigned64, Sink::Number, ""),
        key("maxID", Takes::Unsigned64, Sink::Number, ""),
        key("id", Takes::Unsigned64, Sink::Number, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

/// The highest VLAN ID that Open vSwitch stores.
const LAST: i64 = 4095;

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        if let (Some(place), Some(id)) = (conf.value("vlan"), conf.integer("vlan"))
            && id > LAST
        {
            refuse_id(place, id, report);
        }
        if let (Some(place), Some(port)) =
            (conf.value("ofport_request"), conf.integer("ofport_request"))
            && port > 65279
        {
            report.refuse(
                place,
                format!(
                    "{port} is not the number of an OpenFlow port: write 1 to 65279 (ovs: {port} \
                     is not in the valid range 1 to 65279 (inclusive))"
                ),
            );
        }
        let says = "ovs: failed to make veth pair: invalid argument";
        link::mtu(&conf, Negative::Accept, says, report);
        trunk(&conf, report);
    }
    interface_plugin::attach(
        "ovs",
        raw,
        sound.then_some(&conf),
        IpamNeed::Optional,
        chain,
        report,
    );
}

fn refuse_id(place: Value<'_>, id: i64, report: &mut Report) {
    report.refuse(
        place,
        format!(
            "{id} is not a VLAN ID: write 1 to 4094 (ovs: {id} is not in the valid range 0 to \
             {LAST} (inclusive))"
        ),
    );
}

/// `splitVlanIds`: the items together must list a VLAN.
fn trunk(conf: &Decoded<'_>, report: &mut Report) {
    let mut items = 0;
    let mut lists_any = false;
    for item in conf.elements("trunk") {
        items += 1;
        if item.is_null() {
            report.refuse(
                item,
                "an item of \"trunk\" is null: remove it (ovs: panic: runtime error: invalid \
                 memory address or nil pointer dereference)",
            );
            return;
        }
        let read = Decoded::new(&TRUNK, [item]);
        let number = |key| Some((read.value(key)?, read.integer(key)?));
        let (first, last) = (number("minID"), number("maxID"));
        for (place, id) in [first, last, number("id")].into_iter().flatten() {
            if id > LAST {
                refuse_id(place, id, report);
                return;
            }
        }
        let first = first.map_or(0, |(_, id)| id);
        if let Some((place, last)) = last {
            if last < first {
                report.refuse(
                    place,
                    format!(
                        "the range ends at {last}, before it begins at {first}: swap them (ovs: \
                         minID is greater than maxID in trunk parameter)"
                    ),
                );
                return;
            }
            lists_any |= first > 0 && last > 0;
        }
        lists_any |= number("id").is_some();
    }
    if let Some(place) = conf.value("trunk").filter(|_| items > 0 && !lists_any) {
        report.refuse(
            place,
            "\"trunk\" lists no VLAN: write items such as {\"id\": 10} or {\"minID\": 20, \
             \"maxID\": 29} (ovs: trunk parameter is misconfigured)",
        );
    }
}
