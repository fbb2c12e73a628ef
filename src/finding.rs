//! What there is to say about an object, and where.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;

use crate::json::{Places, Value, line_and_column};
use crate::rules::Rule;
use crate::view::selector::Requirement;

/// As many faults of a text are kept, and as many findings of a rule: more than a denial has causes.
pub const MOST: usize = 256;

/// What a rule has to say, with the name and the level that it was given.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that said it.
    pub rule: &'static Rule,
    /// How much it weighs.
    pub level: Level,
    /// Where.
    pub place: Place,
    message: String,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is said.
    Off,
    /// It is said, and the request passes.
    Warn,
    /// The request is refused.
    Deny,
}

/// A change that makes a rule's findings go away, as meaning: how it is written is for `patch` to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fix {
    /// The Pod's required node affinity must imply these.
    Require(Vec<Requirement>),
}

/// A place in an object: a field, and where the field is a text of its own (`spec.config`, an
/// annotation), the place inside that text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Path of the field from the object's root, as `kubectl explain` writes it.
    pub field: Cow<'static, str>,
    /// Inside the field: JSON path, line and column.
    pub inside: Option<Inside>,
}

/// A place inside a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inside {
    /// JSON path, `plugins[0].ipam.subnet`; empty for the text as a whole.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// Something wrong inside a text, before a rule made a finding of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Where in the text.
    pub at: Inside,
    /// What is wrong, why, and what to write instead. One line, without the place.
    pub message: String,
}

/// The first faults of a text: nobody reads more, and a text of 256 KiB can have a hundred thousand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault, or drops it where there are enough.
    pub fn push(&mut self, fault: Fault) {
        if self.0.len() < MOST {
            self.0.push(fault);
        }
    }
}

impl Deref for Faults {
    type Target = [Fault];

    fn deref(&self) -> &[Fault] {
        &self.0
    }
}

impl Finding {
    /// What `rule` has to say.
    pub fn new(rule: &'static Rule, level: Level, place: Place, message: String) -> Self {
        let message = match escape(&message) {
            Cow::Borrowed(_) => message,
            Cow::Owned(escaped) => escaped,
        };
        Self {
            rule,
            level,
            place,
            message,
        }
    }

    /// How it is told.
    pub fn told(&self) -> Line<'_> {
        Line {
            rule: self.rule.name,
            message: Cow::Borrowed(&self.message),
        }
    }

    /// The finding in one line, beginning with its rule's name; it stands alone.
    pub fn line(&self) -> String {
        self.told().to_string()
    }
}

/// A finding as it is told: the name of its rule, and what is wrong.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The rule.
    pub rule: &'static str,
    /// What it says.
    pub message: Cow<'a, str>,
}

impl Line<'_> {
    /// What stands between the name and the message.
    pub const BETWEEN: &'static str = ": ";
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)?;
        f.write_str(Self::BETWEEN)?;
        f.write_str(&self.message)
    }
}

impl Level {
    /// The level's name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl Place {
    /// A field as a whole.
    pub fn field(field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            inside: None,
        }
    }

    /// A place inside the text of a field.
    pub fn inside(field: impl Into<Cow<'static, str>>, inside: Inside) -> Self {
        Self {
            field: field.into(),
            inside: Some(inside),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        let Some(inside) = &self.inside else {
            return Ok(());
        };
        f.write_str(" ")?;
        inside.fmt(f)
    }
}

impl Inside {
    /// The place of a byte offset of `text`.
    pub fn offset(text: &str, offset: usize, path: impl Into<String>) -> Self {
        Self::at(line_and_column(text, offset), path)
    }

    /// The place of a byte offset, one of many.
    pub fn among(places: &mut Places<'_>, offset: usize, path: impl Into<String>) -> Self {
        Self::at(places.at(offset), path)
    }

    /// The place at a line and column.
    pub fn at((line, column): (usize, usize), path: impl Into<String>) -> Self {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            path: path.into(),
            line: narrow(line),
            column: narrow(column),
        }
    }

    /// The place of a JSON value.
    pub fn value(value: Value<'_>, path: impl Into<String>) -> Self {
        Self::at(value.line_and_column(), path)
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            f.write_str(&self.path)?;
            f.write_str(" ")?;
        }
        f.write_str("(line ")?;
        f.write_str(itoa::Buffer::new().format(self.line))?;
        f.write_str(", column ")?;
        f.write_str(itoa::Buffer::new().format(self.column))?;
        f.write_str(")")
    }
}

impl Fault {
    /// A fault at a byte offset of `text`.
    pub fn offset(
        text: &str,
        offset: usize,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            at: Inside::offset(text, offset, path),
            message: message.into(),
        }
    }

    /// A fault at a JSON value.
    pub fn value(value: Value<'_>, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: Inside::value(value, path),
            message: message.into(),
        }
    }
}

/// A value as a message shows it: cut at 80 characters, control and bidirectional characters
/// escaped.
pub fn shorten(value: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    if value.len() <= LONGEST {
        return escape(value);
    }
    let mut characters = value.chars();
    let mut out: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        out.push('…');
    }
    Cow::Owned(escape(&out).into_owned())
}

/// Whether a text is of printable ASCII only, as nearly all are.
fn is_plain(text: &str) -> bool {
    // Without a way out in the middle the compiler takes many bytes at once.
    text.bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

/// Text in which nothing reaches a terminal or a log as a command: control and bidirectional
/// characters are written as `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    let acts = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}')
    };
    if is_plain(text) || !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if acts(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}
