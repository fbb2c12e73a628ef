//! The only writer of JSON Patch: what a Pod's required node affinity must imply, as operations on
//! `/spec/affinity`.
//!
//! Terms are ORed and the requirements in a term ANDed, so a requirement goes to the end of every
//! term that has one already; an empty term matches nothing and stays so; a term is never added to
//! others. The same shape is what the API server accepts for a Pod that is still scheduling-gated
//! (`validateNodeSelectorTermHasOnlyAdditions`).

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Value as Json, json};

use crate::selector::Requirement;
use crate::view::placement::{Patchable, Placement, REQUIRED, Required};

/// A change that makes a rule's findings go away, as meaning: how it is written is for `patch` to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fix {
    /// The Pod's required node affinity must imply these.
    Require(Vec<Requirement>),
}

/// The operations that make `placement` imply `wanted`; `None` where it does already, or where the
/// API server would not take them.
pub fn require(placement: &Placement<'_>, wanted: &[Requirement]) -> Option<Patch> {
    let patch = additions(placement, wanted);
    if patch.0.is_empty() {
        return None;
    }
    match placement.patchable {
        Patchable::Nothing => None,
        Patchable::Additions => apply(placement, &patch).map(|_| patch),
        Patchable::Restore(stored) => {
            let stored: Json = serde_json::from_str(stored?.raw()).ok()?;
            (apply(placement, &patch)? == stored).then_some(patch)
        }
    }
}

/// The `spec.affinity` that implies `wanted`, in one line.
pub fn merged(placement: &Placement<'_>, wanted: &[Requirement]) -> Option<String> {
    apply(placement, &additions(placement, wanted)).map(|affinity| affinity.to_string())
}

/// The affinity that the patch makes. A patch that does not apply would reject the Pod even where
/// failures are ignored, so none is sent that was not applied here.
fn apply(placement: &Placement<'_>, patch: &Patch) -> Option<Json> {
    let mut spec = match placement.affinity {
        Some(affinity) => {
            json!({"spec": {"affinity": serde_json::from_str::<Json>(affinity.raw()).ok()?}})
        }
        None => json!({"spec": {}}),
    };
    // Without the way back: what does not apply is thrown away here.
    json_patch::patch_unsafe(&mut spec, patch).ok()?;
    spec.pointer_mut("/spec/affinity").map(Json::take)
}

const AFFINITY: &Pointer = Pointer::from_static("/spec/affinity");
const NODE_AFFINITY: &Pointer = Pointer::from_static("/spec/affinity/nodeAffinity");
const REQUIRED_AFFINITY: &Pointer = Pointer::from_static(
    "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution",
);
const TERMS: &Pointer = Pointer::from_static(
    "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
);

fn additions(placement: &Placement<'_>, wanted: &[Requirement]) -> Patch {
    let mut operations = Vec::new();
    match &placement.required {
        Required::Absent if wanted.is_empty() => {}
        Required::Absent => {
            let terms = json!({"nodeSelectorTerms": [{"matchExpressions": list(wanted)}]});
            let (path, value) = if placement.affinity.is_none() {
                (AFFINITY, json!({"nodeAffinity": {REQUIRED: terms}}))
            } else if placement.node_affinity().is_none() {
                (NODE_AFFINITY, json!({REQUIRED: terms}))
            } else {
                (REQUIRED_AFFINITY, terms)
            };
            operations.push(add(path.to_buf(), value));
        }
        Required::Terms(terms) => {
            for (index, term) in terms
                .iter()
                .enumerate()
                .filter(|(_, term)| !term.is_empty())
            {
                let lacking: Vec<_> = wanted
                    .iter()
                    .filter(|wanted| !term.implies(wanted))
                    .cloned()
                    .collect();
                if lacking.is_empty() {
                    continue;
                }
                let mut path = TERMS.to_buf();
                path.push_back(index);
                path.push_back("matchExpressions");
                if term.appendable {
                    path.push_back("-");
                    let added = lacking.iter().map(write);
                    operations.extend(added.map(|added| add(path.clone(), added)));
                } else {
                    operations.push(add(path, list(&lacking)));
                }
            }
        }
        Required::Unreadable => {}
    }
    Patch(operations)
}

fn add(path: PointerBuf, value: Json) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value })
}

fn list(requirements: &[Requirement]) -> Json {
    requirements.iter().map(write).collect()
}

fn write(requirement: &Requirement) -> Json {
    let Requirement {
        key,
        operator,
        values,
    } = requirement;
    if values.is_empty() {
        json!({"key": key, "operator": operator.name()})
    } else {
        json!({"key": key, "operator": operator.name(), "values": values})
    }
}
