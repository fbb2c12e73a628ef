//! Manifests: YAML or JSON, with the place of every value in its file.
//!
//! The values are those that `kubectl` would send: plain scalars are read as `sigs.k8s.io/yaml`
//! reads them (YAML 1.1), anchors, aliases and merge keys are resolved.

use std::collections::HashMap;
use std::mem;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};

pub mod edit;
mod json;
pub mod scalar;

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    /// The file that a `# Source:` comment names, as `helm template` writes it.
    pub origin: Option<String>,
    /// Its content.
    pub root: Node,
    /// Its comments that begin with `multinic:`, and those before it.
    pub comments: Vec<Comment>,
}

/// A comment for multinic.
#[derive(Debug)]
pub struct Comment {
    /// Where it is, in bytes of the file.
    pub at: usize,
    /// The number of its line.
    pub line: usize,
    /// What follows `multinic:`.
    pub text: String,
}

/// A value, and where it is written.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it is written, in bytes of the file.
    pub span: Range<usize>,
}

/// The value of a node.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `true`, `false` or a number, as JSON writes it.
    Literal(String),
    /// A string, and how it is written.
    Text(String, ScalarStyle),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file. Keys are strings, as JSON needs them.
    Map(Vec<(String, Node)>),
}

/// Why a file is not one of manifests.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Error {
    /// What is wrong.
    pub problem: String,
    /// Where, in bytes of the file.
    pub at: usize,
}

/// A file that grows by its aliases beyond this many values is refused.
const MAX_VALUES: usize = 4_000_000;

/// Reads the documents of a file.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(text: &str) -> Result<Vec<Document>, Error> {
    if let Some(root) = json::parse(text) {
        return Ok(vec![Document {
            origin: None,
            root,
            comments: Vec::new(),
        }]);
    }
    let mut builder = Builder::default();
    let mut documents = Vec::new();
    let mut origin = None;
    let mut comments = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error {
            problem: error.info(),
            at: error.marker().byte_offset().unwrap_or_default(),
        })?;
        let span = span.byte_range().unwrap_or_default();
        match event {
            Event::Comment(comment, _) => {
                let comment = comment.trim();
                if let Some(file) = comment.strip_prefix("Source:") {
                    origin = Some(file.trim().to_owned());
                } else if let Some(own) = comment.strip_prefix("multinic:") {
                    let before = text.get(..span.start).unwrap_or_default();
                    comments.push(Comment {
                        at: span.start,
                        line: before.matches('\n').count() + 1,
                        text: own.to_owned(),
                    });
                }
            }
            Event::DocumentStart(..) => builder = Builder::default(),
            Event::DocumentEnd => {
                if let Some(root) = builder.root.take() {
                    documents.push(Document {
                        origin: origin.take(),
                        root,
                        comments: mem::take(&mut comments),
                    });
                }
            }
            event => builder.add(event, span)?,
        }
    }
    Ok(documents)
}

/// What is read of a document so far.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

/// A collection that has not ended.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Vec<(String, Node)>, Option<Key>),
}

enum Key {
    Name(String),
    /// `<<`: what its value has is added where it is not there.
    Merge,
}

impl Builder {
    fn add(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Error> {
        let at = span.start;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag
                    .as_ref()
                    .is_some_and(|tag| tag.core_suffix() == Some("str"));
                let value = match style {
                    ScalarStyle::Plain if !is_text => scalar::plain(&text),
                    _ => Value::Text(text.into_owned(), style),
                };
                (Node { value, span }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(at, anchor, Content::List(Vec::new()));
                return Ok(());
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(at, anchor, Content::Map(Vec::new(), None));
                return Ok(());
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let value = match open.content {
                    Content::List(list) => Value::List(list),
                    Content::Map(map, _) => Value::Map(map),
                };
                let span = open.start..span.end.max(open.start);
                (Node { value, span }, open.anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    let problem = "an alias stands inside of what it names".to_owned();
                    return Err(Error { problem, at });
                };
                let node = node.clone();
                self.count(node.size(), at)?;
                (node, 0)
            }
            _ => return Ok(()),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.count(1, at)?;
        self.place(node, at)
    }

    fn open(&mut self, start: usize, anchor: usize, content: Content) {
        self.open.push(Open {
            start,
            anchor,
            content,
        });
    }

    fn count(&mut self, values: usize, at: usize) -> Result<(), Error> {
        self.values += values;
        if self.values > MAX_VALUES {
            let problem = format!("the document has more than {MAX_VALUES} values");
            return Err(Error { problem, at });
        }
        Ok(())
    }

    fn place(&mut self, node: Node, at: usize) -> Result<(), Error> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(list)) => list.push(node),
            Some(Content::Map(map, key)) => match key.take() {
                None => {
                    *key = Some(match node.value {
                        Value::Text(text, ScalarStyle::Plain) if text == "<<" => Key::Merge,
                        Value::Text(text, _) | Value::Literal(text) => Key::Name(text),
                        Value::List(_) | Value::Map(_) => {
                            let problem = "a key must be a string, found a collection".to_owned();
                            return Err(Error { problem, at });
                        }
                    });
                }
                Some(Key::Name(name)) => {
                    if map.iter().any(|(other, _)| *other == name) {
                        let problem = format!("the key \"{name}\" is there twice: remove one");
                        return Err(Error { problem, at });
                    }
                    map.push((name, node));
                }
                Some(Key::Merge) => merge(map, node),
            },
        }
        Ok(())
    }
}

/// Adds what a merge key brings: keys that are there already stay.
fn merge(map: &mut Vec<(String, Node)>, node: Node) {
    match node.value {
        Value::Map(members) => {
            for (key, value) in members {
                if map.iter().all(|(other, _)| *other != key) {
                    map.push((key, value));
                }
            }
        }
        Value::List(list) => list.into_iter().for_each(|node| merge(map, node)),
        Value::Literal(_) | Value::Text(..) => {}
    }
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(map) = &self.value else {
            return None;
        };
        map.iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// The string, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The elements, if this is a sequence.
    pub fn elements(&self) -> &[Self] {
        match &self.value {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// The value at a path as findings have it (`spec.template.metadata.annotations[KEY]`), or the
    /// innermost value on the way that is there.
    pub fn at(&self, path: &str) -> &Self {
        let mut node = self;
        for step in steps(path) {
            let next = match (&node.value, step.parse::<usize>()) {
                (Value::List(list), Ok(index)) => list.get(index),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// How many values it has, itself among them.
    fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(list) => list.iter().map(Self::size).sum(),
            Value::Map(map) => map.iter().map(|(_, node)| node.size()).sum::<usize>(),
            Value::Literal(_) | Value::Text(..) => 0,
        }
    }

    /// The value, with everything in it.
    pub fn json(&self) -> serde_json::Value {
        let mut text = String::new();
        self.write_json(&mut text);
        // What is written here can be read, and what is nested too deeply is nobody's manifest.
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the value as JSON.
    pub fn write_json(&self, out: &mut String) {
        match &self.value {
            Value::Literal(literal) => out.push_str(literal),
            Value::Text(text, _) => write_text(text, out),
            Value::List(list) => {
                out.push('[');
                for (index, node) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    node.write_json(out);
                }
                out.push(']');
            }
            Value::Map(map) => {
                out.push('{');
                for (index, (key, node)) in map.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    node.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// The steps of a path: keys between dots, and what stands in brackets.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches('.');
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, after) = inside.split_once(']')?;
            rest = after;
            return Some(step);
        }
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (step, after) = rest.split_at(end);
        rest = after;
        Some(step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Vec<String> {
        let documents = parse(text).unwrap();
        let write = |document: &Document| {
            let mut out = String::new();
            document.root.write_json(&mut out);
            out
        };
        documents.iter().map(write).collect()
    }

    #[test]
    fn values_are_those_that_kubectl_sends() {
        for (text, wanted) in [
            (
                "a: [1, 0x1F, 1.5, yes, off, ~, 'yes', \"1\", 1e3, 0b1]",
                r#"{"a":[1,31,1.5,true,false,null,"yes","1",1000.0,"0b1"]}"#,
            ),
            ("{\"a\": {\"b\": []}}", r#"{"a":{"b":[]}}"#),
            (
                "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\n",
                r#"{"a":{"b":1},"c":{"b":1},"d":{"b":1,"e":2}}"#,
            ),
            ("a: |\n  x\n   y\n", r#"{"a":"x\n y\n"}"#),
            ("1: !!str 2\n", r#"{"1":"2"}"#),
        ] {
            assert_eq!(json(text), [wanted], "{text}");
        }
        assert_eq!(json("a: 1\n---\n# nothing\n---\nb: 2\n").len(), 3);
        assert!(parse("a: 1\na: 2\n").unwrap_err().problem.contains("twice"));
        assert!(parse("a: [").is_err());
    }

    #[test]
    fn a_source_comment_names_the_file() {
        let text = "---\n# Source: chart/templates/a.yaml\na: 1\n---\nb: 1\n";
        let sources: Vec<_> = parse(text)
            .unwrap()
            .into_iter()
            .map(|one| one.origin)
            .collect();
        assert_eq!(sources, [Some("chart/templates/a.yaml".to_owned()), None]);
    }

    #[test]
    fn places_are_found_by_the_paths_of_findings() {
        let text = "spec:\n  template:\n    metadata:\n      annotations:\n        k8s.v1.cni.cncf.io/networks: a\n";
        let documents = parse(text).unwrap();
        let path = "spec.template.metadata.annotations[k8s.v1.cni.cncf.io/networks]";
        let node = documents[0].root.at(path);
        assert_eq!(&text[node.span.clone()], "a");
        assert!(
            documents[0]
                .root
                .at("spec.template.spec")
                .get("metadata")
                .is_some()
        );
    }
}
