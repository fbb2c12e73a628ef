//! What stands between the quotes of a JSON string.

use wide::i8x16;

/// Writes `text` as a JSON string in quotes, as `serde_json` would.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some((plain, odd)) = rest.split_at_checked(plain_characters(rest.as_bytes(), 0)) {
        out.push_str(plain);
        let mut letters = odd.chars();
        let Some(letter) = letters.next() else {
            break;
        };
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            wide => out.push(wide),
        }
        rest = letters.as_str();
    }
    out.push('"');
}

/// Decodes the escapes of a string that the scanner accepted.
#[inline(never)]
pub(super) fn unescape(inner: &str) -> String {
    let mut rest = inner.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        if let Some((chunk, after)) = rest.split_first_chunk() {
            let plain = backslashes(chunk).trailing_zeros() as usize;
            if plain >= chunk.len() {
                out.extend_from_slice(chunk);
                rest = after;
                continue;
            }
            let length = out.len() + plain;
            // All sixteen, for copying so many takes no loop.
            out.extend_from_slice(chunk);
            out.truncate(length);
            rest = rest.get(plain..).unwrap_or_default();
        }
        rest = unescape_one(rest, &mut out);
    }
    // Whole characters went in, so it is one text.
    String::from_utf8(out).unwrap_or_default()
}

/// Decodes the byte or the escape that `text` begins with; what comes after.
fn unescape_one<'t>(text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    let (byte, after) = match text {
        [b'\\', b'u', rest @ ..] => {
            let (letter, after) = code_unit(rest);
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return after;
        }
        [b'\\', b'b', after @ ..] => (0x8, after),
        [b'\\', b'f', after @ ..] => (0xc, after),
        [b'\\', b'n', after @ ..] => (b'\n', after),
        [b'\\', b'r', after @ ..] => (b'\r', after),
        [b'\\', b't', after @ ..] => (b'\t', after),
        [b'\\', other, after @ ..] | [other, after @ ..] => (*other, after),
        [] => return text,
    };
    out.push(byte);
    after
}

/// The character of a `\u`, of which the digits begin `text`, or of two that are a pair; and what
/// comes after. A lone surrogate is no character.
fn code_unit(text: &[u8]) -> (char, &[u8]) {
    let after = |length| text.get(length..).unwrap_or_default();
    let first = hex4(text);
    if let (0xd800..=0xdbff, [b'\\', b'u', low @ ..]) = (first, after(4))
        && let low @ 0xdc00..=0xdfff = hex4(low)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), after(10));
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), after(4))
}

/// Where the next quote, backslash or control character stands, or the next beyond ASCII: looked for
/// in sixteen bytes at a time.
#[inline]
pub(super) fn plain_characters(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let odd = odd_bytes(chunk);
        if odd != 0 {
            return at + odd.trailing_zeros() as usize;
        }
        at += chunk.len();
    }
    let is_plain = |byte: &&u8| byte.is_ascii() && **byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(is_plain).count()
}

/// A bit for each byte that is a backslash.
#[inline]
fn backslashes(chunk: &[u8; 16]) -> u32 {
    let bytes = i8x16::new(chunk.map(u8::cast_signed));
    bytes
        .simd_eq(i8x16::splat(b'\\'.cast_signed()))
        .to_bitmask()
}

/// A bit for each byte that is a quote, a backslash, a control character or beyond ASCII.
#[inline]
pub(super) fn odd_bytes(chunk: &[u8; 16]) -> u32 {
    let bytes = i8x16::new(chunk.map(u8::cast_signed));
    let quote = bytes.simd_eq(i8x16::splat(b'"'.cast_signed()));
    let backslash = bytes.simd_eq(i8x16::splat(b'\\'.cast_signed()));
    // What is beyond ASCII is below zero.
    let control = bytes.simd_lt(i8x16::splat(0x20));
    (quote | backslash | control).to_bitmask()
}

fn hex4(text: &[u8]) -> u32 {
    text.get(..4)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0xfffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_serde_json_does_and_read_back() {
        let every = (0..0x300).filter_map(char::from_u32).collect::<String>();
        for text in [
            "",
            "plain",
            "\"\\\"",
            "a\u{0}\n\u{1f}\u{7f}",
            "é😀\u{2028}\"ü",
            &every,
        ] {
            let mut quoted = String::new();
            quote(text, &mut quoted);
            assert_eq!(quoted, serde_json::to_string(text).unwrap());
            assert_eq!(unescape(&quoted[1..quoted.len() - 1]), text);
        }
    }
}
