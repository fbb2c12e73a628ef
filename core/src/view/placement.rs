//! What a Pod requires of its node.
//!
//! Source of the semantics: `component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go`:
//! terms are ORed, the requirements in a term ANDed, a term without requirements matches no node,
//! and `spec.nodeSelector` has to match as well.

use crate::json::{Kind, Value};
use crate::limits::MAX_PLACEMENT;
use crate::selector::{Operator, Requirement};

mod contradiction;
mod implication;

pub use contradiction::Demands;

/// The field that a patch adds to.
pub const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// What a Pod, or a template, requires of its node, and what may still be changed.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// `spec.nodeSelector`; empty if it is larger than [`MAX_PLACEMENT`].
    pub node_selector: Vec<Requirement>,
    /// `spec.affinity.nodeAffinity.required…`.
    pub required: Required,
    /// `spec.affinity` as it is written; `None` if it is absent or null.
    pub affinity: Option<Value<'a>>,
    /// What may still be added.
    pub patchable: Patchable<'a>,
}

/// The changes that the API server still accepts.
#[derive(Clone, Copy, Debug)]
pub enum Patchable<'a> {
    /// Requirements may be added to terms: the Pod is new or scheduling-gated.
    Additions,
    /// None, except to write again what is already stored (`spec.affinity` of the old object).
    Restore(Option<Value<'a>>),
    /// None.
    Nothing,
}

/// The required node affinity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Required {
    /// There is none: any node will do.
    Absent,
    /// One of these must match.
    Terms(Vec<Term>),
    /// The affinity is larger than [`MAX_PLACEMENT`], and is not read.
    TooLarge,
    /// It has no terms, or a form that the API server refuses.
    Unreadable,
}

/// A node selector term.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Term {
    /// `matchExpressions`, on labels. In the order of their keys, and of one key as written.
    pub expressions: Vec<Requirement>,
    /// `matchFields`, on `metadata.name`.
    pub fields: Vec<Requirement>,
    /// Whether there is a requirement whose operator is not known, so that the term is narrower.
    pub unknown: bool,
    /// Whether `matchExpressions` is a list, to append to.
    pub appendable: bool,
}

impl<'a> Placement<'a> {
    /// What the Pod spec `spec` requires.
    pub fn of(spec: Option<Value<'a>>, patchable: Patchable<'a>) -> Self {
        let affinity = present(spec.and_then(|spec| spec.get("affinity")));
        Self {
            node_selector: spec
                .and_then(|spec| spec.get("nodeSelector"))
                .filter(|map| map.raw().len() <= MAX_PLACEMENT)
                .map(node_selector)
                .unwrap_or_default(),
            required: Required::of(affinity),
            affinity,
            patchable,
        }
    }

    /// The node affinity as it is written.
    pub fn node_affinity(&self) -> Option<Value<'a>> {
        present(self.affinity?.get("nodeAffinity"))
    }
}

impl Placement<'_> {
    /// Whether a node of this name, with these labels, is one that the Pod itself permits. What the
    /// API server would refuse permits every node here.
    pub fn permits<'l>(&self, node: &'l str, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let is_met = |requirement: &Requirement| requirement.is_met_by(label(&requirement.key));
        let is_field_met = |requirement: &Requirement| {
            requirement.is_met_by((*requirement.key == *"metadata.name").then_some(node))
        };
        let required = match &self.required {
            Required::Absent | Required::TooLarge | Required::Unreadable => true,
            Required::Terms(terms) => terms.iter().any(|term| {
                !term.is_empty()
                    && !term.unknown
                    && term.expressions.iter().all(is_met)
                    && term.fields.iter().all(is_field_met)
            }),
        };
        required && self.node_selector.iter().all(is_met)
    }
}

impl Required {
    /// The required node affinity in a `spec.affinity`.
    pub fn of(affinity: Option<Value<'_>>) -> Self {
        let Some(affinity) = affinity else {
            return Self::Absent;
        };
        if affinity.raw().len() > MAX_PLACEMENT {
            return Self::TooLarge;
        }
        let Some(node_affinity) = present(affinity.get("nodeAffinity")) else {
            return if affinity.kind() == Kind::Object {
                Self::Absent
            } else {
                Self::Unreadable
            };
        };
        let Some(required) = present(node_affinity.get(REQUIRED)) else {
            let object = node_affinity.kind() == Kind::Object;
            return if object {
                Self::Absent
            } else {
                Self::Unreadable
            };
        };
        match required.get("nodeSelectorTerms") {
            Some(terms) if terms.kind() == Kind::Array && terms.elements().next().is_some() => {
                Self::Terms(terms.elements().map(Term::of).collect())
            }
            _ => Self::Unreadable,
        }
    }
}

impl Term {
    /// Whether the term has no requirements, and so matches no node.
    pub fn is_empty(&self) -> bool {
        self.expressions.is_empty() && self.fields.is_empty() && !self.unknown
    }

    fn of(term: Value<'_>) -> Self {
        let mut read = Self::default();
        let expressions = term.get("matchExpressions");
        read.appendable = expressions.is_some_and(|list| list.kind() == Kind::Array);
        for expression in expressions.into_iter().flat_map(Value::elements) {
            match requirement(expression) {
                Some(requirement) => read.expressions.push(requirement),
                None => read.unknown = true,
            }
        }
        read.expressions
            .sort_by(|one, other| one.key.cmp(&other.key));
        for field in term
            .get("matchFields")
            .into_iter()
            .flat_map(Value::elements)
        {
            match requirement(field) {
                Some(requirement) => read.fields.push(requirement),
                None => read.unknown = true,
            }
        }
        read
    }
}

/// A value that exists and is not null.
pub(crate) fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_null())
}

fn node_selector(map: Value<'_>) -> Vec<Requirement> {
    map.members()
        .filter_map(|member| {
            let values = vec![member.value.str()?.into()];
            Some(Requirement {
                key: member.key.str()?.into(),
                operator: Operator::In,
                values,
            })
        })
        .collect()
}

fn requirement(value: Value<'_>) -> Option<Requirement> {
    let key = value.get("key")?.str()?.into();
    let operator = Operator::of(&value.get("operator")?.str()?)?;
    let values = value.get("values").into_iter().flat_map(Value::elements);
    let mut values = values
        .map(|value| Some(value.str()?.into()))
        .collect::<Option<Vec<Box<str>>>>()?;
    values.sort_unstable();
    values.dedup();
    Some(Requirement {
        key,
        operator,
        values,
    })
}
