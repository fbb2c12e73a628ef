//! What is wrong inside a text, and where.

use std::fmt;
use std::ops::Deref;

use crate::json::{Places, Value, line_and_column};
use crate::text::escape;

/// The maximum number of faults that are kept of one text, and of findings that one rule returns:
/// more than a denial has causes.
pub const MAX_FAULTS: usize = 256;

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

/// Something that is wrong inside a text; a rule makes a finding of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The place in the text.
    pub at: Inside,
    /// What is wrong, why, and what to write instead. One line, without the place.
    pub message: String,
}

/// The first faults of a text. No one reads more, and a text of 256 KiB can have a hundred thousand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault, or drops it if there are enough.
    pub fn push(&mut self, fault: Fault) {
        if !self.is_full() {
            self.0.push(fault);
        }
    }

    /// Whether another fault would be dropped, so that it need not be written.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }
}

impl Deref for Faults {
    type Target = [Fault];

    fn deref(&self) -> &[Fault] {
        &self.0
    }
}

impl Inside {
    /// A text as a whole.
    pub fn whole() -> Self {
        Self::at((1, 1), "")
    }

    /// The place of a byte offset of `text`.
    pub fn offset(text: &str, offset: usize, path: impl Into<String>) -> Self {
        Self::at(line_and_column(text, offset), path)
    }

    /// What surrounds a byte offset of `text`, if its line and column are hard to find: YAML folds a
    /// quoted text of several lines into one. Begins with a space.
    pub fn surroundings(text: &str, offset: usize) -> String {
        const EASY: usize = 60;
        const AROUND: usize = 20;
        if text.len() <= EASY || text.contains('\n') {
            return String::new();
        }
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        let mut start: Vec<_> = before.chars().rev().take(AROUND).collect();
        start.reverse();
        let start: String = start.into_iter().collect();
        let end: String = after.chars().take(AROUND).collect();
        let is_cut = |shown: &str, whole: &str| if shown.len() < whole.len() { "…" } else { "" };
        let (left, right) = (is_cut(&start, before), is_cut(&end, after));
        format!(" near `{left}{}{right}`", escape(&format!("{start}{end}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings_are_shown_of_a_long_line_only() {
        let long = format!("{{\"name\": \"é{}\", \"a\": 1,}}", "x".repeat(60));
        assert_eq!(
            Inside::surroundings(&long, long.len() - 1),
            " near `…xxxxxxxxxx\", \"a\": 1,}`"
        );
        assert_eq!(
            Inside::surroundings(&long, long.len()),
            " near `…xxxxxxxxx\", \"a\": 1,}`"
        );
        assert!(Inside::surroundings(&long, 0).starts_with(" near `{\"name\": \"é"));
        assert_eq!(Inside::surroundings("{\"a\": 1,}", 8), "");
        assert_eq!(Inside::surroundings(&long.replace(", ", ",\n"), 70), "");
    }
}
