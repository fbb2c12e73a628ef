//! The names of network interfaces.

/// The maximum length of the name of an interface in bytes: the kernel's `IFNAMSIZ` without its
/// NUL.
pub const MAX_LENGTH: usize = 15;

/// Why no interface can have this name, regardless of its length: the kernel's `dev_valid_name` and
/// libcni's `ValidateInterfaceName` (`pkg/utils/utils.go`). `None` if one can.
pub fn name_fault(name: &str) -> Option<String> {
    // As nearly all are.
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    if matches!(name, "." | "..") {
        return Some(format!("it is \"{name}\""));
    }
    let letter = name.chars().find(|letter| {
        // The kernel looks at bytes, with the white space of Latin-1.
        let has_space = |letter: char| {
            letter
                .encode_utf8(&mut [0; 4])
                .bytes()
                .any(|byte| byte == 0xa0)
        };
        matches!(letter, '/' | ':' | '\0') || letter.is_whitespace() || has_space(*letter)
    })?;
    Some(match letter {
        letter if letter.is_whitespace() => format!("it contains white space ({letter:?})"),
        letter => format!("it contains {letter:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_interface_can_have() {
        for name in [
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "a\tb",
            "a\u{2003}b",
            "a\0",
            "\u{e0}",
        ] {
            assert!(name_fault(name).is_some(), "{name:?}");
        }
        for name in ["eth0", "eth0.100", "br-lan", "$(id)", "-j", "all", "\u{e9}"] {
            assert_eq!(name_fault(name), None, "{name:?}");
        }
    }
}
