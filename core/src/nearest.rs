//! Suggestions for misspelled words: the nearest known word, if any is near enough.

/// Returns the word of `known` that was most probably meant by `word`, regardless of case, `-` and
/// `_`; `None` if none is near enough: one edit, and one more for every four letters.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let spelling = spelling(word);
    let distances = known.into_iter().filter_map(|known| {
        let most = 1 + known.len().min(word.len()) / 4;
        // At least so many letters have to be added or removed.
        if known.len().abs_diff(word.len()) > most + separators(known).max(separators(word)) {
            return None;
        }
        let distance = strsim::levenshtein(&spelling, &self::spelling(known));
        (distance <= most).then_some((distance, known))
    });
    let (_, known) = distances.min_by_key(|(distance, _)| *distance)?;
    Some(known)
}

fn spelling(word: &str) -> String {
    let letters = word.chars().filter(|letter| !is_separator(*letter));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn separators(word: &str) -> usize {
    word.chars().filter(|letter| is_separator(*letter)).count()
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant() {
        let known = ["ipvlan", "macvlan", "bridge", "host-local", "whereabouts"];
        for (word, meant) in [
            ("ipvlan2", Some("ipvlan")),
            ("IPVLAN", Some("ipvlan")),
            ("host_local", Some("host-local")),
            ("hostlocal", Some("host-local")),
            ("brigde", Some("bridge")),
            ("wherabouts", Some("whereabouts")),
            ("macvaln", Some("macvlan")),
            ("calico", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
