//! host-local: addresses from ranges, kept in files of the node.
//!
//! `plugins/ipam/host-local` of v1.9.1; `config.go`, `range.go`, `range_set.go` and `allocator.go`
//! are in its `backend/allocator`.

mod range;

use super::attachment::Addresses;
use super::chain::{Chain, Plugin, Role};
use super::ipam_result::{IpamResult, Lease, MAX_COMPARED};
use super::ipam_routes;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::node_use::{Access, Used};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address;
use crate::json::Value;
use crate::node_path::normalize;
use crate::text::shorten;
use ipnet::IpNet;
use range::{
    GATEWAY, RANGE_END, RANGE_SET, RANGE_START, Range, SUBNET, overlaps, range, range_set,
    show_range,
};
use std::net::IpAddr;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "host-local",
    role: Role::Ipam(answer),
    tables: &[("ipam", &IPAM), ("", &NET)],
    arguments: Some(&CNI),
};

/// The keys of `ipam`; those of a range are among them and make a range set before all others.
static IPAM: Table = Table {
    plugin: "host-local",
    go: "IPAMConfig",
    keys: &[
        key("type", Takes::Text, Sink::Name, ""),
        SUBNET,
        RANGE_START,
        RANGE_END,
        GATEWAY,
        // Sets of ranges: the interface gets one address of each set; config.go:132
        key(
            "ranges",
            Takes::List(&RANGE_SET),
            Sink::Below,
            "the one of \"subnet\"",
        ),
        key("routes", ipam_routes::ROUTES, Sink::Below, "none"),
        key(
            "dataDir",
            Takes::Text,
            Sink::Path(Access::Store),
            "/var/lib/cni/networks",
        ),
        key("resolvConf", Takes::Text, Sink::Path(Access::Read), "none"),
        // Overwritten with the name of the network; config.go:48
        key("name", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "range_start",
            "that is the spelling of whereabouts: write \"rangeStart\"",
        ),
        (
            "range_end",
            "that is the spelling of whereabouts: write \"rangeEnd\"",
        ),
        ("range", "that is a key of whereabouts: write \"subnet\""),
        (
            "exclude",
            "that is a key of whereabouts: use several ranges with \"rangeStart\" and \"rangeEnd\"",
        ),
        (
            "addresses",
            "that is a key of static: write \"subnet\" or \"ranges\"",
        ),
        ("dns", "write it beside \"ipam\", or use \"resolvConf\""),
    ]),
};

/// What it reads outside `ipam`.
static NET: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[
        key("runtimeConfig", Takes::Object(&RUNTIME), Sink::Below, ""),
        key("args", Takes::Object(&ARGS), Sink::Below, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

static RUNTIME: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[
        key("ipRanges", Takes::List(&RANGE_SET), Sink::Below, ""),
        key("ips", Takes::List(&Takes::Text), Sink::Address, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

static ARGS: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[key("cni", Takes::Object(&CNI), Sink::Below, "")],
    unknown_keys: UnknownKeys::Allowed,
};

static CNI: Table = Table {
    plugin: "host-local",
    go: "IPAMArgs",
    keys: &[key("ips", Takes::List(&Takes::Text), Sink::Address, "")],
    unknown_keys: UnknownKeys::Allowed,
};

/// The result of host-local on a node where no other Pod has an address.
fn answer<'d>(
    raw: &RawPlugin<'d>,
    chain: &Chain<'d>,
    report: &mut Report,
) -> Option<IpamResult<'d>> {
    let net = Decoded::new(&NET, [raw.object]);
    let ipam = Decoded::new(&IPAM, raw.ipam());
    // Both, whatever the first finds.
    let (net_is_sound, ipam_is_sound) = (net.check(report), ipam.check(report));
    if !net_is_sound || !ipam_is_sound {
        return None;
    }
    store(&ipam, raw, chain, report);
    let routes = ipam_routes::read(&ipam, "host-local", chain, report);
    let sets = sets(&net, &ipam, raw, report)?;
    let requested = requested(&net, report)?;
    // config.go:151
    let firsts = sets.iter().filter_map(|set| set.first());
    let firsts = firsts.map(|range| (range.start, range.at));
    chain.limit_families("host-local", &firsts, report)?;
    overlaps(&sets, report)?;
    report.addresses = Addresses::Ranges(
        sets.iter()
            .map(|set| set.iter().map(Range::requestable).collect())
            .collect(),
    );
    let leases = leases(&sets, &requested, report)?;
    Some(IpamResult {
        leases: Some(leases),
        routes: routes?,
        is_replaceable: false,
    })
}

/// Notes the folder in which addresses are kept (`backend/disk/backend.go:48`).
fn store(ipam: &Decoded<'_>, raw: &RawPlugin<'_>, chain: &Chain<'_>, report: &mut Report) {
    let folder = ipam.text("dataDir").filter(|folder| !folder.is_empty());
    let folder = folder.as_deref().unwrap_or("/var/lib/cni/networks");
    // What is not an absolute path is refused by a rule of its own.
    if let (Ok(folder), false) = (normalize(folder), chain.name.is_empty()) {
        let place = ipam.value("dataDir").unwrap_or_else(|| raw.ipam_or_kind());
        report.uses(place, Used::store(("host-local", &*folder, chain.name)));
    }
}

/// All range sets, in the order of config.go:104-130.
fn sets<'d>(
    net: &Decoded<'d>,
    ipam: &Decoded<'d>,
    raw: &RawPlugin<'d>,
    report: &mut Report,
) -> Option<Vec<Vec<Range<'d>>>> {
    let mut sets = Vec::new();
    let mut sound = true;
    let runtime = net.object("runtimeConfig");
    let written = ipam.elements("ranges");
    let given = runtime
        .iter()
        .flat_map(|runtime| runtime.elements("ipRanges"));
    for set in given {
        match range_set(set, report) {
            Some(set) => sets.push(set),
            None => sound = false,
        }
    }
    if ipam.value("subnet").is_some() {
        let place = raw.ipam_or_kind();
        match range(ipam, place, report) {
            Some(range) => sets.push(vec![range]),
            None => sound = false,
        }
    } else {
        for key in ["rangeStart", "rangeEnd", "gateway"] {
            if let Some(place) = ipam.value(key) {
                report.warn(
                    place,
                    format!(
                        "\"{key}\" has no effect without \"subnet\": move it into a range of \
                         \"ranges\""
                    ),
                );
            }
        }
    }
    for set in written {
        match range_set(set, report) {
            Some(set) => sets.push(set),
            None => sound = false,
        }
    }
    if sets.is_empty() && sound {
        let message = "the IPAM configuration has neither \"subnet\" nor \"ranges\", so it has no \
         addresses to assign: add one of them (host-local: no IP ranges specified)";
        // Multus has no ranges to pass on, whether the capability "ipRanges" is declared or not.
        report.refuse(raw.ipam_or_kind(), message);
        return None;
    }
    sound.then_some(sets)
}

/// The addresses that the configuration itself requests, without a Pod.
fn requested<'d>(net: &Decoded<'d>, report: &mut Report) -> Option<Vec<(Value<'d>, IpAddr)>> {
    let args = net.object("args").and_then(|args| args.object("cni"));
    let runtime = net.object("runtimeConfig");
    let mut requested = Vec::new();
    let mut sound = true;
    for value in args
        .iter()
        .chain(&runtime)
        .flat_map(|read| read.elements("ips"))
    {
        let text = value.str().unwrap_or_default();
        let ip = if text.contains('/') {
            address::prefix(&text).map(|prefix| prefix.addr())
        } else {
            address::ip(&text)
        };
        if let Some(ip) = ip {
            requested.push((value, ip));
        } else {
            let shown = shorten(&text);
            report.refuse(
                value,
                format!(
                    "\"{shown}\" is not a valid IP address (host-local: invalid IP address \
                     {shown})"
                ),
            );
            sound = false;
        }
    }
    sound.then_some(requested)
}

/// Assigns an address of every set (main.go:96-130). `None` if a set has none, or if a requested
/// address is in no set.
fn leases<'d>(
    sets: &[Vec<Range<'d>>],
    requested: &[(Value<'d>, IpAddr)],
    report: &mut Report,
) -> Option<Vec<Lease<'d>>> {
    let mut left: Vec<(Value<'d>, IpAddr)> = Vec::new();
    for (place, ip) in requested.iter().take(MAX_COMPARED) {
        if !left.iter().any(|(_, other)| other == ip) {
            left.push((*place, *ip));
        }
    }
    let mut leases = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        let asked = left
            .iter()
            .position(|(_, ip)| set.iter().any(|range| range.contains(*ip)))
            .map(|position| left.remove(position));
        let (range, ip) = if let Some((place, ip)) = asked {
            let range = set.iter().find(|range| range.contains(ip))?;
            if ip == range.gateway {
                report.refuse(
                    place,
                    format!(
                        "{ip} is the gateway of its subnet, which host-local never assigns: \
                         request another address (host-local: failed to allocate for range \
                         {index}: requested ip {ip} is subnet's gateway)"
                    ),
                );
                return None;
            }
            (range, ip)
        } else {
            let free = set.iter().find_map(|range| Some((range, range.first()?)));
            let Some(free) = free else {
                let first = set.first()?;
                let shown: Vec<_> = set.iter().map(show_range).collect();
                let shown = shown.join(",");
                let shown = shorten(&shown);
                report.refuse(
                    first.at,
                    format!(
                        "the gateway is the only address of the range, and host-local never \
                         assigns it: extend the range or set another gateway (host-local: failed \
                         to allocate for range {index}: no IP addresses available in range set: \
                         {shown})"
                    ),
                );
                return None;
            };
            free
        };
        leases.push(Lease {
            address: IpNet::new(ip, range.subnet.prefix_len()).ok()?,
            gateway: Some(range.gateway),
            at: asked.map_or(range.at, |(place, _)| place),
            gateway_at: range.gateway_at,
        });
    }
    if let Some((place, _)) = left.first() {
        let missing: Vec<_> = left.iter().map(|(_, ip)| ip.to_string()).collect();
        let missing = missing.join(" ");
        let missing = shorten(&missing);
        report.refuse(
            *place,
            format!(
                "no set of ranges is left for the requested {missing}, with one address of each \
                 set: request addresses of the ranges (host-local: failed to allocate all \
                 requested IPs: {missing})"
            ),
        );
        return None;
    }
    Some(leases)
}
