//! Whether requirements on nodes can be met together.

use std::collections::HashSet;

use crate::selector::{Operator, Requirement};

/// Requirements, each with a number, by the label that they are about.
#[derive(Debug, Default)]
pub struct Demands<'r> {
    /// In the order of their keys, and of one key in the order of their numbers.
    sorted: Vec<(usize, &'r Requirement)>,
    /// The first two that contradict each other.
    conflict: Option<(usize, usize)>,
}

impl<'r> Demands<'r> {
    /// Requirements, numbered from 0.
    pub fn of(requirements: impl IntoIterator<Item = &'r Requirement>) -> Self {
        let mut sorted: Vec<_> = requirements.into_iter().enumerate().collect();
        sorted.sort_by(|(_, one), (_, other)| one.key.cmp(&other.key));
        let conflicts = of_one_key(&sorted).filter_map(conflict);
        Self {
            conflict: conflicts.min_by_key(|(_, second)| *second),
            sorted,
        }
    }

    /// The numbers of the first two that no labels can meet together; the same number twice if one
    /// alone cannot be met. Only what is certain: `None` does not mean that such a node exists.
    pub fn conflict(&self) -> Option<(usize, usize)> {
        self.conflict
    }

    /// The same with further requirements, which are in the order of their keys and get the numbers
    /// after those that are known.
    pub fn conflict_with(&self, more: &'r [Requirement]) -> Option<(usize, usize)> {
        if self.conflict.is_some() {
            return self.conflict;
        }
        let numbered: Vec<_> = (self.sorted.len()..).zip(more).collect();
        let conflicts = of_one_key(&numbered).filter_map(|further| {
            let (_, requirement) = further.first()?;
            let known = self.of_key(&requirement.key);
            if known.is_empty() {
                return conflict(further);
            }
            conflict(&[known, further].concat())
        });
        conflicts.min_by_key(|(_, second)| *second)
    }

    fn of_key(&self, key: &str) -> &[(usize, &'r Requirement)] {
        let start = self.sorted.partition_point(|(_, own)| *own.key < *key);
        let rest = self.sorted.get(start..).unwrap_or_default();
        let length = rest.partition_point(|(_, own)| *own.key == *key);
        rest.get(..length).unwrap_or_default()
    }
}

/// Neighbours with the same key.
fn of_one_key<'n, 'r>(
    sorted: &'n [(usize, &'r Requirement)],
) -> impl Iterator<Item = &'n [(usize, &'r Requirement)]> {
    sorted.chunk_by(|(_, one), (_, other)| one.key == other.key)
}

/// The first two of `requirements`, which are about one label, that contradict each other.
fn conflict(requirements: &[(usize, &Requirement)]) -> Option<(usize, usize)> {
    if are_met(requirements) {
        return None;
    }
    // Further requirements only exclude more, so what cannot be met stays so.
    let lengths: Vec<usize> = (1..requirements.len()).collect();
    let met = lengths.partition_point(|length| requirements.get(..*length).is_some_and(are_met));
    let (number, last) = requirements.get(met)?;
    let earlier = requirements.get(..met).unwrap_or_default();
    let alone = !are_met(&[(*number, *last)]);
    let other = earlier.iter().find(|(_, one)| !meet_together(one, last));
    let other = other.or_else(|| earlier.first()).filter(|_| !alone);
    Some((other.map_or(*number, |(other, _)| *other), *number))
}

/// Whether some value of the label, or its absence, meets all of them.
fn are_met(requirements: &[(usize, &Requirement)]) -> bool {
    let all = || requirements.iter().map(|(_, requirement)| *requirement);
    let bounds = all().fold(Bounds::default(), Bounds::and);
    let lists = all().filter(|requirement| requirement.operator == Operator::In);
    let Some(shortest) = lists.clone().min_by_key(|list| list.values.len()) else {
        return bounds.are_met();
    };
    if bounds.never || bounds.absent {
        return false;
    }
    let mut among: Vec<&str> = shortest.values.iter().map(|value| &**value).collect();
    for list in lists {
        among.retain(|value| list.lists(value));
    }
    let excluded: HashSet<&str> = all()
        .filter(|requirement| requirement.operator == Operator::NotIn)
        .flat_map(|requirement| &requirement.values)
        .map(|value| &**value)
        .collect();
    among
        .iter()
        .any(|value| !excluded.contains(value) && bounds.admit(value))
}

/// [`are_met`] for two, without collecting anything.
fn meet_together(one: &Requirement, other: &Requirement) -> bool {
    let bounds = Bounds::default().and(one).and(other);
    let (list, other) = match (one.operator, other.operator) {
        (Operator::In, Operator::In) if other.values.len() < one.values.len() => (other, one),
        (Operator::In, _) => (one, other),
        (_, Operator::In) => (other, one),
        _ => return bounds.are_met(),
    };
    let mut values = list.values.iter();
    !bounds.never
        && !bounds.absent
        && values.any(|value| {
            let is_excluded = match other.operator {
                Operator::In => !other.lists(value),
                Operator::NotIn => other.lists(value),
                _ => false,
            };
            !is_excluded && bounds.admit(value)
        })
}

impl Requirement {
    fn lists(&self, value: &str) -> bool {
        let found = self.values.binary_search_by(|own| (**own).cmp(value));
        found.is_ok()
    }
}

/// What is required of a label in addition to the listed values.
#[derive(Clone, Copy, Default)]
struct Bounds {
    /// Exclusive.
    above: Option<i64>,
    /// Exclusive.
    below: Option<i64>,
    present: bool,
    absent: bool,
    never: bool,
}

impl Bounds {
    fn and(mut self, requirement: &Requirement) -> Self {
        match requirement.operator {
            Operator::DoesNotExist => self.absent = true,
            Operator::Exists | Operator::In => self.present = true,
            Operator::NotIn => {}
            // The scheduler matches nothing if the bound is not a number.
            Operator::Gt | Operator::Lt => {
                self.present = true;
                let value = requirement.values.first();
                match value.and_then(|value| value.parse::<i64>().ok()) {
                    None => self.never = true,
                    Some(bound) if requirement.operator == Operator::Gt => {
                        self.above = Some(self.above.map_or(bound, |own| own.max(bound)));
                    }
                    Some(bound) => {
                        self.below = Some(self.below.map_or(bound, |own| own.min(bound)));
                    }
                }
            }
        }
        self
    }

    fn is_bounded(self) -> bool {
        self.above.is_some() || self.below.is_some()
    }

    fn contains(self, number: i64) -> bool {
        self.above.is_none_or(|low| number > low) && self.below.is_none_or(|high| number < high)
    }

    fn admit(self, value: &str) -> bool {
        !self.is_bounded() || value.parse().is_ok_and(|number| self.contains(number))
    }

    /// Whether they can be met if no values are listed: a label's value has no sign, and a number
    /// can be written with any number of leading zeros, so that no list can exclude it.
    fn are_met(self) -> bool {
        if self.never || (self.present && self.absent) {
            return false;
        }
        let lowest = self.above.map_or(Some(0), |low| low.max(-1).checked_add(1));
        !self.is_bounded() || lowest.is_some_and(|lowest| self.contains(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::parse;

    #[test]
    fn what_cannot_be_met_together() {
        for (selector, wanted) in [
            ("a=b,a=c", Some((0, 1))),
            ("a=b,a!=b", Some((0, 1))),
            ("a in (b,c),a!=b,a!=c", Some((0, 2))),
            ("a,!a", Some((0, 1))),
            ("!a,a!=b", None),
            ("!a,a=b", Some((0, 1))),
            ("a>5,a<7", None),
            ("a>5,a<6", Some((0, 1))),
            ("a<0", Some((0, 0))),
            ("a>9223372036854775807", Some((0, 0))),
            ("a in (4,5),a>5", Some((0, 1))),
            ("a in (4,6),a>5", None),
            ("a in (x),a>5", Some((0, 1))),
            ("a>5,a!=6", None),
            ("a=b,c=d", None),
            ("c,a=b,d,a=c,!d", Some((1, 3))),
            ("a in (b,c),a in (c,d),a in (b,d)", Some((0, 2))),
        ] {
            let requirements = parse(selector).unwrap();
            assert_eq!(Demands::of(&requirements).conflict(), wanted, "{selector}");
            // It is the same if some of them come later.
            for split in 0..=requirements.len() {
                let (known, more) = requirements.split_at(split);
                let mut more = more.to_vec();
                more.sort_by(|one, other| one.key.cmp(&other.key));
                let found = Demands::of(known).conflict_with(&more);
                assert_eq!(found.is_some(), wanted.is_some(), "{selector}");
            }
        }
    }
}
