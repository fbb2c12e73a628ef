//! A plugin that is not in the registry: which parts of its configuration concern the node can only
//! be guessed.

use super::chain::Chain;
use super::ipam;
use super::node_use::{Access, Used};
use super::raw_plugin::RawPlugin;
use super::report::Report;
use crate::json::{Kind, Value};

/// Keys under which plugins usually name links of the node.
const LINKS: [&str; 3] = ["bridge", "device", "master"];

/// Notes what such a plugin, and its IPAM plugin if that is known, may use of the node.
pub(super) fn judge<'d>(raw: &RawPlugin<'d>, chain: &Chain<'d>, report: &mut Report) {
    for member in raw.object.members() {
        let is_link = LINKS.iter().any(|key| member.key.folds(key));
        let name = member.value.str().filter(|name| !name.is_empty());
        if let Some(name) = name.filter(|_| is_link) {
            report.uses(member.value, Used::interface(&name));
        }
    }
    let is_ipam_known = raw
        .ipam_kind()
        .is_some_and(|(kind, _)| chain.find(kind).is_some());
    let known: Vec<_> = raw
        .ipam()
        .filter(|_| is_ipam_known)
        .map(Value::span)
        .collect();
    for text in raw
        .object
        .strings()
        .filter(|text| text.kind() == Kind::String)
    {
        let start = text.span().start;
        if !known.iter().any(|span| span.contains(&start)) {
            path(text, report);
        }
    }
    // It is not known either whether the plugin really calls it, so its other faults are not
    // reported.
    report.only_dangers(|report| drop(ipam::ask(raw, chain, report)));
}

/// Notes a text that looks like a path: an absolute one with at least two names, or one with `..`.
fn path(text: Value<'_>, report: &mut Report) {
    let Some(path) = text.str().filter(|path| path.contains('/')) else {
        return;
    };
    let mut names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    let has_parent = names.clone().any(|name| name == "..");
    if has_parent || (path.starts_with('/') && names.nth(1).is_some()) {
        report.uses(text, Used::path(Access::Unknown, &path));
    }
}
