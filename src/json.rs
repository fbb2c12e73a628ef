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

mod fold;
mod place;
mod scan;
mod string;

pub(crate) use fold::may_have_twins;
pub use fold::{folded, folds};
pub use place::{Places, line_and_column};
pub use string::write_escaped;

/// A text that is one JSON value, read whole.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// Whether no two keys of one object may be one to Go; never a wrong `true`.
    has_plain_keys: bool,
    /// Whether it is one line of ASCII; never a wrong `true`.
    is_one_line: bool,
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
        scan::nodes(text).map(|nodes| Self {
            text,
            nodes,
            has_plain_keys: false,
            is_one_line: false,
        })
    }

    /// Finds out what spares time later: whether keys may be one to Go, and how the text lies.
    #[must_use]
    pub fn surveyed(mut self) -> Self {
        let has_twins = self.root().objects().any(may_have_twins);
        self.has_plain_keys = !has_twins;
        self.is_one_line = place::is_one_line(self.text);
        self
    }

    /// Whether every key of every object is known to be plain ASCII and to differ from the others of
    /// its object in more than case: then their order is nobody's concern. See [`Self::surveyed`].
    pub fn has_plain_keys(&self) -> bool {
        self.has_plain_keys
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
            Tag::String | Tag::EscapedString | Tag::WideString => Kind::String,
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

    /// The document that this value is in.
    pub fn document(self) -> &'d Document<'d> {
        self.document
    }

    /// A string, its escapes decoded; a lone surrogate becomes U+FFFD.
    #[inline]
    pub fn str(self) -> Option<Cow<'d, str>> {
        match self.node().tag {
            Tag::String | Tag::WideString => Some(Cow::Borrowed(self.inner())),
            Tag::EscapedString => Some(Cow::Owned(string::unescape(self.inner()))),
            _ => None,
        }
    }

    /// A string that is written as it is, in ASCII, as nearly all keys are.
    #[inline]
    pub fn plain(self) -> Option<&'d str> {
        (self.node().tag == Tag::String).then(|| self.inner())
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
    pub fn members(self) -> Members<'d> {
        Members(self.children(Tag::Object))
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
            .filter(move |member| member.key.folds(field))
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

    /// Whether this is the string `text`.
    #[inline]
    pub fn is_str(self, text: &str) -> bool {
        let node = self.node();
        match node.tag {
            Tag::String | Tag::WideString => {
                node.length() == text.len() && self.inner_bytes() == text.as_bytes()
            }
            Tag::EscapedString => self.decodes_to(text),
            _ => false,
        }
    }

    /// Whether this value of a member stands behind `key`, spelled exactly so.
    pub fn has_key(self, key: &str) -> bool {
        let before = self.index.checked_sub(1);
        before.is_some_and(|index| Self { index, ..self }.is_str(key))
    }

    /// Whether this is a key that Go takes for the struct field `field`; see [`folds`].
    #[inline]
    pub fn folds(self, field: &str) -> bool {
        let node = self.node();
        match node.tag {
            // The letters that fold into a shorter one are none of ASCII.
            Tag::String => {
                node.length() == field.len()
                    && self.inner_bytes().eq_ignore_ascii_case(field.as_bytes())
            }
            Tag::EscapedString | Tag::WideString => self.decodes_to_fold(field),
            _ => false,
        }
    }

    #[cold]
    #[inline(never)]
    fn decodes_to(self, text: &str) -> bool {
        self.str().is_some_and(|own| own == text)
    }

    #[cold]
    #[inline(never)]
    fn decodes_to_fold(self, field: &str) -> bool {
        self.str().is_some_and(|key| folds(&key, field))
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

    /// What stands between the quotes of a string.
    fn inner(self) -> &'d str {
        let inner = self.document.text.get(self.node().inner());
        inner.unwrap_or_default()
    }

    /// The same as bytes, for which no character boundaries are looked for.
    fn inner_bytes(self) -> &'d [u8] {
        let inner = self.document.text.as_bytes().get(self.node().inner());
        inner.unwrap_or_default()
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

    fn children(self, tag: Tag) -> Children<'d> {
        let node = self.node();
        let end = if node.tag == tag { node.next } else { 0 };
        Children {
            next: Self {
                document: self.document,
                index: self.index + 1,
            },
            end,
        }
    }
}

/// The members of an object, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct Members<'d>(Children<'d>);

/// The values in an array or an object, keys among them.
#[derive(Clone, Debug)]
struct Children<'d> {
    next: Value<'d>,
    end: u32,
}

impl<'d> Iterator for Members<'d> {
    type Item = Member<'d>;

    fn next(&mut self) -> Option<Member<'d>> {
        let key = self.0.next()?;
        Some(Member {
            key,
            value: self.0.next()?,
        })
    }
}

impl<'d> Iterator for Children<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        let child = self.next;
        (child.index < self.end).then(|| {
            self.next.index = child.node().next;
            child
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

/// 16 bytes, for a review has a node for every dozen of its bytes.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// The node after this value and all that is in it.
    next: u32,
    tag: Tag,
}

impl Node {
    /// Where a string stands between its quotes.
    fn inner(self) -> Range<usize> {
        self.start as usize + 1..self.end as usize - 1
    }

    /// The bytes of a string between its quotes.
    fn length(self) -> usize {
        (self.end - self.start) as usize - 2
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tag {
    Array,
    EscapedString,
    False,
    Null,
    Number,
    Object,
    /// Of ASCII, without escapes.
    String,
    True,
    /// Beyond ASCII, without escapes.
    WideString,
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
