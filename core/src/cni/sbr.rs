//! sbr: a routing table of the interface's own, for traffic from its addresses.
//!
//! `plugins/meta/sbr/main.go` of v1.9.1.

use std::net::IpAddr;

use super::chain::{Chain, Given, Plugin, Role};
use super::ipam_result::{IpamResult, Lease};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key, through_a_map};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address::{family, same_family};
use crate::json::Member;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "sbr",
    role: Role::Meta(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "sbr",
    go: "PluginConf",
    keys: &[
        // With it, only rules are made, and no default route. Since 1.6.0.
        key(
            "table",
            Takes::Integer,
            Sink::Number,
            "the first free one from 100",
        ),
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "gateways",
            "no released sbr reads it: the gateway comes from the IPAM plugin",
        ),
        ("addSourceHints", "no released sbr reads it"),
    ]),
};

fn judge(raw: &RawPlugin<'_>, chain: &mut Chain<'_>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    // :157
    let is_chained =
        chain.expect_chained(raw, "This plugin must be called as chained plugin", report);
    if !sound || !is_chained {
        return;
    }
    let table = conf.integer("table");
    match chain.given() {
        Given::Network(network) => {
            match table {
                Some(table) if table <= 0 || table.trailing_zeros() >= u32::BITS => {
                    no_table(&conf, network, report);
                }
                Some(_) => {}
                None => default_routes(raw, network, report),
            }
            twice(raw, table, chain, network, report);
        }
        Given::NoAddress => report.refuse(
            raw.kind_at,
            "sbr routes by the address of the interface, and this one has none: add an IPAM \
             plugin to the plugin before it (sbr: No IP addresses supplied on interface)",
        ),
        Given::Unknown => {}
    }
    chain.sbr.push(table);
}

/// Whether this is an sbr that moves the routes of the interface to a table of its own.
pub(super) fn moves_routes(raw: &RawPlugin<'_>) -> bool {
    let names_table = |Member { key, value }| key.folds("table") && !value.is_null();
    raw.kind == "sbr" && !through_a_map(raw.object).any(names_table)
}

/// Refuses table 0 for IPv6: the kernel chooses a table only for IPv4. It gets 32 bits of the
/// number, and no table for a negative one.
fn no_table(conf: &Decoded<'_>, network: &IpamResult<'_>, report: &mut Report) {
    let mut addresses = network.leases.iter().flatten().map(|lease| lease.address);
    if let (Some(place), Some(ip)) = (
        conf.value("table"),
        addresses.find(|address| address.addr().is_ipv6()),
    ) {
        let ip = ip.addr();
        report.refuse(
            place,
            format!(
                "table 0 is not valid for the IPv6 address {ip}: write the number of a table \
                 (sbr: failed to add rule: invalid argument)"
            ),
        );
    }
}

/// The table of the first address, if no other one is in use; :33
const FIRST_TABLE: i64 = 100;

/// Each address gets a table with a default route through its gateway (:286).
fn default_routes(raw: &RawPlugin<'_>, network: &IpamResult<'_>, report: &mut Report) {
    let Some(links) = network.links() else {
        return;
    };
    for (table, lease) in (FIRST_TABLE..).zip(network.leases.iter().flatten()) {
        let address = lease.address.addr();
        let Some(gateway) = lease.gateway else {
            report.warn(
                raw.kind_at,
                format!(
                    "the address {address} has no gateway, so sbr makes no default route for it: \
                     traffic out of {} leaves through another interface; write a \"gateway\" \
                     beside the address",
                    lease.address.trunc()
                ),
            );
            continue;
        };
        let place = lease.gateway_at.unwrap_or(raw.kind_at);
        if !same_family(gateway, address) {
            let (of, to) = (family(gateway), family(address));
            report.refuse(
                place,
                format!(
                    "the gateway {gateway} is {of} and the address {address} is {to}, and sbr \
                     routes one through the other: use an {to} gateway (sbr: Failed to add \
                     default route to {gateway}: gateway, source, and destination ip are not the \
                     same IP family)"
                ),
            );
            return;
        }
        if let Some(route) = network.default_route(table, address) {
            report.refuse(
                route.at,
                format!(
                    "sbr adds a default route for {address} to table {table}, and this route \
                     already is one: remove it, or use another table (sbr: Failed to add default \
                     route to {gateway}: file exists)"
                ),
            );
            return;
        }
        if let Some(obstacle) = links.obstacle(gateway) {
            let why = network.explain(gateway, obstacle);
            let says = obstacle.says(gateway);
            report.refuse(
                place,
                format!(
                    "sbr adds a default route through it, and {why} (sbr: Failed to add default \
                     route to {gateway}: {says})"
                ),
            );
            return;
        }
    }
}

/// Judges a second sbr, which does not find the routes that the first one moved away.
fn twice(
    raw: &RawPlugin<'_>,
    table: Option<i64>,
    chain: &Chain<'_>,
    network: &IpamResult<'_>,
    report: &mut Report,
) {
    if chain.sbr.is_empty() {
        return;
    }
    // Without routes only these are reached.
    let is_reached = |lease: &Lease<'_>, gateway: IpAddr| {
        let is_link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let is_own = lease.address.addr() == gateway;
        is_link_local || is_own || gateway.is_unspecified()
    };
    let loses_gateway = network.leases.iter().flatten().any(|lease| {
        lease
            .gateway
            .is_some_and(|gateway| !is_reached(lease, gateway))
    });
    let message = "sbr appears twice in the chain: remove one";
    // With a table, only the same rules are added again, which the kernel accepts.
    if table.is_none() && chain.sbr.contains(&table) && loses_gateway {
        let says = "sbr: Failed to add default route: network is unreachable";
        report.refuse(raw.kind_at, format!("{message} ({says})"));
    } else {
        report.warn(raw.kind_at, message);
    }
}
