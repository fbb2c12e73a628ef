//! Label selectors, as `labels.Parse` reads them, and node selector requirements.
//!
//! Source: `apimachinery/pkg/labels/selector.go` (lexer and parser) and
//! `api/validate/content/kube.go` (keys and values).

use std::fmt;

use crate::limits::{MAX_SELECTOR, MAX_SELECTOR_REQUIREMENTS};
use crate::name::is_subdomain;
use crate::text::shorten;

/// The annotation that selects the nodes of a network.
pub const NODE_SELECTOR: &str = "k8s.v1.cni.cncf.io/nodeSelector";

/// One requirement on the labels of a node: a NodeSelectorRequirement of `core/v1`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    /// The label's key.
    pub key: Box<str>,
    /// How the label is compared.
    pub operator: Operator,
    /// Sorted, each once; none for [`Operator::Exists`] and [`Operator::DoesNotExist`], one for
    /// [`Operator::Gt`] and [`Operator::Lt`].
    pub values: Vec<Box<str>>,
}

/// A NodeSelectorOperator of `core/v1`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// The label does not exist.
    DoesNotExist,
    /// The label exists.
    Exists,
    /// The label is an integer above the value.
    Gt,
    /// The label is one of the values.
    In,
    /// The label is an integer below the value.
    Lt,
    /// The label is none of the values, or does not exist.
    NotIn,
}

/// Why a text is not a label selector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelectorError {
    /// Where, in bytes.
    pub offset: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

/// Returns the requirements of a selector, each once, in the order in which they are written; none
/// for a blank text.
///
/// # Errors
/// What `labels.Parse` refuses, a NUL byte, at which it silently stops reading, and a selector
/// beyond [`MAX_SELECTOR`] or [`MAX_SELECTOR_REQUIREMENTS`].
pub fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    if text.len() > MAX_SELECTOR {
        return Err(SelectorError {
            offset: 0,
            message: format!(
                "the selector has {} bytes, and at most {MAX_SELECTOR} are read: give the nodes a \
                 label of their own and select that",
                text.len()
            ),
        });
    }
    let mut parser = Parser { text, at: 0 };
    let mut requirements: Vec<Requirement> = Vec::new();
    if parser.peek().0 == Token::End {
        return parser.nul().map(|()| requirements);
    }
    loop {
        let offset = parser.at;
        let requirement = parser.requirement()?;
        if !requirements.contains(&requirement) {
            if requirements.len() == MAX_SELECTOR_REQUIREMENTS {
                let message = format!(
                    "the selector has more than {MAX_SELECTOR_REQUIREMENTS} requirements, and no \
                     more are read: give the nodes a label of their own and select that"
                );
                return Err(SelectorError { offset, message });
            }
            requirements.push(requirement);
        }
        match parser.next() {
            (Token::Comma, _) => {
                if let (Token::End, offset) = parser.peek() {
                    let message = "there is a comma at the end: remove it (found '', expected: \
                                   identifier after ',')";
                    return Err(SelectorError {
                        offset,
                        message: message.to_owned(),
                    });
                }
            }
            (Token::End, _) => return parser.nul().map(|()| requirements),
            (token, offset) => {
                let message = format!("found '{token}', expected: ',' or end: {ADVICE}");
                return Err(SelectorError { offset, message });
            }
        }
    }
}

const ADVICE: &str = "write key=value, key!=value, key in (a,b), key notin (a,b), key, !key, key>1 \
                      or key<1, with commas between them";

impl Requirement {
    /// Whether a node meets it whose label of this key has this value; `None` where the node has no
    /// such label.
    ///
    /// Source: `apimachinery/pkg/labels/selector.go`, `Requirement.Matches`.
    pub fn is_met_by(&self, value: Option<&str>) -> bool {
        let is_listed = |value: &str| self.values.iter().any(|own| **own == *value);
        let bound = || self.values.first()?.parse::<i64>().ok();
        let compared = |holds: fn(i64, i64) -> bool| {
            let own = value.and_then(|value| value.parse().ok());
            own.zip(bound())
                .is_some_and(|(own, bound)| holds(own, bound))
        };
        match self.operator {
            Operator::DoesNotExist => value.is_none(),
            Operator::Exists => value.is_some(),
            Operator::Gt => compared(|own, bound| own > bound),
            Operator::In => value.is_some_and(is_listed),
            Operator::Lt => compared(|own, bound| own < bound),
            Operator::NotIn => !value.is_some_and(is_listed),
        }
    }

    /// The bytes that it takes in a patch, at most.
    pub fn weight(&self) -> usize {
        const AROUND: usize = 200;
        let values = self.values.iter().map(|value| value.len() + 3);
        AROUND + self.key.len() + values.sum::<usize>()
    }
}

impl Operator {
    /// The operator's name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::DoesNotExist => "DoesNotExist",
            Self::Exists => "Exists",
            Self::Gt => "Gt",
            Self::In => "In",
            Self::Lt => "Lt",
            Self::NotIn => "NotIn",
        }
    }

    /// The operator of that name in the API.
    pub fn of(name: &str) -> Option<Self> {
        let all = [
            Self::DoesNotExist,
            Self::Exists,
            Self::Gt,
            Self::In,
            Self::Lt,
            Self::NotIn,
        ];
        all.into_iter().find(|operator| operator.name() == name)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            operator,
            values,
        } = self;
        let key = shorten(key);
        match operator {
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::Gt | Operator::Lt => {
                let sign = if *operator == Operator::Gt { '>' } else { '<' };
                write!(f, "{key}{sign}{}", shorten(&values.join(",")))
            }
            Operator::In if values.len() == 1 => write!(f, "{key}={}", shorten(&values.join(""))),
            Operator::NotIn if values.len() == 1 => {
                write!(f, "{key}!={}", shorten(&values.join("")))
            }
            Operator::In => write!(f, "{key} in ({})", shorten(&values.join(","))),
            Operator::NotIn => write!(f, "{key} notin ({})", shorten(&values.join(","))),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token<'a> {
    Close,
    Comma,
    DoesNotExist,
    End,
    Equals,
    Greater,
    Identifier(&'a str),
    Less,
    NotEquals,
    Open,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (mut token, mut offset) = self.next();
        let negated = token == Token::DoesNotExist;
        if negated {
            (token, offset) = self.next();
        }
        let Token::Identifier(key) = token else {
            let message = format!("found '{token}', expected: a label key: {ADVICE}");
            return Err(SelectorError { offset, message });
        };
        check_key(key, self.text, offset)?;
        let (operator, values, at) = if negated {
            (Operator::DoesNotExist, Vec::new(), offset)
        } else {
            match self.peek() {
                (Token::End | Token::Comma, at) => (Operator::Exists, Vec::new(), at),
                _ => self.comparison()?,
            }
        };
        for value in &values {
            check_value(value, at)?;
        }
        if matches!(operator, Operator::Gt | Operator::Lt)
            && values
                .first()
                .is_none_or(|value| value.parse::<i64>().is_err())
        {
            let message = format!(
                "expected an integer for the operator \"{}\", found \"{}\"",
                operator.name(),
                shorten(&values.concat())
            );
            return Err(SelectorError {
                offset: at,
                message,
            });
        }
        let mut values: Vec<Box<str>> = values.into_iter().map(Box::from).collect();
        values.sort_unstable();
        values.dedup();
        Ok(Requirement {
            key: key.into(),
            operator,
            values,
        })
    }

    /// An operator and its values, with the offset of the values.
    fn comparison(&mut self) -> Result<(Operator, Vec<&'a str>, usize), SelectorError> {
        let (token, offset) = self.next();
        let set = |name| match token {
            Token::Identifier(word) => word == name,
            _ => false,
        };
        Ok(match token {
            Token::Equals | Token::NotEquals | Token::Greater | Token::Less => {
                let operator = match token {
                    Token::Equals => Operator::In,
                    Token::NotEquals => Operator::NotIn,
                    Token::Greater => Operator::Gt,
                    _ => Operator::Lt,
                };
                let (value, at) = self.single_value()?;
                (operator, vec![value], at)
            }
            _ if set("in") || set("notin") => {
                let operator = if set("in") {
                    Operator::In
                } else {
                    Operator::NotIn
                };
                let (values, at) = self.set()?;
                (operator, values, at)
            }
            _ => {
                let case = match token {
                    Token::Identifier(word)
                        if ["in", "notin"].contains(&&*word.to_ascii_lowercase()) =>
                    {
                        "operators are in lower case: "
                    }
                    _ => "",
                };
                let message = format!(
                    "found '{token}', expected: in, notin, =, ==, !=, >, <: {case}{ADVICE}"
                );
                return Err(SelectorError { offset, message });
            }
        })
    }

    /// The value of `=`, `!=`, `>` or `<`; empty at a comma or the end.
    fn single_value(&mut self) -> Result<(&'a str, usize), SelectorError> {
        match self.peek() {
            (Token::End | Token::Comma, at) => Ok(("", at)),
            (Token::Identifier(value), at) => {
                self.next();
                Ok((value, at))
            }
            (token, offset) => {
                let message = format!("found '{token}', expected: a value: {ADVICE}");
                Err(SelectorError { offset, message })
            }
        }
    }

    /// `(a,b)`, where an item may be missing and is empty then.
    fn set(&mut self) -> Result<(Vec<&'a str>, usize), SelectorError> {
        let refuse = |(token, offset): (Token<'a>, usize), expected| {
            let message = format!("found '{token}', expected: {expected}: write key in (a,b)");
            Err(SelectorError { offset, message })
        };
        let (open, at) = self.next();
        if open != Token::Open {
            return refuse((open, at), "'('");
        }
        let mut values = Vec::new();
        if let (Token::Close, _) = self.peek() {
            self.next();
            return Ok((vec![""], at));
        }
        // The loop of parseIdentifiersList, with its own rules for repeated commas.
        loop {
            match self.next() {
                (Token::Identifier(value), _) => {
                    values.push(value);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => break,
                        found => return refuse(found, "',' or ')'"),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.push("");
                    }
                    match self.peek().0 {
                        Token::Close => {
                            values.push("");
                            break;
                        }
                        Token::Comma => {
                            self.next();
                            values.push("");
                        }
                        _ => {}
                    }
                }
                found => return refuse(found, "',' or a value"),
            }
        }
        self.next();
        Ok((values, at))
    }

    fn peek(&mut self) -> (Token<'a>, usize) {
        let start = self.at;
        let found = self.next();
        self.at = start;
        found
    }

    fn next(&mut self) -> (Token<'a>, usize) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let start = self.at;
        let two = bytes.get(start..start + 2).unwrap_or_default();
        let (token, length) = match (bytes.get(start), two) {
            (None | Some(0), _) => (Token::End, 0),
            (_, b"==") => (Token::Equals, 2),
            (_, b"!=") => (Token::NotEquals, 2),
            (Some(b'='), _) => (Token::Equals, 1),
            (Some(b'!'), _) => (Token::DoesNotExist, 1),
            (Some(b'('), _) => (Token::Open, 1),
            (Some(b')'), _) => (Token::Close, 1),
            (Some(b','), _) => (Token::Comma, 1),
            (Some(b'>'), _) => (Token::Greater, 1),
            (Some(b'<'), _) => (Token::Less, 1),
            _ => {
                let ends = |byte: &u8| {
                    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
                        || matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
                };
                let rest = bytes.get(start..).unwrap_or_default();
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                (Token::Identifier(&self.text[start..start + length]), length)
            }
        };
        self.at = start + length;
        (token, start)
    }

    /// Refuses a NUL byte, which `labels.Parse` takes for the end, whatever follows.
    fn nul(&self) -> Result<(), SelectorError> {
        match self.text.find('\0') {
            None => Ok(()),
            Some(offset) => {
                let message = "there is a NUL character, after which nothing is read: remove it";
                Err(SelectorError {
                    offset,
                    message: message.to_owned(),
                })
            }
        }
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str(")"),
            Self::Comma => f.write_str(","),
            Self::DoesNotExist => f.write_str("!"),
            Self::End => Ok(()),
            Self::Equals => f.write_str("="),
            Self::Greater => f.write_str(">"),
            Self::Identifier(text) => f.write_str(&shorten(text)),
            Self::Less => f.write_str("<"),
            Self::NotEquals => f.write_str("!="),
            Self::Open => f.write_str("("),
        }
    }
}

fn check_key(key: &str, text: &str, offset: usize) -> Result<(), SelectorError> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(a, b)| (Some(a), b));
    if prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name) {
        return Ok(());
    }
    let form = if text.trim_start().starts_with(['{', '"']) || key.ends_with(':') {
        "the annotation is a label selector, not JSON or YAML: "
    } else {
        ""
    };
    let message = format!("\"{}\" is not a label key: {form}{ADVICE}", shorten(key));
    Err(SelectorError { offset, message })
}

fn check_value(value: &str, offset: usize) -> Result<(), SelectorError> {
    if value.is_empty() || is_label_value(value) {
        return Ok(());
    }
    let advice = if value.contains(';') {
        ": only a comma separates requirements"
    } else {
        ""
    };
    let message = format!(
        "\"{}\" is not a label value: use at most 63 letters, digits, \"-\", \"_\" and \".\", with \
         a letter or digit at both ends{advice}",
        shorten(value)
    );
    Err(SelectorError { offset, message })
}

/// 1 to 63 of letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
pub fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}
