//! host-local: addresses from ranges, kept in files of the node.
//!
//! `plugins/ipam/host-local` of v1.9.1; `config.go`, `range.go`, `range_set.go` and `allocator.go`
//! stand in its `backend/allocator`.

mod range;

use super::address::{self, family};
use super::chain::{Chain, Plugin, Role};
use super::envelope::parse_version;
use super::ipam_result::{IpamResult, Lease, MAX_COMPARED};
use super::ipam_routes;
use super::keys::{Decoded, Table, Takes, UnknownKeys, key};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::json::Value;
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
};

/// The keys of `ipam`; those of a range stand here too and make a range set before all others.
static IPAM: Table = Table {
    plugin: "host-local",
    go: "IPAMConfig",
    keys: &[
        key("type", Takes::Text, ""),
        SUBNET,
        RANGE_START,
        RANGE_END,
        GATEWAY,
        // Sets of ranges: the interface gets one address of each set; config.go:132
        key("ranges", Takes::List(&RANGE_SET), "the one of \"subnet\""),
        key("routes", ipam_routes::ROUTES, "none"),
        key("dataDir", Takes::Text, "/var/lib/cni/networks"),
        key("resolvConf", Takes::Text, "none"),
        // Overwritten with the name of the network; config.go:48
        key("name", Takes::Text, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "range_start",
            "that is whereabouts' spelling, write \"rangeStart\"",
        ),
        (
            "range_end",
            "that is whereabouts' spelling, write \"rangeEnd\"",
        ),
        ("range", "that is whereabouts', write \"subnet\""),
        (
            "exclude",
            "that is whereabouts', use several ranges with \"rangeStart\" and \"rangeEnd\"",
        ),
        (
            "addresses",
            "that is static's, write \"subnet\" or \"ranges\"",
        ),
        ("dns", "write it beside \"ipam\", or use \"resolvConf\""),
    ]),
};

/// What it reads outside `ipam`.
static NET: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[
        key("runtimeConfig", Takes::Object(&RUNTIME), ""),
        key("args", Takes::Object(&ARGS), ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

static RUNTIME: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[
        key("ipRanges", Takes::List(&RANGE_SET), ""),
        key("ips", Takes::List(&Takes::Text), ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

static ARGS: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[key("cni", Takes::Object(&CNI), "")],
    unknown_keys: UnknownKeys::Allowed,
};

static CNI: Table = Table {
    plugin: "host-local",
    go: "IPAMArgs",
    keys: &[key("ips", Takes::List(&Takes::Text), "")],
    unknown_keys: UnknownKeys::Allowed,
};

/// What host-local answers on a node where no other Pod holds an address.
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
    let routes = ipam_routes::read(&ipam, "host-local", chain, report);
    let sets = sets(&net, &ipam, raw, report)?;
    let requested = requested(&net, report)?;
    limit_families(&sets, chain, report)?;
    overlaps(&sets, report)?;
    let leases = leases(&sets, &requested, report)?;
    Some(IpamResult {
        leases: Some(leases),
        routes: routes?,
        is_replaceable: false,
    })
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
                    format!("\"{key}\" beside \"ranges\" does nothing without a \"subnet\": move it into a range"),
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
        let message = "there is neither \"subnet\" nor \"ranges\", so there are no addresses to give: write one of them (host-local: no IP ranges specified)";
        report.refuse_unless(raw.declares("ipRanges"), raw.ipam_or_kind(), message);
        return None;
    }
    sound.then_some(sets)
}

/// config.go:151
fn limit_families(sets: &[Vec<Range<'_>>], chain: &Chain<'_>, report: &mut Report) -> Option<()> {
    if parse_version(chain.version()).is_some_and(|version| version >= (0, 3, 0)) {
        return Some(());
    }
    for is_v4 in [true, false] {
        let of_family = sets
            .iter()
            .filter_map(|set| set.first())
            .filter(|range| range.start.is_ipv4() == is_v4);
        if let Some(second) = of_family.clone().nth(1) {
            let family = family(second.start);
            let version = chain.version();
            report.refuse(
                second.at,
                format!("before version 0.3.0 an interface has one {family} address: write \"cniVersion\": \"0.3.1\" or later, or remove a set (host-local: CNI version {version} does not support more than 1 address per family)"),
            );
            return None;
        }
    }
    Some(())
}

/// The addresses that the configuration itself asks for, without a Pod's word.
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
                format!("\"{shown}\" is no IP address (host-local: invalid IP address {shown})"),
            );
            sound = false;
        }
    }
    sound.then_some(requested)
}

/// Gives an address of every set (main.go:96-130). `None` where one has none, or where an address is
/// asked for that is in no set.
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
                    format!("{ip} is the gateway of its subnet, which host-local gives to nobody: ask for another (host-local: failed to allocate for range {index}: requested ip {ip} is subnet's gateway)"),
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
                    format!("the gateway is the only address there is, and host-local gives it to nobody: widen the range or name another gateway (host-local: failed to allocate for range {index}: no IP addresses available in range set: {shown})"),
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
            format!("no range has {missing} to give, one address for each set: ask for addresses of the ranges (host-local: failed to allocate all requested IPs: {missing})"),
        );
        return None;
    }
    Some(leases)
}
