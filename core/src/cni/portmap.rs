//! portmap: forwards ports of the node to ports of the Pod.
//!
//! `plugins/meta/portmap/main.go` of v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::node_use::Used;
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::address;
use crate::danger;
use crate::json::Value;
use crate::text::shorten;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "portmap",
    role: Role::Meta(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "portmap",
    go: "PortMapConf",
    keys: &[
        // "iptables" or "nftables"; :263. Since 1.6.0.
        key("backend", Takes::Text, Sink::Nothing, "what the node has"),
        key("snat", Takes::Bool, Sink::Nothing, "true"),
        // Since 1.2.0.
        key("masqAll", Takes::Bool, Sink::Nothing, "false"),
        // 0 to 31; :247. Not together with externalSetMarkChain; :238
        key("markMasqBit", Takes::Integer, Sink::Number, "13"),
        // iptables only; :337
        key("externalSetMarkChain", Takes::Text, Sink::Chain, "none"),
        // Rules in the language of the backend, which the first item decides; :347-360
        key(
            "conditionsV4",
            Takes::List(&Takes::Text),
            Sink::Conditions,
            "none",
        ),
        key(
            "conditionsV6",
            Takes::List(&Takes::Text),
            Sink::Conditions,
            "none",
        ),
        key("runtimeConfig", Takes::Object(&RUNTIME), Sink::Below, ""),
    ],
    unknown_keys: UnknownKeys::Ignored(&[(
        "portMappings",
        "the Pod requests ports in its networks annotation",
    )]),
};

static RUNTIME: Table = Table {
    plugin: "portmap",
    go: "PortMapConf",
    keys: &[key(
        "portMappings",
        Takes::List(&Takes::Object(&PORT)),
        Sink::Below,
        "",
    )],
    unknown_keys: UnknownKeys::Allowed,
};

static PORT: Table = Table {
    plugin: "portmap",
    go: "PortMapEntry",
    keys: &[
        // Above 0; :267
        key("hostPort", Takes::Integer, Sink::Number, ""),
        key("containerPort", Takes::Integer, Sink::Number, ""),
        key("protocol", Takes::Text, Sink::Nothing, ""),
        key("hostIP", Takes::Text, Sink::Address, ""),
    ],
    unknown_keys: UnknownKeys::Allowed,
};

fn judge(raw: &RawPlugin<'_>, chain: &mut Chain<'_>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if conf.check(report) {
        mark(&conf, report);
        backend(&conf, report);
        ports(&conf, report);
    }
    let is_chained = chain.expect_chained(raw, "must be called as chained plugin", report);
    if is_chained && !raw.declares("portMappings") && conf.value("runtimeConfig").is_none() {
        report.warn(
            raw.kind_at,
            "portmap has no effect without its capability: add \"capabilities\": \
             {\"portMappings\": true}",
        );
    }
}

fn mark(conf: &Decoded<'_>, report: &mut Report) {
    let Some(place) = conf.value("markMasqBit") else {
        return;
    };
    if conf.value("externalSetMarkChain").is_some() {
        report.refuse(
            place,
            "\"markMasqBit\" and \"externalSetMarkChain\" are mutually exclusive, although the \
             example in the documentation of portmap has both: remove one (portmap: Cannot \
             specify externalSetMarkChain and markMasqBit)",
        );
    }
    if let Some(bit) = conf.integer("markMasqBit")
        && !(0..=31).contains(&bit)
    {
        report.refuse(
            place,
            format!(
                "{bit} is not a valid bit of a mark: write 0 to 31 (portmap: MasqMarkBit must be \
                 between 0 and 31)"
            ),
        );
    }
}

/// `ensureBackend`, :306-340
fn backend(conf: &Decoded<'_>, report: &mut Report) {
    let named = conf.text("backend");
    if let (Some(place), Some(backend)) = (conf.value("backend"), &named)
        && !matches!(backend.as_ref(), "iptables" | "nftables")
    {
        let shown = shorten(backend);
        report.refuse(
            place,
            format!(
                "\"{shown}\" is not a valid backend: write \"iptables\" or \"nftables\", or \
                 remove the key (portmap: unrecognized backend \"{shown}\")"
            ),
        );
        return;
    }
    // If none is set, the plugin uses iptables wherever the node has it.
    let is_nftables = named.as_deref() == Some("nftables");
    if let Some(place) = conf.value("externalSetMarkChain")
        && is_nftables
    {
        report.refuse(
            place,
            "\"externalSetMarkChain\" names a chain of iptables, and the backend is nftables: \
             remove one (portmap: nftables backend was requested but configuration contains \
             iptables-specific options [externalSetMarkChain])",
        );
    }
    for (name, is_v4) in [("conditionsV4", true), ("conditionsV6", false)] {
        let Some(place) = conf.value(name) else {
            continue;
        };
        let items: Vec<_> = conf
            .elements(name)
            .map(|item| item.str().unwrap_or_default())
            .collect();
        let Some(first) = items.first().filter(|first| !first.is_empty()) else {
            continue;
        };
        let says_iptables = first.starts_with(['-', '!']);
        if says_iptables == is_nftables {
            let (written, other) = if says_iptables {
                ("iptables", "nftables")
            } else {
                ("nftables", "iptables")
            };
            let advice = if named.is_some() {
                format!("write it for {other}, or set the other backend")
            } else {
                "add \"backend\": \"nftables\"".to_owned()
            };
            report.refuse(
                place,
                format!(
                    "the condition is written for {written} and the backend is {other}: {advice} \
                     (portmap: {other} backend was requested but configuration contains \
                     {written}-specific options [{name}])"
                ),
            );
        } else if says_iptables {
            addresses(conf, name, is_v4, report);
        } else {
            // portmap_nftables.go:124-180
            report.warn(
                place,
                "with nftables, the conditions of the last network that a Pod used count for the \
                 ports of every Pod on the node: use iptables, or the same conditions everywhere",
            );
        }
    }
}

/// What follows `-s` and `-d` in a condition of iptables must be an address of the family.
fn addresses(conf: &Decoded<'_>, name: &str, is_v4: bool, report: &mut Report) {
    const OPTIONS: &[&str] = &["-s", "-d", "--source", "--destination", "--src", "--dst"];
    let items: Vec<Value<'_>> = conf.elements(name).collect();
    for pair in items.windows(2) {
        let [option, value] = pair else { continue };
        let option = option.str().unwrap_or_default();
        let text = value.str().unwrap_or_default();
        if !OPTIONS.contains(&option.as_ref()) || text.starts_with(['-', '!']) {
            continue;
        }
        let fits = text.split(',').all(|raw| {
            let raw = raw.trim();
            let ip = raw.split_once('/').map_or(raw, |(ip, _)| ip);
            match address::ip(ip) {
                Some(ip) => ip.is_ipv4() == is_v4,
                // iptables resolves names.
                None => ip.contains('.') && ip.ends_with(|letter: char| letter.is_alphabetic()),
            }
        });
        if !fits {
            let shown = shorten(&text);
            let family = if is_v4 { "IPv4" } else { "IPv6" };
            report.refuse(
                *value,
                format!(
                    "\"{shown}\" is not a valid {family} address or prefix, which {option} needs \
                     (portmap: unable to setup DNAT: host/network `{shown}' not found)"
                ),
            );
        }
    }
}

fn ports(conf: &Decoded<'_>, report: &mut Report) {
    let Some(runtime) = conf.object("runtimeConfig") else {
        return;
    };
    for item in runtime.elements("portMappings") {
        let port = Decoded::new(&PORT, [item]);
        for (key, danger) in danger::PORT_MAPPING {
            if let (Some(value), Some(text)) = (port.value(key), port.text(key))
                && let Some(problem) = danger(&text)
            {
                report.danger(value, format!("{key} {problem}"));
            }
        }
        if let (Some(value), Some(number)) = (port.value("hostPort"), port.integer("hostPort")) {
            report.uses(value, Used::HostPort(number));
        }
        for (key, says) in [("hostPort", "host"), ("containerPort", "container")] {
            let number = port.integer(key).unwrap_or(0);
            if number <= 0 {
                report.refuse(
                    port.value(key).unwrap_or(item),
                    format!(
                        "{number} is not a valid port: write 1 to 65535 (portmap: Invalid {says} \
                         port number: {number})"
                    ),
                );
            }
        }
    }
}
