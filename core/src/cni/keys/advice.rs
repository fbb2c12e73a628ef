//! What to write instead.

use crate::address;
use crate::json::Value;

/// `"a", "b" or "c"`, without the empty word.
pub(super) fn any_of(words: &[&str]) -> String {
    let words: Vec<_> = words
        .iter()
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

pub(super) fn ip_advice(text: &str) -> String {
    if let Some((address, _)) = text.split_once('/')
        && address::ip(address).is_some()
    {
        return format!(": remove the prefix length and write \"{address}\"");
    }
    if let Some(address) = address::sloppy_ip(text) {
        return format!(": write \"{address}\", without leading zeros");
    }
    if address::ip(text.trim()).is_some() {
        return ": remove the spaces".to_owned();
    }
    String::new()
}

pub(super) fn prefix_advice(text: &str) -> String {
    if text.is_empty() {
        return ": write one like \"10.1.0.0/24\" or remove the key".to_owned();
    }
    if text == "default" {
        return ": write \"0.0.0.0/0\"".to_owned();
    }
    if address::ip(text).is_some() {
        return format!(": add the prefix length, as in \"{text}/24\"");
    }
    if let Some(prefix) = address::sloppy_prefix(text) {
        return format!(": write \"{prefix}\", without leading zeros");
    }
    if address::prefix(text.trim()).is_some() {
        return ": remove the spaces".to_owned();
    }
    if text
        .split_once('/')
        .is_some_and(|(_, mask)| address::ip(mask).is_some())
    {
        return ": write a prefix length instead of a netmask".to_owned();
    }
    String::new()
}

/// The path of a value as `encoding/json` writes it: from the plugin's configuration, no indices.
pub(super) fn go_path(value: Value<'_>) -> String {
    let path = value.path();
    let path = match path.strip_prefix("plugins[") {
        Some(rest) => rest.split_once("].").map_or("", |(_, rest)| rest),
        None => &path,
    };
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            letter if !inside => out.push(letter),
            _ => {}
        }
    }
    out
}
