//! ovn-k8s-cni-overlay: a network of OVN-Kubernetes.
//!
//! Its controllers read the NetworkAttachmentDefinition and create the network; the plugin waits
//! for them. So Pods wait for what they refuse: `ParseNetConf` of `go-controller/pkg/config/cni.go`
//! and `ValidateNetConf` of `go-controller/pkg/util/multi_network.go` of ovn-kubernetes at 8871cd9.

use ipnet::IpNet;

use super::OwnName;
use super::chain::{Chain, Plugin, Role};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::node_use::Access;
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address;
use crate::fault::Inside;
use crate::json::Value;
use crate::text::shorten;

/// Its `type`.
pub(super) const KIND: &str = "ovn-k8s-cni-overlay";

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: KIND,
    role: Role::Interface(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: KIND,
    go: "NetConf",
    keys: &[
        key(
            "topology",
            Takes::Text,
            Sink::Nothing,
            "the cluster's default network",
        ),
        key("role", Takes::Text, Sink::Nothing, "secondary"),
        // Namespace and name of the NetworkAttachmentDefinition itself.
        key("netAttachDefName", Takes::Text, Sink::Name, ""),
        key("mtu", Takes::Integer, Sink::Number, "the cluster's"),
        // Prefixes, separated by commas; at layer 3 with the length of each node's subnet.
        key("subnets", Takes::Text, Sink::Address, "none"),
        key("excludeSubnets", Takes::Text, Sink::Address, "none"),
        key("reservedSubnets", Takes::Text, Sink::Address, "none"),
        key("infrastructureSubnets", Takes::Text, Sink::Address, "none"),
        key(
            "joinSubnet",
            Takes::Text,
            Sink::Address,
            "100.65.0.0/16,fd99::/64",
        ),
        key("transitSubnet", Takes::Text, Sink::Address, "chosen"),
        key(
            "defaultGatewayIPs",
            Takes::Text,
            Sink::Address,
            "the first of the subnet",
        ),
        key("vlanID", Takes::Integer, Sink::Number, "none"),
        key("allowPersistentIPs", Takes::Bool, Sink::Nothing, "false"),
        key(
            "physicalNetworkName",
            Takes::Text,
            Sink::Text,
            "the name of the network",
        ),
        key("transport", Takes::Text, Sink::Nothing, "the overlay"),
        key("outboundSNAT", Takes::Text, Sink::Nothing, ""),
        key("uplink", Takes::Text, Sink::Name, "none"),
        key("deviceID", Takes::Text, Sink::Device, "the device plugin's"),
        key("logFile", Takes::Text, Sink::Path(Access::Write), "none"),
        key("logLevel", Takes::Text, Sink::Text, ""),
        key("logfile-maxsize", Takes::Integer, Sink::Number, ""),
        key("logfile-maxbackups", Takes::Integer, Sink::Number, ""),
        key("logfile-maxage", Takes::Integer, Sink::Number, ""),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("subnet", "write \"subnets\""),
        ("vlan", "write \"vlanID\""),
        ("excludeSubnet", "write \"excludeSubnets\""),
        ("physicalNetwork", "write \"physicalNetworkName\""),
    ]),
};

const LAYER3: &str = "layer3";
const LAYER2: &str = "layer2";
const LOCALNET: &str = "localnet";

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        // Without a topology it is the default network, of which nothing else is read.
        if conf.text("topology").is_some_and(|text| !text.is_empty()) {
            secondary(&conf, chain.name, raw, report);
        }
        role(&conf, report);
    }
    if let Some((_, place)) = raw.ipam_kind() {
        report.refuse(
            place,
            "OVN-Kubernetes assigns the addresses itself: write \"subnets\" and remove \"ipam\" \
             (IPAM key is not supported)",
        );
    }
    if chain.len > 1 {
        report.refuse(
            raw.kind_at,
            "OVN-Kubernetes accepts no plugins after its own: remove the others (CNI plugin \
             chaining is not supported)",
        );
    }
    chain.unknown();
}

fn secondary(conf: &Decoded<'_>, name: &str, raw: &RawPlugin<'_>, report: &mut Report) {
    let topology = conf.text("topology").unwrap_or_default();
    let topology = topology.as_ref();
    if !matches!(topology, LAYER3 | LAYER2 | LOCALNET) {
        let shown = shorten(topology);
        report.refuse(
            conf.value("topology").unwrap_or(raw.kind_at),
            format!(
                "\"{shown}\" is not a valid topology: write \"{LAYER3}\", \"{LAYER2}\" or \
                 \"{LOCALNET}\" (topology {shown} not supported)"
            ),
        );
        return;
    }
    if let Some(place) = set(conf, "netAttachDefName") {
        report.own_name = Some(OwnName {
            text: conf.text("netAttachDefName").unwrap_or_default().into(),
            at: Inside::value(place, place.path()),
        });
    } else {
        report.refuse(
            raw.kind_at,
            "there is no \"netAttachDefName\": write the namespace and the name of this \
             NetworkAttachmentDefinition, as in \"team-a/storage\" (missing NADName in secondary \
             network netconf)",
        );
    }
    if matches!(name, "default" | "ovn-kubernetes") {
        report.refuse(
            raw.object.get("name").unwrap_or(raw.kind_at),
            format!(
                "\"{name}\" is the name of the cluster's default network: write another \"name\" \
                 (invalid name in secondary network netconf ({name}))"
            ),
        );
    }
    let only = [
        ("infrastructureSubnets", LAYER2),
        ("reservedSubnets", LAYER2),
        ("defaultGatewayIPs", LAYER2),
    ];
    for (key, wanted) in only {
        if let Some(place) = set(conf, key).filter(|_| topology != wanted) {
            report.refuse(
                place,
                format!(
                    "\"{key}\" is only for the topology \"{wanted}\": remove it ({key} is only \
                     supported for {wanted} topology)"
                ),
            );
        }
    }
    if let Some(place) = set(conf, "joinSubnet").filter(|_| topology == LOCALNET) {
        report.refuse(
            place,
            "a localnet network has no \"joinSubnet\": remove it (localnet topology does not \
             allow specifying join-subnet as services are not supported)",
        );
    }
    if topology == LAYER3 && conf.is_true("allowPersistentIPs") {
        report.refuse(
            conf.value("allowPersistentIPs").unwrap_or(raw.kind_at),
            "a layer 3 network has no persistent addresses: remove \"allowPersistentIPs\" (layer3 \
             topology does not allow persistent IPs)",
        );
    }
    let role = conf.text("role").unwrap_or_default();
    if role == "primary" && topology == LOCALNET {
        report.refuse(
            conf.value("role").unwrap_or(raw.kind_at),
            "a localnet network is always secondary: remove \"role\" (unexpected network field \
             \"role\" primary for \"localnet\" topology)",
        );
    }
    if role == "primary" && topology == LAYER2 && set(conf, "subnets").is_none() {
        report.refuse(
            raw.kind_at,
            "a primary layer 2 network needs \"subnets\": add them (the subnet attribute must be \
             defined for layer2 primary user defined networks)",
        );
    }
    subnets(conf, "subnets", topology == LAYER3, report);
    if topology != LAYER3 {
        subnets(conf, "excludeSubnets", false, report);
    }
}

fn role(conf: &Decoded<'_>, report: &mut Report) {
    let role = conf.text("role").unwrap_or_default();
    if let Some(place) = conf.value("role")
        && !matches!(role.as_ref(), "" | "primary" | "secondary")
    {
        let shown = shorten(&role);
        report.refuse(
            place,
            format!(
                "\"{shown}\" is not a valid role: write \"primary\" or \"secondary\" (invalid \
                 network role value {shown})"
            ),
        );
    }
}

/// The value of a text that is not empty.
fn set<'d>(conf: &Decoded<'d>, key: &str) -> Option<Value<'d>> {
    let is_set = conf.text(key).is_some_and(|text| !text.is_empty());
    conf.value(key).filter(|_| is_set)
}

/// Judges prefixes, separated by commas. At layer 3 each node gets a part, whose length may follow,
/// as in `10.128.0.0/14/23` (`ParseClusterSubnetEntriesWithDefaults`).
fn subnets(conf: &Decoded<'_>, key: &str, per_node: bool, report: &mut Report) {
    let Some(place) = set(conf, key) else {
        return;
    };
    let text = conf.text(key).unwrap_or_default();
    if text.trim().is_empty() {
        return;
    }
    for item in text.split(',').map(str::trim) {
        let Err(problem) = subnet(item, per_node) else {
            continue;
        };
        let item = shorten(item);
        let example = if per_node {
            "10.128.0.0/14/23"
        } else {
            "10.128.0.0/16"
        };
        report.refuse(
            place,
            format!(
                "\"{item}\" in \"{key}\" {problem}: write one like \"{example}\", and separate \
                 several by commas"
            ),
        );
        return;
    }
}

fn subnet(item: &str, per_node: bool) -> Result<(), &'static str> {
    let (text, node) = match item.match_indices('/').nth(1) {
        Some((at, _)) => (item.get(..at).unwrap_or_default(), item.get(at + 1..)),
        None => (item, None),
    };
    let prefix: IpNet = address::prefix(text).ok_or("is not a subnet (invalid CIDR address)")?;
    if !per_node {
        return match node {
            Some(_) => Err("is not a subnet (CIDR not properly formatted)"),
            None => Ok(()),
        };
    }
    let is_v6 = prefix.addr().is_ipv6();
    let length = match node {
        Some(text) => text
            .parse::<u8>()
            .map_err(|_| "has a length of the nodes' subnets that is not a number")?,
        None if is_v6 => 64,
        None => 24,
    };
    if is_v6 && length != 64 {
        return Err("gives nodes subnets other than /64 (IPv6 only supports /64 host subnets)");
    }
    if length > prefix.max_prefix_len() {
        return Err("gives nodes subnets longer than /32 (invalid host subnet)");
    }
    if length <= prefix.prefix_len() {
        return Err(
            "is not larger than the subnet of a node, which is a /24 or a /64 unless another \
             length follows (host subnet must be longer than the cluster subnet)",
        );
    }
    Ok(())
}
