//! Which keys are one to Go: simple Unicode folding, as in `encoding/json/fold.go`.

use super::Value;

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

/// The spelling under which Go finds a struct field: two keys with the same one are one field.
pub fn folded(key: &str) -> String {
    key.chars().map(fold).collect()
}

/// Whether two of the keys may fold to one: never a wrong "no".
pub(crate) fn may_have_twins(keys: &[Value<'_>]) -> bool {
    // More than any plugin has, and comparing each with each takes its time.
    const FEW: usize = 32;
    let mut seen = [""; FEW];
    if keys.len() > FEW {
        return true;
    }
    for (index, key) in keys.iter().enumerate() {
        let Some(key) = key.plain() else {
            return true;
        };
        let (before, after) = seen.split_at_mut(index);
        let is_twin = |other: &&str| other.len() == key.len() && other.eq_ignore_ascii_case(key);
        if before.iter().any(is_twin) {
            return true;
        }
        if let Some(place) = after.first_mut() {
            *place = key;
        }
    }
    false
}

fn fold(letter: char) -> char {
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
