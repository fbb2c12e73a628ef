//! What is wrong with an object, and where.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::fault::Inside;
use crate::text::escape;

/// What a rule reports, with its name and its level.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The name of the rule.
    pub rule: &'static str,
    /// Whether it denies.
    pub level: Level,
    /// The place in the object.
    pub place: Place,
    message: String,
}

/// What a finding leads to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is not reported.
    Off,
    /// It is reported, and the request is admitted.
    Warn,
    /// The request is refused.
    Deny,
}

/// A place in an object: a field, and if the field is a text of its own (`spec.config`, an
/// annotation), the place inside that text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Path of the field from the object's root, as `kubectl explain` writes it.
    pub field: Cow<'static, str>,
    /// Inside the field: JSON path, line and column.
    pub inside: Option<Inside>,
}

impl Finding {
    /// A finding of the rule of that name.
    pub fn new(rule: &'static str, level: Level, place: Place, message: String) -> Self {
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

    /// The finding in one line, which can be understood on its own.
    pub fn line(&self) -> Line<'_> {
        Line {
            rule: self.rule,
            message: Cow::Borrowed(&self.message),
        }
    }
}

/// A finding in one line: the name of its rule, and the message.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The name of the rule.
    pub rule: &'static str,
    /// The message.
    pub message: Cow<'a, str>,
}

impl Line<'_> {
    /// The text between the name and the message.
    pub const SEPARATOR: &'static str = ": ";
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)?;
        f.write_str(Self::SEPARATOR)?;
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
