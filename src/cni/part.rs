//! One plugin of a configuration, by the keys that all plugins have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::keys::through_a_map;
use crate::json::{Kind, Member, Value, folds};

/// One plugin of a configuration: its object, and what `types.PluginConf` reads of it.
#[derive(Debug)]
pub(super) struct Part<'d> {
    /// Its object.
    pub(super) object: Value<'d>,
    /// Its `type`.
    pub(super) kind: Cow<'d, str>,
    /// Where the type stands.
    pub(super) kind_at: Value<'d>,
    /// Its keys, as the plugin meets them.
    members: Vec<Member<'d>>,
}

impl<'d> Part<'d> {
    pub(super) fn new(object: Value<'d>, kind: Cow<'d, str>, kind_at: Value<'d>) -> Self {
        Self {
            object,
            kind,
            kind_at,
            members: through_a_map(object),
        }
    }

    /// The objects that Go decodes one after the other into the field `ipam`.
    pub(super) fn ipam(&self) -> impl Iterator<Item = Value<'d>> {
        self.objects("ipam")
    }

    /// `ipam.type`, where one is named.
    pub(super) fn ipam_kind(&self) -> Option<(Cow<'d, str>, Value<'d>)> {
        self.ipam()
            .flat_map(through_a_map)
            .filter(|member| member.key.str().is_some_and(|key| folds(&key, "type")))
            .filter_map(|member| Some((member.value.str()?, member.value)))
            .last()
            .filter(|(kind, _)| !kind.is_empty())
    }

    /// Where to say that something is wrong with the IPAM plugin.
    pub(super) fn ipam_or_kind(&self) -> Value<'d> {
        self.ipam().last().unwrap_or(self.kind_at)
    }

    /// The capabilities that it declares with `true`.
    pub(super) fn capabilities(&self) -> impl Iterator<Item = Cow<'d, str>> {
        // A later object overwrites what an earlier one said of the same capability.
        let declared: BTreeMap<_, _> = self
            .objects("capabilities")
            .flat_map(through_a_map)
            .filter_map(|member| Some((member.key.str()?, member.value.bool() == Some(true))))
            .collect();
        declared
            .into_iter()
            .filter_map(|(name, is_declared)| is_declared.then_some(name))
    }

    /// Whether it declares a capability, so that a Pod may ask for it.
    pub(super) fn declares(&self, capability: &str) -> bool {
        self.capabilities().any(|declared| declared == capability)
    }

    /// Whether somebody wrote down a `prevResult`, which the first plugin of a chain then gets.
    pub(super) fn has_prev_result(&self) -> bool {
        self.objects("prevResult").next().is_some()
    }

    fn objects(&self, field: &'static str) -> impl Iterator<Item = Value<'d>> {
        self.members
            .iter()
            .filter(move |member| member.key.str().is_some_and(|key| folds(&key, field)))
            .map(|member| member.value)
            .filter(|value| value.kind() == Kind::Object)
    }
}
