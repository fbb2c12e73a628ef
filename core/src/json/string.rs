//! The text between the quotes of a JSON string.

use wide::i8x16;

/// The number of bytes that are examined together.
const CHUNK: usize = 16;

/// Writes `text` with the escapes of a JSON string, without quotes, as `serde_json` would.
pub fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(pair) = rest.first_chunk() {
        escape_chunk(pair, out);
        rest = rest.get(CHUNK..).unwrap_or_default();
    }
    // A space is not escaped, so the padding of the last chunk can be cut off again.
    let mut last = [b' '; 3 * CHUNK];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    let mut at = 0;
    while at < rest.len()
        && let Some(pair) = last.get(at..).and_then(<[u8]>::first_chunk)
    {
        escape_chunk(pair, out);
        at += CHUNK;
    }
    out.truncate(out.len() - (at - rest.len()));
}

/// Escapes the first half; the second one is only there to be copied from.
#[inline]
fn escape_chunk(pair: &[u8; 2 * CHUNK], out: &mut Vec<u8>) {
    let mut odd = pair.first_chunk().map_or(0, to_be_escaped);
    let mut from = 0;
    // The positions of all odd ones are known at once.
    while let Some(next) = pair.get(from..).and_then(<[u8]>::first_chunk) {
        let to = (odd.trailing_zeros() as usize).min(CHUNK);
        copy(next, to - from, out);
        if to == CHUNK {
            break;
        }
        if let Some(byte) = pair.get(to) {
            escape_byte(*byte, out);
        }
        from = to + 1;
        odd &= odd - 1;
    }
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x8 => out.extend_from_slice(b"\\b"),
        0xc => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

/// Copies the first `length` bytes.
#[inline]
fn copy(chunk: &[u8; CHUNK], length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    // All of them, because a copy of a fixed length needs no loop.
    out.extend_from_slice(chunk);
    out.truncate(end);
}

/// Decodes the escapes of a string that the scanner accepted.
#[inline(never)]
pub(super) fn unescape(inner: &str) -> String {
    let mut rest = inner.as_bytes();
    let mut out = Vec::with_capacity(rest.len() + CHUNK);
    while let Some(byte) = rest.first() {
        let length = if *byte == b'\\' {
            unescape_one(rest, &mut out)
        } else if let Some(chunk) = rest.first_chunk() {
            let plain = (backslashes(chunk).trailing_zeros() as usize).min(CHUNK);
            copy(chunk, plain, &mut out);
            plain
        } else {
            out.push(*byte);
            1
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    // Only whole characters were written, so it is valid UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Decodes the escape that `text` begins with, and returns its length.
#[inline]
fn unescape_one(text: &[u8], out: &mut Vec<u8>) -> usize {
    let (letter, length) = escaped(text);
    match u8::try_from(letter) {
        Ok(byte) if letter.is_ascii() => out.push(byte),
        _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    length
}

/// The character of the escape that `text` begins with, and the length of the escape.
#[inline]
fn escaped(text: &[u8]) -> (char, usize) {
    let letter = match text.get(1).copied().unwrap_or_default() {
        b'u' => return escaped_unicode(text),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        other => char::from(other),
    };
    (letter, 2)
}

/// The same for a `\u`, or two that are a pair. A lone surrogate is not a character.
#[cold]
fn escaped_unicode(text: &[u8]) -> (char, usize) {
    let first = hex4(text.get(2..));
    let is_pair = text.get(6..8) == Some(b"\\u");
    let (code, length) = match (first, is_pair.then(|| hex4(text.get(8..)))) {
        (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    (char::from_u32(code).unwrap_or('\u{fffd}'), length)
}

/// Whether a string that the scanner accepted decodes to characters that are `alike` the wanted
/// ones, one by one. Stops at the first difference and allocates nothing, because an object can
/// have a hundred thousand keys with escapes.
pub(super) fn unescapes_to(
    inner: &str,
    mut wanted: impl Iterator<Item = char>,
    alike: impl Fn(char, char) -> bool,
) -> bool {
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        let (letter, length) = match first {
            '\\' => escaped(rest.as_bytes()),
            _ => (first, first.len_utf8()),
        };
        if !wanted.next().is_some_and(|wanted| alike(letter, wanted)) {
            return false;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    wanted.next().is_none()
}

/// A bit for each byte that is a quote, a backslash, a control character or beyond ASCII.
#[inline]
pub(super) fn odd_bytes(chunk: &[u8; CHUNK]) -> u32 {
    let bytes = lanes(chunk);
    let quote = bytes.simd_eq(splat(b'"'));
    let backslash = bytes.simd_eq(splat(b'\\'));
    // Bytes beyond ASCII are negative.
    let control = bytes.simd_lt(splat(b' '));
    (quote | backslash | control).to_bitmask()
}

/// A bit for each byte that has to be escaped between quotes.
#[inline]
fn to_be_escaped(chunk: &[u8; CHUNK]) -> u32 {
    let bytes = lanes(chunk);
    odd_bytes(chunk) & !bytes.simd_lt(splat(0)).to_bitmask()
}

/// A bit for each byte that is a backslash.
#[inline]
fn backslashes(chunk: &[u8; CHUNK]) -> u32 {
    lanes(chunk).simd_eq(splat(b'\\')).to_bitmask()
}

fn lanes(chunk: &[u8; CHUNK]) -> i8x16 {
    i8x16::new(chunk.map(u8::cast_signed))
}

fn splat(byte: u8) -> i8x16 {
    i8x16::splat(byte.cast_signed())
}

fn hex4(text: Option<&[u8]>) -> u32 {
    text.and_then(|text| text.get(..4))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0xfffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_serde_json_does_and_read_back() {
        let every = (0..0x300).filter_map(char::from_u32).collect::<String>();
        let mut texts = vec![every, "é😀\u{2028}\"ü".to_owned()];
        for length in 0..70 {
            for odd in ["\"", "\\", "\n", "\u{1}", "é", "x"] {
                texts.push(odd.repeat(length));
                texts.push(format!("{}{odd}{}", "x".repeat(length), "y".repeat(40)));
                texts.push(format!("{}{odd}", "x".repeat(length)));
            }
        }
        for text in texts {
            let mut escaped = Vec::new();
            write_escaped(&text, &mut escaped);
            let escaped = String::from_utf8(escaped).unwrap();
            let expected = serde_json::to_string(&text).unwrap();
            assert_eq!(format!("\"{escaped}\""), expected);
            assert_eq!(unescape(&escaped), text);
            let same = |one: char, other: char| one == other;
            assert!(unescapes_to(&escaped, text.chars(), same));
            assert!(!unescapes_to(&escaped, text.chars().chain(['x']), same));
            assert_eq!(
                unescapes_to(&escaped, text.chars().skip(1), same),
                text.is_empty()
            );
        }
    }
}
