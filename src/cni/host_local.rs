//! host-local: addresses from ranges, kept in files of the node.
//!
//! `plugins/ipam/host-local` of v1.9.1; `config.go`, `range.go`, `range_set.go` and `allocator.go`
//! stand in its `backend/allocator`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{self, family, number, same_family};
use super::chain::Chain;
use super::envelope::parse_version;
use super::keys::{Key, Read, Strangers, Table, Takes, key};
use super::part::Part;
use super::report::Report;
use super::route::{self, Lease, Network};
use crate::finding::shorten;
use crate::json::{Kind, Value};

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
        key("routes", route::ROUTES, "none"),
        key("dataDir", Takes::Text, "/var/lib/cni/networks"),
        key("resolvConf", Takes::Text, "none"),
        // Overwritten with the name of the network; config.go:48
        key("name", Takes::Text, ""),
    ],
    strangers: Strangers::Ignored(&[
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

const RANGE_SET: Takes = Takes::List(&Takes::Object(&RANGE));

/// The keys of a range.
static RANGE: Table = Table {
    plugin: "host-local",
    go: "Range",
    keys: &[SUBNET, RANGE_START, RANGE_END, GATEWAY],
    strangers: Strangers::Ignored(&[
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
        ("routes", "write it beside \"ranges\""),
    ]),
};

// Required. No host bits, range.go:46; at least two bits for hosts, range.go:36; not IPv4 written
// as IPv6, range.go:41.
const SUBNET: Key = key("subnet", Takes::Network, "");
// In the subnet and not after rangeEnd; range.go:66
const RANGE_START: Key = key("rangeStart", Takes::Ip, "the first address");
// In the subnet and not before rangeStart; range.go:80
const RANGE_END: Key = key("rangeEnd", Takes::Ip, "the last address");
const GATEWAY: Key = key("gateway", Takes::Ip, "the first address of the subnet");

/// What it reads outside `ipam`.
static NET: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[
        key("runtimeConfig", Takes::Object(&RUNTIME), ""),
        key("args", Takes::Object(&ARGS), ""),
    ],
    strangers: Strangers::Welcome,
};

static RUNTIME: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[
        key("ipRanges", Takes::List(&RANGE_SET), ""),
        key("ips", Takes::List(&Takes::Text), ""),
    ],
    strangers: Strangers::Welcome,
};

static ARGS: Table = Table {
    plugin: "host-local",
    go: "Net",
    keys: &[key("cni", Takes::Object(&CNI), "")],
    strangers: Strangers::Welcome,
};

static CNI: Table = Table {
    plugin: "host-local",
    go: "IPAMArgs",
    keys: &[key("ips", Takes::List(&Takes::Text), "")],
    strangers: Strangers::Welcome,
};

/// What host-local answers on a node where no other Pod holds an address.
pub(super) fn answer<'d>(
    part: &Part<'d>,
    chain: &Chain<'_>,
    report: &mut Report,
) -> Option<Network<'d>> {
    let net = Read::new(&NET, [part.object]);
    let ipam = Read::new(&IPAM, part.ipam());
    // Both, whatever the first finds.
    let (net_is_sound, ipam_is_sound) = (net.check(report), ipam.check(report));
    if !net_is_sound || !ipam_is_sound {
        return None;
    }
    let routes = route::read(&ipam, "host-local", report);
    let sets = sets(&net, &ipam, part, report)?;
    let requested = requested(&net, report)?;
    limit_families(&sets, chain, report)?;
    overlaps(&sets, report)?;
    let leases = leases(&sets, &requested, report)?;
    Some(Network {
        leases: Some(leases),
        routes: routes?,
        is_replaceable: false,
    })
}

/// A range after `Canonicalize` (range.go:29-95).
#[derive(Clone, Copy, Debug)]
struct Range<'d> {
    subnet: IpNet,
    start: IpAddr,
    end: IpAddr,
    gateway: IpAddr,
    at: Value<'d>,
    gateway_at: Option<Value<'d>>,
}

impl Range<'_> {
    /// range.go:98
    fn contains(&self, ip: IpAddr) -> bool {
        self.subnet.contains(&ip)
            && number(ip) >= number(self.start)
            && number(ip) <= number(self.end)
    }

    /// range.go:131
    fn overlaps(&self, other: &Self) -> bool {
        same_family(self.start, other.start)
            && (self.contains(other.start)
                || self.contains(other.end)
                || other.contains(self.start)
                || other.contains(self.end))
    }

    /// The first address that is not the gateway (allocator.go:173-215).
    fn first(&self) -> Option<IpAddr> {
        if self.start != self.gateway {
            return Some(self.start);
        }
        if self.start == self.end {
            return None;
        }
        Some(address::address(
            self.start,
            number(self.start).saturating_add(1),
        ))
    }
}

/// All range sets, in the order of config.go:104-130.
fn sets<'d>(
    net: &Read<'d>,
    ipam: &Read<'d>,
    part: &Part<'d>,
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
        let place = part.ipam_or_kind();
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
        report.refuse_unless(part.declares("ipRanges"), part.ipam_or_kind(), message);
        return None;
    }
    sound.then_some(sets)
}

fn range_set<'d>(set: Value<'d>, report: &mut Report) -> Option<Vec<Range<'d>>> {
    if set.kind() != Kind::Array || set.elements().next().is_none() {
        report.refuse(
            set,
            "the set has no range: remove it, or write one (host-local: invalid range set: empty range set)",
        );
        return None;
    }
    let mut ranges: Vec<Range<'d>> = Vec::new();
    let mut sound = true;
    for item in set.elements() {
        match range(&Read::new(&RANGE, [item]), item, report) {
            Some(range) => ranges.push(range),
            None => sound = false,
        }
    }
    if !sound {
        return None;
    }
    for (index, range) in ranges.iter().enumerate() {
        let before = ranges.get(..index).unwrap_or_default();
        if before
            .iter()
            .any(|other| !same_family(other.start, range.start))
        {
            report.refuse(
                range.at,
                "a set is of one family, for the interface gets one address of it: make a set of its own for IPv6 (host-local: invalid range set: mixed address families)",
            );
            return None;
        }
        if let Some(other) = before.iter().find(|other| other.overlaps(range)) {
            let (a, b) = (show_range(other), show_range(range));
            report.refuse(
                range.at,
                format!("the ranges {a} and {b} share addresses: separate them (host-local: invalid range set: subnets {a} and {b} overlap)"),
            );
            return None;
        }
    }
    Some(ranges)
}

/// `Canonicalize`, range.go:29-95
fn range<'d>(read: &Read<'d>, place: Value<'d>, report: &mut Report) -> Option<Range<'d>> {
    let Some(subnet_at) = read.value("subnet") else {
        report.refuse(
            place,
            "the range has no \"subnet\": write one, as in \"subnet\": \"10.1.0.0/24\" (host-local: invalid range set: IP <nil> not v4 nor v6)",
        );
        return None;
    };
    let text = subnet_at.str().unwrap_or_default();
    let subnet = address::prefix(&text)?;
    let ip = subnet.addr();
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    if address::is_mapped(&text) {
        report.refuse(
            subnet_at,
            format!("\"{}\" is IPv4 written as IPv6: write \"{subnet}\" (host-local: invalid range set: IPNet IP and Mask version mismatch)", shorten(&text)),
        );
        return None;
    }
    if subnet.prefix_len() > bits - 2 {
        let most = bits - 2;
        report.refuse(
            subnet_at,
            format!("{subnet} has no address to give beside its first and last: /{most} is the smallest subnet (host-local: invalid range set: Network {subnet} too small to allocate from)"),
        );
        return None;
    }
    let network = subnet.network();
    if ip != network {
        let (trunc, length) = (subnet.trunc(), subnet.prefix_len());
        report.refuse(
            subnet_at,
            format!("{subnet} is an address in a subnet, not the subnet: write \"{trunc}\" (host-local: invalid range set: Network has host bits set. For a subnet mask of length {length} the network address is {network})"),
        );
        return None;
    }
    if ip.is_multicast() && ip.is_ipv6() {
        report.refuse(
            subnet_at,
            format!("{subnet} is a multicast prefix, of which no interface can have an address (cannot assign requested address)"),
        );
        return None;
    }
    let of = |key: &str| {
        let place = read.value(key)?;
        Some((place, address::ip(&place.str()?)?))
    };
    let (start, end, gateway) = (of("rangeStart"), of("rangeEnd"), of("gateway"));
    let in_subnet = |ip: IpAddr| subnet.contains(&ip);
    let outside = |key: &str, place: Value<'_>, ip: IpAddr, report: &mut Report| {
        report.refuse(
            place,
            format!("{ip} is not in {subnet}: use an address of it (host-local: invalid range set: {key} {ip} not in network {subnet})"),
        );
    };
    let mut sound = true;
    if let Some((place, ip)) = start
        && !in_subnet(ip)
    {
        outside("RangeStart", place, ip, report);
        sound = false;
    }
    if let Some((place, ip)) = end
        && !in_subnet(ip)
    {
        outside("RangeEnd", place, ip, report);
        sound = false;
    }
    if !sound {
        return None;
    }
    let first = address::first(subnet);
    let last = match subnet.broadcast() {
        IpAddr::V4(ip) => address::address(ip.into(), number(ip.into()) - 1),
        ip => ip,
    };
    match (start, end) {
        (Some((place, start)), Some((_, end))) if number(start) > number(end) => {
            report.refuse(
                place,
                format!("the range begins at {start}, after its end {end}: swap them (host-local: invalid range set: RangeStart {start} not in network {subnet})"),
            );
            return None;
        }
        (None, Some((place, end))) if number(end) < number(first) => {
            report.refuse(
                place,
                format!("{end} is the address of the subnet itself, and the range would end before it begins (host-local: invalid range set: RangeEnd {end} not in network {subnet})"),
            );
            return None;
        }
        _ => {}
    }
    if let Some((place, start)) = start
        && start == network
    {
        report.warn(
            place,
            format!("{start} is the address of the subnet itself and would be given to a Pod: begin with {first}"),
        );
    }
    if subnet.addr().is_ipv4() {
        for (place, ip) in [start, end].into_iter().flatten() {
            if ip == subnet.broadcast() {
                report.warn(
                    place,
                    format!("{ip} is the broadcast address of the subnet and would be given to a Pod: end with {last}"),
                );
            }
        }
    }
    Some(Range {
        subnet,
        start: start.map_or(first, |(_, ip)| ip),
        end: end.map_or(last, |(_, ip)| ip),
        gateway: gateway.map_or(first, |(_, ip)| ip),
        at: place,
        gateway_at: gateway.map(|(place, _)| place),
    })
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

/// config.go:162
fn overlaps(sets: &[Vec<Range<'_>>], report: &mut Report) -> Option<()> {
    for (later, set) in sets.iter().enumerate() {
        for (earlier, other) in sets.iter().enumerate().take(later) {
            for range in set {
                if let Some(twin) = other.iter().find(|twin| twin.overlaps(range)) {
                    let (a, b) = (show_range(twin), show_range(range));
                    report.refuse(
                        range.at,
                        format!("the ranges {a} and {b} of two sets share addresses: separate them (host-local: range set {earlier} overlaps with {later})"),
                    );
                    return None;
                }
            }
        }
    }
    Some(())
}

/// The addresses that the configuration itself asks for, without a Pod's word.
fn requested<'d>(net: &Read<'d>, report: &mut Report) -> Option<Vec<(Value<'d>, IpAddr)>> {
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
    for (place, ip) in requested {
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
        let (range, ip) = match asked {
            Some((place, ip)) => {
                let range = set.iter().find(|range| range.contains(ip))?;
                if ip == range.gateway {
                    report.refuse(
                        place,
                        format!("{ip} is the gateway of its subnet, which host-local gives to nobody: ask for another (host-local: failed to allocate for range {index}: requested ip {ip} is subnet's gateway)"),
                    );
                    return None;
                }
                (range, ip)
            }
            None => {
                let free = set.iter().find_map(|range| Some((range, range.first()?)));
                let Some(free) = free else {
                    let first = set.first()?;
                    let shown: Vec<_> = set.iter().map(show_range).collect();
                    let shown = shown.join(",");
                    report.refuse(
                        first.at,
                        format!("the gateway is the only address there is, and host-local gives it to nobody: widen the range or name another gateway (host-local: failed to allocate for range {index}: no IP addresses available in range set: {shown})"),
                    );
                    return None;
                };
                free
            }
        };
        leases.push(Lease {
            address: IpNet::new(ip, range.subnet.prefix_len()).ok()?,
            gateway: Some(range.gateway),
            at: asked.map_or(range.at, |(place, _)| place),
            gateway_at: range.gateway_at,
            is_fixed: asked.is_some(),
        });
    }
    if let Some((place, _)) = left.first() {
        let missing: Vec<_> = left.iter().map(|(_, ip)| ip.to_string()).collect();
        let missing = missing.join(" ");
        report.refuse(
            *place,
            format!("no range has {missing} to give, one address for each set: ask for addresses of the ranges (host-local: failed to allocate all requested IPs: {missing})"),
        );
        return None;
    }
    Some(leases)
}

fn show_range(range: &Range<'_>) -> String {
    format!("{}-{}", range.start, range.end)
}
