//! Addresses as Go reads them: `net.ParseIP`, `net.ParseCIDR`, `net.ParseMAC`, and the sloppy forms
//! that whereabouts accepts.
//!
//! IPv4 written as IPv6 (`::ffff:10.1.0.1`) is IPv4 to Go; the length of a prefix of such an
//! address is reduced by 96.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// `net.ParseIP`: no leading zeros in IPv4, no zone, no spaces.
pub fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// `net.ParseCIDR`, host bits kept. The length may have leading zeros, the address may not.
pub fn prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    with_length(address.parse().ok()?, length)
}

/// `ParseIPSloppy` of `k8s.io/utils/net`: [`ip`] with leading zeros allowed.
pub fn sloppy_ip(text: &str) -> Option<IpAddr> {
    ip(text).or_else(|| ip(&without_leading_zeros(text)))
}

/// `ParseCIDRSloppy` of `k8s.io/utils/net`: [`prefix`] with leading zeros allowed.
pub fn sloppy_prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let ip = address.parse().ok();
    let ip = ip.or_else(|| without_leading_zeros(address).parse().ok())?;
    with_length(ip, length)
}

/// Whether `text` is an IPv4-mapped IPv6 address, which only some readers accept.
pub fn is_mapped(text: &str) -> bool {
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    address
        .parse::<Ipv6Addr>()
        .is_ok_and(|ip| ip.to_ipv4_mapped().is_some())
}

/// An address as a number, to calculate with.
pub fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The address of the family of `like` that has this number.
pub fn address(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

/// An address as text. IPv4, the most common kind, is written without `Display`, which is slower.
pub fn text(ip: IpAddr) -> String {
    let IpAddr::V4(ip) = ip else {
        return ip.to_string();
    };
    let mut text = String::with_capacity(15);
    for octet in ip.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

/// The address after the first of a subnet, which host-local and bridge use as the gateway.
pub fn first(subnet: IpNet) -> IpAddr {
    let network = subnet.network();
    address(network, number(network).saturating_add(1))
}

/// Whether `a` and `b` are both IPv4 or both IPv6.
pub fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// "IPv4" or "IPv6".
pub fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// A hardware address that `net.ParseMAC` accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mac {
    /// 6, 8 or 20 bytes.
    pub bytes: Vec<u8>,
    /// Written without separators, which only plugins built with Go 1.26 or later read.
    pub bare: bool,
}

impl Mac {
    /// `net.ParseMAC` of Go 1.26: pairs of digits with `:` or `-`, groups of four with `.`, or
    /// digits alone.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let (separator, group) = match (text.as_bytes().get(2), text.as_bytes().get(4)) {
            (Some(b':'), _) => (Some(':'), 2),
            (Some(b'-'), _) => (Some('-'), 2),
            (_, Some(b'.')) => (Some('.'), 4),
            _ => (None, text.len()),
        };
        let mut digits = String::with_capacity(text.len());
        match separator {
            None => digits.push_str(text),
            Some(separator) => {
                for raw in text.split(separator) {
                    if raw.len() != group {
                        return None;
                    }
                    digits.push_str(raw);
                }
            }
        }
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .filter_map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        (matches!(bytes.len(), 6 | 8 | 20) && bytes.len() * 2 == digits.len()).then_some(Self {
            bytes,
            bare: separator.is_none(),
        })
    }

    /// Whether it is a multicast address, which no interface can have. Broadcast is one.
    pub fn is_multicast(&self) -> bool {
        self.bytes.first().is_some_and(|first| first & 1 == 1)
    }

    /// Whether the six bytes that an Ethernet interface uses are all zero.
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().take(6).all(|byte| *byte == 0)
    }
}

fn with_length(ip: IpAddr, length: &str) -> Option<IpNet> {
    if length.is_empty() || !length.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // Leading zeros are allowed.
    let digits = length.trim_start_matches('0');
    let length: u8 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    if length > bits {
        return None;
    }
    let canonical = ip.to_canonical();
    let length = if same_family(ip, canonical) {
        length
    } else {
        length.saturating_sub(96)
    };
    IpNet::new(canonical, length).ok()
}

fn without_leading_zeros(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|letter: char| !letter.is_ascii_hexdigit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let kept = digits.trim_start_matches('0');
        if kept.is_empty() && !digits.is_empty() {
            out.push('0');
        } else {
            out.push_str(kept);
        }
        let separator = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..separator]);
        rest = &after[separator..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        for text in [
            "10.01.0.0/24",
            " 10.1.0.0/24",
            "10.1.0.0",
            "10.1.0.0/33",
            "10.1.0.0/",
        ] {
            assert_eq!(prefix(text), None, "{text}");
        }
        assert_eq!(prefix("10.1.0.0/08").unwrap().prefix_len(), 8);
        assert_eq!(
            prefix("::ffff:10.10.0.5/120").unwrap(),
            "10.10.0.5/24".parse().unwrap()
        );
        assert_eq!(ip("::ffff:10.1.0.1"), ip("10.1.0.1"));
        assert_eq!(ip("fe80::1%eth0"), None);
        assert_eq!(ip("10.1.0.01"), None);
        assert_eq!(sloppy_ip("00192.00168.1.5"), ip("192.168.1.5"));
        assert_eq!(sloppy_ip("fd00::0001"), ip("fd00::1"));
        assert_eq!(sloppy_ip("10.1.0.256"), None);
    }

    #[test]
    fn hardware_addresses_are_read_as_go_reads_them() {
        for text in [
            "2:0:0:0:0:1",
            "zz",
            "",
            "02:00:00:00:00",
            "02:00:00-00:00:01",
            "02:00:00:00:00:0g",
        ] {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
        assert!(!Mac::parse("02-00-00-00-00-01").unwrap().bare);
        assert!(Mac::parse("020000000001").unwrap().bare);
        assert_eq!(Mac::parse("0200.0000.0001").unwrap().bytes.len(), 6);
        assert!(Mac::parse("01:00:5e:00:00:01").unwrap().is_multicast());
    }
}
