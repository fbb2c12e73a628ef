//! Whether demands on nodes can be met together.

use std::collections::BTreeMap;

use crate::selector::{Operator, Requirement};

/// The first two of `requirements` that no labels can meet together, by index; one index twice
/// where one alone cannot be met. Only what is certain: `None` does not mean that such a node
/// exists.
pub fn contradiction(requirements: &[&Requirement]) -> Option<(usize, usize)> {
    if let [alone] = requirements {
        return (!met_together(alone, alone)).then_some((0, 0));
    }
    let mut keys: BTreeMap<&str, Demand<'_>> = BTreeMap::new();
    for (index, requirement) in requirements.iter().enumerate() {
        let demand = keys.entry(&requirement.key).or_default();
        demand.add(requirement);
        if !demand.is_met() {
            let first = requirements.iter().take(index).position(|earlier| {
                earlier.key == requirement.key && !met_together(earlier, requirement)
            });
            let alone = !met_together(requirement, requirement);
            let any = || {
                requirements
                    .iter()
                    .position(|earlier| earlier.key == requirement.key)
            };
            let other = if alone {
                Some(index)
            } else {
                first.or_else(any)
            };
            return Some((other.unwrap_or(index), index));
        }
    }
    None
}

fn met_together(a: &Requirement, b: &Requirement) -> bool {
    let mut demand = Demand::default();
    demand.add(a);
    if !std::ptr::eq(a, b) {
        demand.add(b);
    }
    demand.is_met()
}

/// What is demanded of one label.
#[derive(Default)]
struct Demand<'a> {
    /// The values that are left, where they are listed.
    among: Option<Vec<&'a str>>,
    none_of: Vec<&'a [Box<str>]>,
    /// Exclusive.
    above: Option<i64>,
    /// Exclusive.
    below: Option<i64>,
    there: bool,
    absent: bool,
    never: bool,
}

impl<'a> Demand<'a> {
    fn add(&mut self, requirement: &'a Requirement) {
        let values = &requirement.values;
        match requirement.operator {
            Operator::DoesNotExist => self.absent = true,
            Operator::Exists => self.there = true,
            Operator::In => {
                self.there = true;
                match &mut self.among {
                    None => self.among = Some(values.iter().map(|value| &**value).collect()),
                    Some(among) => among
                        .retain(|value| values.binary_search_by(|own| (**own).cmp(value)).is_ok()),
                }
            }
            Operator::NotIn => self.none_of.push(values),
            // The scheduler matches nothing where the bound is no number.
            Operator::Gt | Operator::Lt => {
                self.there = true;
                let bound = values.first().and_then(|value| value.parse::<i64>().ok());
                match bound {
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
    }

    fn is_met(&self) -> bool {
        if self.never || (self.there && self.absent) {
            return false;
        }
        let between = |number: i64| {
            self.above.is_none_or(|low| number > low) && self.below.is_none_or(|high| number < high)
        };
        let bounded = self.above.is_some() || self.below.is_some();
        let Some(among) = &self.among else {
            // A label's value has no sign, and a number can be written with any number of zeros in
            // front, so that a list cannot exclude it.
            let lowest = self.above.map_or(Some(0), |low| low.max(-1).checked_add(1));
            return !bounded || lowest.is_some_and(between);
        };
        let excluded = |value: &str| {
            let mut lists = self.none_of.iter();
            lists.any(|list| list.binary_search_by(|own| (**own).cmp(value)).is_ok())
        };
        among
            .iter()
            .any(|value| !excluded(value) && (!bounded || value.parse().is_ok_and(between)))
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
            ("a>5,a<7", None),
            ("a>5,a<6", Some((0, 1))),
            ("a<0", Some((0, 0))),
            ("a>9223372036854775807", Some((0, 0))),
            ("a in (4,5),a>5", Some((0, 1))),
            ("a in (4,6),a>5", None),
            ("a in (x),a>5", Some((0, 1))),
            ("a>5,a!=6", None),
            ("a=b,c=d", None),
        ] {
            let requirements = parse(selector).unwrap();
            let all: Vec<_> = requirements.iter().collect();
            let found = contradiction(&all);
            assert_eq!(found.is_some(), wanted.is_some(), "{selector}");
            if selector != "a in (b,c),a!=b,a!=c" {
                assert_eq!(found, wanted, "{selector}");
            }
        }
    }
}
