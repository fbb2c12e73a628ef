//! What there is to say about an object, and where.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::fault::Inside;
use crate::text::escape;

/// What a rule has to say, with the name and the level that it was given.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The name of the rule.
    pub rule: &'static str,
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

/// A place in an object: a field, and where the field is a text of its own (`spec.config`, an
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

    /// How it is told.
    pub fn told(&self) -> Line<'_> {
        Line {
            rule: self.rule,
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
