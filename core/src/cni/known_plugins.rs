//! The CNI plugins that exist: what people install beside the ones that are judged here.
//!
//! So that a plugin that is merely not allowed is not taken for a misspelled one.

/// What a plugin is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It makes the interface of the Pod.
    Interface,
    /// It gives addresses to an interface plugin.
    Ipam,
    /// It changes an interface that another plugin made.
    Meta,
    /// More than one of these, under one name.
    Several,
}

/// What the plugin of that name is for, if there is one.
pub fn kind(name: &str) -> Option<Kind> {
    let (_, kind) = KNOWN.iter().find(|(known, _)| *known == name)?;
    Some(*kind)
}

const KNOWN: [(&str, Kind); 58] = [
    ("accelerated-bridge", Kind::Interface),
    ("antrea", Kind::Several),
    ("aws-cni", Kind::Interface),
    ("azure-vnet", Kind::Interface),
    ("azure-vnet-ipam", Kind::Ipam),
    ("bandwidth", Kind::Meta),
    ("bond", Kind::Interface),
    ("bridge", Kind::Interface),
    ("calico", Kind::Interface),
    ("calico-ipam", Kind::Ipam),
    ("cilium-cni", Kind::Interface),
    ("cnv-bridge", Kind::Interface),
    ("cnv-tuning", Kind::Meta),
    ("coil", Kind::Interface),
    ("dhcp", Kind::Ipam),
    ("dummy", Kind::Interface),
    ("egress-cni", Kind::Meta),
    ("firewall", Kind::Meta),
    ("flannel", Kind::Interface),
    ("host-device", Kind::Interface),
    ("host-local", Kind::Ipam),
    ("ib-sriov", Kind::Interface),
    ("ib-sriov-cni", Kind::Interface),
    ("ipoib", Kind::Interface),
    ("ipvlan", Kind::Interface),
    ("istio-cni", Kind::Meta),
    ("kube-ovn", Kind::Several),
    ("linkerd-cni", Kind::Meta),
    ("loopback", Kind::Interface),
    ("macvlan", Kind::Interface),
    ("macvtap", Kind::Interface),
    ("multi-nic", Kind::Interface),
    ("multi-nic-ipam", Kind::Ipam),
    ("multus", Kind::Interface),
    ("nv-ipam", Kind::Several),
    ("ovn-k8s-cni-overlay", Kind::Interface),
    ("ovs", Kind::Interface),
    ("ovs-mirror-consumer", Kind::Meta),
    ("ovs-mirror-producer", Kind::Meta),
    ("portmap", Kind::Meta),
    ("ptp", Kind::Interface),
    ("rdma", Kind::Meta),
    ("route-override", Kind::Meta),
    ("sbr", Kind::Meta),
    ("spiderpool", Kind::Ipam),
    ("sriov", Kind::Interface),
    ("static", Kind::Ipam),
    ("tap", Kind::Interface),
    ("tuning", Kind::Meta),
    ("unnumbered-ptp", Kind::Meta),
    ("userspace", Kind::Interface),
    ("veth", Kind::Interface),
    ("vlan", Kind::Interface),
    ("vrf", Kind::Meta),
    ("weave-net", Kind::Interface),
    ("weave-ipam", Kind::Ipam),
    ("whereabouts", Kind::Ipam),
    ("whereabouts-shim", Kind::Ipam),
];
