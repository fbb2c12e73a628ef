//! The tables of keys that the plugins' files consist of, and how Go reads an object by one.
//!
//! Go matches a key with the field of exactly this name, else with the first that folds to it; it
//! reads every occurrence, and `null` leaves the field as it was. Before a plugin reads an object,
//! libcni passes it through a map: of equal keys the last is left, the keys are in byte order, and
//! every number is converted to `float64`, so `1.4e3` is the integer 1400 and `1400.5` is not an
//! integer.

mod advice;
mod conditions;
mod decode;
mod sink;

use super::report::{Report, show};
use crate::address;
use crate::json::{Kind, Member, Value, folds};
use crate::nearest::nearest;
use crate::text::shorten;
use advice::{any_of, go_path, ip_advice, prefix_advice};
pub(super) use decode::{Mapped, integer, through_a_map};
pub(super) use sink::{BRIDGE, LINK, MASTER, REQUIRED_MASTER, Sink};
use std::borrow::Cow;

/// The keys of one object of a plugin's configuration.
#[derive(Debug)]
pub(super) struct Table {
    /// The program that reads it, for messages.
    pub(super) plugin: &'static str,
    /// Go's name of the struct, as it appears in the errors of `encoding/json`.
    pub(super) go: &'static str,
    /// The keys it reads.
    pub(super) keys: &'static [Key],
    /// How unknown keys are treated, and what to write instead of common mistakes.
    pub(super) unknown_keys: UnknownKeys,
}

/// A key.
#[derive(Debug)]
pub(super) struct Key {
    /// As it is spelled in the documentation.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) takes: Takes,
    /// What happens to its value on the node.
    pub(super) sink: Sink,
    /// What holds if the key is left out; empty if nothing does.
    pub(super) default: &'static str,
}

/// The value that a key may have.
#[derive(Debug)]
pub(super) enum Takes {
    /// `true` or `false`.
    Bool,
    /// An integer of 64 bits.
    Integer,
    /// `net.IP` as text; empty is unset.
    Ip,
    /// An array of such.
    List(&'static Self),
    /// An object with any keys.
    Map(&'static Self),
    /// `types.IPNet` as text: never empty, and not `null` either.
    Network,
    /// An object with these keys.
    Object(&'static Table),
    /// A string.
    Text,
    /// An integer from 0 to 4294967295.
    Unsigned,
    /// An integer from 0 to 9223372036854775807. `uint` and `uint64` of Go reach twice as far.
    Unsigned64,
    /// One of these strings; the plugin refuses others with this message, followed by the string.
    Word(&'static [&'static str], &'static str),
}

/// How keys that a table does not have are treated.
#[derive(Debug)]
pub(super) enum UnknownKeys {
    /// They are warned of, these with a hint.
    Ignored(&'static [(&'static str, &'static str)]),
    /// They belong to another program.
    Allowed,
    /// They are ignored without a warning, because releases differ in what they read, except for
    /// these, which are mistakes.
    Mistaken(&'static [(&'static str, &'static str)]),
}

/// A row of a table.
pub(in crate::cni) const fn key(
    name: &'static str,
    takes: Takes,
    sink: Sink,
    default: &'static str,
) -> Key {
    Key {
        name,
        takes,
        sink,
        default,
    }
}

/// An object as Go reads it by a table.
#[derive(Clone, Debug)]
pub(super) struct Decoded<'d> {
    table: &'static Table,
    /// The last of the objects.
    object: Option<Value<'d>>,
    /// In the order in which Go decodes them, with the row that each belongs to.
    entries: Vec<(Member<'d>, Option<&'static Key>)>,
}

/// The keys of every plugin's configuration that Multus, libcni and `types.PluginConf` read. Their
/// types were judged with the envelope.
const ENVELOPE: &[&str] = &[
    "cniVersion",
    "name",
    "type",
    "capabilities",
    "ipam",
    "dns",
    // Beside "type" it is ignored, which the rule ambiguous-config reports.
    "plugins",
    "prevResult",
    "args",
    "runtimeConfig",
    "cni.dev/valid-attachments",
];

impl<'d> Decoded<'d> {
    /// Reads objects that Go decodes one after the other into one struct.
    pub(super) fn new(table: &'static Table, objects: impl IntoIterator<Item = Value<'d>>) -> Self {
        let mut entries = Vec::with_capacity(8);
        let mut last = None;
        for object in objects {
            last = Some(object);
            let members = through_a_map(object);
            entries.extend(members.map(|member| (member, table.find(member.key))));
        }
        Self {
            table,
            object: last,
            entries,
        }
    }

    /// Judges every key by its row. Returns `false` if Go could not decode the object: the plugin
    /// stops there, and nothing else needs to be reported.
    pub(super) fn check(&self, report: &mut Report) -> bool {
        let mut sound = true;
        for &(member, row) in &self.entries {
            match row {
                Some(row) => {
                    if !member.key.is_str(row.name) {
                        warn_of_case(member.key, row.name, report);
                    }
                    sound &= row
                        .takes
                        .check(member.value, self.table, row.default, report);
                    row.sink.check(member.value, report);
                }
                None => self.table.warn_of_unknown(member, report),
            }
        }
        self.interfaces(report);
        sound
    }

    /// The last value of `name` that is not `null`.
    pub(super) fn value(&self, name: &str) -> Option<Value<'d>> {
        self.values(name).filter(|value| !value.is_null()).last()
    }

    /// Every value of `name`.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = Value<'d>> {
        self.entries
            .iter()
            .filter(move |(_, row)| row.is_some_and(|row| row.name == name))
            .map(|(member, _)| member.value)
    }

    /// A string.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'d, str>> {
        self.value(name)?.str()
    }

    /// Whether it is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.value(name).and_then(Value::bool) == Some(true)
    }

    /// An integer.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        integer(self.value(name)?)
    }

    /// An object in this object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        let table = self.table.keys.iter().find(|key| key.name == name)?;
        let Takes::Object(table) = table.takes else {
            return None;
        };
        self.value(name)?;
        let objects = self.values(name).filter(|value| !value.is_null());
        Some(Decoded::new(table, objects))
    }

    /// The elements of an array, `null` among them.
    pub(super) fn elements(&self, name: &str) -> impl Iterator<Item = Value<'d>> {
        // Unlike a struct, a slice becomes nil by a later null.
        self.values(name)
            .last()
            .into_iter()
            .flat_map(Value::elements)
    }
}

impl Table {
    /// The row that Go decodes `key` into.
    fn find(&'static self, key: Value<'_>) -> Option<&'static Key> {
        let exact = |key| self.keys.iter().find(|row| row.name == key);
        let folded = || self.keys.iter().find(|row| key.folds(row.name));
        key.plain().and_then(exact).or_else(folded)
    }

    /// Warns of a key that has no row.
    fn warn_of_unknown(&self, member: Member<'_>, report: &mut Report) {
        let (hints, are_others_welcome) = match self.unknown_keys {
            UnknownKeys::Allowed => return,
            UnknownKeys::Ignored(hints) => (hints, false),
            UnknownKeys::Mistaken(hints) => (hints, true),
        };
        let Some(name) = member.key.str() else {
            return;
        };
        if !report.takes_warnings() {
            return;
        }
        if ENVELOPE.contains(&&*name) {
            return;
        }
        if let Some(known) = ENVELOPE.iter().find(|known| folds(&name, known)) {
            warn_of_case(member.key, known, report);
            return;
        }
        let plugin = self.plugin;
        let advice = if let Some((_, hint)) = hints.iter().find(|(key, _)| folds(&name, key)) {
            (*hint).to_owned()
        } else if are_others_welcome {
            return;
        } else {
            let known = self.keys.iter().map(|row| row.name);
            match nearest(&name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "remove it".to_owned(),
            }
        };
        let name = shorten(&name);
        report.warn(
            member.key,
            format!("{plugin} does not read \"{name}\" and ignores it: {advice}"),
        );
    }
}

impl Takes {
    /// Judges a value. Returns `false` if Go cannot decode it.
    fn check(&self, value: Value<'_>, table: &Table, default: &str, report: &mut Report) -> bool {
        if value.is_null() && !matches!(self, Self::Network) {
            return true;
        }
        let fits = match (self, value.kind()) {
            (Self::Bool, Kind::Bool(_))
            | (Self::Text | Self::Ip | Self::Word(..), Kind::String)
            // null decodes as an empty text.
            | (Self::Network, Kind::String | Kind::Null)
            | (Self::List(_), Kind::Array)
            | (Self::Map(_) | Self::Object(_), Kind::Object) => true,
            (Self::Integer, Kind::Number) => integer(value).is_some(),
            (Self::Unsigned64, Kind::Number) => {
                !value.raw().starts_with('-') && integer(value).is_some()
            }
            (Self::Unsigned, Kind::Number) => {
                !value.raw().starts_with('-')
                    && integer(value).is_some_and(|number| u32::try_from(number).is_ok())
            }
            _ => false,
        };
        if !fits {
            report.refuse(value, self.mismatch(value, table));
            return false;
        }
        let plugin = table.plugin;
        match self {
            Self::Ip => {
                let text = value.str().unwrap_or_default();
                if !text.is_empty() && address::ip(&text).is_none() {
                    let advice = ip_advice(&text);
                    let text = shorten(&text);
                    report.refuse(
                        value,
                        format!(
                            "\"{text}\" is not a valid IP address{advice} ({plugin}: invalid IP \
                             address: {text})"
                        ),
                    );
                    return false;
                }
                true
            }
            Self::Network => {
                let text = value.str().unwrap_or_default();
                if address::prefix(&text).is_none() {
                    let advice = prefix_advice(&text);
                    let shown = show(value);
                    let text = shorten(&text);
                    report.refuse(
                        value,
                        format!(
                            "{shown} is not a valid prefix{advice} ({plugin}: invalid CIDR \
                             address: {text})"
                        ),
                    );
                    return false;
                }
                true
            }
            Self::Word(words, says) => {
                let text = value.str().unwrap_or_default();
                if !words.contains(&text.as_ref()) {
                    let allowed = any_of(words);
                    let text = shorten(&text);
                    report.refuse(
                        value,
                        format!(
                            "\"{text}\" is not a valid value: write {allowed}, or remove the key \
                             to use {default} ({plugin}: {says} \"{text}\")"
                        ),
                    );
                }
                true
            }
            Self::List(of) => {
                let mut sound = true;
                for element in value.elements() {
                    sound &= element.is_null() || of.check(element, table, default, report);
                }
                sound
            }
            Self::Map(of) => {
                let mut sound = true;
                for member in through_a_map(value) {
                    sound &= of.check(member.value, table, default, report);
                }
                sound
            }
            Self::Object(table) => Decoded::new(table, [value]).check(report),
            _ => true,
        }
    }

    fn mismatch(&self, value: Value<'_>, table: &Table) -> String {
        let shown = show(value);
        let found = match value.kind() {
            Kind::Array => "the array",
            Kind::Bool(_) | Kind::Null => "",
            Kind::Number => "the number",
            Kind::Object => "the object",
            Kind::String => "the string",
        };
        let text = value.str().unwrap_or_default();
        let advice = match self {
            Self::Bool if matches!(text.as_ref(), "true" | "false") => {
                format!(": write {text} without quotes")
            }
            Self::Integer | Self::Unsigned | Self::Unsigned64 if text.parse::<i64>().is_ok() => {
                format!(": write {text} without quotes")
            }
            Self::Text | Self::Word(..) if matches!(value.kind(), Kind::Number | Kind::Bool(_)) => {
                format!(": write \"{shown}\"")
            }
            Self::List(_) => ": write it in brackets".to_owned(),
            _ => String::new(),
        };
        let wanted = match self {
            Self::Bool => "true or false",
            Self::Integer => "an integer",
            Self::Unsigned => "an integer from 0 to 4294967295",
            Self::Unsigned64 => "an integer, 0 or above",
            Self::Ip | Self::Network | Self::Text | Self::Word(..) => "a string",
            Self::List(_) => "an array",
            Self::Map(_) | Self::Object(_) => "an object",
        };
        let json = match value.kind() {
            Kind::Number if matches!(self, Self::Integer | Self::Unsigned | Self::Unsigned64) => {
                format!("number {shown}")
            }
            _ => value.type_name().to_owned(),
        };
        let (plugin, go, of) = (table.plugin, table.go, self.go());
        let field = go_path(value);
        let space = if found.is_empty() { "" } else { " " };
        format!(
            "expected {wanted}, found {found}{space}{shown}{advice} ({plugin}: json: cannot \
             unmarshal {json} into Go struct field {go}.{field} of type {of})"
        )
    }

    /// The type as Go names it.
    fn go(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Bool => "bool",
            Self::Integer => "int",
            Self::Ip => "net.IP",
            Self::Network | Self::Text | Self::Word(..) => "string",
            Self::List(of) => return format!("[]{}", of.go()).into(),
            Self::Map(of) => return format!("map[string]{}", of.go()).into(),
            Self::Object(table) => table.go,
            Self::Unsigned => "uint32",
            Self::Unsigned64 => "uint64",
        })
    }
}

fn warn_of_case(key: Value<'_>, name: &str, report: &mut Report) {
    let shown = show(key);
    report.warn(
        key,
        format!(
            "Go reads the key {shown} as \"{name}\", and other readers do not: write \"{name}\""
        ),
    );
}
