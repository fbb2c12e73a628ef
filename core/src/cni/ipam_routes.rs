//! Routes as an IPAM plugin reads them.

use ipnet::IpNet;

use super::chain::Chain;
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::report::Report;
use super::route::{MAIN, Route};
use crate::address;
use crate::json::Value;

/// The keys of a route, alike in host-local, static and whereabouts.
///
/// `priority`, `mtu`, `advmss`, `table` and `scope` are read since 1.6.0.
pub(super) static ROUTE: Table = Table {
    plugin: "the IPAM plugin",
    go: "route",
    keys: &[
        // Required. IPv4 without host bits: the kernel refuses them with "invalid argument".
        key("dst", Takes::Network, Sink::Address, ""),
        // Of the family of dst, and in a subnet of the interface.
        key("gw", Takes::Ip, Sink::Address, "the gateway of the address"),
        key("priority", Takes::Integer, Sink::Number, "0"),
        key("mtu", Takes::Integer, Sink::Nothing, ""),
        key("advmss", Takes::Integer, Sink::Nothing, ""),
        key("table", Takes::Integer, Sink::Number, "254, the main table"),
        key("scope", Takes::Integer, Sink::Number, "0, universe"),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        ("gateway", "write \"gw\""),
        ("via", "write \"gw\""),
        ("nexthop", "write \"gw\""),
        ("to", "write \"dst\""),
        ("destination", "write \"dst\""),
        ("metric", "write \"priority\""),
        (
            "onlink",
            "put a route to the gateway with \"scope\": 253 before this one",
        ),
    ]),
};

/// What the key `routes` takes.
pub(super) const ROUTES: Takes = Takes::List(&Takes::Object(&ROUTE));

/// Reads `routes` of an IPAM configuration that is sound. `None` if one of them makes the plugin
/// fail.
pub(super) fn read<'d>(
    ipam: &Decoded<'d>,
    plugin: &str,
    chain: &Chain<'_>,
    report: &mut Report,
) -> Option<Vec<Route<'d>>> {
    let mut routes = Vec::new();
    let mut sound = true;
    for value in ipam.elements("routes") {
        if value.is_null() {
            report.refuse(
                value,
                format!(
                    "a route is null: remove it ({plugin}: panic: runtime error: invalid memory \
                     address or nil pointer dereference)"
                ),
            );
            sound = false;
            continue;
        }
        let route = Decoded::new(&ROUTE, [value]);
        let Some(dst) = route.value("dst") else {
            // The old format loses such a route if there is no IPv6 address.
            report.refuse_unless(
                chain.is_old(),
                value,
                format!(
                    "the route has no \"dst\": add its destination, as in \"dst\": \
                     \"10.99.0.0/16\" ({plugin}: invalid CIDR address: <nil>)"
                ),
            );
            sound &= chain.is_old();
            continue;
        };
        let Some(prefix) = dst.str().and_then(|text| address::prefix(&text)) else {
            sound = false;
            continue;
        };
        if prefix.addr().is_ipv4() && prefix.addr() != prefix.network() {
            let trunc = prefix.trunc();
            report.refuse(
                dst,
                format!(
                    "{prefix} has host bits set, which an IPv4 route cannot have: write \
                     \"{trunc}\" (failed to add route '…': invalid argument)"
                ),
            );
            sound = false;
            continue;
        }
        let gw_at = route.value("gw");
        let table = match route.integer("table") {
            Some(table) if table > 0 => table,
            _ => MAIN,
        };
        if prefix.prefix_len() == 0 && table == MAIN && !chain.moves_routes() {
            warn_of_default(dst, prefix, report);
        }
        routes.push(Route {
            dst: prefix.trunc(),
            gw: gw_at
                .and_then(Value::str)
                .and_then(|text| address::ip(&text)),
            priority: route.integer("priority").unwrap_or(0).max(0),
            table,
            // netlink.Scope is a byte.
            scope: route
                .integer("scope")
                .and_then(|scope| u8::try_from(scope & 0xff).ok())
                .unwrap_or(0),
            at: value,
            gw_at,
        });
    }
    sound.then_some(routes)
}

/// Both default routes end up in the main table with the same metric. For IPv4 the kernel then uses
/// the one that was added last, which is this one; for IPv6 either.
fn warn_of_default(place: Value<'_>, dst: IpNet, report: &mut Report) {
    report.default_route(
        place,
        format!(
            "the route {dst} sends the traffic of every Pod on this network through it: the Pod no \
             longer reaches Services, the cluster's DNS, and Pods on other nodes through the \
             cluster network; remove it, or route only the networks behind this one; a Pod that \
             should use it requests that with \"default-route\" in its networks annotation"
        ),
    );
}
