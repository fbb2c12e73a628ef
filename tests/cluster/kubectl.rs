//! What kubectl says, and what multinic was asked meanwhile.

use std::fmt;

use serde_json::Value;

/// How often multinic was called.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Calls {
    pub(crate) mutate: u64,
    pub(crate) validate: u64,
}

impl Calls {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            mutate: self.mutate - before.mutate,
            validate: self.validate - before.validate,
        }
    }
}

/// What came of one command.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) command: String,
    pub(crate) accepted: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What multinic's own metrics say of the time that the command took; none where it does not run.
    pub(crate) calls: Option<Calls>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = match self.calls {
            Some(Calls { mutate, validate }) => format!("mutate {mutate}, validate {validate}"),
            None => "unknown: multinic does not run".to_owned(),
        };
        write!(
            f,
            "{}\n  {}\n  stdout: {}\n  stderr: {}\n  calls: {calls}",
            self.command,
            if self.accepted { "accepted" } else { "refused" },
            self.stdout.trim(),
            self.stderr.trim(),
        )
    }
}

impl Outcome {
    /// The API server took it.
    #[track_caller]
    pub(crate) fn accepted(self) -> Self {
        assert!(self.accepted, "expected: accepted\ncame: {self}");
        self
    }

    /// multinic refused it, by this rule first.
    #[track_caller]
    pub(crate) fn rejected(self, rule: &str) -> Self {
        let said = format!("denied the request: {rule}: ");
        assert!(
            !self.accepted && self.stderr.contains(&said),
            "expected: refused by {rule}\ncame: {self}"
        );
        self
    }

    /// The API server refused it because multinic did not answer, and said what is concerned.
    #[track_caller]
    pub(crate) fn refused_unanswered(self, webhook: &str) -> Self {
        let said = format!("failed calling webhook \"{webhook}\"");
        assert!(
            !self.accepted && self.stderr.contains(&said),
            "expected: refused because {webhook} does not answer\ncame: {self}"
        );
        self
    }

    /// It was refused, and the words are in what the user reads.
    #[track_caller]
    pub(crate) fn refused_saying(self, words: &str) -> Self {
        assert!(
            !self.accepted && self.stderr.contains(words),
            "expected: refused, saying {words:?}\ncame: {self}"
        );
        self
    }

    /// The words are in what the user reads.
    #[track_caller]
    pub(crate) fn saying(self, words: &str) -> Self {
        assert!(
            self.stderr.contains(words) || self.stdout.contains(words),
            "expected: saying {words:?}\ncame: {self}"
        );
        self
    }

    /// There was a warning of this rule.
    #[track_caller]
    pub(crate) fn warned(self, rule: &str) -> Self {
        let warned = self
            .stderr
            .lines()
            .any(|l| l.starts_with("Warning: ") && l.contains(rule));
        assert!(warned, "expected: a warning of {rule}\ncame: {self}");
        self
    }

    /// multinic said nothing.
    #[track_caller]
    pub(crate) fn unwarned(self) -> Self {
        assert!(
            !self.stderr.contains("Warning: "),
            "expected: no warning\ncame: {self}"
        );
        self
    }

    /// multinic was called exactly so often.
    #[track_caller]
    pub(crate) fn called(self, mutate: u64, validate: u64) -> Self {
        let expected = Calls { mutate, validate };
        assert_eq!(
            self.calls,
            Some(expected),
            "calls of multinic\ncame: {self}"
        );
        self
    }

    /// multinic was not called.
    #[track_caller]
    pub(crate) fn uncalled(self) -> Self {
        self.called(0, 0)
    }

    /// What was printed, as an object.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("expected: JSON ({e})\ncame: {self}"))
    }
}
