//! What there is to say about an object, and where.

use std::borrow::Cow;
use std::fmt;

use crate::json::{Value, line_and_column};

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
    pub path: Box<str>,
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
    pub message: Box<str>,
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
        self.inside
            .as_ref()
            .map_or(Ok(()), |inside| write!(f, " {inside}"))
    }
}

impl Inside {
    /// The place of a byte offset of `text`.
    pub fn offset(text: &str, offset: usize, path: impl Into<Box<str>>) -> Self {
        let (line, column) = line_and_column(text, offset);
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            path: path.into(),
            line: narrow(line),
            column: narrow(column),
        }
    }

    /// The place of a JSON value.
    pub fn value(value: Value<'_>, path: impl Into<Box<str>>) -> Self {
        Self::offset(value.text(), value.span().start, path)
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{} ", self.path)?;
        }
        write!(f, "(line {}, column {})", self.line, self.column)
    }
}

impl Fault {
    /// A fault at a byte offset of `text`.
    pub fn offset(
        text: &str,
        offset: usize,
        path: impl Into<Box<str>>,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            at: Inside::offset(text, offset, path),
            message: message.into(),
        }
    }

    /// A fault at a JSON value.
    pub fn value(
        value: Value<'_>,
        path: impl Into<Box<str>>,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            at: Inside::value(value, path),
            message: message.into(),
        }
    }
}
