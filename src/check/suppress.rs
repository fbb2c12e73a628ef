//! Comments that suppress findings: `# multinic: ignore RULE[, RULE]: REASON`.
//!
//! A comment counts for the object that it is written in, or, outside of the objects of a `List`, for
//! all objects of its document. Rules about isolation and placement do not heed it: whoever writes a
//! manifest must not exempt it from them.

use multinic_core::nearest::nearest;
use multinic_core::rules::{self, RULES};

use crate::manifest::Comment;
use crate::report::{Entry, State};

/// What a comment suppresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Suppression {
    /// The number of its line.
    pub(super) line: usize,
    rules: Vec<&'static str>,
    reason: String,
}

/// How comments that are for multinic begin.
const IGNORE: &str = "ignore";

impl Suppression {
    /// Reads a comment.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub(super) fn parse(comment: &Comment) -> Result<Self, String> {
        const FORM: &str = "expected \"# multinic: ignore RULE: REASON\"";
        let text = comment.text.trim();
        let Some(text) = text
            .strip_prefix(IGNORE)
            .filter(|rest| rest.starts_with(' '))
        else {
            return Err(FORM.to_owned());
        };
        let (names, reason) = text.split_once(':').unwrap_or((text, ""));
        let mut found = Vec::new();
        for name in names.split(',').map(str::trim) {
            let Some(rule) = rules::find(name) else {
                let known = nearest(name, RULES.iter().map(|rule| rule.name));
                let hint = known.map(|known| format!("; did you mean \"{known}\"?"));
                return Err(format!(
                    "\"{name}\" is not a rule{}",
                    hint.unwrap_or_else(|| format!("; {FORM}"))
                ));
            };
            if rule.by_namespace_only {
                return Err(format!(
                    "{name} cannot be suppressed in a manifest: ask the administrator for an \
                     exemption"
                ));
            }
            found.push(rule.name);
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(format!("the reason is missing; {FORM}"));
        }
        Ok(Self {
            line: comment.line,
            rules: found,
            reason: reason.to_owned(),
        })
    }

    /// Suppresses a finding, if it is one of those meant.
    pub(super) fn apply(&self, entry: &mut Entry) -> bool {
        let applies = entry.state == State::New && self.rules.contains(&entry.rule);
        if applies {
            entry.state = State::Suppressed(self.reason.clone());
        }
        applies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Suppression, String> {
        Suppression::parse(&Comment {
            at: 0,
            line: 1,
            text: text.to_owned(),
        })
    }

    #[test]
    fn a_comment_names_rules_and_a_reason() {
        let one = parse(" ignore missing-cni-version, undeclared-capability: an old plugin: ours");
        let one = one.unwrap();
        assert_eq!(one.rules, ["missing-cni-version", "undeclared-capability"]);
        assert_eq!(one.reason, "an old plugin: ours");
        for (text, said) in [
            ("ignore missing-cni-version", "reason"),
            ("ignore missing-cni-version: ", "reason"),
            (
                "ignore missing-cni-versoin: x",
                "did you mean \"missing-cni-version\"?",
            ),
            ("ignore isolated-network: x", "cannot be suppressed"),
            ("ignored missing-cni-version: x", "expected"),
            ("", "expected"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
