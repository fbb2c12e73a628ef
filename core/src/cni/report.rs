//! What reading a configuration brings to light, and how it is put.

use std::mem;

use super::OwnName;
use super::attachment::{Addresses, Link};
use super::node_use::{NodeUse, Used};
use crate::fault::{Fault, Inside};
use crate::json::Value;
use crate::text::shorten;

/// The faults of one configuration, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What a plugin refuses for certain.
    pub(super) invalid: Vec<Fault>,
    /// What is accepted, and almost surely not meant.
    pub(super) suspicious: Vec<Fault>,
    /// What a program running as root would do harm with.
    pub(super) dangerous: Vec<Fault>,
    /// Default routes, which take the traffic of every Pod.
    pub(super) default_routes: Vec<Fault>,
    /// What is used of the node.
    pub(super) uses: Vec<NodeUse>,
    /// What becomes of addresses that a Pod asks for.
    pub(super) addresses: Addresses,
    /// The link of the node that the interface plugin uses, where it may not be free for it.
    pub(super) link: Option<Link>,
    /// The namespace and the name that the configuration gives of itself.
    pub(super) own_name: Option<OwnName>,
}

impl Report {
    /// Whether another warning would be noted: if not, looking for advice is in vain.
    pub(super) fn takes_warnings(&self) -> bool {
        self.suspicious.len() < MAX_FAULTS
    }

    /// A plugin refuses `value`.
    pub(super) fn refuse(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.invalid, value, message);
    }

    /// `value` is accepted and does not do what it seems to.
    pub(super) fn warn(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.suspicious, value, message);
    }

    /// A program running as root would do harm with `value`.
    pub(super) fn danger(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.dangerous, value, message);
    }

    /// `value` is a default route.
    pub(super) fn default_route(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.default_routes, value, message);
    }

    /// `value` asks for something of the node. All of it is kept until a network is deleted, and
    /// each piece has to be judged, so that more than a network needs is refused.
    pub(super) fn uses(&mut self, value: Value<'_>, used: Used) {
        if self.uses.len() < MAX_USES {
            // Of a store, which nearly every network has, line and column are enough.
            let path = match used {
                Used::AddressStore(_) => String::new(),
                _ => value.path(),
            };
            let at = Inside::value(value, path);
            self.uses.push(NodeUse { at, used });
        } else if self.dangerous.len() < MAX_FAULTS {
            self.danger(
                value,
                format!(
                    "the config uses more than {MAX_USES} interfaces, ports, files and address \
                     stores of the node, which multinic does not accept: remove some"
                ),
            );
        }
    }

    /// Runs `judge`; unless what it refuses is certain, it is only suspicious.
    pub(super) fn refuse_if<T>(
        &mut self,
        is_certain: bool,
        judge: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if is_certain {
            return judge(self);
        }
        // What is dangerous, or a default route, is so however certain it is that a plugin refuses.
        let mut own = Self {
            dangerous: mem::take(&mut self.dangerous),
            default_routes: mem::take(&mut self.default_routes),
            uses: mem::take(&mut self.uses),
            ..Self::default()
        };
        let outcome = judge(&mut own);
        self.dangerous = own.dangerous;
        self.default_routes = own.default_routes;
        self.uses = own.uses;
        self.suspicious.append(&mut own.invalid);
        self.suspicious.append(&mut own.suspicious);
        self.suspicious.truncate(MAX_FAULTS);
        outcome
    }

    /// Runs `judge`, of which only what is dangerous and what is used of the node counts.
    pub(super) fn only_dangers(&mut self, judge: impl FnOnce(&mut Self)) {
        let (invalid, suspicious) = (self.invalid.len(), self.suspicious.len());
        judge(self);
        self.invalid.truncate(invalid);
        self.suspicious.truncate(suspicious);
    }

    /// `value` is refused, unless the Pod replaces it: then it is only suspicious.
    pub(super) fn refuse_unless(
        &mut self,
        replaceable: bool,
        value: Value<'_>,
        message: impl Into<String>,
    ) {
        if replaceable {
            self.warn(value, message);
        } else {
            self.refuse(value, message);
        }
    }
}

/// A value as it is written, its layout reduced to single spaces, cut at 80 characters.
pub(super) fn show(value: Value<'_>) -> String {
    // Of a large value only what is shown is looked at.
    let raw: String = value.raw().chars().take(1000).collect();
    if !raw.contains(['\n', '\r', '\t']) {
        return shorten(&raw).into_owned();
    }
    let line = raw.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&line).into_owned()
}

/// More than anybody reads, and a bound on what a NAD of a million wrong keys costs.
const MAX_FAULTS: usize = 32;

/// How much of the node one config may use.
const MAX_USES: usize = 256;

fn note(faults: &mut Vec<Fault>, value: Value<'_>, message: impl Into<String>) {
    if faults.len() < MAX_FAULTS {
        faults.push(Fault::value(value, value.path(), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn values_are_shown_on_one_line() {
        let document = Document::parse("{\n   \"a\":\t1}").unwrap();
        assert_eq!(show(document.root()), "{ \"a\": 1}");
    }
}
