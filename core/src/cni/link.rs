//! What the kernel accepts as the name, the MTU and the hardware address of a link.

use super::ipam_result::IpamResult;
use super::keys::{Decoded, Key, Sink, Table, Takes, UnknownKeys, key};
use super::report::Report;
use crate::address::Mac;
use crate::interface::{MAX_LENGTH, name_fault};
use crate::json::Value;
use crate::text::shorten;

/// Judges `master` of ipvlan and macvlan.
///
/// Since 1.6.0, a name of more than 15 characters is looked up as an alternative name.
pub(super) fn master(
    conf: &Decoded<'_>,
    plugin: &str,
    says: &str,
    at: Value<'_>,
    report: &mut Report,
) {
    let name = conf.text("master").unwrap_or_default();
    let Some(place) = conf.value("master").filter(|_| !name.is_empty()) else {
        if conf.is_true("linkInContainer") {
            return;
        }
        report.warn(
            at,
            format!(
                "there is no \"master\", so {plugin} uses the interface of the node's default \
                 route, which carries the traffic of the cluster itself: set \"master\""
            ),
        );
        return;
    };
    self::name(place, &name, plugin, says, report);
    if name == "lo" {
        let message = "\"lo\" is not an Ethernet interface and carries no traffic outside the \
             node: use another";
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

/// Judges the name of a link of the node. One that is too long for a name is looked up as an
/// alternative name.
pub(super) fn name(place: Value<'_>, name: &str, plugin: &str, says: &str, report: &mut Report) {
    const MAX_ALTERNATIVE: usize = 127;
    let shown = || shorten(name);
    if let Some(fault) = name_fault(name) {
        report.refuse(
            place,
            format!(
                "\"{}\" cannot be the name of an interface, because {fault} ({plugin}: {says})",
                shown()
            ),
        );
    } else if name.len() > MAX_ALTERNATIVE {
        report.refuse(
            place,
            format!(
                "\"{}\" is too long: an alternative name of an interface has at most \
                 {MAX_ALTERNATIVE} bytes ({plugin}: {says})",
                shown()
            ),
        );
    } else if name.len() > MAX_LENGTH {
        report.warn(
            place,
            format!(
                "\"{}\" is longer than the name of an interface, which has at most {MAX_LENGTH} \
                 bytes: plugins since 1.6.0 look it up as an alternative name, and older ones \
                 refuse it",
                shown()
            ),
        );
    }
}

/// How the plugin treats a negative MTU.
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
            format!("a negative MTU ({mtu}) is ignored: remove it, or write 68 to 65535"),
        ),
        ..=67 | 65536.. if mtu != 0 => report.refuse(
            place,
            format!(
                "{mtu} is not a valid MTU: write 68 to 65535, or 0 to use the default ({says})"
            ),
        ),
        _ => {}
    }
}

/// Judges an MTU below 1280 bytes, with which an interface has no IPv6 at all.
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
            "an MTU of {mtu} is too small for IPv6, which needs 1280, and the network has IPv6 \
             {what}: increase it ({says})"
        ),
    );
}

/// What a plugin does with a hardware address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MacUse {
    /// A new interface gets it: 6 bytes, not multicast, not zero.
    Create,
    /// An interface gets it instead of its own: only the first 6 bytes count.
    Change,
}

/// Judges a hardware address. If the Pod may replace it, nothing is certain.
pub(super) fn mac(
    place: Value<'_>,
    usage: MacUse,
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
                "\"{shown}\" is not a valid hardware address: write six pairs of hexadecimal \
                 digits, as in \"02:00:00:00:00:01\" ({plugin}: address {shown}: invalid MAC \
                 address)"
            ),
        );
        return;
    };
    let refusal = if usage == MacUse::Create && mac.bytes.len() != 6 {
        let length = mac.bytes.len();
        Some(format!(
            "\"{shown}\" has {length} bytes, and the address of an Ethernet interface has 6 \
             ({plugin}: invalid argument)"
        ))
    } else if mac.is_multicast() {
        Some(format!(
            "\"{shown}\" is a multicast address, which an interface cannot have: write one with \
             an even first byte ({plugin}: cannot assign requested address)"
        ))
    } else if mac.is_zero() {
        Some(format!(
            "\"{shown}\" is all zeros, which an interface cannot have: write another address \
             ({plugin}: cannot assign requested address)"
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
                "\"{shown}\" is a valid hardware address only for plugins built with Go 1.26 or \
                 later: write it with colons"
            ),
        );
    } else if mac.bytes.len() != 6 {
        report.warn(
            place,
            format!(
                "\"{shown}\" is longer than the 6 bytes of an Ethernet address: the rest is \
                 ignored"
            ),
        );
    }
}

/// The maximum number of packets that wait for an interface or its master.
pub(super) const QUEUE: Sink = Sink::AtMost(
    100_000,
    "waiting packets are kept in the memory of the node",
);

/// `runtimeConfig` of the plugins that read a hardware address from it.
pub(super) const RUNTIME_CONFIG: Key =
    key("runtimeConfig", Takes::Object(&RUNTIME), Sink::Below, "");

/// `runtimeConfig` of the plugins that read a hardware address from it. libcni adds one that the
/// Pod requests; one in the configuration is used too.
pub(super) static RUNTIME: Table = Table {
    plugin: "the plugin",
    go: "NetConf",
    keys: &[key("mac", Takes::Text, Sink::Address, "")],
    unknown_keys: UnknownKeys::Allowed,
};
