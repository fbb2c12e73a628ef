//! whereabouts: addresses from ranges, kept in the cluster.
//!
//! v0.9.4: `pkg/config/config.go`, `pkg/types/types.go`, `pkg/allocate/allocate.go`,
//! `pkg/iphelpers/iphelpers.go` and `pkg/storage/kubernetes/ipam.go`.

mod pool;

use super::attachment::Addresses;
use super::chain::{Chain, Plugin, Role};
use super::ipam_result::{IpamResult, Lease};
use super::ipam_routes;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::node_use::{Access, Used};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use super::static_;
use crate::address::{self, number};
use crate::json::Value;
use crate::text::shorten;
use ipnet::IpNet;
use pool::{Pool, RANGE, pools};
use std::net::IpAddr;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "whereabouts",
    role: Role::Ipam(answer),
    tables: &[("ipam", &IPAM)],
    arguments: None,
};

/// Milliseconds of the lease that every node of the cluster needs to assign an address. With a
/// longer lease than the time that a plugin waits for it (types.go:17), a node that dies with the
/// lease stops all others.
const LEASE: Sink = Sink::AtMost(
    120_000,
    "the whole cluster waits so many milliseconds for a lease",
);

/// Seconds that the plugin sleeps while it holds the lease, for tests of its own (ipam.go:684).
const SLEEP: Sink = Sink::AtMost(
    0,
    "the plugin would sleep so many seconds while the whole cluster waits for its lease",
);

/// The maximum number of ranges: each is a request to the API server under the lease.
const MAX_RANGES: usize = 16;

/// The keys of `ipam`.
static IPAM: Table = Table {
    plugin: "whereabouts",
    go: "Net",
    keys: &[
        key("type", Takes::Text, Sink::Name, ""),
        // A prefix, or first-last/length; config.go:97-113. At least two bits for hosts;
        // iphelpers.go:125. Leading zeros and host bits are fine.
        key("range", Takes::Text, Sink::Address, "none"),
        // Ignored if it is not an address of the range; types.go:158, iphelpers.go:236
        key(
            "range_start",
            Takes::Text,
            Sink::Address,
            "the first address of the range",
        ),
        key(
            "range_end",
            Takes::Text,
            Sink::Address,
            "the last address of the range",
        ),
        // Prefixes or addresses; allocate.go:151-171. Of the top-level range only; config.go:81-90
        key(
            "exclude",
            Takes::List(&Takes::Text),
            Sink::Address,
            "nothing",
        ),
        // More ranges: the interface gets an address of each.
        key(
            "ipRanges",
            Takes::List(&Takes::Object(&RANGE)),
            Sink::Below,
            "none",
        ),
        // Added to those of the ranges.
        key(
            "addresses",
            Takes::List(&Takes::Object(&static_::ADDRESS)),
            Sink::Below,
            "none",
        ),
        // config.go:135
        key("gateway", Takes::Text, Sink::Address, "none"),
        // The Go name of another field, which is read too and ignored if it is not an address.
        key("Gateway", Takes::Text, Sink::Address, ""),
        key("routes", ipam_routes::ROUTES, Sink::Below, "none"),
        key("dns", Takes::Object(&static_::DNS), Sink::Below, "none"),
        // Part of a Kubernetes name, <network_name>-<range>.
        key("network_name", Takes::Text, Sink::Name, "none"),
        key(
            "enable_overlapping_ranges",
            Takes::Bool,
            Sink::Nothing,
            "true",
        ),
        // Milliseconds; lease > renew > 1.2 * retry > 0; ipam.go:431-453
        key("leader_lease_duration", Takes::Integer, LEASE, "1500"),
        key("leader_renew_deadline", Takes::Integer, LEASE, "1000"),
        key("leader_retry_period", Takes::Integer, LEASE, "500"),
        // Needs a NodeSlicePool in the cluster.
        key("node_slice_size", Takes::Text, Sink::Number, "none"),
        key("log_file", Takes::Text, Sink::Path(Access::Write), "none"),
        key("log_level", Takes::Text, Sink::Text, "none"),
        key(
            "reconciler_cron_expression",
            Takes::Text,
            Sink::Text,
            "30 4 * * *",
        ),
        key(
            "configuration_path",
            Takes::Text,
            Sink::Path(Access::Read),
            "the node's",
        ),
        key(
            "kubernetes",
            Takes::Object(&KUBERNETES),
            Sink::Below,
            "the node's",
        ),
        key("sleep_for_race", Takes::Integer, SLEEP, "0"),
        key("name", Takes::Text, Sink::Nothing, ""),
        key("PodName", Takes::Text, Sink::Nothing, ""),
        key("PodNamespace", Takes::Text, Sink::Nothing, ""),
        // etcd is gone: these are read, and their values ignored.
        key("datastore", Takes::Text, Sink::Nothing, "kubernetes"),
        key("etcd_host", Takes::Text, Sink::Nothing, ""),
        key("etcd_username", Takes::Text, Sink::Nothing, ""),
        key("etcd_password", Takes::Text, Sink::Nothing, ""),
        key("etcd_key_file", Takes::Text, Sink::Nothing, ""),
        key("etcd_cert_file", Takes::Text, Sink::Nothing, ""),
        key("etcd_ca_cert_file", Takes::Text, Sink::Nothing, ""),
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
        (
            "ranges",
            "that is a key of host-local: did you mean ipRanges?",
        ),
        ("fast_ipam", "\"node_slice_size\" is enough to turn it on"),
    ]),
};

static KUBERNETES: Table = Table {
    plugin: "whereabouts",
    go: "KubernetesConfig",
    keys: &[
        key(
            "kubeconfig",
            Takes::Text,
            Sink::Path(Access::Read),
            "the node's",
        ),
        key("k8s_api_root", Takes::Text, Sink::Nothing, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[]),
};

/// The result of whereabouts in a cluster where no other Pod has an address.
fn answer<'d>(
    raw: &RawPlugin<'d>,
    chain: &Chain<'d>,
    report: &mut Report,
) -> Option<IpamResult<'d>> {
    let ipam = Decoded::new(&IPAM, raw.ipam());
    if !ipam.check(report) {
        return None;
    }
    report.addresses = Addresses::Whereabouts;
    let routes = ipam_routes::read(&ipam, "whereabouts", chain, report);
    let is_timing_sound = timings(&ipam, report);
    let gateway = gateway(&ipam, report);
    let addresses = addresses(&ipam, chain, report);
    let pools = pools(&ipam, raw, report);
    // With "node_slice_size", a controller divides the range among the nodes.
    let is_sliced = ipam
        .text("node_slice_size")
        .is_some_and(|size| !size.is_empty());
    if is_sliced {
        slices(&ipam, report);
    }
    stores(&ipam, pools.as_deref(), is_sliced, chain, report);
    let (pools, addresses, gateway) = (pools?, addresses?, gateway?);
    if !is_timing_sound {
        return None;
    }
    warn_of_gateway(gateway, &pools, report);
    if is_sliced || (pools.is_empty() && addresses.is_empty()) {
        return Some(IpamResult {
            routes: routes?,
            ..IpamResult::default()
        });
    }
    let mut leases = Vec::new();
    for pool in &pools {
        leases.push(Lease {
            address: IpNet::new(pool.first, pool.prefix.prefix_len()).ok()?,
            gateway: gateway.map(|(_, ip)| ip),
            at: pool.at,
            gateway_at: gateway.map(|(place, _)| place),
        });
    }
    leases.extend(addresses);
    Some(IpamResult {
        leases: Some(leases),
        routes: routes?,
        is_replaceable: false,
    })
}

/// Notes the objects in which addresses are kept (`IPPoolName` and `getNodeSliceName`, ipam.go:107
/// and :536), and limits their number.
fn stores(
    ipam: &Decoded<'_>,
    pools: Option<&[Pool<'_>]>,
    is_sliced: bool,
    chain: &Chain<'_>,
    report: &mut Report,
) {
    if let Some(surplus) = ipam.elements("ipRanges").nth(MAX_RANGES) {
        report.danger(
            surplus,
            format!(
                "there are more than {MAX_RANGES} ranges, and the whole cluster waits while \
                 whereabouts assigns an address from each: remove some"
            ),
        );
    }
    let network = ipam.text("network_name").unwrap_or_default();
    if let (true, Some(place)) = (is_sliced, ipam.value("node_slice_size")) {
        let name = if network.is_empty() {
            chain.name
        } else {
            &network
        };
        report.uses(place, Used::store(("whereabouts slices", name)));
        return;
    }
    for pool in pools.unwrap_or_default().iter().take(MAX_RANGES) {
        report.uses(
            pool.at,
            Used::store(("whereabouts", &*network, pool.prefix)),
        );
    }
}

/// Judges the durations of the lease. `NewLeaderElector` returns an error, and the plugin then uses
/// a nil pointer (ipam.go:431-453).
fn timings(ipam: &Decoded<'_>, report: &mut Report) -> bool {
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
            format!("the lease of {lease} ms must be longer than its renew deadline of {renew} ms"),
        ))
    } else if i128::from(renew) * 10 <= i128::from(retry) * 12 {
        Some((
            place(&["leader_retry_period", "leader_renew_deadline"]),
            format!(
                "the renew deadline of {renew} ms must be longer than 1.2 times the retry period \
                 of {retry} ms"
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
        format!(
            "{why}: the defaults are 1500, 1000 and 500 (whereabouts: Failed to create leader \
             elector, and a nil pointer dereference)"
        ),
    );
    false
}

/// config.go:135. The outer `None` if it cannot be parsed.
#[expect(
    clippy::option_option,
    reason = "unreadable, absent and present are three cases"
)]
fn gateway<'d>(ipam: &Decoded<'d>, report: &mut Report) -> Option<Option<(Value<'d>, IpAddr)>> {
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
        format!(
            "\"{shown}\" is not a valid IP address: write an address without a prefix length \
             (whereabouts: couldn't parse gateway IP: {shown})"
        ),
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
        let ip = address::text(ip);
        report.warn(
            place,
            format!(
                "whereabouts does not exclude the gateway {ip} and will assign it to a Pod: add \
                 \"exclude\": [\"{ip}\"]"
            ),
        );
    }
}

/// config.go:166-205
fn addresses<'d>(
    ipam: &Decoded<'d>,
    chain: &Chain<'_>,
    report: &mut Report,
) -> Option<Vec<Lease<'d>>> {
    let mut leases: Vec<Lease<'d>> = Vec::new();
    let mut sound = true;
    for item in ipam.elements("addresses") {
        let read = Decoded::new(&static_::ADDRESS, [item]);
        let place = read.value("address").unwrap_or(item);
        let text = read.text("address").unwrap_or_default();
        let Some(prefix) = address::sloppy_prefix(&text) else {
            let shown = shorten(&text);
            report.refuse(
                place,
                format!(
                    "\"{shown}\" is not a valid address with a prefix length: write one like \
                     \"10.1.0.5/24\" (whereabouts: invalid CIDR in addresses {shown}: invalid \
                     CIDR address: {shown})"
                ),
            );
            sound = false;
            continue;
        };
        leases.push(static_::lease(&read, place, prefix, report));
    }
    let all = leases.iter().map(|lease| (lease.address.addr(), lease.at));
    chain.limit_families("whereabouts", &all, report)?;
    sound.then_some(leases)
}

/// `DivideRangeBySize` (iphelpers.go:34-62), which a controller of the cluster runs.
fn slices(ipam: &Decoded<'_>, report: &mut Report) {
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
            format!("\"{shown}\" is not a valid prefix length: write one like \"/26\""),
        );
        return;
    };
    let Some(prefix) = prefix else {
        return;
    };
    if prefix.addr().is_ipv6() {
        report.warn(
            place,
            "\"node_slice_size\" works for IPv4 only: remove it, or use an IPv4 range",
        );
    } else if size > 32 || size < prefix.prefix_len() {
        let length = prefix.prefix_len();
        report.warn(
            place,
            format!(
                "a range of /{length} cannot be divided into slices of \"{shown}\": write \
                 /{length} to /32 (subnetMaskSize must be greater or equal than netMaskSize)"
            ),
        );
    }
}
