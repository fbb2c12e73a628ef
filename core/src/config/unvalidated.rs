//! The configuration as it is written, and the validation of its values.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::Error;
use crate::cni;
use crate::finding::Level;
use crate::name::is_label;
use crate::nearest::nearest;
use crate::policy::pattern::Pattern;
use crate::policy::{Exemption, Grant, Policy, PortRange, SupportedPlugins};
use crate::rules::{self, Rule, beyond_limits};
use crate::text::shorten;

mod node;

use node::{UnvalidatedInterfaces, UnvalidatedPaths};

/// A text with its place in the file.
type Text = Spanned<String>;

/// The levels that `enforcement` and `templates` may have.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ceiling {
    Deny,
    Warn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Unvalidated {
    enforcement: Ceiling,
    multiple_network_interfaces: bool,
    global_namespaces: Vec<Text>,
    multus_namespace: Text,
    default_network_namespaces: Vec<Text>,
    grants: Vec<UnvalidatedGrant>,
    supported_plugins: UnvalidatedPlugins,
    templates: Ceiling,
    controllers: Vec<Text>,
    rules: BTreeMap<String, Spanned<Level>>,
    exemptions: Vec<UnvalidatedExemption>,
    device_container: Option<Text>,
    documentation: Text,
    usage: bool,
    node_paths: UnvalidatedPaths,
    node_interfaces: Vec<UnvalidatedInterfaces>,
    reserved_host_ports: Vec<PortRange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnvalidatedGrant {
    networks: Text,
    namespaces: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnvalidatedExemption {
    rules: Vec<Text>,
    #[serde(default)]
    objects: Vec<Text>,
    #[serde(default)]
    users: Vec<Text>,
    /// For the readers of the file.
    reason: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UnvalidatedPlugins {
    interface: Vec<Text>,
    meta: Vec<Text>,
    ipam: Vec<Text>,
}

impl Unvalidated {
    pub(super) fn validate(self) -> Result<Policy, Error> {
        let Self {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants,
            supported_plugins,
            templates,
            controllers,
            rules,
            exemptions,
            device_container,
            documentation,
            usage,
            node_paths,
            node_interfaces,
            reserved_host_ports,
        } = self;
        let global_namespaces = namespaces("globalNamespaces", global_namespaces)?;
        let default_network_namespaces =
            namespaces("defaultNetworkNamespaces", default_network_namespaces)?;
        let multus_namespace = namespace("multusNamespace", multus_namespace)?;
        let supported_plugins = supported_plugins.validate()?;
        let mut levels = BTreeMap::new();
        for (name, level) in rules {
            let rule = rule(At::of("rules", &level), &name)?;
            if rule.name == beyond_limits::RULE.name {
                let field = format!("rules.{name}");
                let problem = "its level cannot be set: what is not read cannot be judged";
                return Err(wrong(At::of(&field, &level), problem));
            }
            levels.insert(rule.name, level.value);
        }
        let grants = each("grants", grants, UnvalidatedGrant::validate)?;
        let exemptions = each("exemptions", exemptions, UnvalidatedExemption::validate)?;
        let device_container = device_container.map(container).transpose()?.flatten();
        Ok(Policy {
            enforcement: enforcement.level(),
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants,
            supported_plugins,
            templates: templates.level(),
            controllers: users("controllers", &controllers)?,
            levels,
            exemptions,
            device_container,
            documentation: reference(documentation)?,
            usage,
            node_paths: node_paths.validate()?,
            node_interfaces: each(
                "nodeInterfaces",
                node_interfaces,
                UnvalidatedInterfaces::validate,
            )?,
            reserved_host_ports,
            declared_interfaces: None,
        })
    }
}

/// Validates every entry of a list, each with its path.
fn each<T, U>(
    field: &str,
    entries: Vec<T>,
    validate: fn(T, &str) -> Result<U, Error>,
) -> Result<Vec<U>, Error> {
    let entries = entries.into_iter().enumerate();
    entries
        .map(|(index, entry)| validate(entry, &format!("{field}[{index}]")))
        .collect()
}

impl UnvalidatedGrant {
    fn validate(self, path: &str) -> Result<Grant, Error> {
        Ok(Grant {
            namespaces: namespace_patterns(&format!("{path}.namespaces"), &self.namespaces)?,
            networks: pair(&format!("{path}.networks"), &self.networks)?,
        })
    }
}

impl UnvalidatedExemption {
    fn validate(self, path: &str) -> Result<Exemption, Error> {
        if self.reason.value.trim().is_empty() {
            let problem = "the reason is empty; write why the objects are exempt".to_owned();
            return Err(wrong(at(&format!("{path}.reason"), &self.reason), problem));
        }
        let field = format!("{path}.rules");
        some(&field, &self.rules)?;
        let rules = self
            .rules
            .iter()
            .map(|name| rule(at(&field, name), &name.value));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        if self.objects.is_empty() && self.users.is_empty() {
            let problem = "has neither objects nor users: name what is exempt".to_owned();
            return Err(wrong(path.to_owned(), problem));
        }
        let field = format!("{path}.objects");
        let mut objects = Vec::new();
        for object in &self.objects {
            let pattern = pair(&field, object)?;
            if let Some(rule) = rules.iter().find(|rule| rule.by_namespace_only)
                && !object.value.ends_with("/*")
            {
                let namespace = object.value.split('/').next().unwrap_or_default();
                let problem = format!(
                    "\"{}\" exempts from {} by name, and users choose the names of their objects; \
                     write \"{}/*\"",
                    shorten(&object.value),
                    rule.name,
                    shorten(namespace)
                );
                return Err(wrong(at(&field, object), problem));
            }
            objects.push(pattern);
        }
        Ok(Exemption {
            rules: rules.iter().map(|rule| rule.name).collect(),
            objects,
            users: users(&format!("{path}.users"), &self.users)?,
        })
    }
}

impl Default for Unvalidated {
    fn default() -> Self {
        let Policy {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants: _,
            supported_plugins,
            templates,
            controllers,
            levels: _,
            exemptions: _,
            device_container: _,
            documentation,
            usage,
            node_paths: _,
            node_interfaces: _,
            reserved_host_ports,
            declared_interfaces: _,
        } = Policy::default();
        let text = |text| Spanned::new(text, Location::UNKNOWN, Location::UNKNOWN);
        Self {
            enforcement: Ceiling::of(enforcement),
            multiple_network_interfaces,
            global_namespaces: global_namespaces.into_iter().map(text).collect(),
            multus_namespace: text(multus_namespace),
            default_network_namespaces: default_network_namespaces.into_iter().map(text).collect(),
            grants: Vec::new(),
            supported_plugins: UnvalidatedPlugins::of(supported_plugins),
            templates: Ceiling::of(templates),
            controllers: controllers
                .iter()
                .map(|user| text(user.as_str().to_owned()))
                .collect(),
            rules: BTreeMap::new(),
            exemptions: Vec::new(),
            device_container: None,
            documentation: text(documentation),
            usage,
            node_paths: UnvalidatedPaths::default(),
            node_interfaces: Vec::new(),
            reserved_host_ports,
        }
    }
}

impl Ceiling {
    fn of(level: Level) -> Self {
        match level {
            Level::Deny => Self::Deny,
            Level::Off | Level::Warn => Self::Warn,
        }
    }

    fn level(self) -> Level {
        match self {
            Self::Deny => Level::Deny,
            Self::Warn => Level::Warn,
        }
    }
}

impl UnvalidatedPlugins {
    fn of(plugins: SupportedPlugins) -> Self {
        let text = |text| Spanned::new(text, Location::UNKNOWN, Location::UNKNOWN);
        let texts = |names: Vec<String>| names.into_iter().map(text).collect();
        Self {
            interface: texts(plugins.interface),
            meta: texts(plugins.meta),
            ipam: texts(plugins.ipam),
        }
    }

    fn validate(self) -> Result<SupportedPlugins, Error> {
        let Self {
            interface,
            meta,
            ipam,
        } = self;
        Ok(SupportedPlugins {
            interface: plugins("interface", interface)?,
            meta: plugins("meta", meta)?,
            ipam: plugins("ipam", ipam)?,
        })
    }
}

impl Default for UnvalidatedPlugins {
    fn default() -> Self {
        Self::of(SupportedPlugins::default())
    }
}

/// The text that refers to the page of a rule, which becomes a line of a denial.
fn reference(text: Text) -> Result<String, Error> {
    const MAX: usize = 512;
    if text.value.len() > MAX || text.value.chars().any(char::is_control) {
        let problem = format!("expected one line of at most {MAX} bytes");
        return Err(wrong(at("documentation", &text), problem));
    }
    Ok(text.value)
}

/// Path of a field and, if it is known, its line and column.
struct At {
    field: String,
    place: Option<(u64, u64)>,
}

impl At {
    fn of<T>(field: &str, value: &Spanned<T>) -> Self {
        let location = value.referenced;
        let known = location != Location::UNKNOWN;
        Self {
            field: field.to_owned(),
            place: known.then(|| (location.line(), location.column())),
        }
    }
}

impl From<String> for At {
    fn from(field: String) -> Self {
        Self { field, place: None }
    }
}

/// Path and place of a text.
fn at(field: &str, text: &Text) -> At {
    At::of(field, text)
}

fn wrong(at: impl Into<At>, problem: impl std::fmt::Display) -> Error {
    let At { field, place } = at.into();
    Error {
        place,
        problem: format!("{field}: {problem}"),
        excerpt: None,
    }
}

/// Names of namespaces, with `*` for any characters.
fn namespace_patterns(field: &str, names: &[Text]) -> Result<Vec<Pattern>, Error> {
    some(field, names)?;
    let patterns = names.iter().map(|name| {
        if is_pattern(&name.value, false) {
            return Ok(Pattern::new(&name.value));
        }
        let problem = format!(
            "\"{}\" is not a valid name of a namespace, with \"*\" for any characters",
            shorten(&name.value)
        );
        Err(wrong(at(field, name), problem))
    });
    patterns.collect()
}

fn namespaces(field: &str, names: Vec<Text>) -> Result<Vec<String>, Error> {
    let names = names.into_iter().map(|name| namespace(field, name));
    names.collect()
}

fn namespace(field: &str, name: Text) -> Result<String, Error> {
    if is_label(&name.value) {
        return Ok(name.value);
    }
    let problem = format!(
        "\"{}\" is not a valid name of a namespace",
        shorten(&name.value)
    );
    Err(wrong(at(field, &name), problem))
}

/// Returns the name of a container; `None` if it is empty.
fn container(name: Text) -> Result<Option<String>, Error> {
    if name.value.is_empty() {
        return Ok(None);
    }
    if is_label(&name.value) {
        return Ok(Some(name.value));
    }
    let problem = format!(
        "\"{}\" is not a valid name of a container",
        shorten(&name.value)
    );
    Err(wrong(at("deviceContainer", &name), problem))
}

/// Checks a list without which an entry has no effect.
fn some(field: &str, list: &[Text]) -> Result<(), Error> {
    if list.is_empty() {
        return Err(wrong(
            field.to_owned(),
            "the list is empty, so the entry has no effect; complete it, or remove the entry",
        ));
    }
    Ok(())
}

/// Names of users as the API server authenticates them, with `*` for any characters.
fn users(field: &str, names: &[Text]) -> Result<Vec<Pattern>, Error> {
    let user = |name: &Text| {
        let text = name.value.trim();
        if text.is_empty() || text != name.value {
            let problem = format!(
                "\"{}\" is not the name of a user: write it as in the API server, for example \
                 \"system:serviceaccount:NAMESPACE:NAME\"",
                shorten(&name.value)
            );
            return Err(wrong(at(field, name), problem));
        }
        Ok(Pattern::new(text))
    };
    names.iter().map(user).collect()
}

/// Types of plugins, which are the names of their files (libcni: `FindInPath`).
fn plugins(list: &str, names: Vec<Text>) -> Result<Vec<String>, Error> {
    let field = format!("supportedPlugins.{list}");
    let names = names.into_iter().map(|name| {
        let text = &name.value;
        if text.is_empty() || text.contains(['/', ' ', '\t', '\n', '*']) {
            let problem = format!("\"{}\" is not a valid name of a plugin", shorten(text));
            return Err(wrong(at(&field, &name), problem));
        }
        let (kind, right) = match cni::list_of(text) {
            Some("interface") => ("an interface plugin", "interface"),
            Some("meta") => ("a meta plugin", "meta"),
            Some("ipam") => ("an IPAM plugin", "ipam"),
            _ => return Ok(name.value),
        };
        if right == list {
            return Ok(name.value);
        }
        let problem = format!("\"{text}\" is {kind}; move it to supportedPlugins.{right}");
        Err(wrong(at(&field, &name), problem))
    });
    names.collect()
}

/// Whether `text` can be the name of an object, or one in which `*` stands for a part of it.
fn is_pattern(text: &str, dots: bool) -> bool {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'-' | b'*')
            || (dots && byte == b'.')
    };
    !text.is_empty() && text.bytes().all(fits)
}

fn rule(field: At, name: &str) -> Result<&'static Rule, Error> {
    rules::find(name).ok_or_else(|| {
        let near = nearest(name, rules::RULES.iter().map(|rule| rule.name));
        let advice = near.map_or_else(
            || "`multinic explain` lists the rules".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        wrong(
            field,
            format!("there is no rule \"{}\"; {advice}", shorten(name)),
        )
    })
}

fn pair(field: &str, text: &Text) -> Result<Pattern, Error> {
    match text.value.split_once('/') {
        Some((namespace, name)) if is_pattern(namespace, false) && is_pattern(name, true) => {
            Ok(Pattern::new(&text.value))
        }
        _ => Err(wrong(
            at(field, text),
            format!(
                "\"{}\" is not of the form namespace/name, in lower case, with \"*\" for any \
                 characters",
                shorten(&text.value)
            ),
        )),
    }
}
