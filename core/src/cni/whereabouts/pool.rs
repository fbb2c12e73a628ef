//! The ranges of whereabouts, each of which is a pool in the cluster: `pkg/config/config.go`,
//! `pkg/iphelpers/iphelpers.go`, `pkg/allocate/allocate.go`, `pkg/storage/kubernetes/ipam.go`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::super::raw_plugin::RawPlugin;
use super::super::report::Report;
use crate::address::{self, number};
use crate::json::Value;
use crate::text::shorten;

/// The keys of one of `ipRanges`.
pub(super) static RANGE: Table = Table {
    plugin: "whereabouts",
    go: "RangeConfiguration",
    keys: &[
        key("range", Takes::Text, Sink::Address, ""),
        // Here an address, unlike at the top.
        key(
            "range_start",
            Takes::Ip,
            Sink::Address,
            "the first address of the range",
        ),
        key(
            "range_end",
            Takes::Ip,
            Sink::Address,
            "the last address of the range",
        ),
        key(
            "exclude",
            Takes::List(&Takes::Text),
            Sink::Address,
            "nothing",
        ),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "rangeStart",
            "that is the spelling of host-local: did you mean range_start?",
        ),
        (
            "rangeEnd",
            "that is the spelling of host-local: did you mean range_end?",
        ),
        ("subnet", "that is a key of host-local: did you mean range?"),
        ("gateway", "write it beside \"ipRanges\""),
        ("routes", "write it beside \"ipRanges\""),
    ]),
};

/// A range from which an address can be assigned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool<'d> {
    pub(super) prefix: IpNet,
    /// The first address that is assigned.
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
    pub(super) at: Value<'d>,
}

/// A range as it is written.
struct WrittenRange<'d> {
    prefix: IpNet,
    start: Option<IpAddr>,
    end: Option<IpAddr>,
    at: Value<'d>,
}

/// All ranges in the order of config.go:81-123. `None` if one of them has no address.
pub(super) fn pools<'d>(
    ipam: &Decoded<'d>,
    raw: &RawPlugin<'d>,
    report: &mut Report,
) -> Option<Vec<Pool<'d>>> {
    let mut pools: Vec<Pool<'d>> = Vec::new();
    let mut seen = BTreeMap::new();
    let mut sound = true;
    let top = ipam.value("range").filter(|range| !range.is_str(""));
    let network = ipam.text("network_name").unwrap_or_default();
    let items = ipam
        .elements("ipRanges")
        .map(|item| (item, Some(Decoded::new(&RANGE, [item]))));
    let all = top.map(|range| (range, None)).into_iter().chain(items);
    for (place, own) in all {
        let read = own.as_ref().unwrap_or(ipam);
        let text = read.text("range").unwrap_or_default();
        let range_at = read.value("range").unwrap_or(place);
        let Some(mut range) = range(&text, range_at, report) else {
            sound = false;
            continue;
        };
        bounds(&mut range, read, report);
        match pool(&range, read, report) {
            Some(mut pool) => {
                // AssignIP, allocate.go:34: from the same range the Pod gets the same address
                // again.
                pool.first = *seen.entry(pool.prefix).or_insert(pool.first);
                sound &= pool_name(&network, &pool, ipam, report);
                pools.push(pool);
            }
            None => sound = false,
        }
    }
    if top.is_none() {
        for key in ["range_start", "range_end", "exclude"] {
            if let Some(place) = ipam.value(key) {
                report.warn(
                    place,
                    format!("\"{key}\" has no effect without \"range\": move it into \"ipRanges\""),
                );
            }
        }
        if pools.is_empty() && sound && ipam.elements("addresses").next().is_none() {
            report.warn(
                raw.ipam_or_kind(),
                "there is no \"range\", so a Pod fails unless the whereabouts.conf of the node \
                 has a range or the Pod requests an address (IPAM plugin returned missing IP \
                 config)",
            );
        }
    }
    sound.then_some(pools)
}

/// config.go:92-120
fn range<'d>(text: &str, place: Value<'d>, report: &mut Report) -> Option<WrittenRange<'d>> {
    let shown = shorten(text);
    if let Some((first, last)) = text.split_once('-') {
        let Some(start) = address::sloppy_ip(first) else {
            let first = shorten(first);
            let advice = if first.contains('/') {
                "write the prefix length once, at the end"
            } else {
                "write \"10.1.0.10-10.1.0.20/24\", without spaces"
            };
            report.refuse(
                place,
                format!(
                    "\"{shown}\" does not begin with an address: {advice} (whereabouts: invalid \
                     range start IP: {first})"
                ),
            );
            return None;
        };
        let Some(prefix) = address::sloppy_prefix(last) else {
            let last = shorten(last);
            report.refuse(
                place,
                format!(
                    "\"{shown}\" does not end with an address and a prefix length: write \
                     \"10.1.0.10-10.1.0.20/24\", without spaces (whereabouts: invalid CIDR (do \
                     you have the 'range' parameter set for Whereabouts?) '{last}': invalid CIDR \
                     address: {last})"
                ),
            );
            return None;
        };
        if !prefix.contains(&start) {
            let subnet = prefix.trunc();
            report.refuse(
                place,
                format!(
                    "the range begins at {start} and ends in another subnet, {subnet} \
                     (whereabouts: invalid range start for CIDR {subnet}: {start})"
                ),
            );
            return None;
        }
        if number(start) > number(prefix.addr()) {
            report.warn(
                place,
                format!(
                    "the range begins at {start}, after its end {}, so whereabouts ignores the \
                     end: swap them",
                    prefix.addr()
                ),
            );
        }
        return Some(WrittenRange {
            prefix: prefix.trunc(),
            start: Some(start),
            end: Some(prefix.addr()),
            at: place,
        });
    }
    let Some(prefix) = address::sloppy_prefix(text) else {
        let advice = if text.is_empty() {
            "write \"range\": \"10.1.0.0/24\"".to_owned()
        } else if address::sloppy_ip(text).is_some() {
            format!("add its length, as in \"{shown}/24\"")
        } else {
            "write one like \"10.1.0.0/24\" or \"10.1.0.10-10.1.0.20/24\"".to_owned()
        };
        report.refuse(
            place,
            format!(
                "\"{shown}\" is not a valid range: {advice} (whereabouts: invalid CIDR {shown}: \
                 invalid CIDR address: {shown})"
            ),
        );
        return None;
    };
    Some(WrittenRange {
        prefix: prefix.trunc(),
        start: None,
        end: None,
        at: place,
    })
}

/// Takes `range_start` and `range_end`, and warns of those that are ignored.
fn bounds(range: &mut WrittenRange<'_>, read: &Decoded<'_>, report: &mut Report) {
    let is_dashed = range.start.is_some();
    for key in ["range_start", "range_end"] {
        let Some(place) = read.value(key).filter(|value| !value.is_str("")) else {
            continue;
        };
        let text = place.str().unwrap_or_default();
        let shown = shorten(&text);
        let prefix = range.prefix;
        if is_dashed {
            report.warn(
                place,
                "\"range\" already has a first and a last address, so this is ignored: remove it",
            );
            continue;
        }
        match address::sloppy_ip(&text) {
            Some(ip) if prefix.contains(&ip) => {
                let bound = if key == "range_start" {
                    &mut range.start
                } else {
                    &mut range.end
                };
                *bound = Some(ip);
            }
            Some(ip) => report.warn(
                place,
                format!(
                    "{ip} is not in {prefix}, so it is silently ignored and addresses come from \
                     the whole range: use an address in the range"
                ),
            ),
            None => report.warn(
                place,
                format!(
                    "\"{shown}\" is not a valid IP address, so it is silently ignored and \
                     addresses come from the whole range: write an address without a prefix length"
                ),
            ),
        }
    }
    if let (Some(start), Some(end), Some(place)) = (range.start, range.end, read.value("range_end"))
        && !is_dashed
        && number(start) > number(end)
    {
        report.warn(
            place,
            format!(
                "the range ends at {end}, before it begins at {start}, so the end is silently \
                 ignored: swap them"
            ),
        );
    }
}

/// `GetIPRange` and `IterateForAssignment` (iphelpers.go:225-255, allocate.go:85-140).
fn pool<'d>(range: &WrittenRange<'d>, read: &Decoded<'d>, report: &mut Report) -> Option<Pool<'d>> {
    let prefix = range.prefix;
    let bits = if prefix.addr().is_ipv4() { 32 } else { 128 };
    if bits - prefix.prefix_len() < 2 {
        let most = bits - 2;
        report.refuse(
            range.at,
            format!(
                "{prefix} has no address beside its first and last: the smallest range is /{most} \
                 (whereabouts: net mask is too short, subnet has no usable IP addresses, it is \
                 too small)"
            ),
        );
        return None;
    }
    let like = prefix.network();
    let mut first = number(like).saturating_add(1);
    let mut last = number(prefix.broadcast()).saturating_sub(1);
    if let Some(start) = range
        .start
        .map(number)
        .filter(|start| (first..=last).contains(start))
    {
        first = start;
    }
    if let Some(end) = range
        .end
        .map(number)
        .filter(|end| (first..=last).contains(end))
    {
        last = end;
    }
    let mut excluded = Vec::new();
    let mut sound = true;
    for item in read.elements("exclude") {
        let text = item.str().unwrap_or_default();
        let parsed = address::prefix(&text)
            .or_else(|| address::ip(&text).map(IpNet::from))
            .map(|excluded| excluded.trunc());
        match parsed {
            Some(parsed) if address::same_family(parsed.addr(), like) => {
                excluded.push((number(parsed.network()), number(parsed.broadcast())));
            }
            Some(_) => {}
            None => {
                let shown = shorten(&text);
                let advice = if text.contains('-') {
                    "write prefixes, as in \"10.1.0.0/28\", instead of a range"
                } else {
                    "write a prefix or an address"
                };
                report.refuse(
                    item,
                    format!(
                        "\"{shown}\" is not a valid prefix: {advice} (whereabouts: could not \
                         parse exclude range, err: \"invalid CIDR address: {shown}\")"
                    ),
                );
                sound = false;
            }
        }
    }
    if !sound {
        return None;
    }
    excluded.sort_unstable();
    let mut free = first;
    for (from, to) in &excluded {
        if (*from..=*to).contains(&free) {
            free = to.saturating_add(1);
        }
    }
    if free > last {
        let (from, to) = (address::address(like, first), address::address(like, last));
        report.refuse(
            read.value("exclude").unwrap_or(range.at),
            format!(
                "every address from {from} to {to} is excluded: exclude fewer (whereabouts: Could \
                 not allocate IP in range: ip: {from} / - {to} / range: {prefix})"
            ),
        );
        return None;
    }
    Some(Pool {
        prefix,
        first: address::address(like, free),
        last: address::address(like, last),
        at: range.at,
    })
}

/// The pool is a Kubernetes object, whose name is made of `network_name` and the range
/// (ipam.go:92-125).
fn pool_name(network: &str, pool: &Pool<'_>, ipam: &Decoded<'_>, report: &mut Report) -> bool {
    let prefix = pool.prefix;
    let (Some(place), false) = (ipam.value("network_name"), network.is_empty()) else {
        if prefix.addr().is_ipv4() {
            return true;
        }
        let shown = prefix.to_string();
        let is_name = !shown.starts_with(':');
        if !is_name {
            report.refuse(
                pool.at,
                format!(
                    "the range {shown} becomes the name of a Kubernetes object, which cannot \
                     begin with a colon or hyphen: use another prefix, or set \"network_name\" \
                     (whereabouts: k8s create error: metadata.name: Invalid value: \"{}\")",
                    shown.replace([':', '/'], "-")
                ),
            );
        }
        return is_name;
    };
    let name = format!("{network}-{prefix}").replace([':', '/'], "-");
    let is_label = |label: &str| {
        let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        label.starts_with(inner)
            && label.ends_with(inner)
            && label.chars().all(|letter| inner(letter) || letter == '-')
    };
    // Only the colons and slashes of the range are replaced.
    let written = network.contains(['/', ':']);
    if !written && name.len() <= 253 && name.split('.').all(is_label) {
        return true;
    }
    let (shown, name) = (shorten(network), shorten(&name));
    report.refuse(
        place,
        format!(
            "\"{shown}\" becomes part of the name of a Kubernetes object: use lower-case letters, \
             digits, \"-\" and \".\", at most 253 characters including the range (whereabouts: \
             k8s create error: metadata.name: Invalid value: \"{name}\")"
        ),
    );
    false
}
