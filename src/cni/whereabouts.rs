//! whereabouts: addresses from ranges, kept in the cluster.
//!
//! v0.9.4: `pkg/config/config.go`, `pkg/types/types.go`, `pkg/allocate/allocate.go`,
//! `pkg/iphelpers/iphelpers.go` and `pkg/storage/kubernetes/ipam.go`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{self, family, number};
use super::chain::Chain;
use super::keys::{Read, Strangers, Table, Takes, key};
use super::part::Part;
use super::report::Report;
use super::route::{self, Lease, Network};
use super::static_;
use crate::finding::shorten;
use crate::json::Value;

/// The keys of `ipam`.
static IPAM: Table = Table {
    plugin: "whereabouts",
    go: "Net",
    keys: &[
        key("type", Takes::Text, ""),
        // A prefix, or first-last/length; config.go:97-113. At least two bits for hosts;
        // iphelpers.go:125. Leading zeros and host bits are fine.
        key("range", Takes::Text, "none"),
        // Ignored where it is no address of the range; types.go:158, iphelpers.go:236
        key("range_start", Takes::Text, "the first address of the range"),
        key("range_end", Takes::Text, "the last address of the range"),
        // Prefixes or addresses; allocate.go:151-171. Of the top-level range only; config.go:81-90
        key("exclude", Takes::List(&Takes::Text), "nothing"),
        // More ranges: the interface gets an address of each.
        key("ipRanges", Takes::List(&Takes::Object(&RANGE)), "none"),
        // Added to those of the ranges.
        key(
            "addresses",
            Takes::List(&Takes::Object(&static_::ADDRESS)),
            "none",
        ),
        // config.go:135
        key("gateway", Takes::Text, "none"),
        // The Go name of a field beside it, which is read too and ignored if it is no address.
        key("Gateway", Takes::Text, ""),
        key("routes", route::ROUTES, "none"),
        key("dns", Takes::Object(&static_::DNS), "none"),
        // Part of a Kubernetes name, <network_name>-<range>.
        key("network_name", Takes::Text, "none"),
        key("enable_overlapping_ranges", Takes::Bool, "true"),
        // Milliseconds; lease > renew > 1.2 * retry > 0; ipam.go:431-453
        key("leader_lease_duration", Takes::Integer, "1500"),
        key("leader_renew_deadline", Takes::Integer, "1000"),
        key("leader_retry_period", Takes::Integer, "500"),
        // Needs a NodeSlicePool in the cluster.
        key("node_slice_size", Takes::Text, "none"),
        key("log_file", Takes::Text, "none"),
        key("log_level", Takes::Text, "none"),
        key("reconciler_cron_expression", Takes::Text, "30 4 * * *"),
        key("configuration_path", Takes::Text, "the node's"),
        key("kubernetes", Takes::Object(&KUBERNETES), "the node's"),
        key("sleep_for_race", Takes::Integer, "0"),
        key("name", Takes::Text, ""),
        key("PodName", Takes::Text, ""),
        key("PodNamespace", Takes::Text, ""),
        // etcd is gone: these are read, and their values ignored.
        key("datastore", Takes::Text, "kubernetes"),
        key("etcd_host", Takes::Text, ""),
        key("etcd_username", Takes::Text, ""),
        key("etcd_password", Takes::Text, ""),
        key("etcd_key_file", Takes::Text, ""),
        key("etcd_cert_file", Takes::Text, ""),
        key("etcd_ca_cert_file", Takes::Text, ""),
    ],
    strangers: Strangers::Ignored(&[
        (
            "rangeStart",
            "that is host-local's spelling, did you mean range_start?",
        ),
        (
            "rangeEnd",
            "that is host-local's spelling, did you mean range_end?",
        ),
        ("subnet", "that is host-local's, did you mean range?"),
        ("ranges", "that is host-local's, did you mean ipRanges?"),
        ("fast_ipam", "\"node_slice_size\" alone turns it on"),
    ]),
};

/// The keys of one of `ipRanges`.
static RANGE: Table = Table {
    plugin: "whereabouts",
    go: "RangeConfiguration",
    keys: &[
        key("range", Takes::Text, ""),
        // Here an address, unlike at the top.
        key("range_start", Takes::Ip, "the first address of the range"),
        key("range_end", Takes::Ip, "the last address of the range"),
        key("exclude", Takes::List(&Takes::Text), "nothing"),
    ],
    strangers: Strangers::Ignored(&[
        (
            "rangeStart",
            "that is host-local's spelling, did you mean range_start?",
        ),
        (
            "rangeEnd",
            "that is host-local's spelling, did you mean range_end?",
        ),
        ("subnet", "that is host-local's, did you mean range?"),
        ("gateway", "write it beside \"ipRanges\""),
        ("routes", "write it beside \"ipRanges\""),
    ]),
};

static KUBERNETES: Table = Table {
    plugin: "whereabouts",
    go: "KubernetesConfig",
    keys: &[
        key("kubeconfig", Takes::Text, "the node's"),
        key("k8s_api_root", Takes::Text, ""),
    ],
    strangers: Strangers::Ignored(&[]),
};

/// What whereabouts answers in a cluster where no other Pod holds an address.
pub(super) fn answer<'d>(
    part: &Part<'d>,
    chain: &Chain<'_>,
    report: &mut Report,
) -> Option<Network<'d>> {
    let ipam = Read::new(&IPAM, part.ipam());
    if !ipam.check(report) {
        return None;
    }
    let routes = route::read(&ipam, "whereabouts", report);
    let is_timing_sound = timings(&ipam, report);
    let gateway = gateway(&ipam, report);
    let addresses = addresses(&ipam, chain, report);
    let pools = pools(&ipam, part, report);
    // Where a range leaves out "node_slice_size", the pool is divided among the nodes elsewhere.
    let is_sliced = ipam
        .text("node_slice_size")
        .is_some_and(|size| !size.is_empty());
    if is_sliced {
        slices(&ipam, report);
    }
    let (pools, addresses, gateway) = (pools?, addresses?, gateway?);
    if !is_timing_sound {
        return None;
    }
    warn_of_gateway(gateway, &pools, report);
    if is_sliced || (pools.is_empty() && addresses.is_empty()) {
        return Some(Network {
            routes: routes?,
            ..Network::default()
        });
    }
    let mut leases = Vec::new();
    for pool in &pools {
        leases.push(Lease {
            address: IpNet::new(pool.first, pool.prefix.prefix_len()).ok()?,
            gateway: gateway.map(|(_, ip)| ip),
            at: pool.at,
            gateway_at: gateway.map(|(place, _)| place),
            is_fixed: false,
        });
    }
    leases.extend(addresses);
    Some(Network {
        leases: Some(leases),
        routes: routes?,
        is_replaceable: false,
    })
}

/// A range of which an address can be given.
#[derive(Clone, Copy, Debug)]
struct Pool<'d> {
    prefix: IpNet,
    /// The first address that is given.
    first: IpAddr,
    last: IpAddr,
    at: Value<'d>,
}

/// A range as it is written.
struct Written<'d> {
    prefix: IpNet,
    start: Option<IpAddr>,
    end: Option<IpAddr>,
    at: Value<'d>,
}

/// All ranges in the order of config.go:81-123. `None` where one of them gives no address.
fn pools<'d>(ipam: &Read<'d>, part: &Part<'d>, report: &mut Report) -> Option<Vec<Pool<'d>>> {
    let mut pools: Vec<Pool<'d>> = Vec::new();
    let mut sound = true;
    let top = ipam.value("range").filter(|range| !range.is_str(""));
    let network = ipam.text("network_name").unwrap_or_default();
    let items = ipam
        .elements("ipRanges")
        .map(|item| (item, Read::new(&RANGE, [item])));
    let all = top
        .map(|range| (range, ipam.clone()))
        .into_iter()
        .chain(items);
    for (place, read) in all {
        let text = read.text("range").unwrap_or_default();
        let range_at = read.value("range").unwrap_or(place);
        let Some(mut range) = range(&text, range_at, report) else {
            sound = false;
            continue;
        };
        bounds(&mut range, &read, report);
        match pool(&range, &read, report) {
            Some(pool) => {
                // AssignIP, allocate.go:34: the Pod has an address of this pool already.
                if pools.iter().any(|other| other.prefix == pool.prefix) {
                    let prefix = pool.prefix;
                    report.refuse(
                        pool.at,
                        format!("the range {prefix} is there twice, and the Pod would get the same address of both: remove one (failed to add IP addr: file exists)"),
                    );
                    sound = false;
                }
                sound &= pool_name(&network, pool.prefix, ipam, report);
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
                    format!("\"{key}\" does nothing without a \"range\" beside it: move it into \"ipRanges\""),
                );
            }
        }
        if pools.is_empty() && sound && ipam.elements("addresses").next().is_none() {
            report.warn(
                part.ipam_or_kind(),
                "there is no \"range\", so there are addresses only where the node's own whereabouts.conf or the Pod has one, else: IPAM plugin returned missing IP config",
            );
        }
    }
    sound.then_some(pools)
}

/// config.go:92-120
fn range<'d>(text: &str, place: Value<'d>, report: &mut Report) -> Option<Written<'d>> {
    let shown = shorten(text);
    if let Some((first, last)) = text.split_once('-') {
        let Some(start) = address::sloppy_ip(first) else {
            let first = shorten(first);
            let advice = if first.contains('/') {
                "write the length once, at the end"
            } else {
                "write \"10.1.0.10-10.1.0.20/24\", without spaces"
            };
            report.refuse(
                place,
                format!("\"{shown}\" does not begin with an address: {advice} (whereabouts: invalid range start IP: {first})"),
            );
            return None;
        };
        let Some(prefix) = address::sloppy_prefix(last) else {
            let last = shorten(last);
            report.refuse(
                place,
                format!("\"{shown}\" does not end with an address and a prefix length: write \"10.1.0.10-10.1.0.20/24\", without spaces (whereabouts: invalid CIDR (do you have the 'range' parameter set for Whereabouts?) '{last}': invalid CIDR address: {last})"),
            );
            return None;
        };
        if !prefix.contains(&start) {
            let subnet = prefix.trunc();
            report.refuse(
                place,
                format!("the range begins at {start} and ends in {subnet}, another subnet (whereabouts: invalid range start for CIDR {subnet}: {start})"),
            );
            return None;
        }
        if number(start) > number(prefix.addr()) {
            report.warn(
                place,
                format!("the range begins at {start}, after its end {}: whereabouts then ignores the end", prefix.addr()),
            );
        }
        return Some(Written {
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
            format!("\"{shown}\" is no range: {advice} (whereabouts: invalid CIDR {shown}: invalid CIDR address: {shown})"),
        );
        return None;
    };
    Some(Written {
        prefix: prefix.trunc(),
        start: None,
        end: None,
        at: place,
    })
}

/// Takes `range_start` and `range_end`, and warns of those that are ignored.
fn bounds(range: &mut Written<'_>, read: &Read<'_>, report: &mut Report) {
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
                "\"range\" says itself where it begins and ends, and this is ignored: remove it",
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
                format!("{ip} is not in {prefix}, so it is ignored without a word and addresses come from the whole range: use an address of it"),
            ),
            None => report.warn(
                place,
                format!("\"{shown}\" is no IP address, so it is ignored without a word and addresses come from the whole range: write an address alone"),
            ),
        }
    }
    if let (Some(start), Some(end), Some(place)) = (range.start, range.end, read.value("range_end"))
        && !is_dashed
        && number(start) > number(end)
    {
        report.warn(
            place,
            format!("the range would end at {end}, before it begins at {start}, so the end is ignored without a word: swap them"),
        );
    }
}

/// `GetIPRange` and `IterateForAssignment` (iphelpers.go:225-255, allocate.go:85-140).
fn pool<'d>(range: &Written<'d>, read: &Read<'d>, report: &mut Report) -> Option<Pool<'d>> {
    let prefix = range.prefix;
    let bits = if prefix.addr().is_ipv4() { 32 } else { 128 };
    if bits - prefix.prefix_len() < 2 {
        let most = bits - 2;
        report.refuse(
            range.at,
            format!("{prefix} has no address to give beside its first and last: /{most} is the smallest range (whereabouts: net mask is too short, subnet has no usable IP addresses, it is too small)"),
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
                    "write prefixes, as in \"10.1.0.0/28\", in place of a span"
                } else {
                    "write a prefix or an address"
                };
                report.refuse(
                    item,
                    format!("\"{shown}\" is no prefix: {advice} (whereabouts: could not parse exclude range, err: \"invalid CIDR address: {shown}\")"),
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
            format!("every address from {from} to {to} is excluded: leave some (whereabouts: Could not allocate IP in range: ip: {from} / - {to} / range: {prefix})"),
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
fn pool_name(network: &str, prefix: IpNet, ipam: &Read<'_>, report: &mut Report) -> bool {
    let (Some(place), false) = (ipam.value("network_name"), network.is_empty()) else {
        return true;
    };
    let name = format!("{network}-{prefix}").replace([':', '/'], "-");
    let is_label = |label: &str| {
        let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        label.starts_with(inner)
            && label.ends_with(inner)
            && label.chars().all(|letter| inner(letter) || letter == '-')
    };
    // What a colon or slash of the user's becomes is no concern: only the range's are replaced.
    let written = network.contains(['/', ':']);
    if !written && name.len() <= 253 && name.split('.').all(is_label) {
        return true;
    }
    let (shown, name) = (shorten(network), shorten(&name));
    report.refuse(
        place,
        format!("\"{shown}\" becomes the name of a Kubernetes object: lower-case letters, digits, \"-\" and \".\" are possible, 253 characters with the range (whereabouts: k8s create error: metadata.name: Invalid value: \"{name}\")"),
    );
    false
}

/// `NewLeaderElector` refuses, and the plugin uses what it did not get (ipam.go:431-453).
fn timings(ipam: &Read<'_>, report: &mut Report) -> bool {
    let of = |key: &str, default: i64| match ipam.integer(key) {
        None | Some(0) => default,
        Some(value) => value,
    };
    let lease = of("leader_lease_duration", 1500);
    let renew = of("leader_renew_deadline", 1000);
    let retry = of("leader_retry_period", 500);
    let place = |keys: &[&str]| keys.iter().find_map(|key| ipam.value(key));
    let all = [
        "leader_lease_duration",
        "leader_renew_deadline",
        "leader_retry_period",
    ];
    let fault = if lease < 1 || renew < 1 || retry < 1 {
        let negative = all
            .iter()
            .find(|key| ipam.integer(key).is_some_and(|value| value < 0));
        Some((
            negative.and_then(|key| ipam.value(key)),
            "a duration is negative".to_owned(),
        ))
    } else if lease <= renew {
        Some((
            place(&["leader_lease_duration", "leader_renew_deadline"]),
            format!(
                "the lease of {lease} ms has to be longer than the deadline of {renew} ms to renew it"
            ),
        ))
    } else if i128::from(renew) * 10 <= i128::from(retry) * 12 {
        Some((
            place(&["leader_retry_period", "leader_renew_deadline"]),
            format!(
                "the deadline of {renew} ms has to be longer than 1.2 times the period of {retry} ms after which it is tried again"
            ),
        ))
    } else {
        None
    };
    let Some((Some(place), why)) = fault else {
        return true;
    };
    report.refuse(
        place,
        format!("{why}: the defaults are 1500, 1000 and 500 (whereabouts: Failed to create leader elector, and a nil pointer dereference)"),
    );
    false
}

/// config.go:135. The outer `None` where it cannot be read.
#[expect(
    clippy::option_option,
    reason = "unreadable, absent and present are three things"
)]
fn gateway<'d>(ipam: &Read<'d>, report: &mut Report) -> Option<Option<(Value<'d>, IpAddr)>> {
    let lenient = ipam
        .value("Gateway")
        .and_then(|place| Some((place, address::sloppy_ip(&place.str()?)?)));
    let Some(place) = ipam.value("gateway").filter(|value| !value.is_str("")) else {
        return Some(lenient);
    };
    let text = place.str().unwrap_or_default();
    if let Some(ip) = address::sloppy_ip(&text) {
        return Some(Some((place, ip)));
    }
    let shown = shorten(&text);
    report.refuse(
        place,
        format!("\"{shown}\" is no IP address: write an address alone, without a prefix length (whereabouts: couldn't parse gateway IP: {shown})"),
    );
    None
}

fn warn_of_gateway(gateway: Option<(Value<'_>, IpAddr)>, pools: &[Pool<'_>], report: &mut Report) {
    let Some((place, ip)) = gateway else {
        return;
    };
    let is_given = pools.iter().any(|pool| {
        pool.prefix.contains(&ip) && (number(pool.first)..=number(pool.last)).contains(&number(ip))
    });
    if is_given {
        report.warn(
            place,
            format!("whereabouts gives {ip} to a Pod too, for it does not spare the gateway: exclude it with \"exclude\": [\"{ip}\"]"),
        );
    }
}

/// config.go:166-205
fn addresses<'d>(
    ipam: &Read<'d>,
    chain: &Chain<'_>,
    report: &mut Report,
) -> Option<Vec<Lease<'d>>> {
    let mut leases: Vec<Lease<'d>> = Vec::new();
    let mut sound = true;
    for item in ipam.elements("addresses") {
        let read = Read::new(&static_::ADDRESS, [item]);
        let place = read.value("address").unwrap_or(item);
        let text = read.text("address").unwrap_or_default();
        let Some(prefix) = address::sloppy_prefix(&text) else {
            let shown = shorten(&text);
            report.refuse(
                place,
                format!("\"{shown}\" is no address with a prefix length: write one like \"10.1.0.5/24\" (whereabouts: invalid CIDR in addresses {shown}: invalid CIDR address: {shown})"),
            );
            sound = false;
            continue;
        };
        static_::warn_of_odd(place, prefix, report);
        let gateway_at = read.value("gateway");
        leases.push(Lease {
            address: prefix,
            gateway: gateway_at
                .and_then(Value::str)
                .and_then(|text| address::ip(&text)),
            at: place,
            gateway_at,
            is_fixed: true,
        });
    }
    if chain.is_old() {
        for is_v4 in [true, false] {
            let second = leases
                .iter()
                .filter(|lease| lease.address.addr().is_ipv4() == is_v4)
                .nth(1);
            if let Some(second) = second {
                let family = family(second.address.addr());
                let version = chain.version();
                report.refuse(
                    second.at,
                    format!("before version 0.3.0 there is one {family} address in \"addresses\": write \"cniVersion\": \"0.3.1\" or later, or remove one (whereabouts: CNI version {version} does not support more than 1 address per family)"),
                );
                return None;
            }
        }
    }
    sound.then_some(leases)
}

/// `DivideRangeBySize` (iphelpers.go:34-62), which a controller of the cluster runs.
fn slices(ipam: &Read<'_>, report: &mut Report) {
    let (Some(place), Some(text)) = (ipam.value("node_slice_size"), ipam.text("node_slice_size"))
    else {
        return;
    };
    let prefix = ipam
        .text("range")
        .and_then(|range| address::sloppy_prefix(&range));
    let shown = shorten(&text);
    let Ok(size) = text.trim_start_matches('/').parse::<u8>() else {
        report.warn(
            place,
            format!("\"{shown}\" is no prefix length: write one like \"/26\""),
        );
        return;
    };
    let Some(prefix) = prefix else {
        return;
    };
    if prefix.addr().is_ipv6() {
        report.warn(place, "a range is divided among the nodes for IPv4 only");
    } else if size > 32 || size < prefix.prefix_len() {
        let length = prefix.prefix_len();
        report.warn(
            place,
            format!("a range of /{length} cannot be divided into slices of \"{shown}\": use /{length} to /32 (subnetMaskSize must be greater or equal than netMaskSize)"),
        );
    }
}
