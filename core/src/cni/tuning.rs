//! tuning: changes settings of the kernel and of the interface.
//!
//! `plugins/meta/tuning/tuning.go` of v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key, through_a_map};
use super::link::{self, MacUse, Negative, QUEUE};
use super::node_use::Access;
use super::raw_plugin::RawPlugin;
use super::report::{Report, show};
use crate::json::Value;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "tuning",
    role: Role::Meta(judge),
    tables: &[("", &CONF)],
    arguments: Some(&CNI),
};

static CONF: Table = Table {
    plugin: "tuning",
    go: "TuningConf",
    keys: &[
        // Keys below net, with IFNAME for the interface's name; values are strings; :600, :639
        key("sysctl", Takes::Map(&Takes::Text), Sink::Sysctl, "none"),
        // Unicast; not on ipvlan, whose interfaces share their master's.
        key("mac", Takes::Text, Sink::Address, "unchanged"),
        // 0, or 68 to the MTU of the master.
        key("mtu", Takes::Integer, Sink::Number, "unchanged"),
        key("promisc", Takes::Bool, Sink::Nothing, "false"),
        key("allmulti", Takes::Bool, Sink::Nothing, "unchanged"),
        // Since 1.4.0.
        key("txQLen", Takes::Integer, QUEUE, "unchanged"),
        key(
            "dataDir",
            Takes::Text,
            Sink::Path(Access::Write),
            "/run/cni/tuning",
        ),
        key("args", Takes::Object(&ARGS), Sink::Below, ""),
        link::RUNTIME_CONFIG,
    ],
    unknown_keys: UnknownKeys::Ignored(&[("promiscMode", "write \"promisc\"")]),
};

static ARGS: Table = Table {
    plugin: "tuning",
    go: "TuningConf",
    keys: &[key("cni", Takes::Object(&CNI), Sink::Below, "")],
    unknown_keys: UnknownKeys::Allowed,
};

/// `args.cni`, each key of which comes before the plugin's own.
static CNI: Table = Table {
    plugin: "tuning",
    go: "IPAMArgs",
    keys: &[
        // Panics without a sysctl of the plugin's own; :124
        key("sysctl", Takes::Map(&Takes::Text), Sink::Sysctl, ""),
        key("mac", Takes::Text, Sink::Address, ""),
        key("promisc", Takes::Bool, Sink::Nothing, ""),
        key("mtu", Takes::Integer, Sink::Number, ""),
        key("allmulti", Takes::Bool, Sink::Nothing, ""),
        key("txQLen", Takes::Integer, QUEUE, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

fn judge(raw: &RawPlugin<'_>, chain: &mut Chain<'_>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        let args = conf.object("args").and_then(|args| args.object("cni"));
        sysctls(&conf, args.as_ref(), report);
        hardware_address(&conf, args.as_ref(), raw, chain, report);
        let mtu = args
            .as_ref()
            .filter(|args| args.value("mtu").is_some())
            .unwrap_or(&conf);
        link::mtu(mtu, Negative::Refuse, "tuning: invalid argument", report);
    }
    // :352
    chain.expect_chained(raw, "Required prevResult missing", report);
}

fn sysctls(conf: &Decoded<'_>, args: Option<&Decoded<'_>>, report: &mut Report) {
    let own = conf.values("sysctl").last().filter(|own| !own.is_null());
    let given = args.and_then(|args| args.value("sysctl"));
    if let (None, Some(given)) = (own, given)
        && given.members().next().is_some()
    {
        report.refuse(
            given,
            "\"sysctl\" in \"args\" needs a \"sysctl\" of the plugin itself, which may be empty: \
             add it (tuning: panic: assignment to entry in nil map)",
        );
    }
    for member in [own, given].into_iter().flatten().flat_map(through_a_map) {
        sysctl(member.key, member.value, report);
    }
}

/// `getSysctlFilename`, :627-643
fn sysctl(key: Value<'_>, value: Value<'_>, report: &mut Report) {
    /// Directories, on every kernel.
    const DIRECTORIES: &[&str] = &[
        "core",
        "ipv4",
        "ipv4/conf",
        "ipv4/conf/IFNAME",
        "ipv4/conf/all",
        "ipv4/conf/default",
        "ipv4/conf/lo",
        "ipv4/neigh",
        "ipv4/neigh/IFNAME",
        "ipv4/neigh/default",
        "ipv4/route",
        "ipv6",
        "ipv6/conf",
        "ipv6/conf/IFNAME",
        "ipv6/conf/all",
        "ipv6/conf/default",
        "ipv6/conf/lo",
        "ipv6/icmp",
        "ipv6/neigh",
        "ipv6/neigh/IFNAME",
        "ipv6/neigh/default",
        "ipv6/route",
        "netfilter",
        "unix",
    ];
    let name = key.str().unwrap_or_default();
    let slashed = name.replace('.', "/");
    let shown = shorten(&name);
    let mut parts = slashed.split('/').filter(|raw| !raw.is_empty());
    let is_net = parts.next() == Some("net");
    let rest: Vec<_> = parts.collect();
    let path = rest.join("/");
    if !is_net || rest.is_empty() || slashed.contains('\0') {
        let says = shorten(&slashed);
        report.refuse(
            key,
            format!(
                "\"{shown}\" is not a network setting: tuning changes only settings with names \
                 that begin with \"net.\" (tuning: invalid net sysctl key: \"{says}\")"
            ),
        );
        return;
    }
    if DIRECTORIES.contains(&path.as_str()) {
        report.refuse(
            key,
            format!(
                "\"{shown}\" is a folder of settings: write the name of a setting in it (tuning: \
                 is a directory)"
            ),
        );
        return;
    }
    if !FAMILIES.contains(&rest.first().copied().unwrap_or_default()) {
        report.warn(
            key,
            format!(
                "few kernels have the setting \"{shown}\", and a Pod does not start on a node \
                 without it: check the name"
            ),
        );
    }
    // An empty text is written, and changes nothing.
    let text = value.str().unwrap_or_default();
    let is_numeric = is_numeric(&rest);
    if text.is_empty()
        || (text.split_whitespace().all(is_number) && !(is_numeric && is_too_large(&text)))
    {
        return;
    }
    let shown = show(value);
    if is_numeric {
        report.refuse(
            value,
            format!(
                "{shown} is not a valid value: this setting is a number of 32 bits (tuning: \
                 write: invalid argument)"
            ),
        );
    } else if !WORDS.iter().any(|word| path.contains(word)) {
        report.warn(
            value,
            format!(
                "{shown} is not a number, and nearly all network settings are: check the value \
                 (invalid argument)"
            ),
        );
    }
}

/// An integer as the kernel reads one: decimal, octal or hexadecimal.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let lower = digits.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).is_ok(),
        None => !digits.starts_with('+') && digits.parse::<u64>().is_ok(),
    }
}

/// Whether the first number, the one that a setting of one number takes, has more than 32 bits.
fn is_too_large(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    let lower = first.trim_start_matches('-').to_ascii_lowercase();
    let number = match lower.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => lower.parse(),
    };
    number.map_or(true, |number| number > u64::from(u32::MAX))
}

/// Whether this setting takes a number on every kernel that has it.
fn is_numeric(path: &[&str]) -> bool {
    match path {
        ["ipv4" | "ipv6", "conf", _, name] => *name != "stable_secret",
        ["core", name] => [
            "somaxconn",
            "rmem_max",
            "wmem_max",
            "rmem_default",
            "wmem_default",
        ]
        .contains(name),
        ["ipv4", name] => {
            name.starts_with("ip_forward")
                || name.starts_with("icmp_echo")
                || *name == "ip_default_ttl"
        }
        _ => false,
    }
}

/// Parts of the names of settings that are words, or numbers with separators.
const WORDS: &[&str] = &[
    "congestion",
    "cpu",
    "fastopen_key",
    "log",
    "ports",
    "qdisc",
    "secret",
];

/// The folders below `/proc/sys/net`.
const FAMILIES: &[&str] = &[
    "core",
    "ipv4",
    "ipv6",
    "netfilter",
    "unix",
    "mptcp",
    "sctp",
    "bridge",
    "nf_conntrack_max",
    "mpls",
    "vsock",
    "smc",
    "rds",
    "tipc",
    "iw_cm",
    "rxrpc",
    "ax25",
    "x25",
    "llc",
    "dccp",
    "ieee802154",
];

/// `args.cni.mac` comes before `runtimeConfig.mac`, this before the plugin's own (:103-139).
fn hardware_address(
    conf: &Decoded<'_>,
    args: Option<&Decoded<'_>>,
    raw: &RawPlugin<'_>,
    chain: &Chain<'_>,
    report: &mut Report,
) {
    let runtime = conf
        .object("runtimeConfig")
        .and_then(|runtime| runtime.value("mac"));
    let mac = args
        .and_then(|args| args.value("mac"))
        .or_else(|| runtime.filter(|mac| !mac.is_str("")))
        .or_else(|| conf.value("mac"));
    let Some(mac) = mac.filter(|mac| !mac.is_str("")) else {
        return;
    };
    let replaceable = raw.declares("mac");
    if chain.interface_plugin() == Some("ipvlan") {
        report.refuse(
            mac,
            "an ipvlan interface has the hardware address of its master, which cannot be changed: \
             remove the key, or use macvlan (tuning: operation not supported)",
        );
        return;
    }
    link::mac(mac, MacUse::Change, "tuning", replaceable, report);
}
