//! What this kernel can do. What it cannot is listed with the tests that it keeps from running.

use std::process::Command;

/// The kinds of network interfaces that supported plugins make, and those that their networks are
/// often made from.
const KINDS: [(&str, &str); 8] = [
    ("veth", "the plugin bridge, and the nodes of these tests"),
    ("bridge", "the plugin bridge, and the nodes of these tests"),
    ("macvlan", "the plugin macvlan"),
    ("ipvlan", "the plugin ipvlan"),
    ("vlan", "masters such as ens224.100"),
    ("bond", "masters such as bond0"),
    ("vrf", "masters in a VRF"),
    ("dummy", "masters without a wire"),
];

/// The kinds of interfaces that this kernel does not have, each with what needs it.
pub(crate) fn missing() -> Vec<(&'static str, &'static str)> {
    KINDS.into_iter().filter(|(kind, _)| !has(kind)).collect()
}

/// Whether the kernel has this kind of interface: it says so before it looks at what else is wrong.
pub(crate) fn has(kind: &str) -> bool {
    let probe = format!("ip link add probe type {kind}");
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", &probe])
        .output();
    output.is_ok_and(|o| !String::from_utf8_lossy(&o.stderr).contains("Unknown device type"))
}
