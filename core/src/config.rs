//! The configuration file: from text to [`Policy`]. Every mistake is reported with its place.
//!
//! `config/default.yaml` is the documented default; a test compares it with [`Policy::default`].

use crate::policy::Policy;

mod unvalidated;
mod yaml;

/// The documented default, as a file.
pub const DEFAULT: &str = include_str!("config/default.yaml");

/// Why a text is not a valid configuration.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Error {
    /// Line and column, counted from 1, if they are known.
    pub place: Option<(u64, u64)>,
    /// In one line: the path of the field, what is wrong, and what to write instead.
    pub problem: String,
    /// The line of the file, with a mark below the place.
    pub excerpt: Option<String>,
}

/// Reads a configuration file.
///
/// # Errors
/// The first mistake in it.
pub fn parse(text: &str) -> Result<Policy, Error> {
    let policy = yaml::read(text).and_then(unvalidated::Unvalidated::validate);
    policy.map_err(|error| Error {
        excerpt: error.place.and_then(|place| yaml::excerpt(text, place)),
        ..error
    })
}

/// Returns what a valid configuration permits although its author has probably not intended it, in
/// one line each.
pub fn doubts(policy: &Policy) -> Vec<String> {
    let mut doubts = Vec::new();
    for (index, grant) in policy.grants.iter().enumerate() {
        let all = grant.networks.as_str() == "*/*";
        if all && grant.namespaces.iter().any(|one| one.as_str() == "*") {
            doubts.push(format!(
                "grants[{index}] grants every network to every namespace: no network is isolated"
            ));
        }
    }
    doubts
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
    fn a_mistake_is_reported_with_what_to_write() {
        for (text, wanted) in [
            (
                "globalNamespace: [x]",
                "unknown key \"globalNamespace\"; did you mean \"globalNamespaces\"?",
            ),
            (
                "supportedPlugins: {interfaces: []}",
                "unknown key \"interfaces\"; did you mean \"interface\"?",
            ),
            (
                "supportedPlugins: {x: []}",
                "unknown key \"x\"; the keys here are: interface, meta, ipam",
            ),
            (
                "rules: {isolated-networks: off}",
                "there is no rule \"isolated-networks\"; did you mean \"isolated-network\"?",
            ),
            (
                "enforcement: off",
                "enforcement: \"off\" is not a valid value; expected deny or warn",
            ),
            (
                "enforcement: Deny",
                "enforcement: \"Deny\" is not a valid value; expected deny or warn",
            ),
            (
                "templates: no",
                "templates: \"no\" is not a valid value; expected deny or warn",
            ),
            (
                "rules: {missing-network: maybe}",
                "missing-network: \"maybe\" is not a valid value; expected off, warn or deny",
            ),
            (
                "globalNamespaces: [Default]",
                "globalNamespaces: \"Default\" is not a valid name of a namespace",
            ),
            (
                "globalNamespaces: default",
                "globalNamespaces: expected a list, as in [a, b]",
            ),
            (
                "globalNamespaces:\n",
                "globalNamespaces: expected a list, as in [a, b]",
            ),
            (
                "supportedPlugins: []",
                "supportedPlugins: expected a mapping, as in {key: value}",
            ),
            (
                "multipleNetworkInterfaces: maybe",
                "multipleNetworkInterfaces: expected true or false",
            ),
            (
                "templates: warn\ntemplates: deny",
                "the key \"templates\" appears twice",
            ),
            (
                "templates: warn\n---\ntemplates: deny",
                "the file contains more than one document",
            ),
            (
                "grants: [{networks: a/b}]",
                "the key \"namespaces\" is missing",
            ),
            (
                "grants: [{networks: telecom, namespaces: [a]}]",
                "grants[0].networks: \"telecom\" is not of the form namespace/name",
            ),
            (
                "exemptions: [{rules: [isolated-network], objects: [a/b], reason: x}]",
                "write \"a/*\"",
            ),
            (
                "exemptions: [{rules: [unsupported-plugin], objects: [a/b], reason: x}]",
                "users choose the names of their objects; write \"a/*\"",
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
                "exemptions[0].reason: the reason is empty",
            ),
            (
                "exemptions: [{rules: [], objects: [a/*], reason: x}]",
                "exemptions[0].rules: the list is empty",
            ),
            (
                "exemptions:\n- {rules: [malformed-config], objects: [a/b, A/b], reason: x}",
                "exemptions[0].objects: \"A/b\" is not of the form namespace/name",
            ),
            (
                "grants: [{networks: a/*, namespaces: []}]",
                "grants[0].namespaces: the list is empty",
            ),
            (
                "grants: [{networks: a/*, namespaces: [a/b]}]",
                "grants[0].namespaces: \"a/b\" is not a valid name of a namespace",
            ),
            (
                "supportedPlugins: {meta: [\"\"]}",
                "supportedPlugins.meta: \"\" is not a valid name of a plugin",
            ),
            (
                "supportedPlugins: {interface: [whereabouts]}",
                "\"whereabouts\" is an IPAM plugin; move it to supportedPlugins.ipam",
            ),
        ] {
            let error = parse(text).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(wanted), "{text}: {message}");
            assert!(!message.contains('\n'), "{text}: {message}");
        }
    }

    #[test]
    fn a_mistake_is_reported_with_its_place() {
        for (text, place, excerpt) in [
            (
                "# of mine\nglobalNamespace: [x]\n",
                (2, 1),
                "  |\n2 | globalNamespace: [x]\n  | ^",
            ),
            (
                "exemptions:\n- {rules: [malformed-config], objects: [a/b, A/b], reason: x}",
                (2, 46),
                "  |\n2 | - {rules: [malformed-config], objects: [a/b, A/b], reason: x}\n  | \
                 \x20                                            ^",
            ),
            (
                "enforcement: off",
                (1, 14),
                "  |\n1 | enforcement: off\n  |              ^",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.place, Some(place), "{text}: {error}");
            assert_eq!(error.excerpt.as_deref(), Some(excerpt), "{text}");
        }
    }

    #[test]
    fn a_grant_of_everything_is_doubted() {
        let policy = parse("grants: [{networks: '*/*', namespaces: ['*']}]").unwrap();
        assert_eq!(doubts(&policy).len(), 1);
        assert_eq!(doubts(&Policy::default()), [""; 0]);
    }
}
