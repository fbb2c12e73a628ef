//! When a certificate expires: as much of X.509 as that takes.

/// `notAfter` of a certificate in DER, in seconds since 1970.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (certificate, _) = element(der, 0x30)?;
    let (mut rest, _) = element(certificate, 0x30)?;
    if rest.first() == Some(&0xa0) {
        rest = element(rest, 0xa0)?.1; // version
    }
    rest = element(rest, 0x02)?.1; // serialNumber
    rest = element(rest, 0x30)?.1; // signature
    rest = element(rest, 0x30)?.1; // issuer
    let (validity, _) = element(rest, 0x30)?;
    let (_, after) = any(validity)?;
    let (time, _) = any(after)?;
    seconds(after[0], std::str::from_utf8(time).ok()?)
}

/// The content of the element at the start, which has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    (der.first() == Some(&tag)).then(|| any(der)).flatten()
}

fn any(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.get(1..)?.split_first()?;
    if first < 0x80 {
        return rest.split_at_checked(usize::from(first));
    }
    let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
    if length.len() > 4 {
        return None;
    }
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

/// UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`, the only forms in RFC 5280.
fn seconds(tag: u8, text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, at) = match tag {
        0x17 => (
            number(0, 2).map(|year| year + if year < 50 { 2000 } else { 1900 })?,
            2,
        ),
        0x18 => (number(0, 4)?, 4),
        _ => return None,
    };
    let field = |index: usize| number(at + 2 * index, at + 2 * index + 2);
    let days = days(year, field(0)?, field(1)?);
    Some(((days * 24 + field(2)?) * 60 + field(3)?) * 60 + field(4)?)
}

/// Days from 1970-01-01, in a year that begins in March so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_of_rfc_5280() {
        assert_eq!(seconds(0x17, "700101000000Z"), Some(0));
        assert_eq!(seconds(0x17, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(0x18, "20260301000000Z"), Some(1_772_323_200));
        assert_eq!(seconds(0x18, "20240229120000Z"), Some(1_709_208_000));
        assert_eq!(seconds(0x18, "2024"), None);
    }
}
