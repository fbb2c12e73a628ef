//! What was probably meant: the known word that is nearest to a misspelled one.

/// The one of `known` that `word` was most probably meant to be, if any is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = |known: &str| 1 + known.len().min(word.len()) / 4;
    let spelling = Spelling::of(word);
    let distances = known.into_iter().filter_map(|known| {
        let (other, most) = (Spelling::of(known), most(known));
        let is_far = spelling.least_distance(&other) > most;
        let distance = (!is_far).then(|| spelling.distance(&other))?;
        (distance <= most).then_some((distance, known))
    });
    let (_, known) = distances.min_by_key(|(distance, _)| *distance)?;
    Some(known)
}

/// A word without regard to case and separators.
struct Spelling {
    /// The first letters.
    letters: [char; Self::MOST],
    /// How many there are, the others among them.
    length: usize,
    /// A bit for each kind of letter.
    kinds: u64,
}

impl Spelling {
    const MOST: usize = 64;

    fn of(word: &str) -> Self {
        let mut spelling = Self {
            letters: ['\0'; Self::MOST],
            length: 0,
            kinds: 0,
        };
        for letter in word.chars().filter(|letter| !matches!(letter, '-' | '_')) {
            let letter = letter.to_ascii_lowercase();
            if let Some(place) = spelling.letters.get_mut(spelling.length) {
                *place = letter;
                spelling.kinds |= 1 << (u32::from(letter) % u64::BITS);
            }
            spelling.length += 1;
        }
        spelling
    }

    fn letters(&self) -> &[char] {
        &self.letters[..self.length.min(Self::MOST)]
    }

    /// As many edits are needed at least: one for each letter too many, and one for each kind that
    /// the other has not.
    fn least_distance(&self, other: &Self) -> usize {
        let only = |a: &Self, b: &Self| (a.kinds & !b.kinds).count_ones() as usize;
        let missing = only(self, other).max(only(other, self));
        self.length.abs_diff(other.length).max(missing)
    }

    /// The edits between two words.
    fn distance(&self, other: &Self) -> usize {
        let mut row: [usize; Self::MOST + 1] = std::array::from_fn(|index| index);
        for (i, x) in self.letters().iter().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, y) in other.letters().iter().enumerate() {
                let replace = diagonal + usize::from(x != y);
                diagonal = row[j + 1];
                row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
            }
        }
        row[other.letters().len()]
    }
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
            ("brigde", Some("bridge")),
            ("wherabouts", Some("whereabouts")),
            ("macvaln", Some("macvlan")),
            ("calico", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn what_is_passed_over_is_far() {
        let long = "a-long-name-of-many-letters".repeat(4);
        let words = [
            "",
            "a",
            "A-b",
            "abba",
            "ipvlan",
            "macvlan",
            "émile",
            "エ",
            &long,
            &long[1..],
        ];
        for one in words.map(Spelling::of) {
            for other in words.map(Spelling::of) {
                let least = one.least_distance(&other);
                let is_cut = one.length.max(other.length) > Spelling::MOST;
                assert!(is_cut || least <= one.distance(&other));
            }
        }
    }
}
