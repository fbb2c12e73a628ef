//! What attaching a Pod to a network depends on in addition to the network itself: the addresses
//! that the Pod requests, and the link of the node that is used.

use std::net::IpAddr;

use crate::address::{self, Mac};
use crate::text::shorten;

/// How the IPAM plugin handles addresses that a Pod requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Addresses {
    /// There is no IPAM plugin: nothing reads them.
    Ignored,
    /// host-local: each has to be in one of these sets of ranges, which provide one address each.
    Ranges(Box<[Box<[AddressRange]>]>),
    /// static: each has to have a prefix length.
    Static {
        /// Whether the network has addresses of its own, for a Pod that requests none.
        has_own: bool,
    },
    /// Not known.
    #[default]
    Unknown,
    /// whereabouts: they are added to those of the pool, if they have a prefix length. They reach
    /// it through `CNI_ARGS` only.
    Whereabouts,
}

/// The addresses that host-local assigns from one range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressRange {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
    /// The gateway, which is never assigned.
    pub gateway: Option<IpAddr>,
}

/// What an interface plugin needs of a link of the node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its name; empty for the link of the node's default route.
    pub name: Box<str>,
    /// What is made on it.
    pub usage: LinkUse,
}

/// What a plugin does with a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkUse {
    /// host-device moves it into the Pod.
    Device,
    /// An ipvlan interface is made on it.
    Ipvlan,
    /// A macvlan interface is made on it.
    Macvlan {
        /// Whether it takes the link for itself (`mode: passthru`).
        passthru: bool,
        /// The hardware address that the network fixes.
        mac: Option<[u8; 6]>,
    },
    /// A VLAN interface with this ID is made on it.
    Vlan(i64),
}

impl Addresses {
    /// Why the IPAM plugin fails for a Pod that requests these addresses. `None` if it does not.
    /// Multus passes them as the capability `ips`, if that is declared, and as `CNI_ARGS`, which it
    /// calls deprecated.
    pub fn problem(&self, addresses: &[&str]) -> Option<String> {
        let without_prefix = |plugin| {
            addresses
                .iter()
                .find_map(|text| without_prefix(text, plugin))
        };
        match self {
            Self::Static { .. } => without_prefix("static"),
            Self::Whereabouts => without_prefix("whereabouts"),
            Self::Ranges(sets) => outside(sets, addresses),
            Self::Ignored | Self::Unknown => None,
        }
    }

    /// Whether the IPAM plugin reads the capability `ips`: whereabouts reads `CNI_ARGS` only.
    pub fn reads_capability(&self) -> bool {
        matches!(self, Self::Ranges(_) | Self::Static { .. })
    }
}

fn without_prefix(text: &str, plugin: &str) -> Option<String> {
    if text.contains('/') {
        return None;
    }
    let shown = shorten(text);
    let says = if plugin == "static" {
        "the 'ip' field is expected to be in CIDR notation, got"
    } else {
        "invalid CIDR"
    };
    Some(format!(
        "{plugin} needs the prefix length of an address, and \"{shown}\" has none: write \
         \"{shown}/24\", with the length of the network's subnet ({plugin}: {says}: '{shown}')"
    ))
}

/// `cmdAdd` of host-local: every set takes one of the addresses, and none may be left.
fn outside(sets: &[Box<[AddressRange]>], addresses: &[&str]) -> Option<String> {
    let mut taken = vec![false; sets.len()];
    for text in addresses {
        let plain = text.split('/').next().unwrap_or_default();
        let ip = address::ip(plain)?;
        let shown = shorten(text);
        let mut full = false;
        let mut found = false;
        for (set, taken) in sets.iter().zip(&mut taken) {
            let Some(range) = set.iter().find(|range| range.contains(ip)) else {
                continue;
            };
            if range.gateway == Some(ip) {
                return Some(format!(
                    "{shown} is the gateway of the network, which host-local never assigns: \
                     request another address (host-local: requested ip {ip} is subnet's gateway)"
                ));
            }
            if *taken {
                full = true;
                continue;
            }
            *taken = true;
            found = true;
            break;
        }
        if !found {
            let why = if full {
                "is the second address of one set of ranges, and host-local assigns one of each"
            } else {
                "is not in a range of the network"
            };
            let ranges = shown_ranges(sets);
            return Some(format!(
                "{shown} {why} ({ranges}): request another address (host-local: failed to allocate \
                 all requested IPs: {ip})"
            ));
        }
    }
    None
}

fn shown_ranges(sets: &[Box<[AddressRange]>]) -> String {
    const SHOWN: usize = 3;
    let ranges = sets.iter().flatten();
    let shown: Vec<_> = ranges
        .clone()
        .take(SHOWN)
        .map(|range| format!("{} to {}", range.first, range.last))
        .collect();
    let more = if ranges.count() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

impl AddressRange {
    fn contains(&self, ip: IpAddr) -> bool {
        let number = address::number;
        address::same_family(self.first, ip)
            && (number(self.first)..=number(self.last)).contains(&number(ip))
    }
}

/// Why no interface can have the hardware address (`is_valid_ether_addr` of the kernel). `None` if
/// one can.
pub fn unusable_mac(text: &str) -> Option<&'static str> {
    let mac = Mac::parse(text)?;
    if mac.is_zero() {
        Some("is zero")
    } else if mac.bytes.iter().all(|byte| *byte == u8::MAX) {
        Some("is the broadcast address")
    } else if mac.is_multicast() {
        Some("is a multicast address, because its first byte is odd")
    } else {
        None
    }
}

/// Six bytes.
pub(super) fn six(text: &str) -> Option<[u8; 6]> {
    <[u8; 6]>::try_from(Mac::parse(text)?.bytes).ok()
}

impl Link {
    /// Why a Pod cannot have an interface on this link and then one on `next`, as tried on Linux
    /// 6.1. `None` if it can.
    pub fn conflict(&self, next: &Self, macs: [Option<&str>; 2]) -> Option<&'static str> {
        use LinkUse::{Device, Ipvlan, Macvlan, Vlan};
        if self.name != next.name {
            return None;
        }
        match (self.usage, next.usage) {
            (Ipvlan, Macvlan { .. }) => Some(
                "ipvlan and macvlan cannot share a link (macvlan: failed to create macvlan: device \
                 or resource busy)",
            ),
            (Macvlan { .. }, Ipvlan) => Some(
                "ipvlan and macvlan cannot share a link (ipvlan: failed to create ipvlan: device \
                 or resource busy)",
            ),
            (Macvlan { passthru: true, .. }, Macvlan { .. })
            | (Macvlan { .. }, Macvlan { passthru: true, .. }) => Some(
                "macvlan in mode passthru takes the link for itself (macvlan: failed to create \
                 macvlan: invalid argument)",
            ),
            (Macvlan { mac: first, .. }, Macvlan { mac: second, .. }) => {
                let [first, second] = [(macs[0], first), (macs[1], second)]
                    .map(|(asked, fixed)| asked.and_then(six).or(fixed));
                (first.is_some() && first == second).then_some(
                    "two macvlan interfaces on one link cannot have one hardware address (macvlan: \
                     failed to set the interface UP: address already in use)",
                )
            }
            (Vlan(first), Vlan(second)) if first == second => Some(
                "a VLAN of a link is one interface, which only one of them can have (vlan: failed \
                 to create vlan: file exists)",
            ),
            (Device, _) => Some(
                "host-device moves the link into the Pod, so the other network does not find it on \
                 the node (Link not found)",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(usage: LinkUse) -> Link {
        Link {
            name: "eth1".into(),
            usage,
        }
    }

    fn macvlan(passthru: bool) -> LinkUse {
        LinkUse::Macvlan {
            passthru,
            mac: None,
        }
    }

    /// What real plugins did on Linux 6.1, the first network before the second.
    #[test]
    fn links_are_shared_as_in_the_kernel() {
        let (ipvlan, vlan, device) = (LinkUse::Ipvlan, LinkUse::Vlan(5), LinkUse::Device);
        for (first, second, fails) in [
            (ipvlan, macvlan(false), true),
            (macvlan(false), ipvlan, true),
            (macvlan(false), macvlan(false), false),
            (macvlan(false), macvlan(true), true),
            (macvlan(true), macvlan(false), true),
            (macvlan(true), macvlan(true), true),
            (macvlan(true), ipvlan, true),
            (ipvlan, ipvlan, false),
            (vlan, vlan, true),
            (vlan, LinkUse::Vlan(6), false),
            (vlan, macvlan(false), false),
            (macvlan(false), vlan, false),
            (vlan, macvlan(true), false),
            (macvlan(true), vlan, false),
            (device, macvlan(false), true),
            (macvlan(false), device, false),
            (device, device, true),
            (device, vlan, true),
            (vlan, device, false),
            (device, ipvlan, true),
            (ipvlan, device, false),
        ] {
            let conflict = link(first).conflict(&link(second), [None, None]);
            assert_eq!(conflict.is_some(), fails, "{first:?}, then {second:?}");
        }
    }

    #[test]
    fn one_hardware_address_on_one_link_is_refused() {
        let macvlan = link(macvlan(false));
        let mac = Some("02:00:00:00:00:aa");
        assert!(macvlan.conflict(&macvlan, [mac, mac]).is_some());
        assert!(macvlan.conflict(&macvlan, [mac, None]).is_none());
        let mut other = macvlan.clone();
        other.name = "eth2".into();
        assert!(macvlan.conflict(&other, [mac, mac]).is_none());
    }

    /// Run with host-local 1.9.1.
    #[test]
    fn addresses_of_host_local() {
        let range = |first: &str, last: &str, gateway: &str| AddressRange {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            gateway: gateway.parse().ok(),
        };
        let sets = Addresses::Ranges(
            vec![
                vec![range("10.254.0.1", "10.254.0.254", "10.254.0.1")].into(),
                vec![range("fd17::2", "fd17::ffff", "fd17::1")].into(),
            ]
            .into(),
        );
        for (asked, fails) in [
            (&["10.254.0.22"][..], false),
            (&["10.254.0.22/24"], false),
            (&["10.254.0.1"], true),
            (&["10.254.1.1"], true),
            (&["10.254.0.0"], true),
            (&["10.254.0.255"], true),
            (&["10.254.0.22", "fd17::8"], false),
            (&["10.254.0.22", "10.254.0.23"], true),
        ] {
            assert_eq!(sets.problem(asked).is_some(), fails, "{asked:?}");
        }
    }
}
