//! How an object and its numbers change in libcni's map.

use std::collections::BTreeMap;

use crate::json::{Member, Members, Value};

/// The members of an object after it went through a `map[string]interface {}`: of equal keys the
/// last, in byte order. They are sorted only if it matters, that is if two keys fold into one.
pub(in crate::cni) fn through_a_map(object: Value<'_>) -> Mapped<'_> {
    if object.document().has_plain_keys() {
        return Mapped::Written(object.members());
    }
    let members = object.members();
    let by_key: BTreeMap<_, _> = members
        .map(|member| (member.key.str().unwrap_or_default(), member))
        .collect();
    Mapped::Sorted(by_key.into_values().collect::<Vec<_>>().into_iter())
}

/// The members of an object, in the order in which Go decodes them.
#[derive(Debug)]
pub(in crate::cni) enum Mapped<'d> {
    Sorted(std::vec::IntoIter<Member<'d>>),
    Written(Members<'d>),
}

impl<'d> Iterator for Mapped<'d> {
    type Item = Member<'d>;

    fn next(&mut self) -> Option<Member<'d>> {
        match self {
            Self::Sorted(members) => members.next(),
            Self::Written(members) => members.next(),
        }
    }
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
