//! The envelope: what Multus and libcni make of a `spec.config` before any plugin runs.
//!
//! Three readers take the text in turn. The network attachment client reads it into a map and puts
//! the NAD's name in where there is none (which sorts the keys). Multus reads that into
//! `types.PluginConf` and, where this leaves no `type`, into `types.NetConfList`. libcni reads a
//! list into a map again, where keys have to be spelled exactly. References: `cniconfig.go` of the
//! network attachment client 1.7.6, `pkg/types/conf.go` of Multus 4.3, `libcni/conf.go` of CNI 1.3.

use std::borrow::Cow;

use super::keys::through_a_map;
use super::part::Part;
use super::report::show;
use crate::finding::{Fault, shorten};
use crate::json::{Document, Kind, Member, Value, folds};

/// A configuration that Multus and libcni can read.
#[derive(Debug)]
pub(super) struct Envelope<'d> {
    /// Whether `plugins` counts.
    pub(super) is_list: bool,
    /// The name of the network.
    pub(super) name: Cow<'d, str>,
    /// The version that the plugins are given; empty where there is none.
    pub(super) version: Cow<'d, str>,
    /// Where the version stands.
    pub(super) version_at: Option<Value<'d>>,
    /// The objects of the plugins that run, with their types.
    pub(super) plugins: Vec<Part<'d>>,
}

/// Reads `document` as the config of the NAD `nad`.
pub(super) fn read<'d>(document: &'d Document<'_>, nad: &'d str) -> Result<Envelope<'d>, Fault> {
    let root = document.root();
    match root.kind() {
        Kind::Object => {}
        Kind::Null => {
            return Err(at(
                root,
                "the config is null, on which Multus panics (assignment to entry in nil map): write an object, or remove the NAD",
            ));
        }
        _ => {
            let (shown, json) = (show(root), root.type_name());
            return Err(at(
                root,
                format!(
                    "the config is {shown}, not an object in braces (failed to unmarshal Spec.Config: json: cannot unmarshal {json} into Go value of type map[string]interface {{}})"
                ),
            ));
        }
    }
    if let Some(number) = root.numbers().find(is_out_of_range) {
        let shown = show(number);
        return Err(at(
            number,
            format!(
                "{shown} is too large for a number (failed to unmarshal Spec.Config: json: cannot unmarshal number {shown} into Go value of type float64)"
            ),
        ));
    }
    // cniconfig.go:119
    let is_injected = root.get("name").is_none_or(|name| name.is_str(""));
    let order = if is_injected {
        Order::Sorted
    } else {
        Order::Written
    };
    let conf = plugin_conf(root, order, "PluginConf", SINGLE)?;
    let envelope = match conf.kind {
        Some((kind, kind_at)) => Envelope {
            is_list: false,
            name: if is_injected {
                Cow::Borrowed(nad)
            } else {
                conf.name.unwrap_or_default()
            },
            version_at: conf.version.as_ref().map(|(_, place)| *place),
            version: conf.version.map(|(version, _)| version).unwrap_or_default(),
            plugins: vec![Part::new(root, kind, kind_at)],
        },
        None => list(root, order, nad, is_injected)?,
    };
    check_name(root, &envelope.name, is_injected)?;
    Ok(envelope)
}

/// The order in which Go meets the members of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Sorted,
    Written,
}

/// What is left of `types.PluginConf`, as far as Multus and libcni look at it.
#[derive(Debug, Default)]
struct PluginConf<'d> {
    name: Option<Cow<'d, str>>,
    version: Option<(Cow<'d, str>, Value<'d>)>,
    kind: Option<(Cow<'d, str>, Value<'d>)>,
}

const SINGLE: &str = "LoadDelegateNetConf: error unmarshalling delegate config";
const LIST: &str = "LoadDelegateNetConfList: error unmarshalling delegate conflist";
const LIBCNI: &str = "error parsing configuration list";

/// Decodes `types.PluginConf` (`cni/pkg/types/types.go`).
fn plugin_conf<'d>(
    object: Value<'d>,
    order: Order,
    go: &str,
    says: &str,
) -> Result<PluginConf<'d>, Fault> {
    let mut conf = PluginConf::default();
    for Member { key, value } in ordered(object, order) {
        let Some(key) = key.str() else { continue };
        let is = |field| folds(&key, field);
        let text = |field: &str| {
            expect(
                value,
                Kind::String,
                &format!("{go}.{field}"),
                "string",
                says,
            )
        };
        if is("name") {
            text("name")?;
            conf.name = value.str().or(conf.name);
        } else if is("cniVersion") {
            text("cniVersion")?;
            conf.version = value.str().map(|text| (text, value)).or(conf.version);
        } else if is("type") {
            text("type")?;
            conf.kind = value.str().map(|text| (text, value)).or(conf.kind);
        } else if is("capabilities") {
            object_of(
                value,
                &format!("{go}.capabilities"),
                "map[string]bool",
                says,
            )?;
            for member in ordered(value, order) {
                let field = format!("{go}.capabilities");
                expect(member.value, Kind::Bool(true), &field, "bool", says)?;
            }
        } else if is("ipam") {
            object_of(value, &format!("{go}.ipam"), "types.IPAM", says)?;
            for member in ordered(value, order) {
                if member.key.str().is_some_and(|key| folds(&key, "type")) {
                    expect(member.value, Kind::String, "IPAM.ipam.type", "string", says)?;
                }
            }
        } else if is("dns") {
            object_of(value, &format!("{go}.dns"), "types.DNS", says)?;
            dns(value, order, says)?;
        } else if is("prevResult") {
            let go = format!("{go}.prevResult");
            object_of(value, &go, "map[string]interface {}", says)?;
        } else if is("cni.dev/valid-attachments") {
            let field = format!("{go}.cni.dev/valid-attachments");
            expect(value, Kind::Array, &field, "[]types.GCAttachment", says)?;
            for attachment in value.elements() {
                object_of(attachment, &field, "types.GCAttachment", says)?;
                for member in ordered(attachment, order) {
                    let is = |field| member.key.str().is_some_and(|key| folds(&key, field));
                    if is("containerID") || is("ifname") {
                        expect(member.value, Kind::String, &field, "string", says)?;
                    }
                }
            }
        }
    }
    conf.kind = conf.kind.filter(|(kind, _)| !kind.is_empty());
    Ok(conf)
}

/// Decodes `types.DNS`.
fn dns(value: Value<'_>, order: Order, says: &str) -> Result<(), Fault> {
    for member in ordered(value, order) {
        let Some(key) = member.key.str() else {
            continue;
        };
        if folds(&key, "domain") {
            expect(member.value, Kind::String, "DNS.dns.domain", "string", says)?;
        }
        for field in ["nameservers", "search", "options"] {
            if folds(&key, field) {
                let go = format!("DNS.dns.{field}");
                expect(member.value, Kind::Array, &go, "[]string", says)?;
                for element in member.value.elements() {
                    expect(element, Kind::String, &go, "string", says)?;
                }
            }
        }
    }
    Ok(())
}

/// Decodes `types.NetConfList` as Multus does, then reads the list as libcni does.
fn list<'d>(
    root: Value<'d>,
    order: Order,
    nad: &'d str,
    is_injected: bool,
) -> Result<Envelope<'d>, Fault> {
    // Go decodes a second array into the elements of the first: pointers that are there are kept.
    let mut slots: Vec<Option<Vec<Value<'d>>>> = Vec::new();
    let mut length = None;
    for Member { key, value } in ordered(root, order) {
        let Some(key) = key.str() else { continue };
        if ["disableCheck", "disableGC"]
            .iter()
            .any(|field| folds(&key, field))
        {
            let go = format!("NetConfList.{key}");
            expect(value, Kind::Bool(true), &go, "bool", LIST)?;
        } else if folds(&key, "plugins") {
            expect(
                value,
                Kind::Array,
                "NetConfList.plugins",
                "[]*types.PluginConf",
                LIST,
            )?;
            if value.is_null() {
                slots.clear();
                length = None;
                continue;
            }
            length = Some(value.elements().count());
            for (index, element) in value.elements().enumerate() {
                object_of(element, "NetConfList.plugins", "types.PluginConf", LIST)?;
                if !element.is_null() {
                    plugin_conf(element, order, "PluginConf.plugins", LIST)?;
                }
                if slots.len() <= index {
                    slots.push(None);
                }
                if let Some(slot) = slots.get_mut(index) {
                    if element.is_null() {
                        *slot = None;
                    } else {
                        slot.get_or_insert_default().push(element);
                    }
                }
            }
        }
    }
    let Some(length) = length else {
        return Err(at(
            root,
            "there is neither \"type\" nor \"plugins\": name the plugin that makes the interface (LoadDelegateNetConfList: delegate must have the 'type' or 'plugin' field)",
        ));
    };
    let plugins_at = root.fields("plugins").last().unwrap_or(root);
    if length == 0 {
        return Err(at(
            plugins_at,
            "\"plugins\" is empty, on which Multus panics (index out of range [0] with length 0): name at least one plugin",
        ));
    }
    let Some(first) = slots.first().and_then(Option::as_ref) else {
        return Err(at(
            plugins_at,
            "the first plugin is null, on which Multus panics (invalid memory address or nil pointer dereference): name a plugin",
        ));
    };
    let mut first_kind = None;
    for layer in first {
        let conf = plugin_conf(*layer, order, "PluginConf.plugins", LIST)?;
        first_kind = conf.kind.or(first_kind);
    }
    if first_kind.is_none() {
        return Err(at(
            first.last().copied().unwrap_or(root),
            "the first plugin has no \"type\" (LoadDelegateNetConfList: a plugin delegate must have the 'type' field)",
        ));
    }
    libcni_list(root, nad, is_injected)
}

/// `NetworkConfFromBytes` (`cni/libcni/conf.go:91-245`).
fn libcni_list<'d>(
    root: Value<'d>,
    nad: &'d str,
    is_injected: bool,
) -> Result<Envelope<'d>, Fault> {
    let name = if is_injected {
        Cow::Borrowed(nad)
    } else {
        let name = root.get("name").unwrap_or(root);
        name.str().ok_or_else(|| {
            let go = go_kind(name);
            at(
                name,
                format!("the name is not a string ({LIBCNI}: invalid name type {go})"),
            )
        })?
    };
    let version_at = root.get("cniVersion");
    let mut version = match version_at {
        Some(value) => value.str().ok_or_else(|| {
            let go = go_kind(value);
            at(
                value,
                format!("the version is not a string ({LIBCNI}: invalid cniVersion type {go})"),
            )
        })?,
        None => Cow::Borrowed(""),
    };
    if let Some(versions) = root.get("cniVersions") {
        version = newest(version, version_at, versions)?;
    }
    let mut only_inlined = None;
    for field in ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"] {
        let Some(value) = root.get(field) else {
            continue;
        };
        let text = value.str().map(|text| text.to_lowercase());
        if value.bool().is_none() && !matches!(text.as_deref(), Some("true" | "false")) {
            let says = match &text {
                Some(text) => format!("invalid value {text:?} for {field}"),
                None => format!("invalid type {} for {field}", go_kind(value)),
            };
            let shown = show(value);
            return Err(at(
                value,
                format!("{shown} stands where true or false belongs ({LIBCNI}: {says})"),
            ));
        }
        if field == "loadOnlyInlinedPlugins"
            && (value.bool() == Some(true) || text.as_deref() == Some("true"))
        {
            only_inlined = Some(value);
        }
    }
    let mut plugins = Vec::new();
    match root.get("plugins") {
        Some(array) => {
            if array.kind() != Kind::Array {
                let go = go_kind(array);
                return Err(at(
                    array,
                    format!("\"plugins\" is not an array ({LIBCNI}: invalid 'plugins' type {go})"),
                ));
            }
            for (index, object) in array.elements().enumerate() {
                let says =
                    format!("failed to parse plugin config {index}: error parsing configuration");
                let kind = if object.is_null() {
                    None
                } else {
                    plugin_conf(object, Order::Sorted, "PluginConf", &says)?.kind
                };
                let Some((kind, kind_at)) = kind else {
                    return Err(at(
                        object,
                        format!(
                            "plugin {index} of the list has no \"type\" ({says}: missing 'type')"
                        ),
                    ));
                };
                plugins.push(Part::new(object, kind, kind_at));
            }
            if plugins.is_empty() {
                return Err(at(
                    array,
                    format!("\"plugins\" is empty ({LIBCNI}: no plugins in list)"),
                ));
            }
        }
        None => {
            if let Some(value) = only_inlined {
                return Err(at(
                    value,
                    format!(
                        "there is no key spelled \"plugins\" ({LIBCNI}: `loadOnlyInlinedPlugins` is true, and no 'plugins' key)"
                    ),
                ));
            }
        }
    }
    Ok(Envelope {
        is_list: true,
        name,
        version,
        version_at,
        plugins,
    })
}

/// The newest of `cniVersion` and `cniVersions` that libcni knows (`cni/libcni/conf.go:119-160`).
fn newest<'d>(
    version: Cow<'d, str>,
    version_at: Option<Value<'d>>,
    versions: Value<'d>,
) -> Result<Cow<'d, str>, Fault> {
    if versions.kind() != Kind::Array {
        let go = go_kind(versions);
        return Err(at(
            versions,
            format!(
                "\"cniVersions\" is not an array ({LIBCNI}: invalid type for cniVersions: {go})"
            ),
        ));
    }
    let current = (1, 1, 0);
    let mut known = Vec::new();
    for (index, value) in versions.elements().enumerate() {
        let Some(text) = value.str() else {
            let go = go_kind(value);
            return Err(at(
                value,
                format!(
                    "a version is not a string ({LIBCNI}: invalid type for cniVersions index {index}: {go})"
                ),
            ));
        };
        let Some(parsed) = parse_version(&text) else {
            let text = shorten(&text);
            return Err(at(
                value,
                format!(
                    "\"{text}\" is no version ({LIBCNI}: invalid cniVersions entry {text} at index {index})"
                ),
            ));
        };
        if parsed <= current {
            known.push((parsed, text));
        }
    }
    if !version.is_empty() {
        let Some(parsed) = parse_version(&version) else {
            let text = shorten(&version);
            return Err(at(
                version_at.unwrap_or(versions),
                format!("\"{text}\" is no version ({LIBCNI}: invalid cniVersion {text})"),
            ));
        };
        if parsed <= current {
            known.push((parsed, version.clone()));
        }
    }
    known.sort_by_key(|(parsed, _)| *parsed);
    Ok(known.pop().map_or(version, |(_, version)| version))
}

/// `ParseVersion` (`cni/pkg/version/plugin.go:85`): up to three numbers; nothing is 0.1.0.
pub(super) fn parse_version(text: &str) -> Option<(i64, i64, i64)> {
    if text.is_empty() {
        return Some((0, 1, 0));
    }
    let mut numbers = [0; 3];
    for (index, part) in text.split('.').enumerate() {
        *numbers.get_mut(index)? = part.parse().ok()?;
    }
    Some(numbers.into())
}

/// `ValidateNetworkName` (`cni/pkg/utils/utils.go:49`), which libcni asks before it runs a plugin.
fn check_name(root: Value<'_>, name: &str, is_injected: bool) -> Result<(), Fault> {
    if is_injected {
        // The name of a Kubernetes object always fits; of one that has none yet we know nothing.
        return Ok(());
    }
    let place = root.fields("name").last().unwrap_or(root);
    if name.is_empty() {
        return Err(at(
            place,
            "the network has no name: remove the key, and Multus puts the NAD's name in (missing network name:)",
        ));
    }
    let fits = name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    if fits {
        return Ok(());
    }
    let name = shorten(name);
    Err(at(
        place,
        format!(
            "\"{name}\" is no name for a network: letters, digits, \"_\", \".\" and \"-\" are allowed, beginning with a letter or digit (invalid characters found in network name; {name})"
        ),
    ))
}

fn ordered(object: Value<'_>, order: Order) -> Vec<Member<'_>> {
    match order {
        Order::Sorted => through_a_map(object),
        Order::Written => object.members().collect(),
    }
}

/// Refuses a value that is neither `null` nor of the kind `wanted`.
fn expect(value: Value<'_>, wanted: Kind, field: &str, of: &str, says: &str) -> Result<(), Fault> {
    let fits = match (value.kind(), wanted) {
        (Kind::Null, _) | (Kind::Bool(_), Kind::Bool(_)) => true,
        (found, wanted) => found == wanted,
    };
    if fits {
        return Ok(());
    }
    let (shown, json) = (show(value), value.type_name());
    let belongs = match wanted {
        Kind::Array => "an array",
        Kind::Bool(_) => "true or false",
        Kind::Object => "an object",
        _ => "a string",
    };
    Err(at(
        value,
        format!(
            "{shown} stands where {belongs} belongs ({says}: json: cannot unmarshal {json} into Go struct field {field} of type {of})"
        ),
    ))
}

fn object_of(value: Value<'_>, field: &str, of: &str, says: &str) -> Result<(), Fault> {
    expect(value, Kind::Object, field, of, says)
}

fn is_out_of_range(number: &Value<'_>) -> bool {
    // Only a number with an exponent, or one of 300 digits, can be.
    number.raw().len() > 3 && number.float().is_none_or(f64::is_infinite)
}

/// The type of a value in a `map[string]interface {}`, as Go prints it.
fn go_kind(value: Value<'_>) -> &'static str {
    match value.kind() {
        Kind::Array => "[]interface {}",
        Kind::Bool(_) => "bool",
        Kind::Null => "<nil>",
        Kind::Number => "float64",
        Kind::Object => "map[string]interface {}",
        Kind::String => "string",
    }
}

fn at(value: Value<'_>, message: impl Into<Box<str>>) -> Fault {
    Fault::value(value, value.path(), message)
}
