//! What reading a configuration brings to light, and how it is put.

use std::fmt::Write as _;

use crate::finding::Fault;
use crate::json::Value;

/// The faults of one configuration, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What a plugin refuses for certain.
    pub(super) invalid: Vec<Fault>,
    /// What is accepted, and almost surely not meant.
    pub(super) suspicious: Vec<Fault>,
}

impl Report {
    /// A plugin refuses `value`.
    pub(super) fn refuse(&mut self, value: Value<'_>, message: impl Into<Box<str>>) {
        note(&mut self.invalid, value, message);
    }

    /// `value` is accepted and does not do what it seems to.
    pub(super) fn warn(&mut self, value: Value<'_>, message: impl Into<Box<str>>) {
        note(&mut self.suspicious, value, message);
    }

    /// Runs `judge`; unless what it refuses is certain, it is only suspicious.
    pub(super) fn refuse_if<T>(
        &mut self,
        is_certain: bool,
        judge: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if is_certain {
            return judge(self);
        }
        let mut own = Self::default();
        let outcome = judge(&mut own);
        self.suspicious.append(&mut own.invalid);
        self.suspicious.append(&mut own.suspicious);
        self.suspicious.truncate(MOST);
        outcome
    }

    /// `value` is refused, unless the Pod replaces it: then it is only suspicious.
    pub(super) fn refuse_unless(
        &mut self,
        replaceable: bool,
        value: Value<'_>,
        message: impl Into<Box<str>>,
    ) {
        if replaceable {
            self.warn(value, message);
        } else {
            self.refuse(value, message);
        }
    }
}

/// A value as it is written, on one line and at most 80 characters long.
pub(super) fn show(value: Value<'_>) -> String {
    cut(value.raw())
}

/// Text on one line, at most 80 characters long.
pub(super) fn cut(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out = String::new();
    let mut letters = text.chars().peekable();
    let mut length = 0;
    while let Some(letter) = letters.next() {
        if length == LONGEST - 1 && letters.peek().is_some() {
            out.push('…');
            break;
        }
        length += 1;
        match letter {
            '\n' | '\r' | '\t' => {
                // Layout between tokens: one space says as much.
                while letters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                out.push(' ');
            }
            letter if letter.is_control() => {
                let _ = write!(out, "{}", letter.escape_default());
            }
            letter => out.push(letter),
        }
    }
    out
}

/// The one of `known` that `key` was probably meant to be.
pub(super) fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars()
            .filter(|letter| letter.is_alphanumeric())
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let key = plain(key);
    known
        .map(|name| {
            let name_letters = plain(name);
            let allowed = (name_letters.len().min(key.len()) / 3).min(2);
            (distance(&key, &name_letters), allowed, name)
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., name)| name)
}

/// The number of letters to change, add, drop or swap between `a` and `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    const FAR: usize = 9;
    if a.len().abs_diff(b.len()) > 2 {
        return FAR;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut cost = (row[j] + usize::from(x != y))
                .min(row[j + 1] + 1)
                .min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(FAR)
}

/// More than anybody reads, and a bound on what a NAD of a million wrong keys costs.
const MOST: usize = 32;

fn note(faults: &mut Vec<Fault>, value: Value<'_>, message: impl Into<Box<str>>) {
    if faults.len() < MOST {
        faults.push(Fault::value(value, value.path(), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_ignores_style_and_small_slips() {
        let known = || ["range_start", "range_end", "exclude", "gateway"].into_iter();
        assert_eq!(nearest("rangeStart", known()), Some("range_start"));
        assert_eq!(nearest("excludes", known()), Some("exclude"));
        assert_eq!(nearest("gatewya", known()), Some("gateway"));
        assert_eq!(nearest("subnet", known()), None);
        assert_eq!(nearest("gw", known()), None);
    }

    #[test]
    fn values_are_cut_to_one_line() {
        assert_eq!(cut("{\n   \"a\":\t1}"), "{ \"a\": 1}");
        assert_eq!(cut(&"x".repeat(81)).chars().count(), 80);
        assert_eq!(cut(&"x".repeat(80)), "x".repeat(80));
    }
}
