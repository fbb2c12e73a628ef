//! What networks may use of the nodes: `nodePaths`, `nodeInterfaces` and `reservedHostPorts`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{Error, Text, at, namespace_patterns, some, wrong};
use crate::policy::path_pattern::PathPattern;
use crate::policy::pattern::Pattern;
use crate::policy::{NodeInterfaces, NodePaths, PortRange};
use crate::text::shorten;

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UnvalidatedPaths {
    /// `None` is the default.
    read: Option<Vec<Text>>,
    write: Option<Vec<Text>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnvalidatedInterfaces {
    interfaces: Vec<Text>,
    namespaces: Vec<Text>,
}

impl UnvalidatedPaths {
    pub(super) fn validate(self) -> Result<NodePaths, Error> {
        let default = NodePaths::default();
        let of = |field: &str, list: Option<Vec<Text>>, default| {
            list.map_or(Ok(default), |list| paths(field, &list))
        };
        Ok(NodePaths {
            read: of("nodePaths.read", self.read, default.read)?,
            write: of("nodePaths.write", self.write, default.write)?,
        })
    }
}

impl UnvalidatedInterfaces {
    pub(super) fn validate(self, path: &str) -> Result<NodeInterfaces, Error> {
        let field = format!("{path}.interfaces");
        some(&field, &self.interfaces)?;
        let interfaces = self.interfaces.iter().map(|name| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
            if !name.value.is_empty() && name.value.bytes().all(fits) {
                return Ok(Pattern::new(&name.value));
            }
            let problem = format!(
                "\"{}\" is not a valid name of an interface, with \"*\" for any characters",
                shorten(&name.value)
            );
            Err(wrong(at(&field, name), problem))
        });
        Ok(NodeInterfaces {
            interfaces: interfaces.collect::<Result<_, _>>()?,
            namespaces: namespace_patterns(&format!("{path}.namespaces"), &self.namespaces)?,
        })
    }
}

fn paths(field: &str, list: &[Text]) -> Result<Vec<PathPattern>, Error> {
    let patterns = list.iter().map(|text| {
        PathPattern::new(&text.value).ok_or_else(|| {
            let problem = format!(
                "\"{}\" is not an absolute path without \"..\", with \"*\" for a part of a name \
                 and \"/**\" at the end for everything below",
                shorten(&text.value)
            );
            wrong(at(field, text), problem)
        })
    });
    patterns.collect()
}

/// A number, or a text such as `2379-2380`.
impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ports;

        impl Visitor<'_> for Ports {
            type Value = PortRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 1 to 65535, or two with a hyphen as in 2379-2380")
            }

            fn visit_u64<E: de::Error>(self, port: u64) -> Result<PortRange, E> {
                self.visit_str(&port.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PortRange, E> {
                text.parse()
                    .map_err(|()| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Ports)
    }
}
