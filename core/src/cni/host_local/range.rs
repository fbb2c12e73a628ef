//! The ranges of host-local: `range.go` and `range_set.go`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::attachment::AddressRange;
use super::super::ipam_result::MAX_COMPARED;
use super::super::keys::{Decoded, Key, Sink, Table, Takes, UnknownKeys, key};
use super::super::report::Report;
use crate::address::{self, number, same_family};
use crate::json::{Kind, Value};
use crate::text::shorten;

pub(super) const RANGE_SET: Takes = Takes::List(&Takes::Object(&RANGE));

/// The keys of a range.
static RANGE: Table = Table {
    plugin: "host-local",
    go: "Range",
    keys: &[SUBNET, RANGE_START, RANGE_END, GATEWAY],
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
        ("routes", "write it beside \"ranges\""),
    ]),
};

// Required. No host bits, range.go:46; at least two bits for hosts, range.go:36; not IPv4 written
// as IPv6, range.go:41.
pub(super) const SUBNET: Key = key("subnet", Takes::Network, Sink::Address, "");

// In the subnet and not after rangeEnd; range.go:66
pub(super) const RANGE_START: Key =
    key("rangeStart", Takes::Ip, Sink::Address, "the first address");

// In the subnet and not before rangeStart; range.go:80
pub(super) const RANGE_END: Key = key("rangeEnd", Takes::Ip, Sink::Address, "the last address");

pub(super) const GATEWAY: Key = key(
    "gateway",
    Takes::Ip,
    Sink::Address,
    "the first address of the subnet",
);

/// A range after `Canonicalize` (range.go:29-95).
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<'d> {
    pub(super) subnet: IpNet,
    pub(super) start: IpAddr,
    pub(super) end: IpAddr,
    pub(super) gateway: IpAddr,
    pub(super) at: Value<'d>,
    pub(super) gateway_at: Option<Value<'d>>,
}

impl Range<'_> {
    /// What a Pod can request.
    pub(super) fn requestable(&self) -> AddressRange {
        AddressRange {
            first: self.start,
            last: self.end,
            gateway: Some(self.gateway),
        }
    }

    /// range.go:98
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
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
    pub(super) fn first(&self) -> Option<IpAddr> {
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

pub(super) fn range_set<'d>(set: Value<'d>, report: &mut Report) -> Option<Vec<Range<'d>>> {
    if set.kind() != Kind::Array || set.elements().next().is_none() {
        report.refuse(
            set,
            "the set has no range: remove it, or add one (host-local: invalid range set: empty \
             range set)",
        );
        return None;
    }
    let mut ranges: Vec<Range<'d>> = Vec::new();
    let mut sound = true;
    for item in set.elements() {
        match range(&Decoded::new(&RANGE, [item]), item, report) {
            Some(range) => ranges.push(range),
            None => sound = false,
        }
    }
    if !sound {
        return None;
    }
    for (index, range) in ranges.iter().enumerate().take(MAX_COMPARED) {
        let before = ranges.get(..index).unwrap_or_default();
        if before
            .iter()
            .any(|other| !same_family(other.start, range.start))
        {
            report.refuse(
                range.at,
                "a set has ranges of one address family, because the interface gets one address \
                 from it: write a separate set for IPv6 (host-local: invalid range set: mixed \
                 address families)",
            );
            return None;
        }
        if let Some(other) = before.iter().find(|other| other.overlaps(range)) {
            let (a, b) = (show_range(other), show_range(range));
            report.refuse(
                range.at,
                format!(
                    "the ranges {a} and {b} overlap: separate them (host-local: invalid range \
                     set: subnets {a} and {b} overlap)"
                ),
            );
            return None;
        }
    }
    Some(ranges)
}

/// `Canonicalize`, range.go:29-95
pub(super) fn range<'d>(
    read: &Decoded<'d>,
    place: Value<'d>,
    report: &mut Report,
) -> Option<Range<'d>> {
    let Some(subnet_at) = read.value("subnet") else {
        report.refuse(
            place,
            "the range has no \"subnet\": add one, as in \"subnet\": \"10.1.0.0/24\" (host-local: \
             invalid range set: IP <nil> not v4 nor v6)",
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
            format!(
                "\"{}\" is IPv4 written as IPv6: write \"{subnet}\" (host-local: invalid range \
                 set: IPNet IP and Mask version mismatch)",
                shorten(&text)
            ),
        );
        return None;
    }
    if subnet.prefix_len() > bits - 2 {
        let most = bits - 2;
        report.refuse(
            subnet_at,
            format!(
                "{subnet} has no address beside its first and last: the smallest subnet is \
                 /{most} (host-local: invalid range set: Network {subnet} too small to allocate \
                 from)"
            ),
        );
        return None;
    }
    let network = subnet.network();
    if ip != network {
        let (trunc, length) = (subnet.trunc(), subnet.prefix_len());
        report.refuse(
            subnet_at,
            format!(
                "{subnet} is an address in a subnet, not a subnet: write \"{trunc}\" (host-local: \
                 invalid range set: Network has host bits set. For a subnet mask of length \
                 {length} the network address is {network})"
            ),
        );
        return None;
    }
    if ip.is_multicast() && ip.is_ipv6() {
        report.refuse(
            subnet_at,
            format!(
                "{subnet} is a multicast prefix, and an interface cannot have an address of it: \
                 use another (cannot assign requested address)"
            ),
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
            format!(
                "{ip} is not in {subnet}: use an address in the subnet (host-local: invalid range \
                 set: {key} {ip} not in network {subnet})"
            ),
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
        IpAddr::V6(ip) => ip.into(),
    };
    match (start, end) {
        (Some((place, start)), Some((_, end))) if number(start) > number(end) => {
            report.refuse(
                place,
                format!(
                    "the range begins at {start}, after its end {end}: swap them (host-local: \
                     invalid range set: RangeStart {start} not in network {subnet})"
                ),
            );
            return None;
        }
        (None, Some((place, end))) if number(end) < number(first) => {
            report.refuse(
                place,
                format!(
                    "{end} is the address of the subnet itself, so the range ends before it \
                     begins: use a higher address (host-local: invalid range set: RangeEnd {end} \
                     not in network {subnet})"
                ),
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
            format!(
                "{start} is the address of the subnet itself and would be assigned to a Pod: \
                 begin with {first}"
            ),
        );
    }
    if subnet.addr().is_ipv4() {
        for (place, ip) in [start, end].into_iter().flatten() {
            if ip == subnet.broadcast() {
                report.warn(
                    place,
                    format!(
                        "{ip} is the broadcast address of the subnet and would be assigned to a \
                         Pod: end with {last}"
                    ),
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

/// config.go:162
pub(super) fn overlaps(sets: &[Vec<Range<'_>>], report: &mut Report) -> Option<()> {
    let all = || {
        let sets = sets.iter().enumerate();
        sets.flat_map(|(index, set)| set.iter().map(move |range| (index, range)))
            .take(MAX_COMPARED)
    };
    for (later, range) in all() {
        let twin = all()
            .take_while(|(earlier, _)| *earlier < later)
            .find(|(_, twin)| twin.overlaps(range));
        if let Some((earlier, twin)) = twin {
            let (a, b) = (show_range(twin), show_range(range));
            report.refuse(
                range.at,
                format!(
                    "the ranges {a} and {b} of two sets overlap: separate them (host-local: range \
                     set {earlier} overlaps with {later})"
                ),
            );
            return None;
        }
    }
    Some(())
}

pub(super) fn show_range(range: &Range<'_>) -> String {
    format!("{}-{}", range.start, range.end)
}
