//! The mutating answer: a request is admitted, with a patch or without.

use json_patch::Patch;

use crate::patch;
use crate::patch::Fix;
use crate::view::Subject;

/// What `/mutate` answers. It can neither deny nor warn.
#[derive(Debug)]
pub enum Mutation {
    /// The object stays as it is.
    Allow,
    /// The object is changed.
    Patch(Patch),
}

/// Applies the fixes, as far as the API server accepts them.
pub fn mutate(subject: &Subject<'_>, fixes: &[Fix]) -> Mutation {
    let Subject::Attach(attach) = subject else {
        return Mutation::Allow;
    };
    let patches = fixes
        .iter()
        .filter_map(|fix| patch::operations(fix, attach));
    let operations: Vec<_> = patches.flat_map(|patch| patch.0).collect();
    if operations.is_empty() {
        return Mutation::Allow;
    }
    Mutation::Patch(Patch(operations))
}

impl Mutation {
    /// `allow` or `patch`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Patch(_) => "patch",
        }
    }
}
