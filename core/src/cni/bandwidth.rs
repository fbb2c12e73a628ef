//! bandwidth: limits the rate of an interface that is one end of a pair.
//!
//! `plugins/meta/bandwidth/main.go` of containernetworking/plugins v1.9.1.

use super::chain::{Chain, Plugin, Role};
use super::keys::{Decoded, Sink, Table, Takes, UnknownKeys, key};
use super::raw_plugin::RawPlugin;
use super::report::Report;

/// The plugin.
pub(super) static PLUGIN: Plugin = Plugin {
    name: "bandwidth",
    role: Role::Meta(judge),
    tables: &[("", &CONF)],
    arguments: None,
};

static CONF: Table = Table {
    plugin: "bandwidth",
    go: "PluginConf",
    keys: &[
        // In bits per second; 0 is unlimited. A rate needs a burst, and a burst a rate; :113
        key("ingressRate", Takes::Unsigned64, Sink::Number, "unlimited"),
        // In bits, less than 32 GiB.
        key("ingressBurst", Takes::Unsigned64, Sink::Number, "0"),
        key("egressRate", Takes::Unsigned64, Sink::Number, "unlimited"),
        key("egressBurst", Takes::Unsigned64, Sink::Number, "0"),
    ],
    unknown_keys: UnknownKeys::Mistaken(&[
        ("ingress", "write \"ingressRate\" and \"ingressBurst\""),
        ("egress", "write \"egressRate\" and \"egressBurst\""),
        (
            "bandwidth",
            "write \"ingressRate\" and the others beside \"type\"",
        ),
    ]),
};

/// Interface plugins whose interface is one end of a pair, the only kind whose rate it can limit.
pub(super) const PAIRS: [&str; 3] = ["bridge", "ovs", "ptp"];

fn judge<'d>(raw: &RawPlugin<'d>, chain: &mut Chain<'d>, report: &mut Report) {
    let conf = Decoded::new(&CONF, [raw.object]);
    if !conf.check(report) {
        return;
    }
    let mut limits = false;
    for (rate, burst) in [
        ("ingressRate", "ingressBurst"),
        ("egressRate", "egressBurst"),
    ] {
        let number = |key| conf.integer(key).filter(|number| *number != 0);
        limits |= number(rate).is_some();
        let (missing, present) = match (number(rate), number(burst)) {
            (Some(_), None) => (burst, rate),
            (None, Some(_)) => (rate, burst),
            (Some(_), Some(bits)) if bits / 8 >= i64::from(u32::MAX) => {
                if let Some(place) = conf.value(burst) {
                    report.refuse(
                        place,
                        format!(
                            "\"{burst}\" is {bits} bits: write less than 34359738360 (bandwidth: \
                             burst cannot be more than 4GB)"
                        ),
                    );
                }
                continue;
            }
            _ => continue,
        };
        if let Some(place) = conf.value(present) {
            report.refuse(
                place,
                format!(
                    "\"{present}\" needs \"{missing}\" beside it: add it (bandwidth: if rate is \
                     set, burst must also be set, and the other way round)"
                ),
            );
        }
    }
    let chained = chain.expect_chained(raw, "must be called as chained plugin", report);
    if let Some(plugin) = chain.interface_plugin().filter(|_| chained && limits)
        && !PAIRS.contains(&plugin)
    {
        report.refuse(
            raw.kind_at,
            format!(
                "bandwidth limits an interface whose other end is on the node, which an interface \
                 of {plugin} does not have: use bridge, ptp or ovs, or remove bandwidth \
                 (bandwidth: container interface has no veth peer)"
            ),
        );
    }
}
