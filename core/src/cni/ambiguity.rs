//! Parts of a configuration that two readers understand differently.

use super::report::show;
use crate::fault::Fault;
use crate::json::{Document, Kind, Member, Value, folded, may_have_twins};

/// Returns all such places.
pub(super) fn find(document: &Document<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let root = document.root();
    if !document.has_plain_keys() {
        for object in root.objects() {
            repeated(object, &mut faults);
        }
        variants(root, 0, &mut faults);
    }
    envelope(root, &mut faults);
    faults.truncate(MAX_FAULTS);
    faults
}

const MAX_FAULTS: usize = 32;

/// Reports a key that appears in an object twice: some readers use the first one, some the last
/// one, some neither.
fn repeated(object: Value<'_>, faults: &mut Vec<Fault>) {
    if !may_have_twins(object) || faults.len() >= MAX_FAULTS {
        return;
    }
    let mut keys: Vec<_> = object
        .members()
        .map(|Member { key, .. }| (key.str().unwrap_or_default(), key))
        .collect();
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in keys.windows(2) {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        if let [(first, _), (second, key)] = pair
            && first == second
        {
            let shown = show(*key);
            faults.push(at(
                *key,
                format!(
                    "the key {shown} appears twice, and readers disagree on which one counts: \
                     remove one"
                ),
            ));
        }
    }
}

/// Reports keys of one object that Go takes for the same struct field.
fn variants(object: Value<'_>, depth: usize, faults: &mut Vec<Fault>) {
    /// Below these keys Go reads structs; in other objects every spelling is a key of its own.
    const STRUCTS: &[&str] = &[
        "plugins",
        "ipam",
        "dns",
        "ranges",
        "routes",
        "addresses",
        "ipRanges",
        "kubernetes",
        "vlanTrunk",
        "runtimeConfig",
        "args",
        "cni",
        "portMappings",
    ];
    const MAX_DEPTH: usize = 8;
    if depth > MAX_DEPTH || faults.len() >= MAX_FAULTS {
        return;
    }
    let members: Vec<_> = object.members().collect();
    if may_have_twins(object) {
        let mut keys: Vec<_> = members
            .iter()
            .filter_map(|member| Some((member.key.str()?, member.key)))
            .map(|(text, key)| (folded(&text), text, key))
            .collect();
        keys.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        for pair in keys.windows(2) {
            if faults.len() >= MAX_FAULTS {
                return;
            }
            if let [(first, a, key_a), (second, b, key)] = pair
                && first == second
                && a != b
            {
                let (shown, other) = (show(*key), show(*key_a));
                faults.push(at(
                    *key,
                    format!(
                        "Go reads the keys {other} and {shown} as one, and which of them counts \
                         depends on their order: remove one"
                    ),
                ));
            }
        }
        for member in &members {
            let Some(key) = member.key.str() else {
                continue;
            };
            let odd = key.contains(['\u{17f}', '\u{212a}']);
            if odd && faults.len() < MAX_FAULTS {
                let (shown, plain) = (show(member.key), folded(&key));
                faults.push(at(
                    member.key,
                    format!(
                        "the key {shown} has a letter that Go folds into an ASCII one, so Go \
                         reads \"{plain}\": write that"
                    ),
                ));
            }
        }
    }
    for member in members {
        if STRUCTS.iter().any(|known| member.key.folds(known)) {
            structs(member.value, depth + 1, faults);
        }
    }
}

fn structs(value: Value<'_>, depth: usize, faults: &mut Vec<Fault>) {
    const MAX_DEPTH: usize = 8;
    if depth > MAX_DEPTH {
        return;
    }
    match value.kind() {
        Kind::Object => variants(value, depth, faults),
        Kind::Array => {
            for element in value.elements() {
                structs(element, depth + 1, faults);
            }
        }
        _ => {}
    }
}

/// Reports keys at the top of a list, which Multus and libcni read by different rules.
fn envelope(root: Value<'_>, faults: &mut Vec<Fault>) {
    let (mut kind, mut plugins) = (None, None);
    for Member { key, value } in root.members().filter(|member| !member.value.is_null()) {
        if key.folds("type") {
            kind = Some(value);
        } else if key.folds("plugins") {
            plugins = Some(value);
        }
    }
    if !kind.and_then(Value::str).unwrap_or_default().is_empty() {
        if let Some(plugins) = plugins {
            faults.push(at(
                plugins,
                "the config has both \"type\" and \"plugins\": Multus runs the plugin in \"type\" \
                 and ignores the list, while other readers run the list: remove one of them",
            ));
        }
        return;
    }
    // The gravest first.
    for name in ["plugins", "name", "cniVersion", "cniVersions"] {
        let keys = root.members().map(|member| member.key);
        for key in keys.filter(|key| key.folds(name) && !key.is_str(name)) {
            if faults.len() == MAX_FAULTS {
                return;
            }
            let shown = show(key);
            faults.push(at(
                key,
                if name == "plugins" {
                    format!(
                        "Multus reads {shown} as the list of plugins and libcni does not, so \
                         nothing runs and the Pod starts without the interface: write \"plugins\""
                    )
                } else {
                    format!(
                        "Multus reads {shown} as \"{name}\" and libcni does not: write \"{name}\""
                    )
                },
            ));
        }
    }
}

fn at(value: Value<'_>, message: impl Into<String>) -> Fault {
    Fault::value(value, value.path(), message)
}
