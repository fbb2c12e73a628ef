//! Manifests in JSON, with the place of every value.

use granit_parser::ScalarStyle;
use multinic_core::json::{Document, Kind, Member, Value as Json};

use super::{Node, Value};

/// Reads a text that is one JSON value; `None` if it is not, so that it may be YAML.
pub(super) fn parse(text: &str) -> Option<Node> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let document = Document::parse(text).ok()?;
    Some(node(document.root()))
}

fn node(json: Json<'_>) -> Node {
    let value = match json.kind() {
        Kind::Array => Value::List(json.elements().map(node).collect()),
        Kind::Object => {
            let mut map: Vec<(String, Node)> = Vec::new();
            for Member { key, value } in json.members() {
                let key = key.str().unwrap_or_default().into_owned();
                let value = node(value);
                // Of a key that is repeated, the last value counts, as for the API server.
                match map.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, other)) => *other = value,
                    None => map.push((key, value)),
                }
            }
            Value::Map(map)
        }
        Kind::String => {
            let text = json.str().unwrap_or_default().into_owned();
            Value::Text(text, ScalarStyle::DoubleQuoted)
        }
        Kind::Bool(_) | Kind::Null | Kind::Number => Value::Literal(json.raw().to_owned()),
    };
    Node {
        value,
        span: json.span(),
    }
}
