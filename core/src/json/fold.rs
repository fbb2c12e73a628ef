//! Which keys Go takes for the same field: simple Unicode folding, as in `encoding/json/fold.go`.

use super::{Member, Value};

/// Whether Go takes the key `key` for the struct field `field` (lower or upper case ASCII): simple
/// Unicode folding as in `encoding/json/fold.go`.
pub fn folds(key: &str, field: &str) -> bool {
    // The letters beyond ASCII that fold into it are longer than what they fold to.
    if key.len() <= field.len() {
        return key.len() == field.len() && key.eq_ignore_ascii_case(field);
    }
    if key.is_ascii() {
        return false;
    }
    let mut field = field.chars();
    key.chars().all(|letter| {
        field
            .next()
            .is_some_and(|wanted| fold(letter) == fold(wanted))
    }) && field.next().is_none()
}

/// The spelling under which Go finds a struct field: keys with the same spelling are one field.
pub fn folded(key: &str) -> String {
    key.chars().map(fold).collect()
}

/// Whether two of the keys of `object` may fold to the same one. `false` is always right.
pub(crate) fn may_have_twins(object: Value<'_>) -> bool {
    // More keys than any plugin has; comparing more with each other would be slow.
    const FEW: usize = 32;
    // A bit for each shape of the keys so far: only keys of one shape can fold to one.
    let mut shapes = 0_u64;
    for (index, Member { key, .. }) in object.members().enumerate() {
        let Some(text) = key.plain().filter(|_| index < FEW) else {
            return true;
        };
        let lower = |letter: Option<&u8>| letter.map_or(0, |letter| letter | 0x20);
        let bytes = text.as_bytes();
        let shape =
            bytes.len() + usize::from(lower(bytes.first())) + usize::from(lower(bytes.last()));
        let bit = 1 << (shape % 64);
        let is_twin = |earlier: Member<'_>| earlier.key.folds(text);
        if shapes & bit != 0 && object.members().take(index).any(is_twin) {
            return true;
        }
        shapes |= bit;
    }
    false
}

pub(super) fn fold(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_in_go() {
        assert!(folds("NameSpace", "namespace"));
        assert!(folds("name\u{17f}pace", "namespace"));
        assert!(folds("\u{212a}ind", "kind"));
        assert!(!folds("namespaces", "namespace"));
        assert!(!folds("namespac", "namespace"));
    }
}
