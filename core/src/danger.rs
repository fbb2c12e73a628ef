//! Values that could do harm when a program running as root on a node uses them.
//!
//! Each function returns why a value is dangerous, and what to write instead, or `None` if it is
//! not. `docs/sinks.md` lists what happens to each value.

use crate::address;
use crate::text::shorten;

/// Why a value is dangerous, and what to write instead.
pub type Danger = fn(&str) -> Option<String>;

/// The strings of a port mapping.
pub const PORT_MAPPING: [(&str, Danger); 2] = [("protocol", protocol), ("hostIP", host_ip)];

/// A string with a control character: a line break ends a firewall rule as well as a line of a log
/// or a file.
pub fn control_character(text: &str) -> Option<String> {
    let letter = text.chars().find(|letter| letter.is_control())?;
    Some(format!(
        "contains the control character {letter:?}, which no value needs and which could end a \
         line of a rule, a file or a log on the node: remove it"
    ))
}

/// Whether JSON text can have a string with a control character. Without an escape it is a DEL, or
/// has two bytes, the first of which is 0xc2.
pub fn may_have_control_characters(json: &str) -> bool {
    memchr::memchr3(b'\\', 0x7f, 0xc2, json.as_bytes()).is_some()
}

/// Why a possible name of an interface is refused: scripts, firewall rules and paths of kernel
/// settings are made of the names of interfaces. `None` if nothing is wrong with it.
pub fn interface_name(name: &str) -> Option<String> {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let problem = if let Some(letter) = name.chars().find(|letter| !is_plain(*letter)) {
        format!("it contains {letter:?}")
    } else if name.starts_with('-') {
        "it begins with \"-\", like an option of a program".to_owned()
    } else if matches!(name, "all" | "default") {
        "the kernel keeps settings for all interfaces under this name".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "interface name \"{}\" is not allowed, because {problem}: use letters, digits, \".\", \
         \"_\" and \"-\", and do not begin with \"-\"",
        shorten(name)
    ))
}

/// The `protocol` of a port mapping, which portmap copies into a rule of nftables
/// (`plugins/meta/portmap/portmap_nftables.go:209`).
pub fn protocol(text: &str) -> Option<String> {
    const PROTOCOLS: [&str; 4] = ["", "tcp", "udp", "sctp"];
    let is_known = PROTOCOLS
        .iter()
        .any(|known| text.eq_ignore_ascii_case(known));
    (!is_known).then(|| {
        format!(
            "is \"{}\", which would become part of a firewall rule of the node: write tcp, udp or \
             sctp",
            shorten(text)
        )
    })
}

/// The `hostIP` of a port mapping: a text that is not an address counts as IPv6, and portmap copies
/// it into a rule of nftables (`plugins/meta/portmap/portmap_nftables.go:191`).
pub fn host_ip(text: &str) -> Option<String> {
    (!text.is_empty() && address::ip(text).is_none()).then(|| {
        format!(
            "is \"{}\", which would become part of a firewall rule of the node: write an IP \
             address, or remove the key",
            shorten(text)
        )
    })
}

/// The name of a device of the node, such as a PCI address. Paths below `/sys` are made of it.
pub fn device(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-:/@".contains(letter);
    let is_device = !text.starts_with('-')
        && text.chars().all(fits)
        && !text.split('/').any(|name| name == "..");
    (!is_device).then(|| {
        format!(
            "is \"{}\", which is not the name of a device: write a PCI address such as \
             0000:3b:02.1, or the name that the device plugin uses",
            shorten(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_dangerous() {
        for name in [
            "\";monitor#",
            "$(id)",
            "-j",
            "all",
            "default",
            "a\nb",
            "\u{e9}",
            "eth0@if3",
            "eth+",
        ] {
            assert!(interface_name(name).is_some(), "{name:?}");
        }
        for name in ["eth0", "eth0.100", "br-lan", "net_1", "enp3s0f0np0", "ALL"] {
            assert_eq!(interface_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn texts_that_would_become_part_of_a_rule() {
        for text in ["icmp", "tcp dport 1 accept", "6", " tcp", "tcp\n"] {
            assert!(protocol(text).is_some(), "{text:?}");
        }
        for text in ["", "tcp", "UDP", "sctp"] {
            assert_eq!(protocol(text), None, "{text:?}");
        }
        for text in [
            "fd00::1 accept",
            "localhost",
            "10.1.0.1/32",
            "10.1.0.01",
            "fe80::1%eth0",
        ] {
            assert!(host_ip(text).is_some(), "{text:?}");
        }
        for text in ["", "10.1.0.1", "::", "::ffff:10.1.0.1"] {
            assert_eq!(host_ip(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_of_devices() {
        for text in ["../../x", "a b", "-x", "$(id)", "0000:3b:02.1/../x"] {
            assert!(device(text).is_some(), "{text:?}");
        }
        for text in [
            "0000:3b:02.1",
            "vdpa:/dev/vhost-vdpa-0",
            "4b20d080-1b54-4048-85b3-a6a62d165c01",
        ] {
            assert_eq!(device(text), None, "{text:?}");
        }
    }

    #[test]
    fn control_characters_are_found_however_they_are_written() {
        for json in [r#""a\u000ab""#, r#""a\nb""#, "\"a\u{7f}b\"", "\"a\u{85}b\""] {
            assert!(may_have_control_characters(json), "{json}");
        }
        assert!(control_character("a\nb").is_some());
        assert!(control_character("a\u{9b}b").is_some());
        assert_eq!(control_character("a b\u{e9}"), None);
    }
}
