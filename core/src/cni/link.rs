//! What the kernel allows of a link: its name, its MTU, its hardware address.

use super::address::Mac;
use super::ipam_result::IpamResult;
use super::keys::{Decoded, Table, Takes, UnknownKeys, key};
use super::report::Report;
use crate::json::Value;
use crate::text::shorten;

/// Why no interface can bear `name`, if so (`dev_valid_name` of the kernel).
pub(super) fn name_fault(name: &str) -> Option<String> {
    if matches!(name, "." | "..") {
        return Some("no interface can be called so".to_owned());
    }
    // The kernel's isspace() is that of Latin-1.
    let is_space = |byte: u8| matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0);
    let bad = name
        .bytes()
        .find(|byte| matches!(byte, b'/' | b':' | 0) || is_space(*byte))?;
    Some(match bad {
        b'/' => "the name of an interface has no \"/\"".to_owned(),
        b':' => "the name of an interface has no \":\"".to_owned(),
        0 => "the name of an interface has no NUL".to_owned(),
        _ => "the name of an interface has no white space".to_owned(),
    })
}

/// Judges `master` of ipvlan and macvlan.
///
/// More than 15 characters are looked up as an alternative name since 1.6.0.
pub(super) fn master(
    conf: &Decoded<'_>,
    plugin: &str,
    says: &str,
    at: Value<'_>,
    report: &mut Report,
) {
    const LONGEST_ALTERNATIVE: usize = 127;
    let name = conf.text("master").unwrap_or_default();
    let Some(place) = conf.value("master").filter(|_| !name.is_empty()) else {
        if conf.is_true("linkInContainer") {
            return;
        }
        report.warn(
            at,
            format!(
                "there is no \"master\", so {plugin} uses the interface of the node's default route, which carries the cluster's own traffic: name one"
            ),
        );
        return;
    };
    let shown = || shorten(&name);
    if let Some(fault) = name_fault(&name) {
        report.refuse(
            place,
            format!("\"{}\" is on no node: {fault} ({plugin}: {says})", shown()),
        );
    } else if name.len() > LONGEST_ALTERNATIVE {
        report.refuse(
            place,
            format!(
                "\"{}\" is on no node: an interface's alternative name has at most {LONGEST_ALTERNATIVE} bytes ({plugin}: {says})",
                shown()
            ),
        );
    } else if name.len() > 15 {
        report.warn(
            place,
            format!(
                "\"{}\" has more than the 15 bytes of an interface's name: plugins since 1.6.0 look it up as an alternative name, older ones refuse it",
                shown()
            ),
        );
    } else if name == "lo" {
        let message =
            "\"lo\" is no Ethernet interface and carries nothing outside the node: name another";
        if plugin == "macvlan" {
            report.refuse(
                place,
                format!("{message} (macvlan: failed to create macvlan: invalid argument)"),
            );
        } else {
            report.warn(place, message);
        }
    }
}

/// What the plugin makes of a negative MTU.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Negative {
    /// It counts as unset.
    Accept,
    /// The plugin refuses it.
    Refuse,
}

/// Judges `mtu`: the kernel allows an Ethernet interface 68 to 65535 bytes, and 0 is unset.
pub(super) fn mtu(conf: &Decoded<'_>, negative: Negative, says: &str, report: &mut Report) {
    let (Some(place), Some(mtu)) = (conf.value("mtu"), conf.integer("mtu")) else {
        return;
    };
    match mtu {
        ..=-1 if negative == Negative::Accept => report.warn(
            place,
            format!("a negative MTU ({mtu}) counts as none: remove it, or write one of 68 to 65535"),
        ),
        ..=67 | 65536.. if mtu != 0 => report.refuse(
            place,
            format!(
                "an interface cannot have an MTU of {mtu}: 68 to 65535 bytes are possible, and 0 takes the default ({says})"
            ),
        ),
        _ => {}
    }
}

/// IPv6 needs 1280 bytes: below them an interface has no IPv6 at all.
pub(super) fn mtu_for_ipv6(conf: &Decoded<'_>, network: &IpamResult<'_>, report: &mut Report) {
    let (Some(place), Some(mtu @ 68..=1279)) = (conf.value("mtu"), conf.integer("mtu")) else {
        return;
    };
    let mut addresses = network.leases.iter().flatten();
    let mut routes = network.routes.iter();
    let (what, says) = if addresses.any(|lease| lease.address.addr().is_ipv6()) {
        (
            "addresses",
            "failed to enable keep_addr_on_down for interface: no such file or directory",
        )
    } else if routes.any(|route| route.dst.addr().is_ipv6()) {
        ("routes", "failed to add route '…': no such device")
    } else {
        return;
    };
    report.refuse_unless(
        network.is_replaceable,
        place,
        format!(
            "an MTU of {mtu} leaves no room for IPv6, which needs 1280, and the network has IPv6 {what} ({says})"
        ),
    );
}

/// What a plugin does with a hardware address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    /// A new interface gets it: 6 bytes, not multicast, not zero.
    Create,
    /// An interface gets it in place of its own: only the first 6 bytes count.
    Change,
}

/// Judges a hardware address. Where the Pod may give another in its place, nothing is certain.
pub(super) fn mac(
    place: Value<'_>,
    usage: Use,
    plugin: &str,
    replaceable: bool,
    report: &mut Report,
) {
    let text = place.str().unwrap_or_default();
    if text.is_empty() {
        return;
    }
    let shown = shorten(&text);
    let Some(mac) = Mac::parse(&text) else {
        report.refuse_unless(
            replaceable,
            place,
            format!(
                "\"{shown}\" is no hardware address: write six pairs of digits, as in \"02:00:00:00:00:01\" ({plugin}: address {shown}: invalid MAC address)"
            ),
        );
        return;
    };
    let refusal = if usage == Use::Create && mac.bytes.len() != 6 {
        let length = mac.bytes.len();
        Some(format!(
            "\"{shown}\" has {length} bytes, and an Ethernet interface takes 6 ({plugin}: invalid argument)"
        ))
    } else if mac.is_multicast() {
        Some(format!(
            "\"{shown}\" is a multicast address, which no interface can have: make the first byte even ({plugin}: cannot assign requested address)"
        ))
    } else if mac.is_zero() {
        Some(format!(
            "\"{shown}\" is zero, which no interface can have ({plugin}: cannot assign requested address)"
        ))
    } else {
        None
    };
    if let Some(message) = refusal {
        report.refuse_unless(replaceable, place, message);
    } else if mac.bare {
        report.warn(
            place,
            format!(
                "\"{shown}\" is read as a hardware address only by plugins built with Go 1.26 or later: write it with colons"
            ),
        );
    } else if mac.bytes.len() != 6 {
        report.warn(
            place,
            format!("\"{shown}\" is longer than the 6 bytes of an Ethernet interface: the rest is cut off"),
        );
    }
}

/// `runtimeConfig` of the plugins that take a hardware address from it. Multus fills it in for a
/// Pod's request; one that is written down is honoured too.
pub(super) static RUNTIME: Table = Table {
    plugin: "the plugin",
    go: "NetConf",
    keys: &[key("mac", Takes::Text, "")],
    unknown_keys: UnknownKeys::Allowed,
};
