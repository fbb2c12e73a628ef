//! The file as it is written, before its values are checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::Error;
use crate::finding::Level;
use crate::name::is_label;
use crate::nearest::nearest;
use crate::policy::pattern::Pattern;
use crate::policy::{Exemption, Grant, Policy, PortRange, SupportedPlugins};
use crate::rules::{self, Rule, beyond_limits};
use crate::text::shorten;

mod node;

use node::{UnvalidatedInterfaces, UnvalidatedPaths};

/// A text, and where it stands.
type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Unvalidated {
    enforcement: Level,
    multiple_network_interfaces: bool,
    global_namespaces: Vec<Text>,
    multus_namespace: Text,
    default_network_namespaces: Vec<Text>,
    grants: Vec<UnvalidatedGrant>,
    supported_plugins: SupportedPlugins,
    templates: Level,
    controllers: Vec<Text>,
    rules: BTreeMap<String, Level>,
    exemptions: Vec<UnvalidatedExemption>,
    device_container: Option<Text>,
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
    /// For whoever reads the file: an exemption without one is an oversight.
    reason: Text,
}

pub(super) fn parse(text: &str) -> Result<Unvalidated, Error> {
    // A document without content is not "null" to the reader, but nothing.
    let is_blank = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    };
    if text.lines().all(is_blank) {
        return Ok(Unvalidated::default());
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let mut message = error.to_string();
        if let Some((word, known)) = unknown_field(&message)
            && let Some(near) = nearest(&word, known.iter().map(String::as_str))
        {
            message = format!("did you mean \"{near}\"? {message}");
        }
        Error::Shape(message)
    })
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
            usage,
            node_paths,
            node_interfaces,
            reserved_host_ports,
        } = self;
        for (field, level) in [("enforcement", enforcement), ("templates", templates)] {
            if level == Level::Off {
                let problem = "is off, and may be deny or warn".to_owned();
                return Err(Error::Value {
                    field: field.to_owned(),
                    problem,
                });
            }
        }
        let global_namespaces = namespaces("globalNamespaces", global_namespaces)?;
        let default_network_namespaces =
            namespaces("defaultNetworkNamespaces", default_network_namespaces)?;
        let multus_namespace = namespace("multusNamespace", multus_namespace)?;
        supported(&supported_plugins)?;
        let mut levels = BTreeMap::new();
        for (name, level) in rules {
            let rule = rule("rules".to_owned(), &name)?;
            if std::ptr::eq(rule, &beyond_limits::RULE) {
                let problem =
                    "its level cannot be set: what is not read cannot be judged".to_owned();
                return Err(wrong(format!("rules.{name}"), problem));
            }
            levels.insert(rule.name, level);
        }
        let grants = grants
            .into_iter()
            .enumerate()
            .map(|(index, grant)| grant.validate(&format!("grants[{index}]")))
            .collect::<Result<_, _>>()?;
        let exemptions = exemptions
            .into_iter()
            .enumerate()
            .map(|(index, exemption)| exemption.validate(&format!("exemptions[{index}]")))
            .collect::<Result<_, _>>()?;
        let device_container = device_container.map(container).transpose()?.flatten();
        Ok(Policy {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants,
            supported_plugins,
            templates,
            controllers: users("controllers", &controllers)?,
            levels,
            exemptions,
            device_container,
            usage,
            node_paths: node_paths.validate()?,
            node_interfaces: node_interfaces
                .into_iter()
                .enumerate()
                .map(|(index, grant)| grant.validate(&format!("nodeInterfaces[{index}]")))
                .collect::<Result<_, _>>()?,
            reserved_host_ports,
        })
    }
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
            let problem = "is empty: say why, for whoever reads this next".to_owned();
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
            let problem = "has neither objects nor users: name what the rules pass over".to_owned();
            return Err(wrong(path.to_owned(), problem));
        }
        let field = format!("{path}.objects");
        let mut objects = Vec::new();
        for object in &self.objects {
            let pattern = pair(&field, object)?;
            if let Some(rule) = rules.iter().find(|rule| rule.by_namespace_only)
                && !object.value.ends_with("/*")
            {
                let problem = format!(
                    "\"{}\" exempts from {} by name, and users choose the names of their objects: \
                     write namespace/*",
                    shorten(&object.value),
                    rule.name
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
            usage,
            node_paths: _,
            node_interfaces: _,
            reserved_host_ports,
        } = Policy::default();
        let text = |text| Spanned::new(text, Location::UNKNOWN, Location::UNKNOWN);
        Self {
            enforcement,
            multiple_network_interfaces,
            global_namespaces: global_namespaces.into_iter().map(text).collect(),
            multus_namespace: text(multus_namespace),
            default_network_namespaces: default_network_namespaces.into_iter().map(text).collect(),
            grants: Vec::new(),
            supported_plugins,
            templates,
            controllers: controllers
                .iter()
                .map(|user| text(user.as_str().to_owned()))
                .collect(),
            rules: BTreeMap::new(),
            exemptions: Vec::new(),
            device_container: None,
            usage,
            node_paths: UnvalidatedPaths::default(),
            node_interfaces: Vec::new(),
            reserved_host_ports,
        }
    }
}

/// Path and place of a text.
fn at(field: &str, text: &Text) -> String {
    format!(
        "{field} (line {}, column {})",
        text.referenced.line(),
        text.referenced.column()
    )
}

fn wrong(field: String, problem: String) -> Error {
    Error::Value { field, problem }
}

/// Names of namespaces, or names with `*` in them.
fn namespace_patterns(field: &str, names: &[Text]) -> Result<Vec<Pattern>, Error> {
    some(field, names)?;
    let patterns = names.iter().map(|name| {
        if is_pattern(&name.value, false) {
            return Ok(Pattern::new(&name.value));
        }
        let problem = format!(
            "\"{}\" is neither the name of a namespace nor one with \"*\" in it",
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
    let problem = format!("\"{}\" is no name of a namespace", shorten(&name.value));
    Err(wrong(at(field, &name), problem))
}

/// The name of a container; an empty one is none.
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

/// A list without which an entry would do nothing.
fn some(field: &str, list: &[Text]) -> Result<(), Error> {
    if list.is_empty() {
        return Err(wrong(
            field.to_owned(),
            "is empty, so that the entry does nothing: write what is meant, or remove the entry"
                .to_owned(),
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
                "\"{}\" is not the name of a user: write it as the API server has it, for example \
                 \"system:serviceaccount:NAMESPACE:NAME\"",
                shorten(&name.value)
            );
            return Err(wrong(at(field, name), problem));
        }
        Ok(Pattern::new(text))
    };
    names.iter().map(user).collect()
}

/// The type of a plugin is the name of its file (libcni: `FindInPath`).
fn supported(plugins: &SupportedPlugins) -> Result<(), Error> {
    for (field, names) in [
        ("supportedPlugins.interface", &plugins.interface),
        ("supportedPlugins.meta", &plugins.meta),
        ("supportedPlugins.ipam", &plugins.ipam),
    ] {
        let none = |name: &&String| name.is_empty() || name.contains(['/', ' ', '\t', '\n', '*']);
        if let Some(name) = names.iter().find(none) {
            let problem = format!("\"{}\" is no name of a plugin", shorten(name));
            return Err(wrong(field.to_owned(), problem));
        }
    }
    Ok(())
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

fn rule(field: String, name: &str) -> Result<&'static Rule, Error> {
    rules::find(name).ok_or_else(|| {
        let near = nearest(name, rules::RULES.iter().map(|rule| rule.name));
        let advice = near.map_or_else(
            || "`multinic explain` lists them".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        wrong(
            field,
            format!("there is no rule \"{}\": {advice}", shorten(name)),
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
                "\"{}\" is not namespace/name, each a name in lower case or one with \"*\" in it",
                shorten(&text.value)
            ),
        )),
    }
}

/// The word and the known ones in "unknown field `x`, expected one of a, b".
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = &message[message.find("unknown field `")? + "unknown field `".len()..];
    let (word, rest) = rest.lines().next()?.split_once('`')?;
    let known = rest
        .split_once("expected ")?
        .1
        .trim_start_matches("one of ");
    let known = known
        .split(',')
        .map(|known| known.trim().trim_matches('`').to_owned());
    Some((word.to_owned(), known.collect()))
}
