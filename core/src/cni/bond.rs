//! bond: combines interfaces of the Pod, or of the node, into one.
//!
//! `bond/bond.go` of k8snetworkplumbingwg/bond-cni at 258926a.

use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::json::{Kind, Value};
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "bond",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "bond",
    go: "bondingConfig",
    keys: &[
        // Required; :75
        key("mode", Takes::Text, Sink::Nothing, ""),
        // Whether the links are in the Pod already.
        key("linksInContainer", Takes::Bool, Sink::Nothing, "false"),
        // 0 to 2; :80
        key("failOverMac", Takes::Integer, Sink::Number, "0"),
        // Required, an integer in a string, of milliseconds; :162
        key("miimon", Takes::Text, Sink::Number, ""),
        // Two or more; :121
        key("links", Takes::List(&Takes::Object(&LINK)), Sink::Below, ""),
        // 68 to the MTU of the links, or 0 for 1500; `bond/util/validation.go:19`
        key("mtu", Takes::Integer, Sink::Number, "1500"),
        // 0 or 1; :84
        key("allSlavesActive", Takes::Integer, Sink::Number, "0"),
        // 0 or 1, with two of the modes; :88
        key("tlbDynamicLb", Takes::Integer, Sink::Number, "1"),
        key(
            "xmitHashPolicy",
            Takes::Word(
                &[
                    "layer2",
                    "layer3+4",
                    "layer2+3",
                    "encap2+3",
                    "encap3+4",
                    "vlan+srcmac",
                ],
                "xmitHashPolicy is not supported, actual:",
            ),
            Sink::Nothing,
            "layer2",
        ),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[("slaves", "write \"links\"")]),
};

/// A Go map, whose keys are compared as they are: `name` is read by [`links`].
static LINK: Table = Table {
    plugin: "bond",
    go: "map[string]interface {}",
    keys: &[],
    unknown_keys: UnknownKeys::Allowed,
};

const MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        mode(&conf, raw, report);
        numbers(&conf, report);
        monitoring(&conf, raw, report);
        links(&conf, raw, report);
    }
    interface_plugin::attach(
        "bond",
        raw,
        sound.then_some(&conf),
        IpamNeed::Optional,
        chain,
        report,
    );
}

fn mode(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    let mode = conf.text("mode").unwrap_or_default();
    if MODES.contains(&mode.as_ref()) {
        return;
    }
    let allowed = MODES.map(|mode| format!("\"{mode}\"")).join(", ");
    let shown = shorten(&mode);
    report.refuse(
        conf.value("mode").unwrap_or(raw.kind_at),
        format!(
            "bond requires a \"mode\", and \"{shown}\" is not one: write one of {allowed} (bond: \
             bonding mode ({shown}) is not supported)"
        ),
    );
}

fn numbers(conf: &Decoded<'_>, report: &mut Report) {
    for (key, last, says) in [
        ("failOverMac", 2, "FailOverMac mode should be 0, 1 or 2"),
        ("allSlavesActive", 1, "allSlavesActive should be 0 or 1"),
        ("tlbDynamicLb", 1, "tlbDynamicLb should be 0 or 1"),
    ] {
        if let (Some(place), Some(number)) = (conf.value(key), conf.integer(key))
            && !(0..=last).contains(&number)
        {
            report.refuse(
                place,
                format!("\"{key}\" is {number}: write a number from 0 to {last} (bond: {says})"),
            );
        }
    }
    let mode = conf.text("mode").unwrap_or_default();
    if let Some(place) = conf.value("tlbDynamicLb")
        && !matches!(mode.as_ref(), "balance-tlb" | "balance-alb")
    {
        report.refuse(
            place,
            "\"tlbDynamicLb\" is only for the modes \"balance-tlb\" and \"balance-alb\": remove it \
             (bond: tlbDynamicLb is only supported in balance-tlb or balance-alb mode)",
        );
    }
    if let (Some(place), Some(mtu)) = (conf.value("mtu"), conf.integer("mtu"))
        && mtu != 0
        && !(68..=65535).contains(&mtu)
    {
        report.refuse(
            place,
            format!(
                "an interface cannot have an MTU of {mtu}: write one of 68 to 65535, or remove it \
                 for 1500 (bond: invalid bond MTU value ({mtu}), should be 68 or bigger)"
            ),
        );
    }
}

/// `strconv.Atoi` of Go: an optional sign and digits.
fn monitoring(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    let text = conf.text("miimon").unwrap_or_default();
    let place = conf.value("miimon").unwrap_or(raw.kind_at);
    let shown = shorten(&text);
    match text.parse::<i64>() {
        Err(_) => report.refuse(
            place,
            format!(
                "bond requires \"miimon\", the interval at which the links are checked, in \
                 milliseconds, and \"{shown}\" is not a number: write one such as \"100\" (bond: \
                 failed to convert bondMiimon value ({shown}) to an int)"
            ),
        ),
        Ok(0) => report.warn(
            place,
            "\"miimon\": \"0\" checks no link, so a link that fails stays in use: write \"100\"",
        ),
        Ok(_) => {}
    }
}

fn links(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    let mut names: Vec<String> = Vec::new();
    for link in conf.elements("links") {
        let name = link.get("name").filter(|name| name.kind() == Kind::String);
        let Some(name) = name.and_then(Value::str).filter(|name| !name.is_empty()) else {
            report.refuse(
                link,
                "a link of a bond has no \"name\": write {\"name\": \"net1\"}, in lower case \
                 (bond: failed to find link name)",
            );
            return;
        };
        if names.iter().any(|other| *other == name) {
            let name = shorten(&name);
            report.warn(
                link,
                format!(
                    "\"{name}\" is listed twice, and a bond of one link fails with it: list \
                     another link"
                ),
            );
        }
        names.push(name.into_owned());
    }
    if names.len() < 2 {
        let count = names.len();
        report.refuse(
            conf.value("links").unwrap_or(raw.kind_at),
            format!(
                "a bond needs at least two \"links\", found {count}: write [{{\"name\": \
                 \"net1\"}}, {{\"name\": \"net2\"}}] (bond: bonding requires at least two links, \
                 we have {count})"
            ),
        );
    }
}
