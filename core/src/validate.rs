//! The validating answer: a request passes, with warnings or without, or is refused.

use crate::finding::{Finding, Level, Line};
use crate::review::Cause;
use crate::text::escape;

/// What `/validate` answers.
#[derive(Debug)]
pub enum Judgement<'f> {
    /// The request passes.
    Allow {
        /// For whoever sent it.
        warnings: Vec<Line<'f>>,
    },
    /// The request is refused.
    Deny(Denial<'f>),
}

/// Why a request is refused.
#[derive(Debug)]
pub struct Denial<'f> {
    /// Findings that deny, the weightiest first.
    pub causes: Vec<Cause<'f>>,
    /// How many deny, also those that are not among the causes.
    pub denying: usize,
    /// What does not deny.
    pub warnings: Vec<Line<'f>>,
}

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
    let denying = findings
        .iter()
        .filter(|finding| finding.level == Level::Deny);
    let causes: Vec<_> = denying.clone().take(MOST_CAUSES).map(cause).collect();
    let warnings = warnings(findings);
    if causes.is_empty() {
        return Judgement::Allow { warnings };
    }
    Judgement::Deny(Denial {
        causes,
        denying: denying.count(),
        warnings,
    })
}

fn cause(finding: &Finding) -> Cause<'_> {
    Cause {
        line: finding.told(),
        field: escape(&finding.place.field),
    }
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

fn warnings(findings: &[Finding]) -> Vec<Line<'_>> {
    let told = findings
        .iter()
        .filter(|finding| finding.level == Level::Warn)
        .map(Finding::told);
    let bytes = |line: Line<'_>| line.rule.len() + Line::BETWEEN.len() + line.message.len();
    if told.clone().map(bytes).sum::<usize>() <= MOST_WARNING_CHARACTERS {
        return told.collect();
    }
    let mut left = MOST_WARNING_CHARACTERS;
    let mut lines = Vec::new();
    for mut line in told {
        let before = line.rule.len() + Line::BETWEEN.len();
        let length = before + line.message.chars().count();
        if length <= left {
            left -= length;
            lines.push(line);
            continue;
        }
        // What begins to be said is better than nothing of it.
        if left >= SHORTEST_WARNING {
            let cut = line.message.chars().take(left.saturating_sub(before + 1));
            line.message = cut.chain(['…']).collect::<String>().into();
            lines.push(line);
        }
        break;
    }
    lines
}
