//! The configuration file: from text to [`Policy`], with every mistake named.
//!
//! `config/default.yaml` is the documented default; a test holds it equal to [`Policy::default`].

use crate::policy::Policy;

mod unvalidated;

/// The documented default, as a file.
pub const DEFAULT: &str = include_str!("config/default.yaml");

/// Why a text is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The YAML is none, or has a key or a value that no configuration has.
    #[error("{0}")]
    Shape(String),
    /// A value is out of what is allowed.
    #[error("{field}: {problem}")]
    Value {
        /// Path of the field.
        field: String,
        /// What is wrong, and what to write.
        problem: String,
    },
}

/// Reads a configuration file.
///
/// # Errors
/// The first mistake in it, with its place.
pub fn parse(text: &str) -> Result<Policy, Error> {
    unvalidated::parse(text)?.validate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_default_is_the_default() {
        assert_eq!(parse(DEFAULT).unwrap(), Policy::default());
        for nothing in ["", "---", "# nothing\n---\n"] {
            assert_eq!(parse(nothing).unwrap(), Policy::default());
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_was_probably_meant() {
        for (text, wanted) in [
            ("globalNamespace: [x]", "did you mean \"globalNamespaces\"?"),
            (
                "supportedPlugins: {interfaces: []}",
                "did you mean \"interface\"?",
            ),
            (
                "rules: {isolated-networks: off}",
                "did you mean \"isolated-network\"?",
            ),
            ("enforcement: off", "may be deny or warn"),
            ("enforcement: maybe", "maybe"),
            ("globalNamespaces: [Default]", "no name of a namespace"),
            (
                "grants: [{networks: telecom, namespaces: [a]}]",
                "is not namespace/name",
            ),
            (
                "exemptions: [{rules: [isolated-network], objects: [a/b], reason: x}]",
                "write namespace/*",
            ),
            (
                "exemptions: [{rules: [unsupported-plugin], objects: [a/b], reason: x}]",
                "users choose the names of their objects: write namespace/*",
            ),
            (
                "exemptions: [{rules: [malformed-config], reason: x}]",
                "exemptions[0]: has neither objects nor users",
            ),
            (
                "exemptions: [{rules: [malformed-config], users: [\"\"], reason: x}]",
                "is not the name of a user",
            ),
            ("controllers: [\" a\"]", "is not the name of a user"),
            (
                "rules: {beyond-limits: warn}",
                "rules.beyond-limits: its level cannot be set",
            ),
            (
                "exemptions: [{rules: [], objects: [], reason: \"\"}]",
                "say why",
            ),
            (
                "exemptions: [{rules: [], objects: [a/*], reason: x}]",
                "exemptions[0].rules: is empty",
            ),
            (
                "exemptions:\n- {rules: [malformed-config], objects: [a/b, A/b], reason: x}",
                "exemptions[0].objects (line 2, column 46): \"A/b\" is not namespace/name",
            ),
            (
                "grants: [{networks: a/*, namespaces: []}]",
                "grants[0].namespaces: is empty",
            ),
            (
                "grants: [{networks: a/*, namespaces: [a/b]}]",
                "grants[0].namespaces (line 1, column 39): \"a/b\" is neither",
            ),
            (
                "supportedPlugins: {meta: [\"\"]}",
                "\"\" is no name of a plugin",
            ),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }
}
