//! bridge: a pair of interfaces, one in the Pod and one on a bridge of the node.
//!
//! `plugins/main/bridge/bridge.go` of v1.9.1.

use std::net::IpAddr;

use ipnet::IpNet;

use super::chain::{Chain, Plugin, Role};
use super::ipam;
use super::ipam_result::{self, IpamOutcome, IpamResult, MAX_COMPARED};
use super::keys::{BRIDGE, Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::link::{self, MacUse, Negative};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use super::route::{MAIN, Route};
use crate::address;
use crate::interface::{MAX_LENGTH, name_fault};
use crate::json::Value;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "bridge",
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: Some(&link::RUNTIME),
};

static CONF: Table = Table {
    plugin: "bridge",
    go: "NetConf",
    keys: &[
        // The name of an interface: 1 to 15 bytes; :320, :345
        key("bridge", Takes::Text, BRIDGE, "cni0"),
        key("isGateway", Takes::Bool, Sink::Nothing, "false"),
        // Implies isGateway; :539
        key("isDefaultGateway", Takes::Bool, Sink::Nothing, "false"),
        key("forceAddress", Takes::Bool, Sink::Nothing, "false"),
        key("ipMasq", Takes::Bool, Sink::Nothing, "false"),
        // "iptables" or "nftables", looked at only with ipMasq and an IPAM plugin;
        // pkg/ip/ipmasq_linux.go:47. Since 1.6.0.
        key(
            "ipMasqBackend",
            Takes::Text,
            Sink::Nothing,
            "what the node has",
        ),
        // 68 to 65535; negative counts as none.
        key("mtu", Takes::Integer, Sink::Number, "the kernel's, 1500"),
        // Not together with promiscMode; :554
        key("hairpinMode", Takes::Bool, Sink::Nothing, "false"),
        key("promiscMode", Takes::Bool, Sink::Nothing, "false"),
        // 0 to 4094; :115
        key("vlan", Takes::Integer, Sink::Number, "0, none"),
        // Since 1.3.0; :161-185
        key(
            "vlanTrunk",
            Takes::List(&Takes::Object(&TRUNK)),
            Sink::Below,
            "none",
        ),
        // Since 1.3.0.
        key("preserveDefaultVlan", Takes::Bool, Sink::Nothing, "false"),
        key("macspoofchk", Takes::Bool, Sink::Nothing, "false"),
        key("enabledad", Takes::Bool, Sink::Nothing, "false"),
        // Not together with an IPAM plugin; :546. Since 1.5.0.
        key(
            "disableContainerInterface",
            Takes::Bool,
            Sink::Nothing,
            "false",
        ),
        // Since 1.7.0.
        key("portIsolation", Takes::Bool, Sink::Nothing, "false"),
        key("args", Takes::Object(&ARGS), Sink::Below, ""),
        link::RUNTIME_CONFIG,
    ],
    unknown_keys: UnknownKeys::Ignored(&[
        (
            "mac",
            "declare the capability \"mac\" and let the Pod request it",
        ),
        ("master", "write \"bridge\""),
        ("vlanId", "write \"vlan\""),
    ]),
};

static TRUNK: Table = Table {
    plugin: "bridge",
    go: "VlanTrunk",
    keys: &[
        // 1 to 4094 all of them, minID and maxID only together.
        key("id", Takes::Integer, Sink::Number, ""),
        key("minID", Takes::Integer, Sink::Number, ""),
        key("maxID", Takes::Integer, Sink::Number, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[("vlan", "write \"id\"")]),
};

static ARGS: Table = Table {
    plugin: "bridge",
    go: "NetConf",
    keys: &[key("cni", Takes::Object(&link::RUNTIME), Sink::Below, "")],
    unknown_keys: UnknownKeys::Allowed,
};

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    let sound = conf.check(report);
    if sound {
        if conf.value("bridge").is_none() {
            report.warn(
                raw.kind_at,
                "there is no \"bridge\", so the plugin uses cni0, which is the bridge of the \
                 cluster network itself on many nodes: name one",
            );
        }
        name(&conf, report);
        link::mtu(
            &conf,
            Negative::Accept,
            "bridge: failed to create bridge: could not add: invalid argument",
            report,
        );
        vlans(&conf, report);
        flags(&conf, raw, report);
        hardware_address(&conf, raw, report);
    }
    let mut answer = ipam::ask(raw, chain, report);
    if sound && let Some(network) = answer.result_mut() {
        link::mtu_for_ipv6(&conf, network, report);
        let gateways = Gateways::of(&conf);
        let is_complete = report.refuse_if(!network.is_replaceable, |report| {
            gateways.complete(network, report)
        });
        if is_complete && network.configure(report) {
            report.refuse_if(!network.is_replaceable, |report| {
                gateways.put_on_the_bridge(&conf, network, report);
            });
        }
        masquerade(&conf, "bridge", report);
    }
    if conf.is_true("disableContainerInterface") && matches!(answer, IpamOutcome::NoPlugin) {
        report.warn(
            conf.value("disableContainerInterface")
                .unwrap_or(raw.object),
            "the interface stays down until something else brings it up",
        );
    }
    chain.interface("bridge", raw, answer, report);
}

/// The name of the bridge, which the kernel has to accept.
fn name(conf: &Decoded<'_>, report: &mut Report) {
    let (Some(place), Some(name)) = (conf.value("bridge"), conf.text("bridge")) else {
        return;
    };
    let shown = shorten(&name);
    let fault = if name.is_empty() {
        Some("a bridge needs a name: remove the key to use cni0".to_owned())
    } else if name.len() > MAX_LENGTH {
        let length = name.len();
        report.refuse(
            place,
            format!(
                "\"{shown}\" has {length} bytes, and the name of an interface has at most \
                 {MAX_LENGTH}: write a shorter name (bridge: failed to create bridge \"{shown}\": \
                 could not add \"{shown}\": numerical result out of range)"
            ),
        );
        return;
    } else if name.contains('%') {
        Some("the kernel replaces \"%\" in a name with a number".to_owned())
    } else if name == "lo" {
        report.refuse(
            place,
            "\"lo\" is the loopback interface of every node: write another name (bridge: \"lo\" \
             already exists but is not a bridge)",
        );
        return;
    } else {
        name_fault(&name)
    };
    if let Some(fault) = fault {
        report.refuse(
            place,
            format!(
                "\"{shown}\" cannot be the name of a bridge, because {fault} (bridge: failed to \
                 create bridge \"{shown}\": could not add \"{shown}\": invalid argument)"
            ),
        );
    }
}

fn vlans(conf: &Decoded<'_>, report: &mut Report) {
    if let (Some(place), Some(vlan)) = (conf.value("vlan"), conf.integer("vlan"))
        && !(0..=4094).contains(&vlan)
    {
        report.refuse(
            place,
            format!(
                "{vlan} is not a valid VLAN: write 1 to 4094, or 0 for none (bridge: invalid VLAN \
                 ID {vlan} (must be between 0 and 4094))"
            ),
        );
    }
    for item in conf.elements("vlanTrunk") {
        if item.is_null() {
            report.refuse(
                item,
                "an entry of the trunk is null: remove it (bridge: panic: runtime error: invalid \
                 memory address or nil pointer dereference)",
            );
            continue;
        }
        let trunk = Decoded::new(&TRUNK, [item]);
        let of = |key: &str| Some((trunk.value(key)?, trunk.integer(key)?));
        let (id, first, last) = (of("id"), of("minID"), of("maxID"));
        for (key, value) in [("id", id), ("minID", first), ("maxID", last)] {
            if let Some((place, value)) = value
                && !(1..=4094).contains(&value)
            {
                report.refuse(
                    place,
                    format!(
                        "{value} is not a valid VLAN: write 1 to 4094 (bridge: incorrect trunk \
                         {key} parameter)"
                    ),
                );
            }
        }
        match (first, last) {
            (Some((_, first)), Some((place, last))) if last < first => report.refuse(
                place,
                format!(
                    "the range of VLANs {first} to {last} is empty: swap minID and maxID (bridge: \
                     minID is greater than maxID in trunk parameter)"
                ),
            ),
            (Some((place, _)), None) => report.refuse(
                place,
                "\"minID\" needs \"maxID\": add it, or write \"id\" for a single VLAN (bridge: \
                 minID and maxID should be configured simultaneously, maxID is missing)",
            ),
            (None, Some((place, _))) => report.refuse(
                place,
                "\"maxID\" needs \"minID\": add it, or write \"id\" for a single VLAN (bridge: \
                 minID and maxID should be configured simultaneously, minID is missing)",
            ),
            (None, None) if id.is_none() => {
                report.warn(
                    item,
                    "this entry of the trunk names no VLAN and has no effect: add \"id\", or remove \
                     the entry",
                );
            }
            _ => {}
        }
    }
}

fn flags(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    if let Some(place) = conf.value("hairpinMode")
        && conf.is_true("hairpinMode")
        && conf.is_true("promiscMode")
    {
        report.refuse(
            place,
            "\"hairpinMode\" and \"promiscMode\" are mutually exclusive: set one of them to false \
             (bridge: cannot set hairpin mode and promiscuous mode at the same time)",
        );
    }
    if let Some(place) = conf.value("disableContainerInterface")
        && conf.is_true("disableContainerInterface")
        && raw.ipam_kind().is_some()
    {
        report.refuse(
            place,
            "a disabled interface cannot have an address: remove this key or the IPAM plugin \
             (bridge: cannot use IPAM when DisableContainerInterface flag is set)",
        );
    }
}

/// `runtimeConfig.mac` comes before `args.cni.mac`; the capability before both.
fn hardware_address(conf: &Decoded<'_>, raw: &RawPlugin<'_>, report: &mut Report) {
    let runtime = conf
        .object("runtimeConfig")
        .and_then(|runtime| runtime.value("mac"));
    let args = conf
        .object("args")
        .and_then(|args| args.object("cni")?.value("mac"));
    if let Some(mac) = runtime.filter(|mac| !mac.is_str("")).or(args) {
        link::mac(mac, MacUse::Create, "bridge", raw.declares("mac"), report);
    }
}

/// Judges `ipMasqBackend` of bridge and ptp, which is read with `ipMasq` only.
pub(super) fn masquerade(conf: &Decoded<'_>, plugin: &str, report: &mut Report) {
    let (Some(place), Some(backend)) = (conf.value("ipMasqBackend"), conf.text("ipMasqBackend"))
    else {
        return;
    };
    if conf.is_true("ipMasq") && !matches!(backend.as_ref(), "iptables" | "nftables") {
        let shown = shorten(&backend);
        report.refuse(
            place,
            format!(
                "\"{shown}\" is not a valid backend: write \"iptables\" or \"nftables\", or \
                 remove the key ({plugin}: unknown ipmasq backend \"{shown}\")"
            ),
        );
    }
}

/// What the bridge does as a gateway (`calcGateways`, :220-278).
struct Gateways<'d> {
    is_gateway: bool,
    is_default: Option<Value<'d>>,
}

impl<'d> Gateways<'d> {
    fn of(conf: &Decoded<'d>) -> Self {
        let is_default = conf
            .value("isDefaultGateway")
            .filter(|_| conf.is_true("isDefaultGateway"));
        Self {
            is_gateway: is_default.is_some() || conf.is_true("isGateway"),
            is_default,
        }
    }

    /// Gives every address a gateway, and each family a default route through the first. Returns
    /// Returns `false` if no address is left for the gateway.
    fn complete(&self, network: &mut IpamResult<'d>, report: &mut Report) -> bool {
        let Some(leases) = &mut network.leases else {
            return true;
        };
        let (mut found_v4, mut found_v6) = (false, false);
        for lease in leases {
            let ip = lease.address.addr();
            if lease.gateway.is_none() && self.is_gateway {
                let subnet = lease.address.network();
                // pkg/ip/cidr.go:75
                if address::first(lease.address) == subnet {
                    report.refuse(
                        lease.at,
                        format!(
                            "{subnet} leaves no address for the gateway: use \
                             another subnet, or set \"gateway\" (bridge: panic: runtime error: \
                             makeslice: len out of range)"
                        ),
                    );
                    return false;
                }
                lease.gateway = Some(address::first(lease.address));
            }
            let found = if ip.is_ipv4() {
                &mut found_v4
            } else {
                &mut found_v6
            };
            let Some(place) = self.is_default.filter(|_| !*found) else {
                continue;
            };
            *found = true;
            // :240-251: only a default route with a gateway of its own counts.
            let is_there = network.routes.iter().any(|route| {
                route.gw.is_some()
                    && route.dst.prefix_len() == 0
                    && address::same_family(route.dst.addr(), ip)
            });
            if let (false, Ok(dst)) = (is_there, IpNet::new(unspecified(ip), 0)) {
                network.routes.push(Route {
                    dst,
                    gw: lease.gateway,
                    priority: 0,
                    table: MAIN,
                    scope: 0,
                    at: place,
                    gw_at: lease.gateway_at,
                });
            }
        }
        true
    }

    /// Puts the gateways' addresses on the bridge (`ensureAddr`, :282-322).
    fn put_on_the_bridge(&self, conf: &Decoded<'_>, network: &IpamResult<'_>, report: &mut Report) {
        if !self.is_gateway {
            return;
        }
        let mut there: Vec<IpNet> = Vec::new();
        let name = conf.text("bridge").unwrap_or_else(|| "cni0".into());
        let shown = shorten(&name);
        for lease in network.leases.iter().flatten().take(MAX_COMPARED) {
            let length = lease.address.prefix_len();
            let Some(ip) = lease.gateway else { continue };
            let place = lease.gateway_at.unwrap_or(lease.at);
            let Ok(gateway) = IpNet::new(ip, length) else {
                report.refuse(
                    place,
                    format!(
                        "the gateway {ip} of an IPv6 address cannot be added to the bridge: use \
                         an IPv6 gateway (bridge: failed to set bridge addr: could not add IP \
                         address {ip} to \"{shown}\": invalid argument)"
                    ),
                );
                return;
            };
            if let Some(what) = ipam_result::unusable(ip) {
                report.refuse(
                    place,
                    format!(
                        "the gateway {ip} is {what}, which a bridge cannot have: use another \
                         (bridge: failed to set bridge addr: could not add IP address {ip} to \
                         \"{shown}\": cannot assign requested address)"
                    ),
                );
                return;
            }
            let link_local: Option<IpNet> = "fe80::/64".parse().ok();
            let meets_link_local =
                link_local.is_some_and(|own| own.contains(&ip) || gateway.contains(&own));
            if meets_link_local && !conf.is_true("forceAddress") {
                report.refuse(
                    place,
                    format!(
                        "{gateway} overlaps with the link-local address that every bridge has: \
                         use another subnet, or remove \"isGateway\" (bridge: failed to set \
                         bridge addr: \"{shown}\" already has an IP address different from \
                         {gateway})"
                    ),
                );
                return;
            }
            // The plugin looks among the bridge's addresses of the family of the Pod's address.
            let is_v4 = lease.address.addr().is_ipv4();
            let of_family = || there.iter().filter(|other| other.addr().is_ipv4() == is_v4);
            if of_family().any(|other| *other == gateway) {
                continue;
            }
            let other = of_family().find(|other| {
                is_v4 || other.contains(&gateway.addr()) || gateway.contains(&other.addr())
            });
            if let Some(other) = other
                && !conf.is_true("forceAddress")
            {
                report.refuse(
                    lease.at,
                    format!(
                        "the bridge would be the gateway {other} as well as {gateway}, and it \
                         accepts only one IPv4 address, and one IPv6 address per subnet: remove \
                         one network, set \"forceAddress\", or remove \"isGateway\" (bridge: \
                         failed to set bridge addr: \"{shown}\" already has an IP address \
                         different from {gateway})"
                    ),
                );
                return;
            }
            there.push(gateway);
        }
        if !there.is_empty() {
            vlan_gateway(conf, &name, report);
        }
    }
}

/// The gateway of a VLAN is an interface of its own, `<bridge>.<vlan>` (:371-387).
fn vlan_gateway(conf: &Decoded<'_>, name: &str, report: &mut Report) {
    let (Some(place), Some(vlan @ 1..=4094)) = (conf.value("vlan"), conf.integer("vlan")) else {
        return;
    };
    let interface = format!("{name}.{vlan}");
    if interface.len() > MAX_LENGTH && name.len() <= MAX_LENGTH {
        let length = interface.len();
        report.refuse(
            place,
            format!(
                "the gateway of VLAN {vlan} is an interface with the name \"{interface}\", which \
                 has {length} bytes and can have at most {MAX_LENGTH}: give the bridge a shorter \
                 name (bridge: faild to create vlan gateway \"{interface}\")"
            ),
        );
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    address::address(like, 0)
}
