//! ptp: a pair of interfaces, one end on the node and one in the Pod.
//!
//! `plugins/main/ptp/ptp.go` of containernetworking/plugins v1.9.1.

use super::bridge;
use super::chain::{Chain, Plugin, Role};
use super::interface_plugin::{self, IpamNeed};
use super::ipam_result::IpamOutcome;
use super::ipam_result::{IpamResult, Lease};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::link::{self, Negative};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address::{family, same_family};

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "ptp",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "ptp",
    go: "NetConf",
    keys: &[
        key("ipMasq", Takes::Bool, Sink::Nothing, "false"),
        // Compared with the backends only if ipMasq is on. Since 1.6.0.
        key(
            "ipMasqBackend",
            Takes::Text,
            Sink::Nothing,
            "the one that the node has",
        ),
        // 0, or 68 to 65535; netlink sets it only above 0.
        key("mtu", Takes::Integer, Sink::Number, "1500"),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        let says = "ptp: failed to make veth pair: invalid argument";
        link::mtu(&conf, Negative::Accept, says, report);
        bridge::masquerade(&conf, "ptp", report);
    }
    if let Some(("dhcp", place)) = raw.ipam_kind() {
        // The IPAM plugin runs before the interface is made; :213
        report.refuse(
            place,
            "ptp requests addresses before there is an interface, and dhcp needs the interface for \
             that: name another IPAM plugin (dhcp: error looking up the interface: Link not found)",
        );
        chain.unknown();
        return;
    }
    let ipam = IpamNeed::Required("no plugin name provided");
    let mut answer = interface_plugin::ask(raw, ipam, chain, report);
    if let Some(network) = answer.result_mut() {
        if sound {
            link::mtu_for_ipv6(&conf, network, report);
        }
        let gateways: Vec<_> = network
            .leases
            .iter()
            .flatten()
            .map(|lease| lease.gateway_at)
            .collect();
        // ptp adds a route to each gateway, so one outside the subnet is not out of reach.
        for lease in network.leases.iter_mut().flatten() {
            lease.gateway_at = None;
        }
        network.configure(report);
        for (lease, at) in network.leases.iter_mut().flatten().zip(gateways) {
            lease.gateway_at = at;
        }
        connect(network, report);
    }
    if !matches!(answer, IpamOutcome::NoPlugin) {
        chain.interface("ptp", raw, answer, report);
    }
}

/// Replaces the connected route of every address with one through its gateway, which therefore must
/// exist (:83-128).
fn connect(network: &IpamResult<'_>, report: &mut Report) {
    let mut seen = Vec::new();
    for lease in network.leases.iter().flatten() {
        let Lease {
            address,
            gateway,
            at,
            ..
        } = lease;
        let ip = address.addr();
        let place = lease.gateway_at.unwrap_or(*at);
        let problem = match gateway {
            None => Some(format!(
                "ptp reaches everything through the gateway of the address, and {ip} has none: \
                 write a \"gateway\" beside it (ptp: failed to add IP addr to veth: numerical \
                 result out of range)"
            )),
            Some(gateway) if !same_family(*gateway, ip) => Some(format!(
                "the gateway {gateway} is {} and the address {ip} is {}: ptp needs a gateway of \
                 the address's family (ptp: failed to add route: source and destination ip are \
                 not the same IP family)",
                family(*gateway),
                family(ip)
            )),
            Some(gateway)
                if address.prefix_len() <= 30
                    && *gateway == address.broadcast()
                    && ip.is_ipv4() =>
            {
                Some(format!(
                    "{gateway} is the broadcast address of {}, not a router: use the router's \
                     (ptp: failed to add route: invalid argument)",
                    address.trunc()
                ))
            }
            Some(_) if ip.is_ipv4() && address.prefix_len() == 32 => Some(format!(
                "ptp needs an IPv4 address with a subnet, and {address} has none: write a prefix \
                 length below 32 (ptp: failed to delete route: no such process)"
            )),
            Some(gateway) if ip.is_ipv4() && seen.contains(gateway) => Some(format!(
                "two addresses have the gateway {gateway}, and ptp makes a route to each: use one \
                 of them (ptp: failed to add route: file exists)"
            )),
            Some(gateway) => {
                seen.push(*gateway);
                None
            }
        };
        if let Some(problem) = problem {
            report.refuse_unless(network.is_replaceable, place, problem);
            return;
        }
    }
}
