//! The validating answer: a request passes, with warnings or without, or is refused.

use std::borrow::Cow;

use crate::finding::{Finding, Level, escape};
use crate::review::Cause;

/// What `/validate` answers.
#[derive(Debug)]
pub enum Judgement<'f> {
    /// The request passes.
    Allow {
        /// For whoever sent it, one line each.
        warnings: Vec<Cow<'f, str>>,
    },
    /// The request is refused.
    Deny(Denial<'f>),
}

/// Why a request is refused.
#[derive(Debug)]
pub struct Denial<'f> {
    /// For people: the first finding in full, then a line for each of the others.
    pub message: Cow<'f, str>,
    /// For programs: one for each finding that denies.
    pub causes: Vec<Cause<'f>>,
    /// What does not deny, one line each.
    pub warnings: Vec<Cow<'f, str>>,
}

/// The lines of a denial.
const MOST_LINES: usize = 10;
/// The causes of a denial: an annotation can have a hundred thousand faults, and the API server reads
/// an answer of 3 MiB at most.
const MOST_CAUSES: usize = 100;
/// What the API server passes on in full (`endpoints/filters/warning.go`): above this, in all, it
/// cuts each warning to 256.
const MOST_WARNING_CHARACTERS: usize = 4096;
/// Less of a warning says nothing.
const SHORTEST_WARNING: usize = 80;

/// Weighs the findings, which come with the weightiest first.
pub fn validate(findings: &[Finding]) -> Judgement<'_> {
    let denying: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.level == Level::Deny)
        .collect();
    let warnings = warnings(findings);
    let Some(first) = denying.first() else {
        return Judgement::Allow { warnings };
    };
    let mut message = Cow::Borrowed(first.line());
    if denying.len() > 1 {
        let others = format!(" (and {} more)", denying.len() - 1);
        message.to_mut().push_str(&others);
    }
    for finding in denying.iter().take(MOST_LINES).skip(1) {
        let message = message.to_mut();
        message.push('\n');
        message.push_str(finding.line());
    }
    let causes = denying.iter().take(MOST_CAUSES).map(|finding| Cause {
        reason: "FieldValueInvalid",
        message: finding.line(),
        field: escape(&finding.place.field),
    });
    Judgement::Deny(Denial {
        message,
        causes: causes.collect(),
        warnings,
    })
}

impl Judgement<'_> {
    /// `allow` or `deny`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Deny(_) => "deny",
        }
    }
}

fn warnings(findings: &[Finding]) -> Vec<Cow<'_, str>> {
    let mut left = MOST_WARNING_CHARACTERS;
    let mut lines = Vec::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.level == Level::Warn)
    {
        let line = finding.line();
        let length = line.chars().count();
        if length <= left {
            left -= length;
            lines.push(line.into());
            continue;
        }
        // What begins to be said is better than nothing of it.
        if left >= SHORTEST_WARNING {
            let cut = line.chars().take(left - 1);
            lines.push(cut.chain(['…']).collect::<String>().into());
        }
        break;
    }
    lines
}
