//! What an IPAM plugin answers, and what becomes of it when the interface plugin puts it on the
//! interface: `ConfigureIface` of `pkg/ipam/ipam_linux.go`, and behind it the kernel.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{self, family, same_family};
use super::keys::{Read, Strangers, Table, Takes, key};
use super::report::Report;
use crate::json::Value;

/// The addresses and routes that an interface gets.
#[derive(Clone, Debug, Default)]
pub(super) struct Network<'d> {
    /// In the order in which they are added; `None` where only the Pod or the node knows them.
    pub(super) leases: Option<Vec<Lease<'d>>>,
    /// In the order in which they are added.
    pub(super) routes: Vec<Route<'d>>,
    /// Whether the Pod may put addresses of its own in the place of these.
    pub(super) is_replaceable: bool,
}

/// One address of an interface, on a node where no other Pod holds any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease<'d> {
    /// The address with its prefix length.
    pub(super) address: IpNet,
    /// The gateway that comes with it.
    pub(super) gateway: Option<IpAddr>,
    /// What asks for the address.
    pub(super) at: Value<'d>,
    /// Where the gateway is written, if it is.
    pub(super) gateway_at: Option<Value<'d>>,
    /// Whether every Pod gets this very address.
    pub(super) is_fixed: bool,
}

/// One route (`cni/pkg/types/types.go`, `Route`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'d> {
    /// Where to.
    pub(super) dst: IpNet,
    /// Where through; the address's gateway where it is left out.
    pub(super) gw: Option<IpAddr>,
    /// The metric, 0 where none is given.
    pub(super) priority: i64,
    /// The routing table, 254 (main) where none is given.
    pub(super) table: i64,
    /// 0 (universe) where none is given; 253 is "on this link".
    pub(super) scope: u8,
    /// What asks for the route.
    pub(super) at: Value<'d>,
    /// Where the gateway is written, if it is.
    pub(super) gw_at: Option<Value<'d>>,
}

/// The keys of a route, alike in host-local, static and whereabouts.
///
/// `priority`, `mtu`, `advmss`, `table` and `scope` are read since 1.6.0.
pub(super) static ROUTE: Table = Table {
    plugin: "the IPAM plugin",
    go: "route",
    keys: &[
        // Required. IPv4 without host bits: the kernel refuses them with "invalid argument".
        key("dst", Takes::Network, ""),
        // Of the family of dst, and in a subnet of the interface.
        key("gw", Takes::Ip, "the gateway of the address"),
        key("priority", Takes::Integer, "0"),
        key("mtu", Takes::Integer, ""),
        key("advmss", Takes::Integer, ""),
        key("table", Takes::Integer, "254, the main table"),
        key("scope", Takes::Integer, "0, universe"),
    ],
    strangers: Strangers::Ignored(&[
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

/// The row for `routes`.
pub(super) const ROUTES: Takes = Takes::List(&Takes::Object(&ROUTE));

/// Reads `routes` of an IPAM configuration that is sound. `None` where one of them makes the plugin
/// fail.
pub(super) fn read<'d>(
    ipam: &Read<'d>,
    plugin: &str,
    report: &mut Report,
) -> Option<Vec<Route<'d>>> {
    let mut routes = Vec::new();
    let mut sound = true;
    for value in ipam.elements("routes") {
        if value.is_null() {
            report.refuse(
                value,
                format!(
                    "a route is null: remove it ({plugin}: panic: runtime error: invalid memory address or nil pointer dereference)"
                ),
            );
            sound = false;
            continue;
        }
        let route = Read::new(&ROUTE, [value]);
        let Some(dst) = route.value("dst") else {
            report.refuse(
                value,
                format!(
                    "the route has no \"dst\": write where it leads, as in \"dst\": \"10.99.0.0/16\" ({plugin}: invalid CIDR address: <nil>)"
                ),
            );
            sound = false;
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
                    "{prefix} has host bits set, and no IPv4 route may: write \"{trunc}\" (failed to add route '…': invalid argument)"
                ),
            );
            sound = false;
            continue;
        }
        if prefix.prefix_len() == 0 {
            warn_of_default(dst, prefix, report);
        }
        let gw_at = route.value("gw");
        routes.push(Route {
            dst: prefix.trunc(),
            gw: gw_at
                .and_then(Value::str)
                .and_then(|text| address::ip(&text)),
            priority: route.integer("priority").unwrap_or(0).max(0),
            table: match route.integer("table") {
                Some(table) if table > 0 => table,
                _ => MAIN,
            },
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

impl<'d> Network<'d> {
    /// What is left after an answer in the format of 0.1.0 or 0.2.0: one address of each family, the
    /// routes of these families, and of a route only `dst` and `gw` (`cni/pkg/types/040/types.go:150`).
    pub(super) fn in_old_format(mut self) -> Self {
        if let Some(leases) = &mut self.leases {
            let (mut v4, mut v6) = (false, false);
            leases.retain(|lease| {
                let seen = if lease.address.addr().is_ipv4() {
                    &mut v4
                } else {
                    &mut v6
                };
                !std::mem::replace(seen, true)
            });
            self.routes.retain(|route| {
                leases
                    .iter()
                    .any(|lease| same_family(lease.address.addr(), route.dst.addr()))
            });
        }
        for route in &mut self.routes {
            route.priority = 0;
            route.table = MAIN;
            route.scope = 0;
        }
        self
    }

    /// Puts the addresses and routes on the interface. False where the kernel refuses one.
    pub(super) fn configure(&self, report: &mut Report) -> bool {
        report.refuse_if(!self.is_replaceable, |report| self.add(report))
    }

    fn add(&self, report: &mut Report) -> bool {
        let mut sound = true;
        let none = Vec::new();
        let leases = self.leases.as_ref().unwrap_or(&none);
        for (index, lease) in leases.iter().enumerate() {
            sound &= add_address(lease, leases.get(..index).unwrap_or_default(), report);
        }
        let mut added: Vec<Added> = Vec::new();
        for route in &self.routes {
            match self.add_route(route, &added, report) {
                Some(route) => added.push(route),
                None => sound = false,
            }
        }
        if sound {
            self.warn_of_unused_gateways(&added, report);
        }
        sound
    }

    /// Why the kernel would not take `gateway` as a next hop, if so.
    pub(super) fn obstacle(&self, gateway: IpAddr, before: &[Added]) -> Option<Obstacle> {
        let leases = self.leases.as_ref()?;
        if gateway.is_unspecified() {
            return None;
        }
        if let IpAddr::V6(ip) = gateway {
            if ip.is_multicast() {
                return Some(Obstacle::Multicast);
            }
            if leases
                .iter()
                .any(|lease| lease.is_fixed && lease.address.addr() == gateway)
            {
                return Some(Obstacle::OwnAddress);
            }
            if ip.is_unicast_link_local() {
                return None;
            }
        }
        let mut is_covered = false;
        for lease in leases {
            if lease.address.contains(&gateway) {
                if gateway.is_ipv4()
                    && lease.address.prefix_len() <= 30
                    && gateway == lease.address.broadcast()
                {
                    return Some(Obstacle::Broadcast);
                }
                is_covered = true;
            }
        }
        is_covered |= before.iter().any(|route| {
            route.gw.is_none()
                && route.dst.contains(&gateway)
                && (gateway.is_ipv6() || route.scope >= LINK)
        });
        (!is_covered).then_some(Obstacle::Unreachable)
    }

    /// The routes as the kernel has them, none of which it refuses.
    pub(super) fn added(&self) -> Vec<Added> {
        let mut added = Vec::new();
        for route in &self.routes {
            added.push(self.effective(route));
        }
        added
    }

    /// The subnets of the interface, for messages.
    pub(super) fn subnets(&self, like: IpAddr) -> String {
        let subnets: Vec<_> = self
            .leases
            .iter()
            .flatten()
            .filter(|lease| same_family(lease.address.addr(), like))
            .map(|lease| lease.address.trunc().to_string())
            .collect();
        if subnets.is_empty() {
            format!("it has no {} address", family(like))
        } else {
            subnets.join(", ")
        }
    }

    fn effective(&self, route: &Route<'_>) -> Added {
        let gateway_of_family = || {
            self.leases
                .iter()
                .flatten()
                .filter_map(|lease| lease.gateway)
                .find(|gateway| same_family(*gateway, route.dst.addr()))
        };
        Added {
            dst: route.dst,
            gw: route
                .gw
                .or_else(gateway_of_family)
                .filter(|gw| !gw.is_unspecified()),
            // IPv6 has no metric 0.
            priority: if route.dst.addr().is_ipv6() && route.priority == 0 {
                1024
            } else {
                route.priority
            },
            table: route.table,
            scope: if route.dst.addr().is_ipv6() {
                0
            } else {
                route.scope
            },
        }
    }

    fn add_route(&self, route: &Route<'_>, before: &[Added], report: &mut Report) -> Option<Added> {
        let dst = route.dst;
        let place = route.gw_at.unwrap_or(route.at);
        if let Some(gw) = route.gw
            && !same_family(gw, dst.addr())
        {
            let (of, to) = (family(gw), family(dst.addr()));
            report.refuse(
                place,
                format!(
                    "the gateway {gw} is {of} and the route to {dst} is {to}: a route needs a gateway of its own family (failed to add route '…': gateway, source, and destination ip are not the same IP family)"
                ),
            );
            return None;
        }
        let added = self.effective(route);
        if let Some(gw) = added.gw {
            if self.leases.is_some() && dst.addr().is_ipv4() && added.scope >= LINK {
                let is_own = self
                    .leases
                    .iter()
                    .flatten()
                    .any(|lease| lease.is_fixed && lease.address.addr() == gw);
                if !is_own {
                    let scope = added.scope;
                    report.refuse(
                        place,
                        format!(
                            "a route of scope {scope} leads to what is on the link itself and cannot go through {gw}: leave out either (failed to add route '…': network is unreachable)"
                        ),
                    );
                    return None;
                }
            } else if let Some(obstacle) = self.obstacle(gw, before) {
                let why = self.explain(gw, &obstacle);
                let implied = if route.gw.is_none() {
                    format!("the route to {dst} goes through the gateway of the address, and ")
                } else {
                    String::new()
                };
                let says = obstacle.says(gw);
                report.refuse(
                    place,
                    format!("{implied}{why} (failed to add route '… via {gw} …': {says})"),
                );
                return None;
            }
        }
        if before.contains(&added) {
            let through = added
                .gw
                .map_or(String::new(), |gw| format!(" through {gw}"));
            report.refuse(
                route.at,
                format!(
                    "the route to {dst}{through} is there twice: remove one, or give them different priorities (failed to add route '…': file exists)"
                ),
            );
            return None;
        }
        Some(added)
    }

    /// Says why a gateway is none.
    pub(super) fn explain(&self, gw: IpAddr, obstacle: &Obstacle) -> String {
        match obstacle {
            Obstacle::Broadcast => {
                format!("{gw} is the broadcast address of its subnet, not a router: use another")
            }
            Obstacle::Multicast => {
                format!("{gw} is a multicast address, not a router: use another")
            }
            Obstacle::OwnAddress => {
                format!("{gw} is the Pod's own address, not a router: use the router's")
            }
            Obstacle::Unreachable => {
                let subnets = self.subnets(gw);
                format!(
                    "{gw} is in no subnet of this interface ({subnets}), so nothing leads to it: use a gateway in such a subnet, or put a route to it with \"scope\": 253 before"
                )
            }
        }
    }

    fn warn_of_unused_gateways(&self, added: &[Added], report: &mut Report) {
        for lease in self.leases.iter().flatten() {
            let (Some(gateway), Some(place)) = (lease.gateway, lease.gateway_at) else {
                continue;
            };
            if self.obstacle(gateway, added).is_none() {
                continue;
            }
            let subnets = self.subnets(gateway);
            report.warn(
                place,
                format!(
                    "the gateway {gateway} cannot be reached from this interface ({subnets}); it goes unnoticed only because no route uses it"
                ),
            );
        }
    }
}

/// A route as the kernel keeps it; two equal ones are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Added {
    dst: IpNet,
    gw: Option<IpAddr>,
    priority: i64,
    table: i64,
    scope: u8,
}

/// Why the kernel takes an address for no next hop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Obstacle {
    Broadcast,
    Multicast,
    OwnAddress,
    Unreachable,
}

impl Obstacle {
    /// The kernel's words.
    pub(super) fn says(self, gateway: IpAddr) -> &'static str {
        match self {
            Self::Unreachable if gateway.is_ipv4() => "network is unreachable",
            Self::Unreachable => "no route to host",
            _ => "invalid argument",
        }
    }
}

const MAIN: i64 = 254;
/// `RT_SCOPE_LINK`
const LINK: u8 = 253;

fn add_address(lease: &Lease<'_>, before: &[Lease<'_>], report: &mut Report) -> bool {
    let address = lease.address;
    let ip = address.addr();
    let shown = ip.to_string();
    if let IpAddr::V6(ip) = ip
        && (ip.is_multicast() || ip.is_unspecified() || ip.is_loopback())
    {
        let what = if ip.is_multicast() {
            "a multicast"
        } else if ip.is_loopback() {
            "the loopback"
        } else {
            "the unspecified"
        };
        report.refuse(
            lease.at,
            format!(
                "{shown} is {what} address, which no interface can have: use a unicast address (failed to add IP addr {shown}: cannot assign requested address)"
            ),
        );
        return false;
    }
    let twin = before
        .iter()
        .find(|other| other.address.addr() == ip && (ip.is_ipv6() || other.address == address));
    if twin.is_some() {
        report.refuse(
            lease.at,
            format!(
                "the interface would get {shown} twice: remove one (failed to add IP addr {shown}: file exists)"
            ),
        );
        return false;
    }
    true
}

fn warn_of_default(place: Value<'_>, dst: IpNet, report: &mut Report) {
    report.warn(
        place,
        format!(
            "a default route ({dst}) of an additional network does not move the Pod's default gateway: ask for that with \"default-route\" in the Pod's networks annotation, and route only the networks that lie behind this one"
        ),
    );
}
