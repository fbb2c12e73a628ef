//! Reading YAML, and messages of our own for its errors.

use serde::de::DeserializeOwned;
use serde_saphyr::Error as YamlError;

use super::Error;
use crate::nearest::nearest;
use crate::text::shorten;

/// Reads a text with at most one document; a text without content is the default.
pub(super) fn read<T: DeserializeOwned + Default>(text: &str) -> Result<T, Error> {
    // serde_saphyr reads a text without content as an error and not as `null`.
    let is_blank = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    };
    if text.lines().all(is_blank) {
        return Ok(T::default());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let location = error.location();
        let place = location.map(|location| (location.line(), location.column()));
        let field = place.and_then(|place| key_before(text, place));
        let problem = problem(error.without_snippet());
        Error {
            place,
            problem: match field {
                Some(field) => format!("{field}: {problem}"),
                None => problem,
            },
            excerpt: None,
        }
    })
}

/// The line of a place, with a mark below it; `None` if the place is not in the text, or too far
/// right to be shown.
pub(super) fn excerpt(text: &str, (line, column): (u64, u64)) -> Option<String> {
    const WIDTH: usize = 120;
    let before = usize::try_from(column).ok()?.checked_sub(1)?;
    if before >= WIDTH {
        return None;
    }
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let shown: String = text
        .lines()
        .nth(index)?
        .chars()
        .take(WIDTH)
        .map(plain)
        .collect();
    let margin = " ".repeat(line.to_string().len());
    let indent = " ".repeat(before);
    Some(format!(
        "{margin} |\n{line} | {shown}\n{margin} | {indent}^"
    ))
}

fn problem(error: &YamlError) -> String {
    match error {
        YamlError::SerdeUnknownField {
            field, expected, ..
        } => {
            let advice = match nearest(field, expected.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("the keys here are: {}", expected.join(", ")),
            };
            format!("unknown key \"{}\"; {advice}", shorten(field))
        }
        YamlError::SerdeUnknownVariant {
            variant, expected, ..
        } => not_one_of(variant, expected),
        YamlError::SerdeMissingField { field, .. } => format!("the key \"{field}\" is missing"),
        YamlError::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key \"{}\" appears twice", shorten(key))
        }
        YamlError::MultipleDocuments { .. } => {
            "the file contains more than one document; remove the line \"---\" and what does not \
             belong to the configuration"
                .to_owned()
        }
        YamlError::Unexpected { expected, .. } => format!("expected {}", named(expected)),
        YamlError::SerdeInvalidType {
            unexpected,
            expected,
            ..
        } => format!(
            "expected {}, found {}",
            named(expected),
            shorten(unexpected)
        ),
        YamlError::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => format!("expected {expected}, found {}", shorten(unexpected)),
        YamlError::NullIntoString { .. } => "expected a string, found nothing".to_owned(),
        YamlError::InvalidBooleanStrict { .. } => "expected true or false".to_owned(),
        YamlError::InvalidScalar { ty, .. } if ty.starts_with("bool") => {
            "expected true or false".to_owned()
        }
        other => {
            let text = other.to_string();
            let text = text.lines().next().unwrap_or_default();
            format!("not valid YAML: {}", shorten(text))
        }
    }
}

/// The message for a word that is not one of those that are allowed.
fn not_one_of(word: &str, allowed: &[&str]) -> String {
    let listed = match allowed.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    };
    format!(
        "\"{}\" is not a valid value; expected {listed}",
        shorten(word)
    )
}

/// The library's terms for the parts of YAML, in plain words.
fn named(expected: &str) -> &str {
    match expected {
        "sequence start" | "a sequence" => "a list, as in [a, b]",
        "mapping start" | "a map" => "a mapping, as in {key: value}",
        "string scalar" | "scalar" => "a single value",
        other => other,
    }
}

/// The key whose value begins at a place: `key: value` on one line, or `key:` on the line before.
fn key_before(text: &str, (line, column): (u64, u64)) -> Option<&str> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    let before = usize::try_from(column).ok()?.checked_sub(1)?;
    let shown = text.lines().nth(index)?;
    let end = shown
        .char_indices()
        .nth(before)
        .map_or(shown.len(), |(at, _)| at);
    let (head, tail) = shown.split_at_checked(end)?;
    // For an empty value, the place is that of the colon.
    let head = match tail {
        ":" => head,
        _ => head.trim_end().strip_suffix(':')?,
    };
    let key = head.rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    key.into_iter().next().filter(|key| !key.is_empty())
}
