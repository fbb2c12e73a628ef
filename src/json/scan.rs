//! From text to nodes: the state machine of Go's `encoding/json/scanner.go`.

use super::string::plain_characters;
use super::{Node, SyntaxError, Tag};

/// Go's `maxNestingDepth`.
const MAX_DEPTH: usize = 10_000;
/// 32 MiB of nodes: thirty times what a real review of the largest accepted size needs.
const MAX_NODES: usize = 1 << 21;

pub(super) fn nodes(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let scan = Scan {
        text,
        bytes: text.as_bytes(),
        at: 0,
        nodes: Vec::new(),
        open: Vec::with_capacity(16),
    };
    if u32::try_from(text.len()).is_err() {
        return Err(*scan.error(0, "the text is larger than 4 GiB".to_owned()));
    }
    scan.run().map_err(|refusal| *refusal)
}

/// Boxed, so that what is nearly always returned fits into a register.
type Refusal = Box<SyntaxError>;

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The arrays and objects that are not closed yet.
    open: Vec<u32>,
}

impl Scan<'_> {
    fn run(mut self) -> Result<Vec<Node>, Refusal> {
        self.nodes.reserve((self.text.len() / 8).min(MAX_NODES));
        loop {
            // A value begins here. An opened container that is not empty begins with another.
            if self.value()? {
                continue;
            }
            // A value ended here.
            loop {
                self.white_space();
                let Some(&container) = self.open.last() else {
                    return match self.peek() {
                        None => Ok(self.nodes),
                        Some(_) => Err(self.unexpected("after top-level value")),
                    };
                };
                let object = self.nodes[container as usize].tag == Tag::Object;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.white_space();
                        if object {
                            self.key()?;
                        } else if self.peek() == Some(b']') {
                            return Err(self.unexpected("looking for beginning of value"));
                        }
                        break;
                    }
                    Some(b'}') if object => self.close(),
                    Some(b']') if !object => self.close(),
                    _ if object => return Err(self.unexpected("after object key:value pair")),
                    _ => return Err(self.unexpected("after array element")),
                }
            }
        }
    }

    /// Reads the beginning of a value; true where it opened a container with something in it.
    fn value(&mut self) -> Result<bool, Refusal> {
        self.white_space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'{') => {
                self.open(Tag::Object)?;
                self.white_space();
                if self.peek() == Some(b'}') {
                    self.close();
                    return Ok(false);
                }
                self.key()?;
                return Ok(true);
            }
            Some(b'[') => {
                self.open(Tag::Array)?;
                self.white_space();
                if self.peek() == Some(b']') {
                    self.close();
                    return Ok(false);
                }
                return Ok(true);
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(Tag::Number, start)?;
            }
            Some(b't') => self.literal("true", Tag::True)?,
            Some(b'f') => self.literal("false", Tag::False)?,
            Some(b'n') => self.literal("null", Tag::Null)?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        }
        Ok(false)
    }

    fn key(&mut self) -> Result<(), Refusal> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        self.string()?;
        self.white_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        let end = plain_characters(self.bytes, start + 1);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.push(Tag::String, start);
        }
        self.at = end;
        self.odd_string(start)
    }

    /// The rest of a string, from its first character that is not just itself. Kept apart, so that
    /// the others need few registers.
    #[inline(never)]
    fn odd_string(&mut self, start: usize) -> Result<(), Refusal> {
        let mut tag = Tag::WideString;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return self.push(tag, start);
                }
                Some(b'\\') => {
                    tag = Tag::EscapedString;
                    self.escape()?;
                }
                Some(0x80..) => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    self.at += rest.iter().take_while(|byte| !byte.is_ascii()).count();
                }
                _ => return Err(self.unexpected("in string literal")),
            }
            self.at = plain_characters(self.bytes, self.at);
        }
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.unexpected("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.unexpected("in string escape code")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Refusal> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &str, tag: Tag) -> Result<(), Refusal> {
        let start = self.at;
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(self.unexpected(&context));
            }
            self.at += 1;
        }
        self.push(tag, start)
    }

    fn open(&mut self, tag: Tag) -> Result<(), Refusal> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.open.push(self.index());
        self.at += 1;
        self.push(tag, self.at - 1)
    }

    fn close(&mut self) {
        self.at += 1;
        let (end, next) = (self.position(), self.index());
        if let Some(node) = self
            .open
            .pop()
            .and_then(|open| self.nodes.get_mut(open as usize))
        {
            node.end = end;
            node.next = next;
        }
    }

    fn push(&mut self, tag: Tag, start: usize) -> Result<(), Refusal> {
        if self.nodes.len() == MAX_NODES {
            return Err(self.too_many(start));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the text is below 4 GiB")]
        let start = start as u32;
        self.nodes.push(Node {
            start,
            end: self.position(),
            next: self.index() + 1,
            tag,
        });
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are at most MAX_NODES"
    )]
    fn index(&self) -> u32 {
        self.nodes.len() as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "the text is below 4 GiB")]
    fn position(&self) -> u32 {
        self.at as u32
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The refusal of what stands at the current place.
    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "see Refusal")]
    fn unexpected(&self, context: &str) -> Refusal {
        match self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            None => self.error(self.text.len(), "unexpected end of JSON input".to_owned()),
            Some(found) => {
                let quoted = match found {
                    '\'' => r"'\''".to_owned(),
                    '\u{feff}' => "'\u{feff}'".to_owned(),
                    found if found.is_control() => format!("{found:?}"),
                    found => format!("'{found}'"),
                };
                self.error(self.at, format!("invalid character {quoted} {context}"))
            }
        }
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::unnecessary_box_returns, reason = "see Refusal")]
    fn too_many(&self, offset: usize) -> Refusal {
        self.error(offset, format!("more than {MAX_NODES} values"))
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::unnecessary_box_returns, reason = "see Refusal")]
    fn too_deep(&self) -> Refusal {
        self.error(self.at, "exceeded max depth".to_owned())
    }

    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "see Refusal")]
    fn error(&self, offset: usize, problem: String) -> Refusal {
        Box::new(SyntaxError {
            offset,
            problem,
            hint: self.hint(offset),
        })
    }

    /// What people write where JSON allows nothing of the kind.
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
            '\'' => "JSON strings stand in double quotes",
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
                "keys stand in double quotes"
            }
            _ => return None,
        })
    }
}

fn ends_with_digit(text: &str) -> bool {
    text.ends_with(|letter: char| letter.is_ascii_digit())
}
