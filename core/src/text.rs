//! Text of others in messages and logs: what acts on a terminal is escaped, what is long is cut.

use std::borrow::Cow;

/// A value as a message shows it: cut at 80 characters, control and bidirectional characters
/// escaped.
pub fn shorten(value: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    if value.len() <= LONGEST {
        return escape(value);
    }
    let mut characters = value.chars();
    let mut out: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        out.push('…');
    }
    Cow::Owned(escape(&out).into_owned())
}

/// Whether a text is of printable ASCII only, as nearly all are.
fn is_plain(text: &str) -> bool {
    // Without a way out in the middle the compiler takes many bytes at once.
    text.bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

/// Text in which nothing reaches a terminal or a log as a command: control and bidirectional
/// characters are written as `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    let acts = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}')
    };
    if is_plain(text) || !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if acts(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}
