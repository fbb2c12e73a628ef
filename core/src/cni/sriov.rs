//! sriov and ib-sriov: move a virtual function into the Pod.
//!
//! `pkg/config/config.go` of k8snetworkplumbingwg/sriov-cni v2.10.0 and of
//! k8snetworkplumbingwg/ib-sriov-cni v1.3.0. Multus fills in the device, from a device plugin.

use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::ipoib;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::node_use::Access;
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address::Mac;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "sriov",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

/// The plugin of InfiniBand devices.
pub(super) static INFINIBAND: Plugin = Plugin {
    name: "ib-sriov",
    role: Role::Interface(judge_infiniband),
    tables: &[("", &INFINIBAND_CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "sriov",
    go: "NetConf",
    keys: &[
        key("deviceID", Takes::Text, Sink::Device, "the device plugin's"),
        // 0 to 4094, 0 for none.
        key("vlan", Takes::Integer, Sink::Number, "none"),
        // 0 to 7, and above 0 only with a VLAN.
        key("vlanQoS", Takes::Integer, Sink::Number, "0"),
        // In any case of letters.
        key("vlanProto", Takes::Text, Sink::Nothing, "802.1q"),
        // The address of the virtual function; a Pod's mac comes before it.
        key("mac", Takes::Text, Sink::Address, "the virtual function's"),
        key(
            "min_tx_rate",
            Takes::Integer,
            Sink::Number,
            "the virtual function's",
        ),
        key(
            "max_tx_rate",
            Takes::Integer,
            Sink::Number,
            "the virtual function's",
        ),
        // "on", and anything else is off.
        key(
            "spoofchk",
            Takes::Text,
            Sink::Nothing,
            "the virtual function's",
        ),
        key(
            "trust",
            Takes::Text,
            Sink::Nothing,
            "the virtual function's",
        ),
        key(
            "link_state",
            LINK_STATE,
            Sink::Nothing,
            "the virtual function's",
        ),
        // Overwritten with what the device has.
        key("mtu", Takes::Integer, Sink::Nothing, ""),
        key("master", Takes::Text, Sink::Nothing, ""),
        key("VFID", Takes::Integer, Sink::Nothing, ""),
        key("OrigVfState", Takes::Object(&VF_STATE), Sink::Below, ""),
        key("logLevel", Takes::Text, Sink::Text, "info"),
        key("logFile", Takes::Text, Sink::Path(Access::Write), "none"),
        key("runtimeConfig", Takes::Object(&RUNTIME), Sink::Below, ""),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("vlanId", "write \"vlan\""),
        ("vlan_id", "write \"vlan\""),
        ("vlan_qos", "write \"vlanQoS\""),
        ("qos", "write \"vlanQoS\""),
        ("vlan_proto", "write \"vlanProto\""),
        ("linkState", "write \"link_state\""),
        ("minTxRate", "write \"min_tx_rate\""),
        ("maxTxRate", "write \"max_tx_rate\""),
        ("spoof_chk", "write \"spoofchk\""),
        ("spoofcheck", "write \"spoofchk\""),
    ]),
};

static INFINIBAND_CONF: Table = Table {
    plugin: "ib-sriov",
    go: "NetConf",
    keys: &[
        key("deviceID", Takes::Text, Sink::Device, "the device plugin's"),
        key("pkey", Takes::Text, Sink::Text, "none"),
        key(
            "link_state",
            LINK_STATE,
            Sink::Nothing,
            "the virtual function's",
        ),
        key("rdmaIsolation", Takes::Bool, Sink::Nothing, "false"),
        key("ibKubernetesEnabled", Takes::Bool, Sink::Nothing, "false"),
        key("vfioPciMode", Takes::Bool, Sink::Nothing, "false"),
        // Overwritten with what the device has.
        key("master", Takes::Text, Sink::Nothing, ""),
        key("VFID", Takes::Integer, Sink::Nothing, ""),
        key("HostIFNames", Takes::Text, Sink::Nothing, ""),
        key("HostIFGUID", Takes::Text, Sink::Nothing, ""),
        key("ContIFNames", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[("linkState", "write \"link_state\"")]),
};

const LINK_STATE: Takes = Takes::Word(
    &["", "auto", "enable", "disable"],
    "invalid link_state value:",
);

/// A field that was not meant to be set: overwritten with what the device has.
static VF_STATE: Table = Table {
    plugin: "sriov",
    go: "VfState",
    keys: &[],
    unknown_keys: UnknownKeys::Allowed,
};

static RUNTIME: Table = Table {
    plugin: "sriov",
    go: "NetConf",
    keys: &[key("mac", Takes::Text, Sink::Address, "")],
    unknown_keys: UnknownKeys::Allowed,
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        vlan(&conf, report);
        address(&conf, raw, report);
        for key in ["spoofchk", "trust"] {
            let value = conf.text(key).unwrap_or_default();
            if let Some(place) = conf.value(key)
                && !matches!(value.as_ref(), "" | "on" | "off")
            {
                let value = shorten(&value);
                report.warn(
                    place,
                    format!(
                        "sriov takes \"{key}\": \"{value}\" for \"off\", like everything except \
                         \"on\": write \"on\" or \"off\""
                    ),
                );
            }
        }
    }
    interface_plugin::attach("sriov", raw, None, IpamNeed::Optional, chain, report);
}

fn judge_infiniband<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    Decoded::new(&INFINIBAND_CONF, [raw.object]).check(report);
    ipoib::refuse_dhcp(raw, report);
    interface_plugin::attach("ib-sriov", raw, None, IpamNeed::Optional, chain, report);
}

/// `LoadConf`, from "if n.Vlan == nil".
fn vlan(conf: &Decoded<'_>, report: &mut Report) {
    let (id, qos) = (conf.integer("vlan"), conf.integer("vlanQoS"));
    let Some(id) = id else {
        for (key, what) in [("vlanQoS", "QoS"), ("vlanProto", "proto")] {
            if let Some(place) = conf.value(key) {
                report.refuse(
                    place,
                    format!(
                        "\"{key}\" needs a \"vlan\": add one, or remove it (sriov: vlan id must \
                         be configured to set vlan {what} to a non-nil value)"
                    ),
                );
            }
        }
        return;
    };
    if let Some(place) = conf.value("vlan").filter(|_| !(0..=4094).contains(&id)) {
        report.refuse(
            place,
            format!(
                "{id} is not a VLAN ID: write 1 to 4094, or 0 for none (sriov: vlan id {id} \
                 invalid: value must be in the range 0-4094)"
            ),
        );
    }
    if let (Some(place), Some(qos)) = (conf.value("vlanQoS"), qos) {
        if !(0..=7).contains(&qos) {
            report.refuse(
                place,
                format!(
                    "{qos} is not a priority of 802.1Q: write 0 to 7 (sriov: vlan QoS PCP {qos} \
                     invalid: value must be in the range 0-7)"
                ),
            );
        } else if qos != 0 && id == 0 {
            report.refuse(
                place,
                "\"vlanQoS\" needs a \"vlan\" other than 0 (sriov: non-zero vlan id must be \
                 configured to set vlan QoS to a non-zero value)",
            );
        }
    }
    let Some(place) = conf.value("vlanProto") else {
        return;
    };
    let protocol = conf.text("vlanProto").unwrap_or_default();
    match protocol.to_lowercase().as_str() {
        "802.1q" => {}
        "802.1ad" if id != 0 => {}
        "802.1ad" => report.refuse(
            place,
            "\"vlanProto\": \"802.1ad\" needs a \"vlan\" other than 0 (sriov: non-zero vlan id \
             must be configured to set vlan proto 802.1ad)",
        ),
        _ => {
            let shown = shorten(&protocol);
            report.refuse(
                place,
                format!(
                    "\"{shown}\" is not a VLAN protocol: write \"802.1q\" or \"802.1ad\" (sriov: \
                     vlan Proto {shown} invalid: value must be '802.1Q' or '802.1ad')"
                ),
            );
        }
    }
}

fn address(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    let runtime = conf.object("runtimeConfig");
    let given = runtime.as_ref().and_then(|runtime| runtime.value("mac"));
    let Some(place) = given.or_else(|| conf.value("mac")) else {
        return;
    };
    let text = place.str().unwrap_or_default();
    if text.is_empty() {
        return;
    }
    let shown = shorten(&text);
    match Mac::parse(&text) {
        None => report.refuse_unless(
            raw.declares("mac"),
            place,
            format!(
                "\"{shown}\" is not a valid hardware address: write six pairs of hexadecimal \
                 digits, as in \"02:00:00:00:00:01\" (sriov: failed to parse MAC address {shown})"
            ),
        ),
        Some(mac) if mac.is_multicast() || mac.is_zero() => report.warn(
            place,
            format!(
                "\"{shown}\" is not a unicast address, and most drivers refuse it: write one, as \
                 in \"02:00:00:00:00:01\""
            ),
        ),
        Some(_) => {}
    }
}
