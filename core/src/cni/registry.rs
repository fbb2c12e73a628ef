//! The plugins that are judged: one file and one line each.

use std::borrow::Cow;

use super::chain::{self, Plugin, Role};
use super::{
    bandwidth, bond, bridge, dhcp, dummy, firewall, host_device, host_local, ipoib, ipvlan,
    macvlan, macvtap, ovn, ovs, portmap, ptp, sbr, sriov, static_, tuning, vlan, vrf, whereabouts,
};
use crate::json::folds;

/// Every plugin that is judged. The administrator decides which ones may be used.
pub(super) static PLUGINS: [&Plugin; 24] = [
    &bandwidth::PLUGIN,
    &bond::PLUGIN,
    &bridge::PLUGIN,
    &dhcp::PLUGIN,
    &dummy::PLUGIN,
    &firewall::PLUGIN,
    &host_device::PLUGIN,
    &host_local::PLUGIN,
    &ipoib::PLUGIN,
    &ipvlan::PLUGIN,
    &macvlan::PLUGIN,
    &macvtap::PLUGIN,
    &ovn::PLUGIN,
    &ovs::PLUGIN,
    &portmap::PLUGIN,
    &ptp::PLUGIN,
    &sbr::PLUGIN,
    &sriov::INFINIBAND,
    &sriov::PLUGIN,
    &static_::PLUGIN,
    &tuning::PLUGIN,
    &vlan::PLUGIN,
    &vrf::PLUGIN,
    &whereabouts::PLUGIN,
];

/// Whether the plugin of that name reads a key of `args.cni`. `None` if the plugin is not known.
pub fn reads_argument(kind: &str, key: &str) -> Option<bool> {
    let plugin = chain::find(&PLUGINS, kind)?;
    let mut keys = plugin.arguments.iter().flat_map(|table| table.keys);
    Some(keys.any(|row| folds(key, row.name)))
}

/// The name of a plugin, without a copy if it is in the registry.
pub(super) fn name(kind: &str) -> Cow<'static, str> {
    match chain::find(&PLUGINS, kind) {
        Some(plugin) => Cow::Borrowed(plugin.name),
        None => Cow::Owned(kind.to_owned()),
    }
}

/// Returns the list of `supportedPlugins` that a plugin of the registry belongs to; `None` if the
/// plugin is not in the registry.
pub(crate) fn list_of(kind: &str) -> Option<&'static str> {
    chain::find(&PLUGINS, kind).map(|plugin| match plugin.role {
        Role::Interface(_) => "interface",
        Role::Ipam(_) => "ipam",
        Role::Meta(_) => "meta",
    })
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Sink, Table, Takes};
    use super::*;

    /// Every key of a table, and of the tables below it, with its sink.
    fn keys(path: &str, table: &Table, out: &mut Vec<(String, &'static str)>) {
        for row in table.keys {
            let path = if path.is_empty() {
                row.name.to_owned()
            } else {
                format!("{path}.{}", row.name)
            };
            out.push((path.clone(), row.sink.name()));
            let mut takes = &row.takes;
            while let Takes::List(of) | Takes::Map(of) = takes {
                takes = of;
            }
            let fits = match (takes, &row.sink) {
                (Takes::Bool | Takes::Word(..), Sink::Nothing)
                | (Takes::Ip | Takes::Network, Sink::Address)
                | (
                    Takes::Integer | Takes::Unsigned | Takes::Unsigned64,
                    Sink::AtMost(..) | Sink::Number | Sink::Nothing,
                )
                | (Takes::Object(_), Sink::Below) => true,
                (Takes::Text, sink) => !matches!(sink, Sink::Below | Sink::AtMost(..)),
                _ => false,
            };
            assert!(fits, "{path}: {:?} with the sink {:?}", row.takes, row.sink);
            if let Takes::Object(table) = takes {
                keys(&path, table, out);
            }
        }
    }

    #[test]
    fn the_page_on_sinks_lists_the_sink_of_every_key() {
        let page = include_str!("../../../docs/sinks.md");
        let mut wrong = Vec::new();
        for plugin in PLUGINS {
            let section = page
                .split("\n## ")
                .find_map(|section| section.strip_prefix(plugin.name)?.strip_prefix('\n'));
            let rows: Vec<_> = section
                .unwrap_or_default()
                .lines()
                .filter_map(|line| {
                    let mut cells = line.strip_prefix("| `")?.split(" | ");
                    Some((cells.next()?.strip_suffix('`')?, cells.next()?))
                })
                .collect();
            let mut own = Vec::new();
            for (path, table) in plugin.tables {
                keys(path, table, &mut own);
            }
            for (path, sink) in &own {
                if !rows.contains(&(path, sink)) {
                    wrong.push(format!("{}: | `{path}` | {sink} | is missing", plugin.name));
                }
            }
            for (path, sink) in rows {
                if !own
                    .iter()
                    .any(|(own, name)| (own.as_str(), *name) == (path, sink))
                {
                    wrong.push(format!(
                        "{}: | `{path}` | {sink} | is not read",
                        plugin.name
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
