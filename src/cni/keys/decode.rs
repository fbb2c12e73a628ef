//! What libcni's map makes of an object and its numbers.

use std::collections::BTreeMap;

use crate::json::{Member, Value};

/// The members of an object after it went through a `map[string]interface {}`: of equal keys the
/// last, in byte order. The order is made only where it matters, that is where two keys fold to one.
pub(in crate::cni) fn through_a_map(object: Value<'_>) -> Vec<Member<'_>> {
    let members: Vec<_> = object.members().collect();
    if !may_have_twins(&members) {
        return members;
    }
    members
        .into_iter()
        .map(|member| (member.key.str().unwrap_or_default(), member))
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect()
}

/// Whether two of the keys may fold to one: never a wrong "no".
pub(in crate::cni) fn may_have_twins(members: &[Member<'_>]) -> bool {
    // More than any plugin has; the order is made then.
    const FEW: usize = 32;
    let plain = |key: &str| key.is_ascii() && !key.contains('\\');
    members.len() > FEW
        || members.iter().enumerate().any(|(index, member)| {
            let key = member.key.raw();
            let before = members.get(..index).unwrap_or_default();
            !plain(key)
                || before
                    .iter()
                    .any(|other| other.key.raw().eq_ignore_ascii_case(key))
        })
}

/// A number that, written again from `float64`, is an integer of 64 bits.
pub(in crate::cni) fn integer(value: Value<'_>) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    let number = value.float()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and within the range of i64"
    )]
    (number.fract() == 0.0 && (-END..END).contains(&number)).then_some(number as i64)
}
