//! static: the addresses in the configuration, or those that the Pod requests.
//!
//! `plugins/ipam/static/main.go` of v1.9.1.

use std::net::IpAddr;

use ipnet::IpNet;

use super::attachment::Addresses;
use super::chain::{Chain, Plugin, Role};
use super::ipam_result::{IpamResult, Lease};
use super::ipam_routes;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address;
use crate::json::Value;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "static",
    role: Role::Ipam(answer),
    tables: &[("ipam", &IPAM), ("", &NET)],
    arguments: Some(&IPS),
};

/// The keys of `ipam`.
static IPAM: Table = Table {
    plugin: "static",
    go: "IPAMConfig",
    keys: &[
        key("type", Takes::Text, Sink::Name, ""),
        // Left out, or empty, if the Pod requests its address.
        key(
            "addresses",
            Takes::List(&Takes::Object(&ADDRESS)),
            Sink::Below,
            "the Pod's",
        ),
        key("routes", ipam_routes::ROUTES, Sink::Below, "none"),
        key("dns", Takes::Object(&DNS), Sink::Below, "none"),
        // Overwritten with the name of the network.
        key("name", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        ("address", "move it into \"addresses\": [{\"address\": …}]"),
        ("gateway", "move it beside the address, in \"addresses\""),
        ("ips", "write \"addresses\": [{\"address\": …}]"),
        (
            "subnet",
            "that is a key of host-local; static has \"addresses\": [{\"address\": …}]",
        ),
        (
            "range",
            "that is a key of whereabouts; static has \"addresses\": [{\"address\": …}]",
        ),
    ]),
};

/// The keys of an address.
pub(super) static ADDRESS: Table = Table {
    plugin: "static",
    go: "Address",
    keys: &[
        // With the length of its prefix; :233
        key("address", Takes::Text, Sink::Address, ""),
        key("gateway", Takes::Ip, Sink::Address, "none"),
        // A field of Go's that was never meant to be written: its type is a struct.
        key("Address", Takes::Object(&IP_NET), Sink::Below, ""),
        // Read, and its value ignored.
        key("version", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[("gw", "write \"gateway\"")]),
};

/// `net.IPNet`
static IP_NET: Table = Table {
    plugin: "static",
    go: "net.IPNet",
    keys: &[
        key("IP", Takes::Ip, Sink::Address, ""),
        key("Mask", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

/// `types.DNS`, the contents of which are not checked.
pub(super) static DNS: Table = Table {
    plugin: "the IPAM plugin",
    go: "DNS",
    keys: &[
        key("nameservers", Takes::List(&Takes::Text), Sink::Text, "none"),
        key("domain", Takes::Text, Sink::Text, "none"),
        key("search", Takes::List(&Takes::Text), Sink::Text, "none"),
        key("options", Takes::List(&Takes::Text), Sink::Text, "none"),
    ],
    unknown_keys: UnknownKeys::Ignored(&[]),
};

/// What it reads outside `ipam`: addresses that replace those in `ipam`.
static NET: Table = Table {
    plugin: "static",
    go: "Net",
    keys: &[
        key("runtimeConfig", Takes::Object(&IPS), Sink::Below, ""),
        key("args", Takes::Object(&ARGS), Sink::Below, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

static ARGS: Table = Table {
    plugin: "static",
    go: "Net",
    keys: &[key("cni", Takes::Object(&IPS), Sink::Below, "")],
    unknown_keys: UnknownKeys::Allowed,
};

static IPS: Table = Table {
    plugin: "static",
    go: "IPAMArgs",
    keys: &[key("ips", Takes::List(&Takes::Text), Sink::Address, "")],
    unknown_keys: UnknownKeys::Allowed,
};

/// The result of static for a Pod that requests no address.
pub(super) fn answer<'d>(
    raw: &RawPlugin<'d>,
    chain: &Chain<'d>,
    report: &mut Report,
) -> Option<IpamResult<'d>> {
    let net = Decoded::new(&NET, [raw.object]);
    let ipam = Decoded::new(&IPAM, raw.ipam());
    let (net_is_sound, ipam_is_sound) = (net.check(report), ipam.check(report));
    if !net_is_sound || !ipam_is_sound {
        return None;
    }
    let routes = ipam_routes::read(&ipam, "static", chain, report);
    let is_replaceable = raw.declares("ips");
    let leases = match replacements(&net, report)? {
        Some(leases) => leases,
        None => addresses(&ipam, is_replaceable, report)?,
    };
    report.addresses = Addresses::Static {
        has_own: !leases.is_empty(),
    };
    if leases.is_empty() {
        if !is_replaceable {
            report.warn(
                raw.ipam_or_kind(),
                "there are no \"addresses\", so every Pod has to request its own with \"ips\" in \
                 its networks annotation, and fails otherwise (IPAM plugin returned missing IP \
                 config)",
            );
        }
        return Some(IpamResult {
            routes: routes?,
            ..IpamResult::default()
        });
    }
    report.refuse_if(!is_replaceable, |report| {
        // :252
        let addresses = leases.iter().map(|lease| (lease.address.addr(), lease.at));
        chain.limit_families("static", &addresses, report)
    })?;
    Some(IpamResult {
        leases: Some(leases),
        routes: routes?,
        is_replaceable,
    })
}

/// Reads `addresses`. If the Pod may replace them, a bad one is only suspicious.
fn addresses<'d>(
    ipam: &Decoded<'d>,
    replaceable: bool,
    report: &mut Report,
) -> Option<Vec<Lease<'d>>> {
    let mut leases = Vec::new();
    let mut sound = true;
    for item in ipam.elements("addresses") {
        let read = Decoded::new(&ADDRESS, [item]);
        let place = read.value("address").unwrap_or(item);
        let text = read.text("address").unwrap_or_default();
        let Some(prefix) = address::prefix(&text) else {
            let shown = shorten(&text);
            let advice = if address::ip(&text).is_some() {
                format!("add the prefix length, as in \"{shown}/24\"")
            } else {
                "write one like \"10.1.0.5/24\"".to_owned()
            };
            report.refuse_unless(
                replaceable,
                place,
                format!(
                    "\"{shown}\" is not a valid address with a prefix length: {advice} (static: \
                     the 'address' field is expected to be in CIDR notation, got: '{shown}')"
                ),
            );
            sound &= replaceable;
            continue;
        };
        leases.push(lease(&read, place, prefix, report));
    }
    sound.then_some(leases)
}

/// The lease of one of `addresses`.
pub(super) fn lease<'d>(
    read: &Decoded<'d>,
    place: Value<'d>,
    prefix: IpNet,
    report: &mut Report,
) -> Lease<'d> {
    warn_of_odd(place, prefix, report);
    let gateway_at = read.value("gateway");
    let gateway = gateway_at.and_then(Value::str);
    Lease {
        address: prefix,
        gateway: gateway.and_then(|text| address::ip(&text)),
        at: place,
        gateway_at,
    }
}

/// `runtimeConfig.ips`, else `args.cni.ips`, which replace the addresses (:200-228). The outer
/// `None` if one of them cannot be parsed.
#[expect(
    clippy::option_option,
    reason = "unreadable, absent and present are three cases"
)]
fn replacements<'d>(net: &Decoded<'d>, report: &mut Report) -> Option<Option<Vec<Lease<'d>>>> {
    let runtime = net.object("runtimeConfig");
    let args = net.object("args").and_then(|args| args.object("cni"));
    let mut leases = None;
    let mut sound = true;
    // Both are read, and the last wins.
    for read in [args, runtime].into_iter().flatten() {
        let mut replaced = Vec::new();
        for value in read.elements("ips") {
            let text = value.str().unwrap_or_default();
            if let Some(prefix) = address::prefix(&text) {
                replaced.push(Lease {
                    address: prefix,
                    gateway: None,
                    at: value,
                    gateway_at: None,
                });
            } else {
                let shown = shorten(&text);
                report.refuse(
                    value,
                    format!(
                        "\"{shown}\" is not a valid address with a prefix length: write one like \
                         \"10.1.0.5/24\" (static: an entry in the 'ips' field is NOT in CIDR \
                         notation, got: '{shown}')"
                    ),
                );
                sound = false;
            }
        }
        if !replaced.is_empty() {
            leases = Some(replaced);
        }
    }
    sound.then_some(leases)
}

/// Warns of addresses that the kernel accepts but a Pod cannot use.
fn warn_of_odd(place: Value<'_>, prefix: IpNet, report: &mut Report) {
    let IpAddr::V4(ip) = prefix.addr() else {
        return;
    };
    let what = if ip.is_multicast() {
        "a multicast address"
    } else if ip.is_loopback() {
        "a loopback address"
    } else if prefix.prefix_len() <= 30 && prefix.addr() == prefix.network() {
        "the address of the subnet itself"
    } else if prefix.prefix_len() <= 30 && prefix.addr() == prefix.broadcast() {
        "the broadcast address of the subnet"
    } else {
        return;
    };
    report.warn(
        place,
        format!("{ip} is {what}, which other hosts cannot reach: use another address"),
    );
}
