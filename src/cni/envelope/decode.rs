//! `types.PluginConf` (`cni/pkg/types/types.go`), as Go decodes it.

use std::borrow::Cow;

use super::super::keys::through_a_map;
use super::super::report::show;
use super::at;
use crate::finding::Fault;
use crate::json::{Kind, Member, Value, folds};

/// The order in which Go meets the members of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Sorted,
    Written,
}

/// What is left of `types.PluginConf`, as far as Multus and libcni look at it.
#[derive(Debug, Default)]
pub(super) struct PluginConf<'d> {
    pub(super) name: Option<Cow<'d, str>>,
    pub(super) version: Option<(Cow<'d, str>, Value<'d>)>,
    pub(super) kind: Option<(Cow<'d, str>, Value<'d>)>,
}

/// Decodes `types.PluginConf` (`cni/pkg/types/types.go`).
pub(super) fn plugin_conf<'d>(
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

pub(super) fn ordered(object: Value<'_>, order: Order) -> Vec<Member<'_>> {
    match order {
        Order::Sorted => through_a_map(object),
        Order::Written => object.members().collect(),
    }
}

/// Refuses a value that is neither `null` nor of the kind `wanted`.
pub(super) fn expect(
    value: Value<'_>,
    wanted: Kind,
    field: &str,
    of: &str,
    says: &str,
) -> Result<(), Fault> {
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

pub(super) fn object_of(value: Value<'_>, field: &str, of: &str, says: &str) -> Result<(), Fault> {
    expect(value, Kind::Object, field, of, says)
}
