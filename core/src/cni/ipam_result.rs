//! The result of an IPAM plugin, and what happens when the interface plugin configures the
//! interface with it: `ConfigureIface` of `pkg/ipam/ipam_linux.go`, and then the kernel.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::report::Report;
use super::route::{LINK, MAIN, Route};
use crate::address::{family, same_family};
use crate::json::Value;

/// The addresses and routes that an interface gets.
#[derive(Clone, Debug, Default)]
pub(super) struct IpamResult<'d> {
    /// In the order in which they are added; `None` if only the Pod or the node knows them.
    pub(super) leases: Option<Vec<Lease<'d>>>,
    /// In the order in which they are added.
    pub(super) routes: Vec<Route<'d>>,
    /// Whether the Pod may replace these addresses with its own.
    pub(super) is_replaceable: bool,
}

/// The outcome of calling the IPAM plugin of an interface plugin.
#[derive(Debug)]
pub(super) enum IpamOutcome<'d> {
    /// Addresses and routes, as far as they are known.
    Result(IpamResult<'d>),
    /// No IPAM plugin is named.
    NoPlugin,
    /// The IPAM plugin refuses, and the reason was reported.
    Refused,
}

impl<'d> IpamOutcome<'d> {
    /// The addresses and routes.
    pub(super) fn result(&self) -> Option<&IpamResult<'d>> {
        match self {
            Self::Result(result) => Some(result),
            Self::NoPlugin | Self::Refused => None,
        }
    }

    /// The addresses and routes, to add to.
    pub(super) fn result_mut(&mut self) -> Option<&mut IpamResult<'d>> {
        match self {
            Self::Result(result) => Some(result),
            Self::NoPlugin | Self::Refused => None,
        }
    }

    pub(super) fn of(result: Option<IpamResult<'d>>) -> Self {
        result.map_or(Self::Refused, Self::Result)
    }
}

/// One address of an interface, on a node where no other Pod holds any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease<'d> {
    /// The address with its prefix length.
    pub(super) address: IpNet,
    /// The gateway that comes with it.
    pub(super) gateway: Option<IpAddr>,
    /// The value that requests the address.
    pub(super) at: Value<'d>,
    /// The value of the gateway, if it is written.
    pub(super) gateway_at: Option<Value<'d>>,
}

/// The networks through which a gateway may be reached.
#[derive(Debug)]
pub(super) struct Links {
    /// The addresses of the interface.
    addresses: Vec<IpNet>,
    /// The destinations of routes without a gateway.
    on_link: Vec<IpNet>,
    /// The destinations of IPv6 routes with a gateway: nothing behind one is a gateway itself.
    behind: Vec<IpNet>,
}

/// Why the kernel does not accept an address as a next hop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Obstacle {
    Broadcast,
    Multicast,
    OwnAddress,
    Unreachable,
    Unspecified,
}

/// More addresses, routes and ranges than any interface has. More are not compared with each other,
/// so that a decision stays fast.
pub(super) const MAX_COMPARED: usize = 512;

impl IpamResult<'_> {
    /// What remains of a result in the format of 0.1.0 or 0.2.0: one address of each family, the
    /// routes of these families, and of a route only `dst` and `gw`
    /// (`cni/pkg/types/040/types.go:150`).
    pub(super) fn in_old_format(mut self) -> Self {
        if let Some(leases) = &mut self.leases {
            let (mut v4, mut v6) = (false, false);
            leases.retain(|lease| {
                let is_v4 = lease.address.addr().is_ipv4();
                let seen = if is_v4 { &mut v4 } else { &mut v6 };
                !std::mem::replace(seen, true)
            });
            self.routes.retain(|route| {
                let is_v4 = route.dst.addr().is_ipv4();
                (is_v4 && v4) || (!is_v4 && v6)
            });
        }
        for route in &mut self.routes {
            route.priority = 0;
            route.table = MAIN;
            route.scope = 0;
        }
        self
    }

    /// Adds the addresses and routes to the interface. Returns `false` if the kernel refuses one.
    pub(super) fn configure(&self, report: &mut Report) -> bool {
        report.refuse_if(!self.is_replaceable, |report| self.add(report))
    }

    /// The networks through which gateways may be reached after all routes were added. `None` if
    /// the addresses are not known.
    pub(super) fn links(&self) -> Option<Links> {
        let mut links = self.addresses()?;
        for route in &self.routes {
            links.add(&self.effective(route));
        }
        Some(links)
    }

    /// A default route in `table` with the kernel's own metric, of the family of `like`.
    pub(super) fn default_route(&self, table: i64, like: IpAddr) -> Option<&Route<'_>> {
        let priority = if like.is_ipv4() { 0 } else { 1024 };
        self.routes.iter().find(|route| {
            let added = self.effective(route);
            added.dst.prefix_len() == 0
                && same_family(added.dst.addr(), like)
                && (added.table, added.priority) == (table, priority)
        })
    }

    fn add(&self, report: &mut Report) -> bool {
        let mut sound = self.add_addresses(report);
        let mut links = self.addresses();
        let mut added = BTreeSet::new();
        for route in &self.routes {
            match self.add_route(route, links.as_ref(), &mut added, report) {
                Some(route) => {
                    if let Some(links) = &mut links {
                        links.add(&route);
                    }
                }
                None => sound = false,
            }
        }
        if let (true, Some(links)) = (sound, links) {
            self.warn_of_unused_gateways(&links, report);
        }
        sound
    }

    fn add_addresses(&self, report: &mut Report) -> bool {
        let mut sound = true;
        let mut there = BTreeSet::new();
        for lease in self.leases.iter().flatten() {
            let ip = lease.address.addr();
            if let Some(what) = unusable(ip) {
                report.refuse(
                    lease.at,
                    format!(
                        "{ip} is {what}, which an interface cannot have: use a unicast address \
                         (failed to add IP addr {ip}: cannot assign requested address)"
                    ),
                );
                sound = false;
            }
            // IPv4 allows an address twice with different lengths.
            let length = if ip.is_ipv4() {
                lease.address.prefix_len()
            } else {
                0
            };
            if !there.insert((ip, length)) {
                report.refuse(
                    lease.at,
                    format!(
                        "the address {ip} is assigned to the interface twice: remove one (failed \
                         to add IP addr {ip}: file exists)"
                    ),
                );
                sound = false;
            }
        }
        sound
    }

    fn add_route(
        &self,
        route: &Route<'_>,
        links: Option<&Links>,
        added: &mut BTreeSet<Added>,
        report: &mut Report,
    ) -> Option<Added> {
        let dst = route.dst;
        let place = route.gw_at.unwrap_or(route.at);
        if let Some(gw) = route.gw
            && !same_family(gw, dst.addr())
        {
            let (of, to) = (family(gw), family(dst.addr()));
            report.refuse(
                place,
                format!(
                    "the gateway {gw} is {of} and the route to {dst} is {to}: a route needs a \
                     gateway of its own family (failed to add route '…': gateway, source, and \
                     destination ip are not the same IP family)"
                ),
            );
            return None;
        }
        let effective = self.effective(route);
        if let Some(gw) = effective.gw {
            if let Some(links) = links
                && effective.scope >= LINK
                && (effective.scope > LINK || !links.is_own(gw))
            {
                let scope = effective.scope;
                let says = if effective.scope > LINK {
                    "invalid argument"
                } else {
                    "network is unreachable"
                };
                report.refuse(
                    place,
                    format!(
                        "a route of scope {scope} leads to hosts on the link itself and cannot \
                         have the gateway {gw}: remove one of the two (failed to add route '…': \
                         {says})"
                    ),
                );
                return None;
            }
            let obstacle = links.and_then(|links| links.obstacle(gw));
            if let Some(obstacle) = obstacle.filter(|_| effective.scope < LINK) {
                let why = self.explain(gw, obstacle);
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
        } else if effective.scope == u8::MAX {
            report.refuse(
                route.at,
                "scope 255 means \"nowhere\", which a route cannot lead to: remove it, or write \
                 253 for hosts on this link (failed to add route '…': invalid argument)",
            );
            return None;
        } else if links.is_some_and(|links| links.is_far(effective.dst)) && effective.scope < LINK {
            report.warn(
                route.at,
                format!(
                    "neither the route to {dst} nor the address has a gateway, so every host \
                     behind it is looked up on the link itself: write \"gw\", or a gateway beside \
                     the address"
                ),
            );
        }
        if !added.insert(effective) {
            let through = effective
                .gw
                .map_or(String::new(), |gw| format!(" through {gw}"));
            report.refuse(
                route.at,
                format!(
                    "the route to {dst}{through} appears twice: remove one, or give them \
                     different priorities (failed to add route '…': file exists)"
                ),
            );
            return None;
        }
        Some(effective)
    }

    /// The route with the gateway and the numbers that the kernel gets.
    fn effective(&self, route: &Route<'_>) -> Added {
        let is_v4 = route.dst.addr().is_ipv4();
        let gateway_of_family = || {
            let leases = self.leases.iter().flatten();
            leases
                .filter_map(|lease| lease.gateway)
                .find(|gateway| gateway.is_ipv4() == is_v4)
        };
        Added {
            dst: route.dst,
            gw: route
                .gw
                .or_else(gateway_of_family)
                // 0.0.0.0 means that there is no gateway, and :: is not accepted.
                .filter(|gw| !(is_v4 && gw.is_unspecified())),
            // IPv6 has no metric 0, and no scopes.
            priority: if !is_v4 && route.priority == 0 {
                1024
            } else {
                route.priority
            },
            table: route.table,
            scope: if is_v4 { route.scope } else { 0 },
        }
    }

    /// Explains why the gateway is not accepted.
    pub(super) fn explain(&self, gw: IpAddr, obstacle: Obstacle) -> String {
        let what = match obstacle {
            Obstacle::Broadcast => "the broadcast address of its subnet",
            Obstacle::Multicast => "a multicast address",
            Obstacle::OwnAddress => "the address that the Pod itself gets",
            Obstacle::Unspecified => "the unspecified address",
            Obstacle::Unreachable => {
                let subnets = self.subnets(gw);
                return format!(
                    "{gw} is not in a subnet of this interface ({subnets}), so it cannot be \
                     reached: use a gateway in such a subnet, or put a route to it with \
                     \"scope\": 253 before this one"
                );
            }
        };
        format!("{gw} is {what} and cannot be a gateway: use the address of a router")
    }

    /// The subnets of the interface, for messages.
    fn subnets(&self, like: IpAddr) -> String {
        const SHOWN: usize = 4;
        let subnets: Vec<_> = self
            .leases
            .iter()
            .flatten()
            .filter(|lease| same_family(lease.address.addr(), like))
            .map(|lease| lease.address.trunc().to_string())
            .take(SHOWN)
            .collect();
        if subnets.is_empty() {
            format!("it has no {} address", family(like))
        } else {
            subnets.join(", ")
        }
    }

    fn addresses(&self) -> Option<Links> {
        let leases = self.leases.as_ref()?.iter();
        Some(Links {
            addresses: leases
                .map(|lease| lease.address)
                .take(MAX_COMPARED)
                .collect(),
            on_link: Vec::new(),
            behind: Vec::new(),
        })
    }

    fn warn_of_unused_gateways(&self, links: &Links, report: &mut Report) {
        for lease in self.leases.iter().flatten() {
            let (Some(gateway), Some(place)) = (lease.gateway, lease.gateway_at) else {
                continue;
            };
            if links.obstacle(gateway).is_some() {
                let subnets = self.subnets(gateway);
                report.warn(
                    place,
                    format!(
                        "the gateway {gateway} cannot be reached from this interface ({subnets}), \
                         and the plugin accepts it only because no route uses it: use a gateway \
                         in such a subnet, or remove it"
                    ),
                );
            }
        }
    }
}

impl Links {
    /// Why the kernel would not accept `gateway` as a next hop. `None` if it would.
    pub(super) fn obstacle(&self, gateway: IpAddr) -> Option<Obstacle> {
        match gateway {
            // For IPv4, the interface's own address is accepted.
            IpAddr::V4(ip) if ip.is_unspecified() || self.is_own(gateway) => return None,
            IpAddr::V6(ip) => {
                if ip.is_unspecified() {
                    return Some(Obstacle::Unspecified);
                }
                if ip.is_multicast() {
                    return Some(Obstacle::Multicast);
                }
                if self.is_own(gateway) || ip.is_loopback() {
                    return Some(Obstacle::OwnAddress);
                }
                if ip.is_unicast_link_local() {
                    return None;
                }
            }
            IpAddr::V4(_) => {}
        }
        // The longest prefix on the link that contains the gateway.
        let covering = self.on_link.iter().filter(|dst| dst.contains(&gateway));
        let mut covered = covering.map(IpNet::prefix_len).max();
        for address in &self.addresses {
            // The kernel makes no connected route of a network 0.x.x.x or of multicast.
            let is_connected = match address.network() {
                IpAddr::V4(network) => network.octets()[0] != 0 && !network.is_multicast(),
                IpAddr::V6(_) => true,
            };
            if is_connected && address.contains(&gateway) {
                let has_broadcast = gateway.is_ipv4() && address.prefix_len() <= 30;
                if has_broadcast && gateway == address.broadcast() {
                    return Some(Obstacle::Broadcast);
                }
                covered = covered.max(Some(address.prefix_len()));
            }
        }
        let behind = self.behind.iter().filter(|dst| dst.contains(&gateway));
        let is_covered = covered.is_some() && covered >= behind.map(IpNet::prefix_len).max();
        (!is_covered && self.addresses.len() < MAX_COMPARED && self.on_link.len() < MAX_COMPARED)
            .then_some(Obstacle::Unreachable)
    }

    /// Whether it leads out of the subnets of the interface. Multicast groups do not: they have no
    /// gateway.
    fn is_far(&self, dst: IpNet) -> bool {
        let mut own = self.addresses.iter();
        !dst.addr().is_multicast() && !own.any(|address| address.trunc().contains(&dst))
    }

    /// Whether it is the interface's own address.
    fn is_own(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.addr() == ip)
    }

    fn add(&mut self, route: &Added) {
        let is_on_link = route.gw.is_none() && (route.dst.addr().is_ipv6() || route.scope >= LINK);
        if is_on_link && self.on_link.len() < MAX_COMPARED {
            self.on_link.push(route.dst);
        }
        let is_behind = route.gw.is_some() && route.dst.addr().is_ipv6() && route.table == MAIN;
        if is_behind && self.behind.len() < MAX_COMPARED {
            self.behind.push(route.dst);
        }
    }
}

impl Obstacle {
    /// The error message of the kernel.
    pub(super) fn says(self, gateway: IpAddr) -> &'static str {
        match self {
            Self::Unreachable if gateway.is_ipv4() => "network is unreachable",
            Self::Unreachable => "no route to host",
            _ => "invalid argument",
        }
    }
}

/// What kind of address this is, if no interface can have it.
pub(super) fn unusable(ip: IpAddr) -> Option<&'static str> {
    let IpAddr::V6(ip) = ip else {
        return None;
    };
    if ip.is_multicast() {
        Some("a multicast address")
    } else if ip.is_loopback() {
        Some("the loopback address")
    } else if ip.is_unspecified() {
        Some("the unspecified address")
    } else {
        None
    }
}

/// A route as the kernel stores it; two equal ones are refused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Added {
    dst: IpNet,
    gw: Option<IpAddr>,
    priority: i64,
    table: i64,
    scope: u8,
}
