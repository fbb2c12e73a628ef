//! Networks in words.

use multinic_core::cni::Used;
use multinic_core::network::Network;

/// What the interface of a node is called where a network names none.
pub const DEFAULT_ROUTE: &str = "(the interface of the default route)";

/// The interfaces of the nodes that a network builds on, each once.
pub fn interfaces(network: &Network) -> Vec<String> {
    let mut names = Vec::new();
    for used in &network.config.uses {
        if let Used::Interface(name) = &used.used {
            let name = name.as_deref().unwrap_or(DEFAULT_ROUTE);
            if !names.iter().any(|own| own == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// A network in a line: `macvlan and tuning on ens224, addresses by whereabouts`.
pub fn network(network: &Network) -> String {
    let config = &network.config;
    if config.plugins.is_empty() {
        return if config.on_disk {
            "its configuration is empty: Multus reads a file of the node".to_owned()
        } else {
            "its configuration cannot be read".to_owned()
        };
    }
    let plugins: Vec<&str> = config.plugins.iter().map(|plugin| &*plugin.kind).collect();
    let mut line = plugins.join(" and ");
    let interfaces = interfaces(network);
    if !interfaces.is_empty() {
        line = format!("{line} on {}", interfaces.join(", "));
    }
    let ipam = config
        .plugins
        .iter()
        .filter_map(|plugin| plugin.ipam.as_ref());
    let mut ipam = ipam.map(|ipam| &*ipam.kind);
    match ipam.next() {
        Some(kind) => format!("{line}, addresses by {kind}"),
        None => format!("{line}, no addresses"),
    }
}

/// What a network demands of nodes: `nic=ens224, zone in (a,b)`; `None` where it demands nothing.
pub fn selector(network: &Network) -> Option<String> {
    let requirements = network.requirements().iter().map(ToString::to_string);
    let requirements: Vec<_> = requirements.collect();
    (!requirements.is_empty()).then(|| requirements.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_described_in_a_line() {
        let read = |config: &str| Network::read("n", config, Some("nic=a,zone"));
        let one = read(
            r#"{"cniVersion":"1.0.0","plugins":[{"type":"macvlan","master":"ens224",
                "ipam":{"type":"whereabouts","range":"10.0.0.0/24"}},{"type":"tuning"}]}"#,
        );
        assert_eq!(
            network(&one),
            "macvlan and tuning on ens224, addresses by whereabouts"
        );
        assert_eq!(selector(&one).as_deref(), Some("nic=a, zone"));
        let bare = read(r#"{"cniVersion":"1.0.0","type":"macvlan"}"#);
        assert_eq!(
            network(&bare),
            format!("macvlan on {DEFAULT_ROUTE}, no addresses")
        );
        assert!(network(&read("{")).contains("cannot be read"));
        assert!(network(&read("")).contains("is empty"));
    }
}
