//! `types.PluginConf` (`cni/pkg/types/types.go`), as Go decodes it.

use std::borrow::Cow;
use std::fmt;

use super::super::keys::{Mapped, through_a_map};
use super::super::report::show;
use super::at;
use crate::fault::Fault;
use crate::json::{Kind, Member, Value};

/// The order in which Go decodes the members of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Sorted,
    Written,
}

/// What Multus and libcni read of Go's `types.PluginConf`.
#[derive(Debug, Default)]
pub(super) struct GoPluginConf<'d> {
    pub(super) name: Option<Cow<'d, str>>,
    pub(super) version: Option<(Cow<'d, str>, Value<'d>)>,
    pub(super) kind: Option<(Cow<'d, str>, Value<'d>)>,
}

/// A field of `types.PluginConf`.
#[derive(Clone, Copy, Debug)]
enum Field {
    Attachments,
    Capabilities,
    Dns,
    Ipam,
    Kind,
    Name,
    PrevResult,
    Version,
}

/// The fields by name.
const FIELDS: [(&str, Field); 8] = [
    ("capabilities", Field::Capabilities),
    ("cni.dev/valid-attachments", Field::Attachments),
    ("cniVersion", Field::Version),
    ("dns", Field::Dns),
    ("ipam", Field::Ipam),
    ("name", Field::Name),
    ("prevResult", Field::PrevResult),
    ("type", Field::Kind),
];

/// The field that Go takes `key` for.
fn field(key: Value<'_>) -> Option<Field> {
    let mut fields = FIELDS.iter();
    let found = match key.plain() {
        Some(key) => fields.find(|(name, _)| name.eq_ignore_ascii_case(key)),
        None => fields.find(|(name, _)| key.folds(name)),
    };
    found.map(|(_, field)| *field)
}

/// Decodes `types.PluginConf` (`cni/pkg/types/types.go`).
pub(super) fn plugin_conf<'d>(
    object: Value<'d>,
    order: Order,
    go: &str,
    says: fmt::Arguments<'_>,
) -> Result<GoPluginConf<'d>, Fault> {
    let mut conf = GoPluginConf::default();
    for Member { key, value } in ordered(object, order) {
        let Some(field) = field(key) else {
            continue;
        };
        let text = |field: &str| {
            expect(
                value,
                Kind::String,
                format_args!("{go}.{field}"),
                "string",
                says,
            )
        };
        match field {
            Field::Name => {
                text("name")?;
                conf.name = value.str().or(conf.name);
            }
            Field::Version => {
                text("cniVersion")?;
                conf.version = value.str().map(|text| (text, value)).or(conf.version);
            }
            Field::Kind => {
                text("type")?;
                conf.kind = value.str().map(|text| (text, value)).or(conf.kind);
            }
            Field::Capabilities => {
                object_of(
                    value,
                    format_args!("{go}.capabilities"),
                    "map[string]bool",
                    says,
                )?;
                for member in ordered(value, order) {
                    expect(
                        member.value,
                        Kind::Bool(true),
                        format_args!("{go}.capabilities"),
                        "bool",
                        says,
                    )?;
                }
            }
            Field::Ipam => {
                object_of(value, format_args!("{go}.ipam"), "types.IPAM", says)?;
                for member in ordered(value, order) {
                    if member.key.folds("type") {
                        expect(
                            member.value,
                            Kind::String,
                            format_args!("IPAM.ipam.type"),
                            "string",
                            says,
                        )?;
                    }
                }
            }
            Field::Dns => {
                object_of(value, format_args!("{go}.dns"), "types.DNS", says)?;
                dns(value, order, says)?;
            }
            Field::PrevResult => {
                object_of(
                    value,
                    format_args!("{go}.prevResult"),
                    "map[string]interface {}",
                    says,
                )?;
            }
            Field::Attachments => {
                expect(
                    value,
                    Kind::Array,
                    format_args!("{go}.cni.dev/valid-attachments"),
                    "[]types.GCAttachment",
                    says,
                )?;
                for attachment in value.elements() {
                    object_of(
                        attachment,
                        format_args!("{go}.cni.dev/valid-attachments"),
                        "types.GCAttachment",
                        says,
                    )?;
                    for member in ordered(attachment, order) {
                        let is = |field| member.key.folds(field);
                        if is("containerID") || is("ifname") {
                            expect(
                                member.value,
                                Kind::String,
                                format_args!("{go}.cni.dev/valid-attachments"),
                                "string",
                                says,
                            )?;
                        }
                    }
                }
            }
        }
    }
    conf.kind = conf.kind.filter(|(kind, _)| !kind.is_empty());
    Ok(conf)
}

/// Decodes `types.DNS`.
fn dns(value: Value<'_>, order: Order, says: fmt::Arguments<'_>) -> Result<(), Fault> {
    for member in ordered(value, order) {
        if member.key.folds("domain") {
            expect(
                member.value,
                Kind::String,
                format_args!("DNS.dns.domain"),
                "string",
                says,
            )?;
        }
        for field in ["nameservers", "search", "options"] {
            if member.key.folds(field) {
                expect(
                    member.value,
                    Kind::Array,
                    format_args!("DNS.dns.{field}"),
                    "[]string",
                    says,
                )?;
                for element in member.value.elements() {
                    expect(
                        element,
                        Kind::String,
                        format_args!("DNS.dns.{field}"),
                        "string",
                        says,
                    )?;
                }
            }
        }
    }
    Ok(())
}

pub(super) fn ordered(object: Value<'_>, order: Order) -> Mapped<'_> {
    match order {
        Order::Sorted => through_a_map(object),
        Order::Written => Mapped::Written(object.members()),
    }
}

/// Refuses a value that is neither `null` nor of the kind `wanted`.
pub(super) fn expect(
    value: Value<'_>,
    wanted: Kind,
    field: fmt::Arguments<'_>,
    of: &str,
    says: fmt::Arguments<'_>,
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
            "expected {belongs}, found {shown} ({says}: json: cannot unmarshal {json} into Go \
             struct field {field} of type {of})"
        ),
    ))
}

pub(super) fn object_of(
    value: Value<'_>,
    field: fmt::Arguments<'_>,
    of: &str,
    says: fmt::Arguments<'_>,
) -> Result<(), Fault> {
    expect(value, Kind::Object, field, of, says)
}
