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

use std::ops::Range;

mod string;
mod scan;
mod fold;
mod value;
mod place;

pub(crate) use fold::may_have_twins;
pub use fold::{folded, folds};
pub use place::{Places, line_and_column};
pub use string::write_escaped;
pub use value::Members;

/// A text that is one JSON value, read whole.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// Whether Go takes no two keys of one object for the same field. `true` is always right.
    has_plain_keys: bool,
    /// Whether it is one line of ASCII. `true` is always right.
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
    /// The value after the colon.
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
    /// The error message of `encoding/json`.
    pub problem: String,
    /// What was probably meant, and what to write instead.
    pub hint: Option<&'static str>,
}

impl<'a> Document<'a> {
    /// Reads `text` as `json.Unmarshal` would: one value, with nothing but white space around it.
    ///
    /// # Errors
    /// The first mistake that `encoding/json` reports.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        scan::nodes(text).map(|nodes| Self {
            text,
            nodes,
            has_plain_keys: false,
            is_one_line: false,
        })
    }

    /// Finds out what saves time later: whether keys may fold to the same one, and whether the text
    /// is one line of ASCII.
    #[must_use]
    pub fn surveyed(mut self) -> Self {
        let has_twins = self.root().objects().any(may_have_twins);
        self.has_plain_keys = !has_twins;
        self.is_one_line = place::is_one_line(self.text);
        self
    }

    /// Whether every key of every object is known to be plain ASCII and to differ from the others
    /// of its object in more than case: then their order does not matter. See [`Self::surveyed`].
    pub fn has_plain_keys(&self) -> bool {
        self.has_plain_keys
    }

    /// The value of the whole text.
    pub fn root(&self) -> Value<'_> {
        Value {
            document: self,
            index: 0,
        }
    }
}

/// 16 bytes, because a review has a node for every dozen of its bytes.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// The node after this value and all that is in it.
    next: u32,
    tag: Tag,
}

impl Node {
    /// The range of a string, without its quotes.
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
