//! The envelope: how Multus and libcni read a `spec.config` before any plugin runs.
//!
//! Three readers take the text in turn. The network attachment client reads it into a map and adds
//! the NAD's name if the config has none (which sorts the keys). Multus reads that into
//! `types.PluginConf` and, if this has no `type`, into `types.NetConfList`. libcni reads a list
//! into a map again, in which keys have to be spelled exactly. References: `cniconfig.go` of the
//! network attachment client 1.7.6, `pkg/types/conf.go` of Multus 4.3, `libcni/conf.go` of CNI 1.3.

mod decode;
mod list;

use super::raw_plugin::RawPlugin;
use super::report::show;
use crate::fault::Fault;
use crate::json::{Document, Kind, Value};
use crate::text::shorten;
use decode::{Order, plugin_conf};
use std::borrow::Cow;

/// A configuration that Multus and libcni can read.
#[derive(Debug)]
pub(super) struct Envelope<'d> {
    /// Whether it is a list, so that `plugins` counts.
    pub(super) is_list: bool,
    /// The name of the network.
    pub(super) name: Cow<'d, str>,
    /// The version that is passed to the plugins; empty if there is none.
    pub(super) version: Cow<'d, str>,
    /// The place of the version.
    pub(super) version_at: Option<Value<'d>>,
    /// The objects of the plugins that run, with their types.
    pub(super) plugins: Vec<RawPlugin<'d>>,
}

/// Reads `document` as the config of the NAD `nad`.
pub(super) fn read<'d>(document: &'d Document<'_>, nad: &'d str) -> Result<Envelope<'d>, Fault> {
    let root = document.root();
    match root.kind() {
        Kind::Object => {}
        Kind::Null => {
            return Err(at(
                root,
                "the config is null, which makes Multus panic (assignment to entry in nil map): \
                 write an object, or remove the NAD",
            ));
        }
        _ => {
            let (shown, json) = (show(root), root.type_name());
            return Err(at(
                root,
                format!(
                    "expected an object, found {shown}: write the config in braces (failed to \
                     unmarshal Spec.Config: json: cannot unmarshal {json} into Go value of type \
                     map[string]interface {{}})"
                ),
            ));
        }
    }
    if let Some(number) = root.numbers().find(is_out_of_range) {
        let shown = show(number);
        return Err(at(
            number,
            format!(
                "the number {shown} is too large (failed to unmarshal Spec.Config: json: cannot \
                 unmarshal number {shown} into Go value of type float64)"
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
    let conf = plugin_conf(root, order, "PluginConf", format_args!("{SINGLE}"))?;
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
            plugins: vec![RawPlugin::new(root, kind, kind_at)],
        },
        None => list::list(root, order, nad, is_injected)?,
    };
    check_name(root, &envelope.name, is_injected)?;
    Ok(envelope)
}

const SINGLE: &str = "LoadDelegateNetConf: error unmarshalling delegate config";

/// `ValidateNetworkName` (`cni/pkg/utils/utils.go:49`), which libcni calls before it runs a plugin.
fn check_name(root: Value<'_>, name: &str, is_injected: bool) -> Result<(), Fault> {
    if is_injected {
        // The name of a Kubernetes object is always valid. One that is still to be generated is not
        // known.
        return Ok(());
    }
    let place = root.fields("name").last().unwrap_or(root);
    if name.is_empty() {
        return Err(at(
            place,
            "the name of the network is empty: remove the key, and Multus uses the name of the \
             NAD (missing network name:)",
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
            "\"{name}\" is not a valid name of a network: use letters, digits, \"_\", \".\" and \
             \"-\", and begin with a letter or digit (invalid characters found in network name; \
             {name})"
        ),
    ))
}

fn is_out_of_range(number: &Value<'_>) -> bool {
    // Only a number with an exponent, or one of 300 digits, can be.
    number.raw().len() > 3 && number.float().is_none_or(f64::is_infinite)
}

fn at(value: Value<'_>, message: impl Into<String>) -> Fault {
    Fault::value(value, value.path(), message)
}
