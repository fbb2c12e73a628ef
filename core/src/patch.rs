//! The only writer of JSON Patch: the requirements that a Pod's required node affinity must imply,
//! as operations on `/spec/affinity`, and the devices that it must request (`resources`).
//!
//! Terms are ORed and the requirements in a term ANDed, so a requirement is appended to every term
//! that is not empty; an empty term matches nothing and stays empty; a term is never added to
//! others. The API server accepts the same changes for a Pod that is still scheduling-gated
//! (`validateNodeSelectorTermHasOnlyAdditions`).

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Value as Json, json};

use crate::limits::{MAX_PATCH, MAX_PLACEMENT};
use crate::selector::Requirement;
use crate::view::Attach;
use crate::view::placement::{Patchable, Placement, REQUIRED, Required};

/// A change that satisfies a rule, by its meaning: `patch` writes the operations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fix {
    /// The Pod's required node affinity must imply these.
    Require(Vec<Requirement>),
    /// The Pod must request more devices.
    Request {
        /// The container that requests them; the first one if there is none of that name.
        container: Option<String>,
        /// The names of the resources, and the number of additional devices of each.
        devices: Vec<(Box<str>, u64)>,
    },
}

mod resources;

pub use resources::request;

/// Returns the operations that make the change; `None` if it is already made, or if the API server
/// would not accept them.
pub fn operations(fix: &Fix, attach: &Attach<'_>) -> Option<Patch> {
    match fix {
        Fix::Require(wanted) => require(attach.placement.as_ref()?, wanted),
        Fix::Request { container, devices } => {
            request(attach.devices.as_ref()?, container.as_deref(), devices)
        }
    }
}

/// Returns the operations that make `placement` imply `wanted`; `None` if it already does, if the
/// API server would not accept them, or if they are larger than [`MAX_PATCH`].
pub fn require(placement: &Placement<'_>, wanted: &[Requirement]) -> Option<Patch> {
    let patch = additions(placement, wanted)?;
    if patch.0.is_empty() {
        return None;
    }
    match placement.patchable {
        Patchable::Nothing => None,
        Patchable::Additions => apply(placement, &patch).map(|_| patch),
        Patchable::Restore(stored) => {
            let stored = stored?.raw();
            if stored.len() > MAX_PLACEMENT + MAX_PATCH {
                return None;
            }
            let stored: Json = serde_json::from_str(stored).ok()?;
            (apply(placement, &patch)? == stored).then_some(patch)
        }
    }
}

/// The `spec.affinity` that implies `wanted`, in one line.
pub fn merged(placement: &Placement<'_>, wanted: &[Requirement]) -> Option<String> {
    apply(placement, &additions(placement, wanted)?).map(|affinity| affinity.to_string())
}

/// Whether the additions to `placement` would be larger than [`MAX_PATCH`].
pub fn is_too_large(placement: &Placement<'_>, wanted: &[Requirement]) -> bool {
    let terms = match &placement.required {
        Required::Terms(terms) => terms.len(),
        Required::Absent | Required::TooLarge | Required::Unreadable => 1,
    };
    let each = wanted.iter().map(Requirement::weight).sum::<usize>();
    // Usually it is small even if every term lacks every requirement.
    each.saturating_mul(terms) > MAX_PATCH && additions(placement, wanted).is_none()
}

/// Returns the affinity after the patch. A patch that does not apply would reject the Pod even if
/// failures are ignored, so every patch is applied here before it is sent.
fn apply(placement: &Placement<'_>, patch: &Patch) -> Option<Json> {
    let mut spec = match placement.affinity {
        Some(affinity) => {
            json!({"spec": {"affinity": serde_json::from_str::<Json>(affinity.raw()).ok()?}})
        }
        None => json!({"spec": {}}),
    };
    // Unsafe only in that a failed patch is not undone: the value is discarded then.
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

/// Returns the operations; `None` if they are larger than [`MAX_PATCH`].
fn additions(placement: &Placement<'_>, wanted: &[Requirement]) -> Option<Patch> {
    let mut operations = Vec::new();
    let mut left = MAX_PATCH;
    let mut count = |requirement: &Requirement| {
        left = left.checked_sub(requirement.weight())?;
        Some(())
    };
    match &placement.required {
        Required::Absent if wanted.is_empty() => {}
        Required::Absent => {
            wanted.iter().try_for_each(&mut count)?;
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
                let mut lacking = Vec::new();
                for requirement in wanted.iter().filter(|wanted| !term.implies(wanted)) {
                    count(requirement)?;
                    lacking.push(requirement);
                }
                if lacking.is_empty() {
                    continue;
                }
                let mut path = TERMS.to_buf();
                path.push_back(index);
                path.push_back("matchExpressions");
                if term.appendable {
                    path.push_back("-");
                    let added = lacking.into_iter().map(write);
                    operations.extend(added.map(|added| add(path.clone(), added)));
                } else {
                    operations.push(add(path, list(lacking)));
                }
            }
        }
        Required::TooLarge | Required::Unreadable => {}
    }
    Some(Patch(operations))
}

fn add(path: PointerBuf, value: Json) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value })
}

fn list<'r>(requirements: impl IntoIterator<Item = &'r Requirement>) -> Json {
    requirements.into_iter().map(write).collect()
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
