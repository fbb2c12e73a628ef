//! The words that portmap adds to a rule of iptables or nftables.
//!
//! iptables gets each word as an argument, so `--modprobe=COMMAND` would be one too; nftables gets
//! the words as text, which `nft -f -` reads as a program: a line break, `;` or `{` can begin any
//! statement. So only words that match packets are allowed, and everything else is refused.

use std::borrow::Cow;

use super::super::report::Report;
use crate::json::Value;
use crate::text::shorten;

/// Judges a list of words.
pub(super) fn check(list: Value<'_>, report: &mut Report) {
    let words: Vec<_> = list
        .elements()
        .map(|word| (word, word.str().unwrap_or_default()))
        .collect();
    // portmap itself distinguishes the two languages by the first character (main.go:343-360).
    let is_iptables = words
        .first()
        .is_some_and(|(_, first)| first.starts_with(['-', '!']));
    let refused = if is_iptables {
        refused_by_iptables(&words)
    } else {
        let mut words = words.iter();
        words.find(|(_, word)| !word.split_ascii_whitespace().all(is_of_nftables))
    };
    if let Some((place, word)) = refused {
        let language = if is_iptables { "iptables" } else { "nftables" };
        report.danger(
            *place,
            format!(
                "\"{}\" is not one of the words of {language} that only match packets: conditions \
                 may compare addresses, ports, interfaces, marks and states",
                shorten(word)
            ),
        );
    }
}

/// The names of an option of iptables, and the words that follow it.
type OptionRow = (&'static [&'static str], &'static [Word]);

/// A word that follows an option.
#[derive(Clone, Copy)]
enum Word {
    Addresses,
    Comment,
    Directions,
    Interface,
    Mark,
    Match,
    Name,
    Ports,
    Protocol,
    Words,
}

const OPTIONS: &[OptionRow] = &[
    (
        &["-s", "-d", "--source", "--destination", "--src", "--dst"],
        &[Word::Addresses],
    ),
    (&["--src-range", "--dst-range"], &[Word::Addresses]),
    (
        &["-i", "-o", "--in-interface", "--out-interface"],
        &[Word::Interface],
    ),
    (&["-p", "--protocol"], &[Word::Protocol]),
    (&["-m", "--match"], &[Word::Match]),
    (
        &[
            "--sport",
            "--dport",
            "--sports",
            "--dports",
            "--source-port",
            "--destination-port",
            "--source-ports",
            "--destination-ports",
            "--ports",
        ],
        &[Word::Ports],
    ),
    (
        &[
            "--src-type",
            "--dst-type",
            "--ctstate",
            "--ctdir",
            "--state",
        ],
        &[Word::Words],
    ),
    (&["--limit-iface-in", "--limit-iface-out"], &[]),
    (&["--mark"], &[Word::Mark]),
    (&["--match-set"], &[Word::Name, Word::Directions]),
    (&["--comment"], &[Word::Comment]),
];

/// The first word that is not allowed.
fn refused_by_iptables<'w, 'd>(
    words: &'w [(Value<'d>, Cow<'d, str>)],
) -> Option<&'w (Value<'d>, Cow<'d, str>)> {
    let mut words = words.iter();
    while let Some(pair) = words.next() {
        let option = &*pair.1;
        if option == "!" {
            continue;
        }
        let Some((_, takes)) = OPTIONS.iter().find(|(names, _)| names.contains(&option)) else {
            return Some(pair);
        };
        for takes in *takes {
            match words.next() {
                Some((_, word)) if takes.allows(word) => {}
                Some(word) => return Some(word),
                // iptables itself refuses this.
                None => return None,
            }
        }
    }
    None
}

impl Word {
    fn allows(self, word: &str) -> bool {
        let all = |extra: &str| {
            let fits = |letter: char| letter.is_ascii_alphanumeric() || extra.contains(letter);
            !word.is_empty() && !word.starts_with('-') && word.chars().all(fits)
        };
        match self {
            Self::Addresses => {
                let fits = |byte: u8| byte.is_ascii_hexdigit() || b".:/,-".contains(&byte);
                word.bytes().all(fits) && word.starts_with(|first: char| first != '-')
            }
            Self::Comment => all(" ._:/-"),
            Self::Directions => word
                .split(',')
                .all(|direction| matches!(direction, "src" | "dst")),
            Self::Interface => all("._-+"),
            Self::Mark => {
                let fits = |byte: u8| byte.is_ascii_hexdigit() || b"xX/".contains(&byte);
                !word.is_empty() && word.bytes().all(fits)
            }
            Self::Match => matches!(
                word,
                "addrtype"
                    | "comment"
                    | "conntrack"
                    | "iprange"
                    | "mark"
                    | "multiport"
                    | "sctp"
                    | "set"
                    | "state"
                    | "tcp"
                    | "udp"
            ),
            Self::Name => all("._-"),
            Self::Ports => {
                let fits = |byte: u8| byte.is_ascii_digit() || b":,".contains(&byte);
                !word.is_empty() && word.bytes().all(fits)
            }
            Self::Protocol => matches!(word, "tcp" | "udp" | "sctp"),
            Self::Words => {
                let fits = |byte: u8| byte.is_ascii_uppercase() || byte == b',';
                !word.is_empty() && word.bytes().all(fits)
            }
        }
    }
}

/// Whether this is a word of an nftables expression that compares something. Words that change a
/// packet or decide about it (`set`, `drop`, `jump`, …) are not among them.
fn is_of_nftables(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "!=",
        "==",
        "anycast",
        "broadcast",
        "ct",
        "daddr",
        "dport",
        "established",
        "fib",
        "iif",
        "iifname",
        "invalid",
        "ip",
        "ip6",
        "l4proto",
        "local",
        "mark",
        "meta",
        "multicast",
        "new",
        "nexthdr",
        "nfproto",
        "oif",
        "oifname",
        "protocol",
        "related",
        "saddr",
        "sctp",
        "sport",
        "state",
        "tcp",
        "th",
        "type",
        "udp",
        "unicast",
        "untracked",
    ];
    let is_number = |word: &str| {
        let fits = |byte: u8| byte.is_ascii_hexdigit() || b".:/-x".contains(&byte);
        word.bytes().all(fits)
            && word
                .bytes()
                .any(|byte| byte.is_ascii_digit() || byte == b':')
    };
    let is_quoted = |word: &str| {
        let name = word
            .strip_prefix('"')
            .and_then(|word| word.strip_suffix('"'));
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-*".contains(letter);
        name.is_some_and(|name| name.chars().all(fits))
    };
    // A set of values, `{ 10.1.0.0/24, 10.2.0.0/24 }`.
    word.split(['{', '}', ','])
        .all(|word| word.is_empty() || WORDS.contains(&word) || is_number(word) || is_quoted(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn danger(list: &str) -> Option<String> {
        let document = Document::parse(list).unwrap();
        let mut report = Report::default();
        check(document.root(), &mut report);
        report.dangerous.first().map(|fault| fault.message.clone())
    }

    #[test]
    fn words_that_match_packets_are_allowed() {
        for list in [
            "[]",
            r#"["-d", "192.0.2.0/24"]"#,
            r#"["!", "-d", "192.0.2.0/24,198.51.100.0/24"]"#,
            r#"["!", "-d", "fc00::/7"]"#,
            r#"["-m", "set", "--match-set", "allowlist", "src"]"#,
            r#"["-i", "eth+", "-m", "addrtype", "--src-type", "LOCAL", "--limit-iface-in"]"#,
            r#"["-m", "mark", "!", "--mark", "0x2000/0x2000"]"#,
            r#"["-m", "iprange", "--src-range", "10.1.0.1-10.1.0.9"]"#,
            r#"["-m", "comment", "--comment", "for the web"]"#,
            r#"["ip", "daddr", "1.2.3.4"]"#,
            r#"["ip daddr != { 10.1.0.0/24, 10.2.0.0/24 }"]"#,
            r#"["ip6", "saddr", "fd00::/64", "iifname", "\"eth*\""]"#,
            r#"["meta mark 0x1 ct state new,established"]"#,
        ] {
            assert_eq!(danger(list), None, "{list}");
        }
    }

    #[test]
    fn other_words_are_refused() {
        for list in [
            r#"["-d", "192.0.2.1", "--modprobe=/tmp/x"]"#,
            r#"["-d", "192.0.2.1", "-j", "ACCEPT"]"#,
            r#"["-d", "-j"]"#,
            r#"["-m", "bpf"]"#,
            r#"["-t", "filter"]"#,
            r#"["-s", "example.com"]"#,
            r#"["-g", "X"]"#,
            r#"["ip", "daddr", "1.2.3.4", "drop"]"#,
            r#"["ip", "daddr", "1.2.3.4;"]"#,
            r#"["ip daddr 1.2.3.4\nadd rule ip nat x"]"#,
            r#"["meta", "mark", "set", "0x4000"]"#,
            r#"["include", "\"/etc/shadow\""]"#,
            r#"["tcp dport 1 accept #"]"#,
            r#"["@set"]"#,
            r#"["$x"]"#,
            r#"["log", "prefix", "\"x\""]"#,
            r#"["add"]"#,
        ] {
            assert!(danger(list).is_some(), "{list}");
        }
    }
}
