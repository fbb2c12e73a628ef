//! Whether a requirement on nodes is already implied.

use super::{Placement, Required, Term};
use crate::selector::{Operator, Requirement};

impl Placement<'_> {
    /// Those of `wanted` that the required node affinity does not imply: a node could be chosen
    /// without meeting them.
    pub fn lacking<'w>(&self, wanted: &[&'w Requirement]) -> Vec<&'w Requirement> {
        let terms = match &self.required {
            Required::Absent | Required::TooLarge => return wanted.to_vec(),
            Required::Terms(terms) => terms,
            Required::Unreadable => return Vec::new(),
        };
        let implied = |wanted: &Requirement| {
            terms
                .iter()
                .filter(|term| !term.is_empty())
                .all(|term| term.implies(wanted))
        };
        wanted
            .iter()
            .copied()
            .filter(|wanted| !implied(wanted))
            .collect()
    }

    /// Whether `spec.nodeSelector`, which applies in addition to the affinity, implies it.
    pub fn selects(&self, wanted: &Requirement) -> bool {
        self.node_selector.iter().any(|own| own.implies(wanted))
    }
}

impl Term {
    /// Whether one of the requirements of the term implies it.
    pub fn implies(&self, wanted: &Requirement) -> bool {
        let before = self.expressions.partition_point(|own| own.key < wanted.key);
        let of_its_key = self.expressions.iter().skip(before);
        of_its_key
            .take_while(|own| own.key == wanted.key)
            .any(|own| own.implies(wanted))
    }
}

impl Requirement {
    /// Whether every node that meets this one certainly meets `wanted`.
    pub fn implies(&self, wanted: &Self) -> bool {
        use Operator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
        if self.key != wanted.key {
            return false;
        }
        let within = |inner: &Self, outer: &Self| {
            inner.values.len() <= outer.values.len()
                && inner
                    .values
                    .iter()
                    .all(|value| outer.values.binary_search(value).is_ok())
        };
        let apart = || {
            let (few, many) = if self.values.len() < wanted.values.len() {
                (&self.values, &wanted.values)
            } else {
                (&wanted.values, &self.values)
            };
            few.iter().all(|value| many.binary_search(value).is_err())
        };
        let bound = |requirement: &Self| requirement.values.first()?.parse::<i64>().ok();
        let all = |holds: &dyn Fn(i64) -> bool| {
            self.values
                .iter()
                .all(|value| value.parse().is_ok_and(holds))
        };
        let some = !self.values.is_empty();
        match (self.operator, wanted.operator) {
            (In, Exists) => some,
            (Exists | Gt | Lt, Exists) | (DoesNotExist, DoesNotExist | NotIn) => true,
            (In, In) => some && within(self, wanted),
            (In, NotIn) => some && apart(),
            (NotIn, NotIn) => within(wanted, self),
            (In, Gt) => some && bound(wanted).is_some_and(|low| all(&|value| value > low)),
            (In, Lt) => some && bound(wanted).is_some_and(|high| all(&|value| value < high)),
            (Gt, Gt) => bound(self)
                .zip(bound(wanted))
                .is_some_and(|(own, low)| own >= low),
            (Lt, Lt) => bound(self)
                .zip(bound(wanted))
                .is_some_and(|(own, high)| own <= high),
            _ => false,
        }
    }
}
