//! Text of users in messages and logs: characters that act on a terminal, or are invisible, are
//! escaped; long texts are cut.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Returns a value as messages show it: cut at 80 characters, and escaped as by [`escape`].
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

/// Whether a text consists of printable ASCII only, as nearly all do.
fn is_plain(text: &str) -> bool {
    // Without an early return, the compiler processes many bytes at once.
    text.bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

/// Returns a text that cannot control a terminal or a log, and in which nothing is invisible:
/// control and format characters (categories Cc and Cf), line and paragraph separators and
/// variation selectors are written as `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
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

/// Whether a character acts on its surroundings, or is invisible.
fn acts(letter: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let category = letter.general_category();
    matches!(
        category,
        Control | Format | LineSeparator | ParagraphSeparator
    ) || is_variation_selector(letter)
}

/// Unicode's property `Variation_Selector` (`PropList.txt`).
fn is_variation_selector(letter: char) -> bool {
    matches!(
        letter,
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        for letter in [
            '\u{0}',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{600}',
            '\u{61c}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{feff}',
            '\u{fe0f}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e007f}',
            '\u{e0100}',
            '\u{e01ef}',
        ] {
            let text = format!("a{letter}b");
            let escaped = format!("a{}b", letter.escape_default());
            assert_eq!(escape(&text), escaped);
            assert_eq!(shorten(&text), escaped);
        }
        for text in ["", "plain", "é", "名前", "…", "😀", "\u{e9}\u{301}"] {
            assert_eq!(escape(text), text);
        }
    }
}
