//! ipvlan: an interface on an interface of the node, with its hardware address.
//!
//! `plugins/main/ipvlan/ipvlan.go` of v1.9.1.

use super::chain::Chain;
use super::ipam::{self, Answer};
use super::keys::{Read, Strangers, Table, Takes, key};
use super::link::{self, Negative};
use super::part::Part;
use super::report::Report;

static CONF: Table = Table {
    plugin: "ipvlan",
    go: "NetConf",
    keys: &[
        // An interface of the node, or of the Pod with linkInContainer; "failed to lookup master".
        key("master", Takes::Text, "the interface of the default route"),
        // :103
        key(
            "mode",
            Takes::Word(&["", "l2", "l3", "l3s"], "unknown ipvlan mode:"),
            "l2",
        ),
        // 0, or 68 to 65535; netlink sets it only above 0, so a negative one counts as none.
        key("mtu", Takes::Integer, "the MTU of the master"),
        // Since 1.3.0.
        key("linkInContainer", Takes::Bool, "false"),
    ],
    strangers: Strangers::Ignored(&[
        (
            "mac",
            "an ipvlan interface has the hardware address of its master",
        ),
        ("bridge", "ipvlan has no bridge: name a \"master\""),
        (
            "vlan",
            "ipvlan takes no VLAN: name a VLAN interface as master",
        ),
    ]),
};

pub(super) fn judge<'d>(part: &Part<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Read::new(&CONF, [part.object]);
    let sound = conf.check(report);
    if sound {
        link::master(
            &conf,
            "ipvlan",
            "failed to lookup master: Link not found",
            part.kind_at,
            report,
        );
        let says = "ipvlan: failed to create ipvlan: invalid argument";
        link::mtu(&conf, Negative::Accept, says, report);
    }
    let answer = ipam::ask(part, chain, report);
    if matches!(answer, Answer::Nobody) && !chain.is_chained(part) {
        // ipvlan.go:267, cni/pkg/invoke/find.go:27
        report.refuse(
            part.ipam_or_kind(),
            "ipvlan needs an IPAM plugin: name one in \"ipam\", as in \"ipam\": {\"type\": \"static\"} (ipvlan: no plugin name provided)",
        );
    }
    if let Some(network) = answer.network() {
        if sound {
            link::mtu_for_ipv6(&conf, network, report);
        }
        network.configure(report);
    }
    chain.interface("ipvlan", part, answer, report);
}
