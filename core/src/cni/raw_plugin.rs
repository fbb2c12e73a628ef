//! One plugin of a configuration: the keys that all plugins have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::keys::through_a_map;
use crate::json::{Kind, Member, Value};

/// One plugin of a configuration: its object, and what `types.PluginConf` reads of it.
#[derive(Debug)]
pub(super) struct RawPlugin<'d> {
    /// Its object.
    pub(super) object: Value<'d>,
    /// Its `type`.
    pub(super) kind: Cow<'d, str>,
    /// The place of the type.
    pub(super) kind_at: Value<'d>,
    ipam: Vec<Value<'d>>,
    ipam_kind: Option<(Cow<'d, str>, Value<'d>)>,
    /// Whether each is declared with `true`.
    capabilities: BTreeMap<Cow<'d, str>, bool>,
    has_prev_result: bool,
    /// Its `args`, spelled so: Multus reads them through a map.
    pub(super) args: Option<Value<'d>>,
}

impl<'d> RawPlugin<'d> {
    pub(super) fn new(object: Value<'d>, kind: Cow<'d, str>, kind_at: Value<'d>) -> Self {
        let mut raw = Self {
            object,
            kind,
            kind_at,
            ipam: Vec::new(),
            ipam_kind: None,
            capabilities: BTreeMap::new(),
            has_prev_result: false,
            args: None,
        };
        for Member { key, value } in through_a_map(object) {
            if key.is_str("args") {
                raw.args = Some(value);
            }
            if value.kind() != Kind::Object {
                continue;
            }
            if key.folds("ipam") {
                raw.ipam.push(value);
                raw.read_ipam(value);
            } else if key.folds("capabilities") {
                let declared = through_a_map(value).filter_map(|member| {
                    Some((member.key.str()?, member.value.bool() == Some(true)))
                });
                // A later object overwrites the same capability of an earlier one.
                raw.capabilities.extend(declared);
            } else if key.folds("prevResult") {
                raw.has_prev_result = true;
            }
        }
        raw
    }

    fn read_ipam(&mut self, ipam: Value<'d>) {
        let named = through_a_map(ipam)
            .filter(|member| member.key.folds("type"))
            .filter_map(|member| Some((member.value.str()?, member.value)))
            .last();
        self.ipam_kind = named.or_else(|| self.ipam_kind.take());
    }

    /// The objects that Go decodes one after the other into the field `ipam`.
    pub(super) fn ipam(&self) -> impl Iterator<Item = Value<'d>> {
        self.ipam.iter().copied()
    }

    /// `ipam.type`, if there is one.
    pub(super) fn ipam_kind(&self) -> Option<(&str, Value<'d>)> {
        let (kind, place) = self.ipam_kind.as_ref()?;
        (!kind.is_empty()).then_some((kind, *place))
    }

    /// The number of addresses in `ipam.addresses`, as Go decodes it.
    pub(super) fn addresses(&self) -> usize {
        let lists = self.ipam().filter_map(|ipam| ipam.field("addresses"));
        lists.last().map_or(0, |list| list.elements().count())
    }

    /// The place for a fault of the IPAM plugin.
    pub(super) fn ipam_or_kind(&self) -> Value<'d> {
        self.ipam.last().copied().unwrap_or(self.kind_at)
    }

    /// The capabilities that it declares with `true`.
    pub(super) fn capabilities(&self) -> impl Iterator<Item = &str> {
        let declared = self.capabilities.iter().filter(|(_, declared)| **declared);
        declared.map(|(name, _)| &**name)
    }

    /// Whether it declares a capability, so that a Pod may request it.
    pub(super) fn declares(&self, capability: &str) -> bool {
        self.capabilities.get(capability) == Some(&true)
    }

    /// Whether the configuration has a `prevResult`, which the first plugin of a chain then gets.
    pub(super) fn has_prev_result(&self) -> bool {
        self.has_prev_result
    }
}
