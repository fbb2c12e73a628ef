//! Scalars: what a plain one means, and where the characters of a string are written.

use granit_parser::ScalarStyle;

use super::Value;

/// The value of a plain scalar, as `sigs.k8s.io/yaml` (YAML 1.1) reads it.
pub(super) fn plain(text: &str) -> Value {
    let literal = match text {
        "" | "~" | "null" | "Null" | "NULL" => "null".to_owned(),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => "true".to_owned(),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            "false".to_owned()
        }
        _ => match number(text) {
            Some(number) => number,
            None => return Value::Text(text.to_owned(), ScalarStyle::Plain),
        },
    };
    Value::Literal(literal)
}

fn number(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        let number = u64::from_str_radix(hexadecimal, 16).ok()?;
        return Some(format!("{sign}{number}"));
    }
    let octal = digits.strip_prefix("0o").or_else(|| {
        let octal = digits.strip_prefix('0')?;
        (!octal.is_empty() && octal.bytes().all(|digit| matches!(digit, b'0'..=b'7')))
            .then_some(octal)
    });
    if let Some(octal) = octal {
        let number = u64::from_str_radix(octal, 8).ok()?;
        return Some(format!("{sign}{number}"));
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.to_string());
    }
    let is_float = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|number| is_float && number.is_finite())?;
    Some(format!("{number:?}"))
}

/// Where each character of `value` is written in `source`, the text of its scalar: byte offsets,
/// one for each character, and one for its end.
///
/// The two are walked side by side. What YAML takes away (indentation, line ends that it folds) is
/// passed over; an escape is as long as it is written.
pub fn offsets(source: &str, value: &str, style: ScalarStyle) -> Vec<usize> {
    // The span of a block scalar begins behind its header.
    let mut at = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        _ => 0,
    };
    let mut offsets = Vec::with_capacity(value.len() + 1);
    for wanted in value.chars() {
        loop {
            let rest = source.get(at..).unwrap_or_default();
            let Some(found) = rest.chars().next() else {
                offsets.push(at);
                break;
            };
            if style == ScalarStyle::DoubleQuoted && found == '\\' {
                let (length, is_break) = escape(rest);
                if is_break {
                    at += length;
                    continue;
                }
                offsets.push(at);
                at += length;
                break;
            }
            if found == wanted {
                offsets.push(at);
                at += found.len_utf8();
                if style == ScalarStyle::SingleQuoted && found == '\'' {
                    at += 1;
                }
                break;
            }
            if found.is_whitespace() {
                at += found.len_utf8();
                continue;
            }
            // A folded line end: it is written before this character.
            offsets.push(at);
            break;
        }
    }
    offsets.push(at);
    offsets
}

/// The length of an escape in a double-quoted scalar, and whether it is an escaped line end, which
/// stands for nothing.
fn escape(rest: &str) -> (usize, bool) {
    match rest.chars().nth(1) {
        Some('x') => (4, false),
        Some('u') => {
            // Two halves of a character beyond the basic plane are one, as JSON writes them.
            let is_high = rest
                .get(2..4)
                .is_some_and(|digits| matches!(u8::from_str_radix(digits, 16), Ok(0xd8..=0xdb)));
            let is_pair = is_high && rest.get(6..8) == Some("\\u");
            (if is_pair { 12 } else { 6 }, false)
        }
        Some('U') => (10, false),
        Some('\n') => {
            let after = rest.get(2..).unwrap_or_default();
            let indent = after.len() - after.trim_start_matches([' ', '\t']).len();
            (2 + indent, true)
        }
        Some(other) => (1 + other.len_utf8(), false),
        None => (1, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Node, parse};

    /// What is written at the place of `needle` in the string `a`.
    fn written(text: &str, needle: &str) -> String {
        let documents = parse(text).unwrap();
        let node: &Node = documents[0].root.get("a").unwrap();
        let Value::Text(value, style) = &node.value else {
            panic!("{text}");
        };
        let source = &text[node.span.clone()];
        let index = value[..value.find(needle).unwrap()].chars().count();
        let offsets = offsets(source, value, *style);
        source[offsets[index]..offsets[index + needle.chars().count()]].to_owned()
    }

    #[test]
    fn a_character_is_found_where_it_is_written() {
        for text in [
            "a: x MARK y\n",
            "a: x\n  y MARK\n",
            "a: 'it''s MARK'\n",
            "a: 'x\n\n  y MARK'\n",
            "a: \"\\u0041\\n\\\" MARK\"\n",
            "a: \"x\\\n   y MARK\"\n",
            "{\"a\": \"{\\\"k\\\": MARK}\"}",
            "a: |\n    {\n      MARK\n    }\n",
            "a: |2-\n   MARK\n",
            "a: >\n  x\n  y\n\n    MARK\n",
        ] {
            assert_eq!(written(text, "MARK"), "MARK", "{text}");
        }
        assert_eq!(written("a: \"\\u0041B\"\n", "A"), "\\u0041");
    }
}
