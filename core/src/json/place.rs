//! Places for messages: paths in a document, lines and columns in a text.

use super::{Member, Tag, Value};
use crate::text::shorten;

impl Value<'_> {
    /// Line and column at which this value begins, both from 1.
    pub fn line_and_column(self) -> (usize, usize) {
        let start = self.span().start;
        if self.document.is_one_line {
            return (1, start + 1);
        }
        line_and_column(self.document.text, start)
    }

    /// The path of this value in its document, such as `plugins[0].ipam.subnet`; empty for the
    /// whole. The path of a key is that of its value. A long path ends early, with `…`.
    pub fn path(self) -> String {
        const LONGEST: usize = 200;
        let mut path = String::with_capacity(32);
        let mut container = self.document.root();
        while container.index != self.index {
            if path.len() > LONGEST {
                path.push('…');
                break;
            }
            // Children are in order: the first one that does not end before this value contains it.
            let holds = |child: &Self| self.index < child.node().next;
            if container.node().tag == Tag::Object {
                let mut members = container.members();
                let Some(Member { key, value }) = members.find(|member| holds(&member.value))
                else {
                    break;
                };
                key.push_to(&mut path, LONGEST);
                if key.index == self.index {
                    break;
                }
                container = value;
            } else {
                let mut elements = container.elements().enumerate();
                let Some((index, element)) = elements.find(|(_, element)| holds(element)) else {
                    break;
                };
                path.push('[');
                path.push_str(itoa::Buffer::new().format(index));
                path.push(']');
                container = element;
            }
        }
        path
    }

    /// Adds a key to a path.
    fn push_to(self, path: &mut String, longest: usize) {
        let name = self.str().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let wide = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        let is_plain = name.bytes().all(plain) || name.chars().all(wide);
        if name.is_empty() || name.len() > longest || !is_plain {
            path.extend(["[", &shorten(self.raw()), "]"]);
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&name);
        }
    }
}

/// Whether a text is one line of ASCII, so that its columns are its bytes.
pub(super) fn is_one_line(text: &str) -> bool {
    text.is_ascii() && !text.contains('\n')
}

/// Line and column of a byte offset, both from 1; the column counts characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Places::unknown(text).at(end)
}

/// Lines and columns of offsets in nearly ascending order: a text is read once, however many places
/// are needed.
#[derive(Debug)]
pub struct Places<'a> {
    text: &'a str,
    /// Whether it is one line of ASCII.
    is_one_line: bool,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'a> Places<'a> {
    /// The places of a text.
    pub fn of(text: &'a str) -> Self {
        Self {
            is_one_line: is_one_line(text),
            ..Self::unknown(text)
        }
    }

    fn unknown(text: &'a str) -> Self {
        Self {
            text,
            is_one_line: false,
            offset: 0,
            line: 1,
            column: 1,
        }
    }

    /// Line and column of a byte offset, as [`line_and_column`] counts them.
    pub fn at(&mut self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        if self.is_one_line {
            return (1, offset + 1);
        }
        if offset < self.offset {
            match self.text.get(offset..self.offset) {
                Some(between) if !between.contains('\n') => {
                    self.column -= between.chars().count();
                    self.offset = offset;
                }
                _ => *self = Self::unknown(self.text),
            }
        }
        let between = self.text.get(self.offset..offset).unwrap_or_default();
        match between.rfind('\n') {
            None => self.column += between.chars().count(),
            Some(newline) => {
                self.line += between.bytes().filter(|byte| *byte == b'\n').count();
                self.column = between[newline + 1..].chars().count() + 1;
            }
        }
        self.offset = offset;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        assert_eq!(line_and_column("aé\nxéy", 7), (2, 3));
        assert_eq!(line_and_column("a", 99), (1, 2));
        let text = "aé\nxéy\n\nz";
        let mut places = Places::of(text);
        for offset in [3, 4, 0, 8, 7, 9, 10, 1, 99] {
            assert_eq!(places.at(offset), line_and_column(text, offset), "{offset}");
        }
    }
}
