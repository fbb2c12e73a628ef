//! JSON as Go's `encoding/json` reads it, with the place of everything.
//!
//! Multus, libcni and the plugins are Go programs: what a networks annotation or a `spec.config`
//! means is what `encoding/json` makes of it. That differs from other readers in ways that decide
//! who is attached to what:
//!
//! * keys match struct fields without regard to case, and `ſ` is an `s`, `K` a `k` ([`folds`]);
//! * a key may be repeated; the values are taken in document order, so the last one wins;
//! * `null` leaves a field as it was;
//! * arrays and objects may be nested 10,000 deep, and a lone surrogate is U+FFFD.
//!
//! A [`Document`] is a flat list of nodes over the borrowed text: reading does not recurse, so no
//! nesting overflows the stack, and a string without escapes is never copied.

use std::borrow::Cow;
use std::ops::Range;

use crate::finding::shorten;

mod scan;

/// A text that is one JSON value, read whole.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

/// One value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    index: u32,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'d> {
    /// The key, a string.
    pub key: Value<'d>,
    /// What stands behind the colon.
    pub value: Value<'d>,
}

/// What a [`Value`] is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `[…]`
    Array,
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// A number; its text is [`Value::raw`].
    Number,
    /// `{…}`
    Object,
    /// A string; its text is [`Value::str`].
    String,
}

/// Why a text is not JSON, in the words of `encoding/json`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct SyntaxError {
    /// Where the reader stopped: a byte offset into the text.
    pub offset: usize,
    /// What `encoding/json` says.
    pub problem: String,
    /// What was probably meant, and what to write instead.
    pub hint: Option<&'static str>,
}

impl<'a> Document<'a> {
    /// Reads `text` as `json.Unmarshal` would: one value, with nothing but white space around it.
    ///
    /// # Errors
    /// The first thing that `encoding/json` would stumble over.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        scan::nodes(text).map(|nodes| Self { text, nodes })
    }

    /// The value that the text is.
    pub fn root(&self) -> Value<'_> {
        Value {
            document: self,
            index: 0,
        }
    }
}

impl<'d> Value<'d> {
    /// What this value is.
    pub fn kind(self) -> Kind {
        match self.node().tag {
            Tag::Array => Kind::Array,
            Tag::False => Kind::Bool(false),
            Tag::True => Kind::Bool(true),
            Tag::Null => Kind::Null,
            Tag::Number => Kind::Number,
            Tag::Object => Kind::Object,
            Tag::String | Tag::EscapedString => Kind::String,
        }
    }

    /// The bytes of the document that this value is written in, quotes and brackets included.
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The text of this value as it is written.
    pub fn raw(self) -> &'d str {
        self.document.text.get(self.span()).unwrap_or_default()
    }

    /// The text of the whole document.
    pub fn text(self) -> &'d str {
        self.document.text
    }

    /// A string, its escapes decoded; a lone surrogate becomes U+FFFD.
    pub fn str(self) -> Option<Cow<'d, str>> {
        let node = self.node();
        let inner = self
            .document
            .text
            .get(node.start as usize + 1..node.end as usize - 1);
        match node.tag {
            Tag::String => inner.map(Cow::Borrowed),
            Tag::EscapedString => inner.map(|inner| Cow::Owned(scan::unescape(inner))),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn bool(self) -> Option<bool> {
        match self.kind() {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A number that Go decodes straight into an `int`: digits with an optional sign, within
    /// 64 bits. `80.0`, `8e1` and `"80"` are none.
    pub fn integer(self) -> Option<i64> {
        (self.kind() == Kind::Number).then(|| self.raw().parse().ok())?
    }

    /// A number as Go's `float64`; infinite where Go refuses it as out of range.
    pub fn float(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| self.raw().parse().ok())?
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The elements of an array, in order; none for anything else.
    pub fn elements(self) -> impl Iterator<Item = Value<'d>> {
        self.children(Tag::Array)
    }

    /// The members of an object, in order; none for anything else.
    pub fn members(self) -> impl Iterator<Item = Member<'d>> {
        let mut children = self.children(Tag::Object);
        std::iter::from_fn(move || {
            let key = children.next()?;
            Some(Member {
                key,
                value: children.next()?,
            })
        })
    }

    /// The value of the last member that is spelled exactly `key`: how a map is read.
    pub fn get(self, key: &str) -> Option<Self> {
        self.members()
            .filter(|member| member.key.is_str(key))
            .last()
            .map(|member| member.value)
    }

    /// The values of all members whose key Go takes for the struct field `field`, in the order in
    /// which Go decodes them.
    pub fn fields(self, field: &'d str) -> impl Iterator<Item = Value<'d>> {
        self.members()
            .filter(move |member| member.key.str().is_some_and(|key| folds(&key, field)))
            .map(|member| member.value)
    }

    /// What is left in the struct field `field` after Go decoded this object: the last value that
    /// is not `null`.
    pub fn field(self, field: &'d str) -> Option<Self> {
        self.fields(field).filter(|value| !value.is_null()).last()
    }

    /// The numbers in this value, however deep.
    pub fn numbers(self) -> impl Iterator<Item = Value<'d>> {
        self.tagged(Tag::Number)
    }

    /// The objects in this value, itself among them, however deep.
    pub fn objects(self) -> impl Iterator<Item = Value<'d>> {
        self.tagged(Tag::Object)
    }

    /// Where this value stands in its document, `plugins[0].ipam.subnet`; empty for the whole. The
    /// path of a key is that of its value. A long one ends early, with `…`.
    pub fn path(self) -> String {
        const LONGEST: usize = 200;
        let mut path = String::new();
        let mut container = self.document.root();
        let holds = |value: Self| (value.index..value.node().next).contains(&self.index);
        while container.index != self.index {
            if path.len() > LONGEST {
                path.push('…');
                break;
            }
            let member = container
                .members()
                .find(|member| member.key.index == self.index || holds(member.value));
            if let Some(Member { key, value }) = member {
                let name = key.str().unwrap_or_default();
                let plain = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
                if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) {
                    path.extend(["[", &shorten(key.raw()), "]"]);
                } else {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&name);
                }
                if key.index == self.index {
                    break;
                }
                container = value;
            } else {
                let element = container.elements().enumerate().find(|(_, it)| holds(*it));
                let Some((index, element)) = element else {
                    break;
                };
                path.extend(["[", &index.to_string(), "]"]);
                container = element;
            }
        }
        path
    }

    /// Whether this is the string `text`.
    pub fn is_str(self, text: &str) -> bool {
        let node = self.node();
        match node.tag {
            Tag::String => {
                self.document
                    .text
                    .as_bytes()
                    .get(node.start as usize + 1..node.end as usize - 1)
                    == Some(text.as_bytes())
            }
            Tag::EscapedString => self.str().is_some_and(|own| own == text),
            _ => false,
        }
    }

    /// Go's word for the type of this value in "cannot unmarshal … into Go value".
    pub fn type_name(self) -> &'static str {
        match self.kind() {
            Kind::Array => "array",
            Kind::Bool(_) => "bool",
            Kind::Null => "null",
            Kind::Number => "number",
            Kind::Object => "object",
            Kind::String => "string",
        }
    }

    fn node(self) -> Node {
        // An index is only made from a node of the same document.
        self.document.nodes[self.index as usize]
    }

    fn tagged(self, tag: Tag) -> impl Iterator<Item = Value<'d>> {
        (self.index..self.node().next)
            .map(move |index| Value {
                document: self.document,
                index,
            })
            .filter(move |value| value.node().tag == tag)
    }

    fn children(self, tag: Tag) -> impl Iterator<Item = Value<'d>> {
        let node = self.node();
        let end = if node.tag == tag { node.next } else { 0 };
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let child = Value {
                    document: self.document,
                    index,
                };
                index = child.node().next;
                child
            })
        })
    }
}

impl PartialEq for Value<'_> {
    /// Whether two values mean the same to a reader of maps: same shape, same decoded strings and
    /// keys in the same order, numbers of the same text.
    fn eq(&self, other: &Self) -> bool {
        let nodes = |value: Self| {
            let document = value.document;
            (value.index..value.node().next).map(move |index| Value { document, index })
        };
        let (ours, theirs) = (nodes(*self), nodes(*other));
        ours.len() == theirs.len()
            && ours.zip(theirs).all(|(a, b)| {
                a.node().next - a.index == b.node().next - b.index
                    && match (a.kind(), b.kind()) {
                        (Kind::Number, Kind::Number) => a.raw() == b.raw(),
                        (Kind::String, Kind::String) => a.str() == b.str(),
                        (a, b) => a == b,
                    }
            })
    }
}

/// Whether Go takes the key `key` for the struct field `field` (lower or upper case ASCII): simple
/// Unicode folding as in `encoding/json/fold.go`.
pub fn folds(key: &str, field: &str) -> bool {
    // The letters beyond ASCII that fold into it are longer than what they fold to.
    if key.len() == field.len() {
        return key.eq_ignore_ascii_case(field);
    }
    if key.len() < field.len() || key.is_ascii() {
        return false;
    }
    let mut field = field.chars();
    key.chars().all(|letter| {
        field
            .next()
            .is_some_and(|wanted| fold(letter) == fold(wanted))
    }) && field.next().is_none()
}

/// The spelling under which Go finds a struct field: two keys with the same one are one field.
pub fn folded(key: &str) -> String {
    key.chars().map(fold).collect()
}

/// Line and column of a byte offset, both from 1; the column counts characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// 16 bytes, for a review has a node for every dozen of its bytes.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// The node after this value and all that is in it.
    next: u32,
    tag: Tag,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tag {
    Array,
    EscapedString,
    False,
    Null,
    Number,
    Object,
    String,
    True,
}

fn fold(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_in_go() {
        assert!(folds("NameSpace", "namespace"));
        assert!(folds("name\u{17f}pace", "namespace"));
        assert!(folds("\u{212a}ind", "kind"));
        assert!(!folds("namespaces", "namespace"));
        assert!(!folds("namespac", "namespace"));
    }

    #[test]
    fn null_leaves_a_field_as_it_was() {
        let text = r#"{"NAMESPACE":"other","namespace":null,"x":{"namespace":"inner"}}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(
            document.root().field("namespace").unwrap().str().unwrap(),
            "other"
        );
        assert!(document.root().get("namespace").unwrap().is_null());
    }

    #[test]
    fn escapes_and_lone_surrogates() {
        let document =
            Document::parse(r#"["\u006eame","\ud83d\ude00","\ud800x","\udc00\ud800\n"]"#);
        let document = document.unwrap();
        let strings: Vec<_> = document
            .root()
            .elements()
            .map(|value| value.str().unwrap())
            .collect();
        assert_eq!(strings, ["name", "😀", "\u{fffd}x", "\u{fffd}\u{fffd}\n"]);
    }

    #[test]
    fn numbers_are_integers_only_as_go_writes_them() {
        let document = Document::parse("[80, 80.0, 8e1, -1, 9223372036854775808]").unwrap();
        let integers: Vec<_> = document.root().elements().map(Value::integer).collect();
        assert_eq!(integers, [Some(80), None, None, Some(-1), None]);
    }

    #[test]
    fn nesting_is_bounded_and_never_recursed_into() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Document::parse(&deep(10_000)).is_ok());
        let error = Document::parse(&deep(10_001)).unwrap_err();
        assert_eq!(error.problem, "exceeded max depth");
    }

    #[test]
    fn refusals_have_gos_words_a_place_and_a_hint() {
        for (text, offset, problem, hinted) in [
            ("", 0, "unexpected end of JSON input", false),
            (
                "{\"a\":1,}",
                7,
                "invalid character '}' looking for beginning of object key string",
                true,
            ),
            (
                "[1,]",
                3,
                "invalid character ']' looking for beginning of value",
                true,
            ),
            (
                "{\"a\":1 // x\n}",
                7,
                "invalid character '/' after object key:value pair",
                true,
            ),
            (
                "{\"a\":1 # x\n}",
                7,
                "invalid character '#' after object key:value pair",
                true,
            ),
            (
                "{'a':1}",
                1,
                "invalid character '\\'' looking for beginning of object key string",
                true,
            ),
            (
                "{\"a\":01}",
                6,
                "invalid character '1' after object key:value pair",
                false,
            ),
            (
                "{\"a\":\"\t\"}",
                6,
                "invalid character '\\t' in string literal",
                false,
            ),
            (
                "\u{feff}{}",
                0,
                "invalid character '\u{feff}' looking for beginning of value",
                true,
            ),
            (
                "{} x",
                3,
                "invalid character 'x' after top-level value",
                false,
            ),
            (
                "[tru]",
                4,
                "invalid character ']' in literal true (expecting 'e')",
                false,
            ),
            (
                "\"\\x\"",
                2,
                "invalid character 'x' in string escape code",
                false,
            ),
            ("[-]", 2, "invalid character ']' in numeric literal", false),
            (
                "{\"a\" 1}",
                5,
                "invalid character '1' after object key",
                false,
            ),
            ("{\"a\":", 5, "unexpected end of JSON input", false),
        ] {
            let error = Document::parse(text).unwrap_err();
            assert_eq!(
                (error.offset, error.problem.as_str()),
                (offset, problem),
                "{text}"
            );
            assert_eq!(error.hint.is_some(), hinted, "{text}");
        }
    }

    #[test]
    fn places_count_characters() {
        assert_eq!(line_and_column("aé\nxéy", 7), (2, 3));
        assert_eq!(line_and_column("a", 99), (1, 2));
    }
}
