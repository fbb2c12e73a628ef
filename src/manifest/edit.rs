//! Changes of a manifest that keep its comments and its layout.
//!
//! A value becomes another one by additions: keys at the end of a mapping, elements at the end of a
//! sequence, and values in place of scalars. Each is written as its surroundings are: in block style
//! or in flow style, with the indentation that is there. Nothing is removed. The caller reads the
//! result again, because YAML has more ways to write a value than are thought of here.

use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::Value as Json;

use super::{Node, Value, scalar};

/// A text that takes the place of another.
#[derive(Debug)]
pub struct Edit {
    span: Range<usize>,
    text: String,
}

/// The changes of `text` that make the value `node` equal to `wanted`; `None` if additions are not
/// enough.
pub fn edits(text: &str, node: &Node, wanted: &Json) -> Option<Vec<Edit>> {
    let mut editor = Editor {
        text,
        newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
        edits: Vec::new(),
    };
    editor.change(node, wanted)?;
    Some(editor.edits)
}

/// Applies changes to a text.
pub fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.span.start).unwrap_or_default());
        out.push_str(&edit.text);
        at = edit.span.end.max(at);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

struct Editor<'t> {
    text: &'t str,
    newline: &'static str,
    edits: Vec<Edit>,
}

impl Editor<'_> {
    fn change(&mut self, node: &Node, wanted: &Json) -> Option<()> {
        if node.json() == *wanted {
            return Some(());
        }
        match (&node.value, wanted) {
            (Value::Map(map), Json::Object(members)) => {
                if map.iter().any(|(key, _)| !members.contains_key(key)) {
                    return None;
                }
                let mut added = Vec::new();
                for (key, value) in members {
                    match node.get(key) {
                        Some(own) => self.change(own, value)?,
                        None => added.push((Some(&**key), value)),
                    }
                }
                self.add(node, map.last().map(|(_, last)| last), &added)
            }
            (Value::List(list), Json::Array(elements)) => {
                let added = elements.get(list.len()..)?;
                for (own, value) in list.iter().zip(elements) {
                    self.change(own, value)?;
                }
                let added: Vec<_> = added.iter().map(|value| (None, value)).collect();
                self.add(node, list.last(), &added)
            }
            (Value::Text(_, style), Json::String(_) | Json::Number(_))
                if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) =>
            {
                self.edits.push(Edit {
                    span: node.span.clone(),
                    text: wanted.to_string(),
                });
                Some(())
            }
            (Value::Literal(_), wanted) => {
                // A null need not be written: then its place is before the colon.
                let (span, space) = if node.span.is_empty() {
                    let after = self.text.get(node.span.start..)?;
                    let colon = node.span.start + after.find(':')? + 1;
                    (colon..colon, " ")
                } else {
                    (node.span.clone(), "")
                };
                self.edits.push(Edit {
                    span,
                    text: format!("{space}{wanted}"),
                });
                Some(())
            }
            _ => None,
        }
    }

    /// Adds members or elements after the last one.
    fn add(
        &mut self,
        node: &Node,
        last: Option<&Node>,
        added: &[(Option<&str>, &Json)],
    ) -> Option<()> {
        if added.is_empty() {
            return Some(());
        }
        let written = self.text.get(node.span.clone())?;
        let edit = if written.starts_with(['{', '[']) {
            self.flow(node, last, added)?
        } else {
            self.block(node, last?, added)?
        };
        self.edits.push(edit);
        Some(())
    }

    fn flow(
        &self,
        node: &Node,
        last: Option<&Node>,
        added: &[(Option<&str>, &Json)],
    ) -> Option<Edit> {
        let Some(last) = last else {
            // `{}` and `[]`
            let inside: Vec<_> = added
                .iter()
                .map(|(key, value)| member(*key, value))
                .collect();
            let written = self.text.get(node.span.clone())?;
            let (open, close) = (written.get(..1)?, written.get(written.len() - 1..)?);
            return Some(Edit {
                span: node.span.clone(),
                text: format!("{open}{}{close}", inside.join(", ")),
            });
        };
        let at = last.span.end;
        let after = self.text.get(at..node.span.end)?;
        let mut text = String::new();
        for (key, value) in added {
            text.push(',');
            // A value of its own line, as those before it.
            if after.contains('\n') {
                let indent = self.indent(last.span.start);
                text.push_str(self.newline);
                text.push_str(&indent);
                let value = serde_json::to_string_pretty(value).ok()?;
                let value = value.replace('\n', &format!("{}{indent}", self.newline));
                if let Some(key) = key {
                    text.push_str(&format!("{}: ", Json::from(*key)));
                }
                text.push_str(&value);
            } else {
                text.push(' ');
                text.push_str(&member(*key, value));
            }
        }
        Some(Edit { span: at..at, text })
    }

    fn block(&self, node: &Node, last: &Node, added: &[(Option<&str>, &Json)]) -> Option<Edit> {
        let end = self.end(last).max(node.span.start);
        let content = self.text.get(..end)?.trim_end();
        // Behind the rest of that line, where a comment may be.
        let rest = self.text.get(content.len()..)?;
        let at = content.len() + rest.find(['\r', '\n']).unwrap_or(rest.len());
        let mut before = self.text.get(..node.span.start)?;
        // The place of a sequence is its first dash, or what follows that if it is no further in than
        // its key.
        let outside = before.trim_end_matches(' ').strip_suffix('-');
        if matches!(node.value, Value::List(_)) {
            before = outside.unwrap_or(before);
        }
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        let indent = " ".repeat(before.get(line..)?.chars().count());
        let mut text = String::new();
        for (key, value) in added {
            text.push_str(self.newline);
            text.push_str(&indent);
            if let Some(key) = key {
                text.push_str(&plain(key));
                text.push(':');
            } else {
                text.push('-');
            }
            self.write(value, &indent, key.is_none(), &mut text);
        }
        Some(Edit { span: at..at, text })
    }

    /// Writes a value behind a key or a dash.
    fn write(&self, value: &Json, indent: &str, is_element: bool, out: &mut String) {
        let inner = format!("{indent}  ");
        match value {
            Json::Object(members) if !members.is_empty() => {
                for (index, (key, value)) in members.iter().enumerate() {
                    if is_element && index == 0 {
                        out.push(' ');
                    } else {
                        out.push_str(self.newline);
                        out.push_str(&inner);
                    }
                    out.push_str(&plain(key));
                    out.push(':');
                    self.write(value, &inner, false, out);
                }
            }
            Json::Array(elements) if !elements.is_empty() && !is_element => {
                for value in elements {
                    out.push_str(self.newline);
                    out.push_str(&inner);
                    out.push('-');
                    self.write(value, &inner, true, out);
                }
            }
            Json::String(text) => {
                out.push(' ');
                out.push_str(&plain(text));
            }
            value => out.push_str(&format!(" {value}")),
        }
    }

    /// The end of the last thing that is written of a value; of what an alias stands for, its start is
    /// elsewhere.
    fn end(&self, node: &Node) -> usize {
        let children: &mut dyn Iterator<Item = &Node> = match &node.value {
            Value::List(list) => &mut list.iter(),
            Value::Map(map) => &mut map.iter().map(|(_, node)| node),
            Value::Literal(_) | Value::Text(..) => &mut std::iter::empty(),
        };
        let written = self.text.get(node.span.clone()).unwrap_or_default();
        if written.starts_with(['{', '[']) {
            return node.span.end;
        }
        children
            .map(|child| self.end(child))
            .max()
            .unwrap_or(node.span.end)
    }

    /// The white space at the beginning of the line of an offset.
    fn indent(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(line..).unwrap_or_default();
        let space = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..space).unwrap_or_default().to_owned()
    }
}

/// A member or an element in flow style.
fn member(key: Option<&str>, value: &Json) -> String {
    match key {
        Some(key) => format!("{}: {value}", Json::from(key)),
        None => value.to_string(),
    }
}

/// A string in block style, with quotes where it would be something else without.
fn plain(text: &str) -> String {
    let is_word =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '/' | '-');
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(is_word)
        && matches!(scalar::plain(text), Value::Text(..));
    if is_plain {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::parse;

    /// The text after the change, and whether it reads as what was wanted.
    fn changed(text: &str, wanted: &Json) -> String {
        let documents = parse(text).unwrap();
        let edits = edits(text, &documents[0].root, wanted).unwrap();
        let out = apply(text, edits);
        assert_eq!(parse(&out).unwrap()[0].root.json(), *wanted, "{out}");
        out
    }

    #[test]
    fn keys_are_added_where_and_as_the_others_are() {
        let wanted = json!({"spec": {"containers": [{"name": "a"}], "affinity": {"b": [{"c": "true"}]}}, "z": 1});
        for (text, out) in [
            (
                "# first\nspec:\n  containers:\n  - name: a # it\n  # last\nz: 1\n",
                "# first\nspec:\n  containers:\n  - name: a # it\n  affinity:\n    b:\n      - c: \"true\"\n  # last\nz: 1\n",
            ),
            (
                "spec: {containers: [{name: a}]}\nz: 1",
                "spec: {containers: [{name: a}], \"affinity\": {\"b\":[{\"c\":\"true\"}]}}\nz: 1",
            ),
            (
                "z: 1\nspec:\n  affinity:\n  containers:\n    - {name: a}\n",
                "z: 1\nspec:\n  affinity: {\"b\":[{\"c\":\"true\"}]}\n  containers:\n    - {name: a}\n",
            ),
            (
                "z: 1\nspec:\n  affinity: {}\n  containers:\n    - {name: a}\n",
                "z: 1\nspec:\n  affinity: {\"b\": [{\"c\":\"true\"}]}\n  containers:\n    - {name: a}\n",
            ),
            (
                "{\n  \"z\": 1,\n  \"spec\": {\n    \"containers\": [{\"name\": \"a\"}]\n  }\n}\n",
                "{\n  \"z\": 1,\n  \"spec\": {\n    \"containers\": [{\"name\": \"a\"}],\n    \"affinity\": {\n      \"b\": [\n        {\n          \"c\": \"true\"\n        }\n      ]\n    }\n  }\n}\n",
            ),
            (
                "z: 1\r\nspec:\r\n  containers:\r\n  - name: a",
                "z: 1\r\nspec:\r\n  containers:\r\n  - name: a\r\n  affinity:\r\n    b:\r\n      - c: \"true\"",
            ),
        ] {
            assert_eq!(changed(text, &wanted), out);
        }
    }

    #[test]
    fn elements_are_added_and_nothing_is_removed() {
        let wanted = json!({"a": [{"b": [1, 2]}, {"c": 3}], "text": "x\n"});
        for text in [
            "a:\n- b:\n  - 1\n\n  # more\n\ntext: |\n  x\n",
            "text: |\n  x\na:\n  - b: [1]\n",
            "text: |\n  x\na: [{b: [1]}]\n",
        ] {
            changed(text, &wanted);
        }
        let documents = parse("a: 1\nb: 2\n").unwrap();
        assert!(edits("a: 1\nb: 2\n", &documents[0].root, &json!({"a": 1})).is_none());
    }
}
