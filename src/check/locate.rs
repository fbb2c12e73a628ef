//! Where in its file a finding is written.

use std::ops::Range;

use multinic_core::finding::Place;

use crate::manifest::{Node, Value, scalar};

/// Where a finding is written: the value at its path, or inside of a string the token at its place.
pub(super) fn span(object: &Node, place: &Place, file: &str) -> Range<usize> {
    let node = object.at(&place.field);
    let whole = first_line(file, &node.span);
    let (Some(inside), Value::Text(value, style)) = (&place.inside, &node.value) else {
        return whole;
    };
    let Some(source) = file.get(node.span.clone()) else {
        return whole;
    };
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let line = number(inside.line).saturating_sub(1);
    let column = number(inside.column).saturating_sub(1);
    let before: usize = value
        .split_inclusive('\n')
        .take(line)
        .map(|one| one.chars().count())
        .sum();
    let start = before + column;
    let rest = value.chars().skip(start);
    let length = token(rest).max(1);
    let offsets = scalar::offsets(source, value, *style);
    match (
        offsets.get(start),
        offsets.get(start + length).or_else(|| offsets.last()),
    ) {
        (Some(start), Some(end)) if start < end => {
            let span = node.span.start + start..node.span.start + end;
            first_line(file, &span)
        }
        _ => whole,
    }
}

/// The length of the JSON token, or of the word, at the start of a text, in characters.
fn token(mut rest: impl Iterator<Item = char>) -> usize {
    match rest.next() {
        Some('"') => {
            let mut length = 1;
            let mut is_escaped = false;
            for letter in rest {
                length += 1;
                match letter {
                    _ if is_escaped => is_escaped = false,
                    '\\' => is_escaped = true,
                    '"' => return length,
                    _ => {}
                }
            }
            length
        }
        Some('{' | '[' | '}' | ']' | ',' | ':') | None => 1,
        Some(_) => {
            let ends = |letter: &char| matches!(letter, ',' | ':' | '}' | ']' | ' ' | '\n' | '"');
            1 + rest.take_while(|letter| !ends(letter)).count()
        }
    }
}

/// A span without the lines after its first.
fn first_line(file: &str, span: &Range<usize>) -> Range<usize> {
    let text = file.get(span.clone()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    span.start..span.start + line.trim_end().len().max(1)
}
