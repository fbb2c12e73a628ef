//! `multinic doctor`: whether everything is in place.
//!
//! [`examine`](examine::examine) reads the cluster; what its answers mean is decided by functions
//! without I/O, in the other modules.

use std::fmt::Write as _;

use multinic_core::text::escape;
use serde::Serialize;

mod cause;
mod certificate;
mod dial;
pub mod examine;
mod multus;
mod probe;
mod registration;
mod replicas;

/// What came of one check.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The name of the check, in kebab case.
    pub check: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was found.
    pub message: String,
    /// What to do; `None` where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What can come of a check.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// The cluster holds nothing to check it with; this is nobody's fault.
    Skipped,
    /// It works, and something should be changed.
    Warning,
    /// It could not be looked at: a right is missing, or something is out of reach.
    NotChecked,
    /// It does not work.
    Failed,
}

impl Check {
    fn new(check: &'static str, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            check,
            outcome,
            message: message.into(),
            remedy: None,
        }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// The check as it is printed: one line, and the remedy under it.
    pub fn lines(&self) -> String {
        let mut lines = format!(
            "{:<12} {}: {}\n",
            self.outcome.name(),
            self.check,
            escape(&self.message.replace('\n', " "))
        );
        if let Some(remedy) = &self.remedy {
            // Writing to a String does not fail.
            let _ = writeln!(lines, "{:<12} {}", "", escape(remedy));
        }
        lines
    }
}

impl Outcome {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::NotChecked => "not checked",
            Self::Failed => "failed",
        }
    }
}
