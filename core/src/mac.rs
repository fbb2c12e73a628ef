//! Hardware addresses as Go's `net.ParseMAC` reads them.

/// A hardware address, as far as anything is decided by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mac {
    /// 6, 8 or 20.
    pub octets: usize,
}

/// `00:00:5e:00:53:01`, `00-00-5e-00-53-01` or `0000.5e00.5301`, of 6, 8 or 20 octets. Go 1.26 takes
/// `00005e005301` besides, and earlier ones refuse it: two builds of Multus disagree on it, so it is
/// none here.
pub fn parse_mac(text: &str) -> Option<Mac> {
    let hexadecimal = |group: &str, digits: usize| {
        group.len() == digits && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let groups = |separator: char, digits: usize| {
        let mut count = 0;
        text.split(separator)
            .all(|group| {
                count += 1;
                hexadecimal(group, digits)
            })
            .then_some(count * digits / 2)
    };
    let octets = match text.as_bytes().get(2) {
        Some(b':') => groups(':', 2),
        Some(b'-') => groups('-', 2),
        _ => groups('.', 4),
    }?;
    matches!(octets, 6 | 8 | 20).then_some(Mac { octets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_spellings_and_three_lengths() {
        for (text, octets) in [
            ("02:00:00:00:00:01", Some(6)),
            ("02-00-00-00-00-01-02-03", Some(8)),
            ("0200.0000.0001", Some(6)),
            ("02:00:00:00:00-01", None),
            ("020000000001", None),
            ("2:0:0:0:0:1", None),
            ("02:00:00:00:00", None),
            ("02:00:00:00:00:0g", None),
            ("", None),
        ] {
            assert_eq!(parse_mac(text).map(|mac| mac.octets), octets, "{text}");
        }
    }
}
