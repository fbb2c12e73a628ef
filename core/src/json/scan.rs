//! From text to nodes: the state machine of Go's `encoding/json/scanner.go`.

use super::string::odd_bytes;
use super::{Node, SyntaxError, Tag};

/// Go's `maxNestingDepth`.
const MAX_DEPTH: usize = 10_000;
/// 32 MiB of nodes: thirty times what a real review of the largest accepted size needs.
const MAX_NODES: usize = 1 << 21;

pub(super) fn nodes(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let scan = Scan {
        text,
        bytes: text.as_bytes(),
        nodes: Vec::with_capacity(expected_nodes(text).min(MAX_NODES)),
        open: Vec::with_capacity(16),
    };
    if u32::try_from(text.len()).is_err() {
        return Err(*scan.error(0, "the text is larger than 4 GiB".to_owned()));
    }
    scan.run().map_err(|error| *error)
}

/// The expected number of nodes of a text: for a small one a guess; for a large one at least the
/// real number, because growing needs the old and the new list at once.
fn expected_nodes(text: &str) -> usize {
    const SMALL: usize = 1 << 16;
    if text.len() <= SMALL {
        return text.len() / 8;
    }
    // Every value but the first comes after one of these.
    let before = |byte: &u8| matches!(byte, b',' | b':' | b'[' | b'{');
    1 + text.bytes().filter(before).count()
}

/// Boxed, so that the usual return value fits into a register.
type BoxedError = Box<SyntaxError>;

/// Its functions take and return the byte offset at which to continue.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    nodes: Vec<Node>,
    /// The arrays and objects that are not closed yet.
    open: Vec<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    index: u32,
    is_object: bool,
}

impl Scan<'_> {
    fn run(mut self) -> Result<Vec<Node>, BoxedError> {
        let mut at = self.white_space(0);
        loop {
            // A value begins here. An opened container that is not empty begins with another.
            match self.byte(at) {
                Some(b'"') => at = self.string(at)?,
                Some(b'{') => {
                    at = self.open(Tag::Object, at)?;
                    if self.byte(at) != Some(b'}') {
                        at = self.key(at)?;
                        continue;
                    }
                    at = self.close(at);
                }
                Some(b'[') => {
                    at = self.open(Tag::Array, at)?;
                    if self.byte(at) != Some(b']') {
                        continue;
                    }
                    at = self.close(at);
                }
                Some(_) => at = self.scalar(at)?,
                None => return Err(self.unexpected(at, "looking for beginning of value")),
            }
            // A value ended here.
            loop {
                at = self.white_space(at);
                let Some(&Open { is_object, .. }) = self.open.last() else {
                    return match self.byte(at) {
                        None => Ok(self.nodes),
                        Some(_) => Err(self.unexpected(at, "after top-level value")),
                    };
                };
                match self.byte(at) {
                    Some(b',') => {
                        at = self.white_space(at + 1);
                        if is_object {
                            at = self.key(at)?;
                        } else if self.byte(at) == Some(b']') {
                            return Err(self.unexpected(at, "looking for beginning of value"));
                        }
                        break;
                    }
                    Some(b'}') if is_object => at = self.close(at),
                    Some(b']') if !is_object => at = self.close(at),
                    _ if is_object => {
                        return Err(self.unexpected(at, "after object key:value pair"));
                    }
                    _ => return Err(self.unexpected(at, "after array element")),
                }
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self, at: usize) -> Result<usize, BoxedError> {
        if self.byte(at) != Some(b'"') {
            return Err(self.unexpected(at, "looking for beginning of object key string"));
        }
        let at = self.string(at)?;
        let at = self.white_space(at);
        if self.byte(at) != Some(b':') {
            return Err(self.unexpected(at, "after object key"));
        }
        Ok(self.white_space(at + 1))
    }

    #[inline]
    fn string(&mut self, start: usize) -> Result<usize, BoxedError> {
        // Nearly all are short and plain. The rare case is kept apart, so that few registers are
        // needed.
        let rest = self.bytes.get(start + 1..);
        if let Some(chunk) = rest.and_then(<[u8]>::first_chunk) {
            let length = odd_bytes(chunk).trailing_zeros() as usize;
            if chunk.get(length) == Some(&b'"') {
                return self.push(Tag::String, start, start + length + 2);
            }
        }
        self.long_string(start)
    }

    #[inline(never)]
    fn long_string(&mut self, start: usize) -> Result<usize, BoxedError> {
        let mut tag = Tag::String;
        let mut at = start + 1;
        while let Some(chunk) = self.bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let mut odd = odd_bytes(chunk);
            let mut read = chunk.len();
            // The positions of all odd ones are known at once.
            while let Some(byte) = chunk.get(odd.trailing_zeros() as usize) {
                let place = at + odd.trailing_zeros() as usize;
                let after = match byte {
                    b'"' => return self.push(tag, start, place + 1),
                    _ => self.odd_character(place, &mut tag)?,
                };
                read = read.max(after - at);
                // An escape has six bytes at most.
                odd &= u32::MAX << (after - at);
            }
            at += read;
        }
        loop {
            match self.byte(at) {
                Some(b'"') => return self.push(tag, start, at + 1),
                Some(b' '..=b'[' | b']'..=0x7f) => at += 1,
                _ => at = self.odd_character(at, &mut tag)?,
            }
        }
    }

    /// A character of a string that is not just itself.
    fn odd_character(&self, at: usize, tag: &mut Tag) -> Result<usize, BoxedError> {
        match self.byte(at) {
            Some(b'\\') => {
                *tag = Tag::EscapedString;
                self.escape(at + 1)
            }
            Some(0x80..) => {
                if *tag == Tag::String {
                    *tag = Tag::WideString;
                }
                Ok(at + 1)
            }
            _ => Err(self.unexpected(at, "in string literal")),
        }
    }

    /// What comes after a backslash.
    fn escape(&self, at: usize) -> Result<usize, BoxedError> {
        match self.byte(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
            Some(b'u') => {
                for at in at + 1..at + 5 {
                    if !self.byte(at).is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.unexpected(at, "in \\u hexadecimal character escape"));
                    }
                }
                Ok(at + 5)
            }
            _ => Err(self.unexpected(at, "in string escape code")),
        }
    }

    /// A value that is neither a container nor a string.
    fn scalar(&mut self, at: usize) -> Result<usize, BoxedError> {
        match self.byte(at) {
            Some(b'-' | b'0'..=b'9') => {
                let end = self.number(at)?;
                self.push(Tag::Number, at, end)
            }
            Some(b't') => self.literal(at, "true", Tag::True),
            Some(b'f') => self.literal(at, "false", Tag::False),
            Some(b'n') => self.literal(at, "null", Tag::Null),
            _ => Err(self.unexpected(at, "looking for beginning of value")),
        }
    }

    fn number(&self, mut at: usize) -> Result<usize, BoxedError> {
        if self.byte(at) == Some(b'-') {
            at += 1;
        }
        at = match self.byte(at) {
            Some(b'0') => at + 1,
            Some(b'1'..=b'9') => self.digits(at),
            _ => return Err(self.unexpected(at, "in numeric literal")),
        };
        if self.byte(at) == Some(b'.') {
            at = self.some_digits(at + 1, "after decimal point in numeric literal")?;
        }
        if matches!(self.byte(at), Some(b'e' | b'E')) {
            at += 1;
            if matches!(self.byte(at), Some(b'+' | b'-')) {
                at += 1;
            }
            at = self.some_digits(at, "in exponent of numeric literal")?;
        }
        Ok(at)
    }

    fn some_digits(&self, at: usize, context: &str) -> Result<usize, BoxedError> {
        let end = self.digits(at);
        if end == at {
            return Err(self.unexpected(at, context));
        }
        Ok(end)
    }

    fn digits(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn literal(&mut self, start: usize, word: &str, tag: Tag) -> Result<usize, BoxedError> {
        for (at, expected) in (start..).zip(word.bytes()) {
            if self.byte(at) != Some(expected) {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(self.unexpected(at, &context));
            }
        }
        self.push(tag, start, start + word.len())
    }

    /// Opens a container; what comes next is its first value, its first key or its end.
    fn open(&mut self, tag: Tag, at: usize) -> Result<usize, BoxedError> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        self.open.push(Open {
            index: self.index(),
            is_object: tag == Tag::Object,
        });
        let at = self.push(tag, at, at + 1)?;
        Ok(self.white_space(at))
    }

    fn close(&mut self, at: usize) -> usize {
        let (end, next) = (position(at + 1), self.index());
        let open = self.open.pop();
        if let Some(node) = open.and_then(|open| self.nodes.get_mut(open.index as usize)) {
            node.end = end;
            node.next = next;
        }
        at + 1
    }

    fn push(&mut self, tag: Tag, start: usize, end: usize) -> Result<usize, BoxedError> {
        if self.nodes.len() == self.nodes.capacity() {
            self.grow(start)?;
        }
        self.nodes.push(Node {
            start: position(start),
            end: position(end),
            next: self.index() + 1,
            tag,
        });
        Ok(end)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, start: usize) -> Result<(), BoxedError> {
        let length = self.nodes.len();
        if length >= MAX_NODES {
            return Err(self.error(start, format!("more than {MAX_NODES} values")));
        }
        // Doubled, as far as there may be more.
        self.nodes
            .reserve_exact(length.max(16).min(MAX_NODES - length));
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are at most MAX_NODES"
    )]
    fn index(&self) -> u32 {
        self.nodes.len() as u32
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn white_space(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        at
    }

    /// The error for the character at `at`.
    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "see BoxedError")]
    fn unexpected(&self, at: usize, context: &str) -> BoxedError {
        match self.text.get(at..).and_then(|rest| rest.chars().next()) {
            None => self.error(self.text.len(), "unexpected end of JSON input".to_owned()),
            Some(found) => {
                let quoted = match found {
                    '\'' | '\\' | '\n' | '\r' | '\t' => format!("'{}'", found.escape_default()),
                    '\u{7}' => r"'\a'".to_owned(),
                    '\u{8}' => r"'\b'".to_owned(),
                    '\u{b}' => r"'\v'".to_owned(),
                    '\u{c}' => r"'\f'".to_owned(),
                    '\0'..' ' | '\u{7f}' => format!("'\\x{:02x}'", u32::from(found)),
                    found if found.is_control() => format!("{found:?}"),
                    found => format!("'{found}'"),
                };
                self.error(at, format!("invalid character {quoted} {context}"))
            }
        }
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::unnecessary_box_returns, reason = "see BoxedError")]
    fn too_deep(&self, at: usize) -> BoxedError {
        self.error(at, "exceeded max depth".to_owned())
    }

    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "see BoxedError")]
    fn error(&self, offset: usize, problem: String) -> BoxedError {
        Box::new(SyntaxError {
            offset,
            problem,
            hint: self.hint(offset),
        })
    }

    /// What was probably meant, for common mistakes.
    fn hint(&self, offset: usize) -> Option<&'static str> {
        let rest = self.text.get(offset..)?;
        let before = self
            .text
            .get(..offset)?
            .trim_end_matches([' ', '\t', '\n', '\r']);
        let next = rest.chars().next()?;
        Some(match next {
            '#' | '/' => "JSON has no comments: remove it",
            '}' | ']' if before.ends_with(',') => "remove the comma before it",
            '\'' => "write JSON strings in double quotes",
            '“' | '”' | '„' | '‘' | '’' => {
                "these are typographic quotes: write plain double quotes"
            }
            '\u{feff}' => "the text begins with a byte order mark: remove it",
            '\u{a0}' | '\u{200b}' => "this is an invisible character: write a plain space",
            '"' if before.ends_with(['"', '}', ']', 'e', 'l']) || ends_with_digit(before) => {
                "a comma is missing before it"
            }
            'T' | 'F' | 'N'
                if ["True", "False", "None", "NULL", "TRUE", "FALSE"]
                    .iter()
                    .any(|word| rest.starts_with(word)) =>
            {
                "write true, false or null"
            }
            letter if letter.is_alphabetic() && before.ends_with([',', '{']) => {
                "write keys in double quotes"
            }
            _ => return None,
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the text is below 4 GiB")]
fn position(at: usize) -> u32 {
    at as u32
}

fn ends_with_digit(text: &str) -> bool {
    text.ends_with(|letter: char| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_nodes_grows_to_its_very_end() {
        for values in [MAX_NODES - 1, MAX_NODES] {
            let text = format!("[{}1]", "1,".repeat(values - 1));
            // It begins with a node for eight bytes, and doubles.
            for length in [text.len(), (1 << 23) - 56, (1 << 23) - 1] {
                let padded = text.clone() + &" ".repeat(length - text.len());
                let fits = nodes(&padded).is_ok();
                assert_eq!(
                    fits,
                    values < MAX_NODES,
                    "{values} values in {length} bytes"
                );
            }
        }
    }
}
