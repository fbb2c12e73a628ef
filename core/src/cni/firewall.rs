//! firewall: lets traffic of the interface's addresses through the firewall of the node.
//!
//! `plugins/meta/firewall/firewall.go` of containernetworking/plugins v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "firewall",
    role: Role::Meta(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "firewall",
    go: "FirewallNetConf",
    keys: &[
        // "iptables" or "firewalld"; anything else counts as left out.
        key(
            "backend",
            Takes::Text,
            Sink::Nothing,
            "firewalld where it runs, else iptables",
        ),
        // iptables jumps to this chain before all others.
        key(
            "iptablesAdminChainName",
            Takes::Text,
            Sink::Name,
            "CNI-ADMIN",
        ),
        key("firewalldZone", Takes::Text, Sink::Text, "trusted"),
        key(
            "ingressPolicy",
            Takes::Word(
                &["", "open", "same-bridge", "isolated"],
                "unknown ingress policy:",
            ),
            Sink::Nothing,
            "open",
        ),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[]),
};

/// The longest name of a chain (`XT_EXTENSION_MAXNAMELEN` less its end).
const LONGEST_CHAIN: usize = 28;

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        let backend = conf.text("backend").unwrap_or_default();
        if let Some(place) = conf.value("backend")
            && !matches!(backend.as_ref(), "" | "iptables" | "firewalld")
        {
            let backend = shorten(&backend);
            report.warn(
                place,
                format!(
                    "firewall treats \"{backend}\" as if no backend were set: write \"iptables\" \
                     or \"firewalld\""
                ),
            );
        }
        let name = conf.text("iptablesAdminChainName").unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if let Some(place) = conf
            .value("iptablesAdminChainName")
            .filter(|_| !name.is_empty())
            && !(name.bytes().all(plain) && !name.starts_with('-') && name.len() <= LONGEST_CHAIN)
        {
            let name = shorten(&name);
            report.danger(
                place,
                format!(
                    "\"{name}\" is not the name of a chain: write at most {LONGEST_CHAIN} letters, \
                     digits, \"-\" and \"_\", and do not begin with \"-\""
                ),
            );
        }
    }
    chain.expect_chained(raw, "missing prevResult from earlier plugin", report);
}
