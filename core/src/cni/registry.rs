//! The plugins that are judged: one file and one line each.

use std::borrow::Cow;

use super::chain::{self, Plugin, Role};
use super::{bridge, host_local, ipvlan, macvlan, portmap, sbr, static_, tuning, whereabouts};

/// Every plugin that is judged. Which ones may be used is for the administrator to decide.
pub(super) static PLUGINS: [&Plugin; 9] = [
    &bridge::PLUGIN,
    &host_local::PLUGIN,
    &ipvlan::PLUGIN,
    &macvlan::PLUGIN,
    &portmap::PLUGIN,
    &sbr::PLUGIN,
    &static_::PLUGIN,
    &tuning::PLUGIN,
    &whereabouts::PLUGIN,
];

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
