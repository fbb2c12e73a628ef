//! The CNI plugins that exist, whether or not they are judged here, so that a plugin that is merely
//! not allowed is not taken for a misspelled one.

/// What a plugin is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// It makes the interface of the Pod.
    Interface,
    /// It assigns addresses for an interface plugin.
    Ipam,
    /// It changes an interface that another plugin made.
    Meta,
    /// More than one of these, under one name.
    Several,
}

/// Returns the purpose of a plugin, or `None` if the plugin is unknown.
pub fn purpose(name: &str) -> Option<Purpose> {
    let (_, purpose) = KNOWN.iter().find(|(known, _)| *known == name)?;
    Some(*purpose)
}

const KNOWN: [(&str, Purpose); 58] = [
    ("accelerated-bridge", Purpose::Interface),
    ("antrea", Purpose::Several),
    ("aws-cni", Purpose::Interface),
    ("azure-vnet", Purpose::Interface),
    ("azure-vnet-ipam", Purpose::Ipam),
    ("bandwidth", Purpose::Meta),
    ("bond", Purpose::Interface),
    ("bridge", Purpose::Interface),
    ("calico", Purpose::Interface),
    ("calico-ipam", Purpose::Ipam),
    ("cilium-cni", Purpose::Interface),
    ("cnv-bridge", Purpose::Interface),
    ("cnv-tuning", Purpose::Meta),
    ("coil", Purpose::Interface),
    ("dhcp", Purpose::Ipam),
    ("dummy", Purpose::Interface),
    ("egress-cni", Purpose::Meta),
    ("firewall", Purpose::Meta),
    ("flannel", Purpose::Interface),
    ("host-device", Purpose::Interface),
    ("host-local", Purpose::Ipam),
    ("ib-sriov", Purpose::Interface),
    ("ib-sriov-cni", Purpose::Interface),
    ("ipoib", Purpose::Interface),
    ("ipvlan", Purpose::Interface),
    ("istio-cni", Purpose::Meta),
    ("kube-ovn", Purpose::Several),
    ("linkerd-cni", Purpose::Meta),
    ("loopback", Purpose::Interface),
    ("macvlan", Purpose::Interface),
    ("macvtap", Purpose::Interface),
    ("multi-nic", Purpose::Interface),
    ("multi-nic-ipam", Purpose::Ipam),
    ("multus", Purpose::Interface),
    ("nv-ipam", Purpose::Several),
    ("ovn-k8s-cni-overlay", Purpose::Interface),
    ("ovs", Purpose::Interface),
    ("ovs-mirror-consumer", Purpose::Meta),
    ("ovs-mirror-producer", Purpose::Meta),
    ("portmap", Purpose::Meta),
    ("ptp", Purpose::Interface),
    ("rdma", Purpose::Meta),
    ("route-override", Purpose::Meta),
    ("sbr", Purpose::Meta),
    ("spiderpool", Purpose::Ipam),
    ("sriov", Purpose::Interface),
    ("static", Purpose::Ipam),
    ("tap", Purpose::Interface),
    ("tuning", Purpose::Meta),
    ("unnumbered-ptp", Purpose::Meta),
    ("userspace", Purpose::Interface),
    ("veth", Purpose::Interface),
    ("vlan", Purpose::Interface),
    ("vrf", Purpose::Meta),
    ("weave-net", Purpose::Interface),
    ("weave-ipam", Purpose::Ipam),
    ("whereabouts", Purpose::Ipam),
    ("whereabouts-shim", Purpose::Ipam),
];
