//! vlan: a VLAN interface on an interface of the node.
//!
//! `plugins/main/vlan/vlan.go` of containernetworking/plugins v1.9.1.

use super::attachment::{Link, LinkUse};
use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, REQUIRED_MASTER, Sink, Table, Takes, UnknownKeys, key};
use super::link;
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "vlan",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "vlan",
    go: "NetConf",
    keys: &[
        // Required, :56. More than 15 characters are looked up as an alternative name.
        key("master", Takes::Text, REQUIRED_MASTER, ""),
        // 0 to 4094; :59
        key("vlanId", Takes::Integer, Sink::Number, "0"),
        // 0 to the MTU of the master; :68
        key("mtu", Takes::Integer, Sink::Number, "the MTU of the master"),
        // Since 1.2.0.
        key("linkInContainer", Takes::Bool, Sink::Nothing, "false"),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("vlan", "write \"vlanId\""),
        ("vlan_id", "write \"vlanId\""),
        ("tag", "write \"vlanId\""),
        (
            "mac",
            "the interface has the hardware address of its master",
        ),
    ]),
};

/// The highest VLAN ID.
const LAST: i64 = 4094;

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        master(&conf, raw, report);
        match conf.integer("vlanId") {
            None => report.warn(
                raw.kind_at,
                "there is no \"vlanId\", so the frames are tagged with VLAN 0, which is not a \
                 VLAN: write 1 to 4094",
            ),
            Some(id) if !(0..=LAST).contains(&id) => report.refuse(
                conf.value("vlanId").unwrap_or(raw.kind_at),
                format!(
                    "{id} is not a VLAN ID: write 1 to {LAST} (vlan: invalid VLAN ID {id} (must be \
                     between 0 and 4095 inclusive))"
                ),
            ),
            Some(_) => {}
        }
        if !conf.is_true("linkInContainer") {
            report.link = Some(Link {
                name: conf.text("master").unwrap_or_default().into(),
                usage: LinkUse::Vlan(conf.integer("vlanId").unwrap_or(0)),
            });
        }
        // A VLAN interface has no minimum MTU; :68
        if let (Some(place), Some(mtu)) = (conf.value("mtu"), conf.integer("mtu"))
            && !(0..=65535).contains(&mtu)
        {
            report.refuse(
                place,
                format!(
                    "an interface cannot have an MTU of {mtu}: write one up to that of the master, \
                     or remove it (vlan: invalid MTU {mtu}, must be [0, master MTU])"
                ),
            );
        }
    }
    let ipam = IpamNeed::Required("failed to execute IPAM delegate: no plugin name provided");
    interface_plugin::attach("vlan", raw, sound.then_some(&conf), ipam, chain, report);
}

fn master(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    let name = conf.text("master").unwrap_or_default();
    match conf.value("master").filter(|_| !name.is_empty()) {
        Some(place) => link::name(place, &name, "vlan", "Link not found", report),
        None => report.refuse(
            conf.value("master").unwrap_or(raw.kind_at),
            "vlan requires a \"master\": name the interface of the node that the VLAN arrives on \
             (vlan: \"master\" field is required)",
        ),
    }
}
