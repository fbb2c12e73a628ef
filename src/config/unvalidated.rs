//! The file as it is written, before its values are checked.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Config, Error, Exemption, Grant, Pattern, SupportedPlugins, namespace, nearest};
use crate::finding::{Level, shorten};
use crate::rules::{self, Rule};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Unvalidated {
    enforcement: Level,
    multiple_network_interfaces: bool,
    global_namespaces: Vec<String>,
    multus_namespace: String,
    default_network_namespaces: Vec<String>,
    grants: Vec<UnvalidatedGrant>,
    supported_plugins: SupportedPlugins,
    templates: Level,
    rules: BTreeMap<String, Level>,
    exemptions: Vec<UnvalidatedExemption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnvalidatedGrant {
    networks: String,
    namespaces: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnvalidatedExemption {
    rules: Vec<String>,
    objects: Vec<String>,
    /// For whoever reads the file: an exemption without one is an oversight.
    reason: String,
}

pub(super) fn parse(text: &str) -> Result<Unvalidated, Error> {
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
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
    pub(super) fn validate(self) -> Result<Config, Error> {
        let Self {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants,
            supported_plugins,
            templates,
            rules,
            exemptions,
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
        for name in &global_namespaces {
            namespace("globalNamespaces", name)?;
        }
        for name in &default_network_namespaces {
            namespace("defaultNetworkNamespaces", name)?;
        }
        namespace("multusNamespace", &multus_namespace)?;
        let mut levels = BTreeMap::new();
        for (name, level) in rules {
            levels.insert(rule("rules", &name)?.name, level);
        }
        let grants = grants
            .into_iter()
            .map(UnvalidatedGrant::validate)
            .collect::<Result<_, _>>()?;
        let exemptions = exemptions
            .into_iter()
            .map(UnvalidatedExemption::validate)
            .collect::<Result<_, _>>()?;
        Ok(Config {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants,
            supported_plugins,
            templates,
            levels,
            exemptions,
        })
    }
}

impl UnvalidatedGrant {
    fn validate(self) -> Result<Grant, Error> {
        Ok(Grant {
            networks: pair("grants.networks", &self.networks)?,
            namespaces: self
                .namespaces
                .iter()
                .map(|name| Pattern::new(name))
                .collect(),
        })
    }
}

impl UnvalidatedExemption {
    fn validate(self) -> Result<Exemption, Error> {
        if self.reason.trim().is_empty() {
            return Err(Error::Value {
                field: "exemptions.reason".to_owned(),
                problem: "is empty: say why, for whoever reads this next".to_owned(),
            });
        }
        let rules = self.rules.iter().map(|name| rule("exemptions.rules", name));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let mut objects = Vec::new();
        for object in &self.objects {
            let pattern = pair("exemptions.objects", object)?;
            if let Some(rule) = rules.iter().find(|rule| rule.by_namespace_only)
                && !object.ends_with("/*")
            {
                return Err(Error::Value {
                    field: "exemptions.objects".to_owned(),
                    problem: format!(
                        "\"{}\" exempts from {} by name, and users choose the names of their Pods: \
                         write namespace/*",
                        shorten(object),
                        rule.name
                    ),
                });
            }
            objects.push(pattern);
        }
        Ok(Exemption {
            rules: rules.iter().map(|rule| rule.name).collect(),
            objects,
        })
    }
}

impl Default for Unvalidated {
    fn default() -> Self {
        let Config {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants: _,
            supported_plugins,
            templates,
            levels: _,
            exemptions: _,
        } = Config::default();
        Self {
            enforcement,
            multiple_network_interfaces,
            global_namespaces,
            multus_namespace,
            default_network_namespaces,
            grants: Vec::new(),
            supported_plugins,
            templates,
            rules: BTreeMap::new(),
            exemptions: Vec::new(),
        }
    }
}

fn rule(field: &str, name: &str) -> Result<&'static Rule, Error> {
    rules::find(name).ok_or_else(|| {
        let near = nearest(name, rules::RULES.iter().map(|rule| rule.name));
        let advice = near.map_or_else(
            || "`multinic explain` lists them".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        Error::Value {
            field: field.to_owned(),
            problem: format!("there is no rule \"{}\": {advice}", shorten(name)),
        }
    })
}

fn pair(field: &str, text: &str) -> Result<Pattern, Error> {
    let mut parts = text.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(name), None) if !namespace.is_empty() && !name.is_empty() => {
            Ok(Pattern::new(text))
        }
        _ => Err(Error::Value {
            field: field.to_owned(),
            problem: format!("\"{}\" is not namespace/name", shorten(text)),
        }),
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
