//! Durations as Go writes them, for flags and for `?timeout=`.

use std::time::Duration;

/// Parses `15s`, `1m30s`, `250ms` or `1.5h`. Returns `None` if the duration is negative or has no
/// unit; a bare `0` is valid.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

/// Parses the value of a flag.
///
/// # Errors
/// If it is not a duration; the error is what to write instead.
pub fn flag(text: &str) -> Result<Duration, String> {
    parse(text).ok_or_else(|| "expected a duration such as 15s, 500ms or 1m30s".to_owned())
}
