//! What is found in a configuration, and how values are shown in messages.

use std::mem;

use super::OwnName;
use super::attachment::{Addresses, Link};
use super::node_use::{NodeUse, Used};
use crate::fault::{Fault, Inside};
use crate::json::Value;
use crate::text::shorten;

/// The faults of one configuration, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What a plugin refuses for certain.
    pub(super) invalid: Vec<Fault>,
    /// What is accepted, but almost certainly not intended.
    pub(super) suspicious: Vec<Fault>,
    /// Values that could do harm when a program running as root uses them.
    pub(super) dangerous: Vec<Fault>,
    /// Default routes, which take the traffic of every Pod.
    pub(super) default_routes: Vec<Fault>,
    /// What is used of the node.
    pub(super) uses: Vec<NodeUse>,
    /// How addresses that a Pod requests are handled.
    pub(super) addresses: Addresses,
    /// The link of the node that the interface plugin uses, unless it may be shared with
    /// everything.
    pub(super) link: Option<Link>,
    /// The namespace and the name of the NAD that the configuration states.
    pub(super) own_name: Option<OwnName>,
}

impl Report {
    /// Whether another warning would be kept; if not, no advice needs to be looked up.
    pub(super) fn takes_warnings(&self) -> bool {
        self.suspicious.len() < MAX_FAULTS
    }

    /// Reports that a plugin refuses `value`.
    pub(super) fn refuse(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.invalid, value, message);
    }

    /// Reports that `value` is accepted and does not do what it seems to.
    pub(super) fn warn(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.suspicious, value, message);
    }

    /// Reports that `value` could do harm when a program running as root uses it.
    pub(super) fn danger(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.dangerous, value, message);
    }

    /// Reports that `value` is a default route.
    pub(super) fn default_route(&mut self, value: Value<'_>, message: impl Into<String>) {
        note(&mut self.default_routes, value, message);
    }

    /// Notes that `value` uses something of the node. All uses are kept until the network is
    /// deleted, and each has to be judged, so more than a network needs are refused.
    pub(super) fn uses(&mut self, value: Value<'_>, used: Used) {
        if self.uses.len() < MAX_USES {
            // For a store, which nearly every network has, line and column are enough.
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

    /// Runs `judge`. What it refuses is only suspicious if that is not certain.
    pub(super) fn refuse_if<T>(
        &mut self,
        is_certain: bool,
        judge: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if is_certain {
            return judge(self);
        }
        // Dangers and default routes do not depend on whether a plugin refuses for certain.
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

    /// Runs `judge`, and keeps only dangers and uses of the node.
    pub(super) fn only_dangers(&mut self, judge: impl FnOnce(&mut Self)) {
        let (invalid, suspicious) = (self.invalid.len(), self.suspicious.len());
        judge(self);
        self.invalid.truncate(invalid);
        self.suspicious.truncate(suspicious);
    }

    /// Refuses `value`, unless the Pod may replace it: then it is only suspicious.
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
    // Only the beginning of a large value is read.
    let raw: String = value.raw().chars().take(1000).collect();
    if !raw.contains(['\n', '\r', '\t']) {
        return shorten(&raw).into_owned();
    }
    let line = raw.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&line).into_owned()
}

/// More than anyone reads, and a bound on the cost of a NAD with a million wrong keys.
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
