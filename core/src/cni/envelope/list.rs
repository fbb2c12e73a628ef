//! A list of plugins: `types.NetConfList` as Multus decodes it, then the list as libcni reads it.

use std::borrow::Cow;

use super::super::raw_plugin::RawPlugin;
use super::super::report::show;
use super::decode::{Order, expect, object_of, ordered, plugin_conf};
use super::{Envelope, at};
use crate::fault::Fault;
use crate::json::{Kind, Member, Value};
use crate::text::shorten;

const LIST: &str = "LoadDelegateNetConfList: error unmarshalling delegate conflist";

const LIBCNI: &str = "error parsing configuration list";
/// The maximum number of plugins. libcni has no limit, but each plugin of a network is kept in
/// memory here.
const MAX_PLUGINS: usize = 64;

/// An element of `plugins` as Multus has it after decoding one array or more into it.
struct Slot<'d> {
    last: Value<'d>,
    kind: Option<(Cow<'d, str>, Value<'d>)>,
}

/// Decodes `types.NetConfList` as Multus does, then reads the list as libcni does.
pub(super) fn list<'d>(
    root: Value<'d>,
    order: Order,
    nad: &'d str,
    is_injected: bool,
) -> Result<Envelope<'d>, Fault> {
    // Go decodes a second array into the elements of the first: existing pointers are kept.
    let mut slots: Vec<Option<Slot<'d>>> = Vec::new();
    let mut length = None;
    for Member { key, value } in ordered(root, order) {
        if ["disableCheck", "disableGC"]
            .iter()
            .any(|field| key.folds(field))
        {
            let key = key.str().unwrap_or_default();
            expect(
                value,
                Kind::Bool(true),
                format_args!("NetConfList.{key}"),
                "bool",
                format_args!("{LIST}"),
            )?;
        } else if key.folds("plugins") {
            expect(
                value,
                Kind::Array,
                format_args!("NetConfList.plugins"),
                "[]*types.PluginConf",
                format_args!("{LIST}"),
            )?;
            if value.is_null() {
                slots.clear();
                length = None;
                continue;
            }
            length = Some(value.elements().count());
            for (index, element) in value.elements().enumerate() {
                object_of(
                    element,
                    format_args!("NetConfList.plugins"),
                    "types.PluginConf",
                    format_args!("{LIST}"),
                )?;
                if slots.len() <= index {
                    slots.push(None);
                }
                let slot = slots.get_mut(index);
                if element.is_null() {
                    if let Some(slot) = slot {
                        *slot = None;
                    }
                    continue;
                }
                let conf =
                    plugin_conf(element, order, "PluginConf.plugins", format_args!("{LIST}"))?;
                if let Some(slot) = slot {
                    let kind = slot.take().and_then(|slot| slot.kind);
                    *slot = Some(Slot {
                        last: element,
                        kind: conf.kind.or(kind),
                    });
                }
            }
        }
    }
    let Some(length) = length else {
        return Err(at(
            root,
            "the config has neither \"type\" nor \"plugins\": add the plugin that makes the \
             interface (LoadDelegateNetConfList: delegate must have the 'type' or 'plugin' field)",
        ));
    };
    let plugins_at = root.fields("plugins").last().unwrap_or(root);
    if length == 0 {
        return Err(at(
            plugins_at,
            "\"plugins\" is empty, which makes Multus panic (index out of range [0] with length \
             0): add a plugin",
        ));
    }
    let Some(first) = slots.first().and_then(Option::as_ref) else {
        return Err(at(
            plugins_at,
            "the first plugin is null, which makes Multus panic (invalid memory address or nil \
             pointer dereference): write a plugin",
        ));
    };
    if first.kind.is_none() {
        return Err(at(
            first.last,
            "the first plugin has no \"type\": add it (LoadDelegateNetConfList: a plugin delegate \
             must have the 'type' field)",
        ));
    }
    // If no two keys fold to the same one, libcni finds in the elements what Multus found.
    let known = root.document().has_plain_keys().then_some(slots);
    libcni_list(root, nad, is_injected, known.unwrap_or_default())
}

/// `NetworkConfFromBytes` (`cni/libcni/conf.go:91-245`).
fn libcni_list<'d>(
    root: Value<'d>,
    nad: &'d str,
    is_injected: bool,
    known: Vec<Option<Slot<'d>>>,
) -> Result<Envelope<'d>, Fault> {
    let mut known = known.into_iter();
    let (mut name, mut version_at, mut versions, mut array) = (None, None, None, None);
    let (mut check, mut gc, mut inlined) = (None, None, None);
    for Member { key, value } in root.members() {
        let field = match key.str().as_deref() {
            Some("name") => &mut name,
            Some("cniVersion") => &mut version_at,
            Some("cniVersions") => &mut versions,
            Some("disableCheck") => &mut check,
            Some("disableGC") => &mut gc,
            Some("loadOnlyInlinedPlugins") => &mut inlined,
            Some("plugins") => &mut array,
            _ => continue,
        };
        *field = Some(value);
    }
    let name = if is_injected {
        Cow::Borrowed(nad)
    } else {
        let name = name.unwrap_or(root);
        name.str().ok_or_else(|| {
            let go = go_kind(name);
            at(
                name,
                format!("expected a string as the name ({LIBCNI}: invalid name type {go})"),
            )
        })?
    };
    let mut version = match version_at {
        Some(value) => value.str().ok_or_else(|| {
            let go = go_kind(value);
            at(
                value,
                format!(
                    "expected a string as the version ({LIBCNI}: invalid cniVersion type {go})"
                ),
            )
        })?,
        None => Cow::Borrowed(""),
    };
    if let Some(versions) = versions {
        version = newest(version, version_at, versions)?;
    }
    flag("disableCheck", check)?;
    flag("disableGC", gc)?;
    let only_inlined = flag("loadOnlyInlinedPlugins", inlined)?;
    let mut plugins = Vec::new();
    match array {
        Some(array) => {
            if array.kind() != Kind::Array {
                let go = go_kind(array);
                return Err(at(
                    array,
                    format!(
                        "expected an array in \"plugins\" ({LIBCNI}: invalid 'plugins' type {go})"
                    ),
                ));
            }
            if let Some(surplus) = array.elements().nth(MAX_PLUGINS) {
                return Err(at(
                    surplus,
                    format!(
                        "the list has more than {MAX_PLUGINS} plugins, which multinic does not \
                         accept: remove some"
                    ),
                ));
            }
            for (index, object) in array.elements().enumerate() {
                let slot = known.next().flatten();
                let kind = if object.is_null() {
                    None
                } else if let Some(slot) = slot {
                    slot.kind
                } else {
                    plugin_conf(
                        object,
                        Order::Sorted,
                        "PluginConf",
                        format_args!(
                            "failed to parse plugin config {index}: error parsing configuration"
                        ),
                    )?
                    .kind
                };
                let Some((kind, kind_at)) = kind else {
                    return Err(at(
                        object,
                        format!(
                            "plugin {index} of the list has no \"type\": add it (failed to parse \
                             plugin config {index}: error parsing configuration: missing 'type')"
                        ),
                    ));
                };
                plugins.push(RawPlugin::new(object, kind, kind_at));
            }
            if plugins.is_empty() {
                return Err(at(
                    array,
                    format!("\"plugins\" is empty ({LIBCNI}: no plugins in list)"),
                ));
            }
        }
        None => {
            if let Some(value) = inlined.filter(|_| only_inlined) {
                return Err(at(
                    value,
                    format!(
                        "there is no key spelled \"plugins\" ({LIBCNI}: `loadOnlyInlinedPlugins` \
                         is true, and no 'plugins' key)"
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

/// A flag of the list, which is off by default; libcni accepts it as a string too.
fn flag(field: &str, value: Option<Value<'_>>) -> Result<bool, Fault> {
    let Some(value) = value else {
        return Ok(false);
    };
    let text = value.str().map(|text| text.to_lowercase());
    match (value.bool(), text.as_deref()) {
        (Some(is_on), _) => Ok(is_on),
        (None, Some("true")) => Ok(true),
        (None, Some("false")) => Ok(false),
        (None, text) => {
            let says = match text {
                Some(text) => format!("invalid value {text:?} for {field}"),
                None => format!("invalid type {} for {field}", go_kind(value)),
            };
            let shown = show(value);
            Err(at(
                value,
                format!("expected true or false, found {shown} ({LIBCNI}: {says})"),
            ))
        }
    }
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
                "expected an array in \"cniVersions\" ({LIBCNI}: invalid type for cniVersions: \
                 {go})"
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
                    "expected a string as a version ({LIBCNI}: invalid type for cniVersions index \
                     {index}: {go})"
                ),
            ));
        };
        let Some(parsed) = parse_version(&text) else {
            let text = shorten(&text);
            return Err(at(
                value,
                format!(
                    "\"{text}\" is not a valid version ({LIBCNI}: invalid cniVersions entry \
                     {text} at index {index})"
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
                format!("\"{text}\" is not a valid version ({LIBCNI}: invalid cniVersion {text})"),
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
fn parse_version(text: &str) -> Option<(i64, i64, i64)> {
    if text.is_empty() {
        return Some((0, 1, 0));
    }
    let mut numbers = [0; 3];
    for (index, raw) in text.split('.').enumerate() {
        *numbers.get_mut(index)? = raw.parse().ok()?;
    }
    Some(numbers.into())
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
