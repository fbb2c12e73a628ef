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

/// Whether two of the keys may fold to one: never a wrong "no", and seldom a wrong "yes".
pub(in crate::cni) fn may_have_twins(members: &[Member<'_>]) -> bool {
    let mut seen = 0u128;
    members.iter().any(|member| {
        let raw = member.key.raw().as_bytes();
        if !raw.is_ascii() || raw.contains(&b'\\') {
            return true;
        }
        let letter =
            |at: usize| usize::from(raw.get(at).copied().unwrap_or(0).to_ascii_lowercase());
        let hash =
            letter(1) * 7 + letter(raw.len() / 2) * 3 + letter(raw.len() - 2) + raw.len() * 31;
        let bit = 1u128 << (hash % 128);
        let twin = seen & bit != 0;
        seen |= bit;
        twin
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
