//! The validating answer: a request is admitted, with warnings or without, or is refused.

use crate::finding::{Finding, Level, Line};
use crate::review::Cause;
use crate::text::escape;

/// What `/validate` answers.
#[derive(Debug)]
pub enum Judgement<'f> {
    /// The request is admitted.
    Allow {
        /// For the user who sent it.
        warnings: Vec<Line<'f>>,
    },
    /// The request is refused.
    Deny(Denial<'f>),
}

/// Why a request is refused.
#[derive(Debug)]
pub struct Denial<'f> {
    /// Findings that deny, the most important first.
    pub causes: Vec<Cause<'f>>,
    /// The number of findings that deny, including those that are not among the causes.
    pub denying: usize,
    /// Findings that do not deny.
    pub warnings: Vec<Line<'f>>,
}

/// The maximum number of causes of a denial: an annotation can have a hundred thousand faults, and
/// the API server reads an answer of at most 3 MiB.
const MAX_CAUSES: usize = 100;
/// The characters of all warnings that the API server passes on in full
/// (`endpoints/filters/warning.go`): if there are more, it cuts each warning to 256.
const MAX_WARNING_CHARACTERS: usize = 4096;
/// Less of a warning would be of no use.
const MIN_WARNING: usize = 80;

/// Judges by the findings, which come with the most important first.
pub fn validate(findings: &[Finding]) -> Judgement<'_> {
    let denying = findings
        .iter()
        .filter(|finding| finding.level == Level::Deny);
    let causes: Vec<_> = denying.clone().take(MAX_CAUSES).map(cause).collect();
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
        line: finding.line(),
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
    let all = findings
        .iter()
        .filter(|finding| finding.level == Level::Warn)
        .map(Finding::line);
    let bytes = |line: Line<'_>| line.rule.len() + Line::SEPARATOR.len() + line.message.len();
    if all.clone().map(bytes).sum::<usize>() <= MAX_WARNING_CHARACTERS {
        return all.collect();
    }
    let mut left = MAX_WARNING_CHARACTERS;
    let mut lines = Vec::new();
    for mut line in all {
        let before = line.rule.len() + Line::SEPARATOR.len();
        let length = before + line.message.chars().count();
        if length <= left {
            left -= length;
            lines.push(line);
            continue;
        }
        // The beginning of a warning is better than nothing.
        if left >= MIN_WARNING {
            let cut = line.message.chars().take(left.saturating_sub(before + 1));
            line.message = cut.chain(['…']).collect::<String>().into();
            lines.push(line);
        }
        break;
    }
    lines
}
