//! The JSON form: a list of network selection elements.
//!
//! The fields are those of `NetworkSelectionElement` in Multus' `pkg/types/types.go`, decoded as
//! Go decodes them.

mod typed;

use std::fmt;
use std::net::IpAddr;

use super::{ECMP, Networks, Requests, Selection, interface_problem, name_problem, too_many};
use crate::danger;
use crate::fault::{Fault, Inside};
use crate::json::{Document, Kind, Places, Value, folds};
use crate::limits::MAX_ATTACHMENTS;
use crate::nearest::nearest;
use crate::text::shorten;

/// What Go's decoder expects as the value of a key, and what becomes of it (`docs/sinks.md`).
#[derive(Clone, Copy)]
enum Type {
    /// Addresses, which are parsed.
    Addresses,
    /// Merged into the arguments of every plugin.
    Arguments,
    /// Numbers.
    Bandwidth,
    /// A device of the node.
    Device,
    /// Addresses, which are parsed.
    Gateways,
    /// The name of an interface. Paths and firewall rules are made of it.
    Interface,
    /// A hardware address, which is parsed.
    Mac,
    /// The name of a Kubernetes object.
    Name,
    /// Firewall rules are made of them.
    PortMappings,
}

/// The keys, in alphabetical order. Others are ignored, as by Multus.
const KEYS: [(&str, Type); 12] = [
    ("bandwidth", Type::Bandwidth),
    ("cni-args", Type::Arguments),
    ("default-route", Type::Gateways),
    ("deviceID", Type::Device),
    ("infiniband-guid", Type::Mac),
    ("interface", Type::Interface),
    ("interfaceRequest", Type::Interface),
    ("ips", Type::Addresses),
    ("mac", Type::Mac),
    ("name", Type::Name),
    ("namespace", Type::Name),
    ("portMappings", Type::PortMappings),
];
/// Keys that other readers of the annotation know (network-attachment-definition-client, types.go).
const OTHERS: [&str; 1] = ["ipam-claim-reference"];

/// An address family, as Multus counts default routes.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Family {
    V4,
    V6,
}

const PORT_MAPPING: [&str; 4] = ["containerPort", "hostIP", "hostPort", "protocol"];
const BANDWIDTH: [&str; 4] = ["egressBurst", "egressRate", "ingressBurst", "ingressRate"];

/// Reads the JSON form of an annotation into `networks`.
pub(super) fn list(annotation: &str, own: &str, networks: &mut Networks) {
    let document = match Document::parse(annotation) {
        Ok(document) => document,
        Err(error) => {
            let advice = match error.hint {
                Some(hint) => hint,
                None if !annotation.trim_start().starts_with('[') => {
                    "a value with \"[\", \"{\" or a quote in it is read as JSON: write either \
                     namespace/name,namespace/name or [{\"name\": …, \"namespace\": …}]"
                }
                None => "write [{\"name\": …, \"namespace\": …}]",
            };
            let near = Inside::surroundings(annotation, error.offset);
            let message = format!(
                "{}{near}: {advice} (Multus: failed to parse pod Network Attachment Selection \
                 Annotation JSON format)",
                error.problem
            );
            networks
                .malformed
                .push(Fault::offset(annotation, error.offset, "", message));
            return;
        }
    };
    let root = document.root();
    if root.kind() != Kind::Array {
        let message = format!(
            "expected a list, found {}: write [{{\"name\": …}}]",
            root.description()
        );
        networks.malformed.push(Fault::value(root, "", message));
        return;
    }
    if root.elements().nth(MAX_ATTACHMENTS).is_some() {
        networks.beyond_limits = Some(too_many());
        return;
    }
    let mut gateways = Vec::new();
    let mut places = Places::of(annotation);
    for (index, value) in root.elements().enumerate() {
        let path = format!("[{index}]");
        if value.kind() != Kind::Object {
            let message = match value.kind() {
                Kind::Null => "the element is null, which makes Multus panic: remove it".to_owned(),
                _ => format!(
                    "expected an object, found {}: write {{\"name\": …}}",
                    value.description()
                ),
            };
            let at = Inside::among(&mut places, value.span().start, path);
            networks.malformed.push(Fault { at, message });
            continue;
        }
        let mut element = Element {
            path,
            value,
            networks,
            places: &mut places,
            requests: Requests::default(),
        };
        element.keys();
        element.suspicious();
        element.unknown();
        element.dangerous();
        gateways.extend(element.gateways());
        element.finish(own);
    }
    for (family, count) in [Family::V4, Family::V6]
        .into_iter()
        .zip(&mut networks.default_routes)
    {
        let mut asking = gateways.iter().filter(|(own, _)| *own == family);
        *count = asking.clone().count();
        if let Some((_, at)) = asking.nth(1) {
            networks.malformed.push(Fault {
                at: at.clone(),
                message: ECMP.into(),
            });
        }
    }
}

/// An annotation as a list of texts.
pub(super) enum Written<'a> {
    /// The short form.
    Short(&'a str),
    /// The JSON form.
    Json(Document<'a>),
}

impl<'a> Written<'a> {
    /// Reads the annotation. Returns `None` if it is not a list.
    pub(super) fn read(annotation: &'a str) -> Option<Self> {
        if !annotation.contains(['[', '{', '"']) {
            return Some(Self::Short(annotation));
        }
        let document = Document::parse(annotation).ok()?;
        (document.root().kind() == Kind::Array).then_some(Self::Json(document))
    }

    /// The elements as they are written.
    pub(super) fn elements(&self) -> Vec<&str> {
        match self {
            Self::Short(text) => text.split(',').map(str::trim).collect(),
            Self::Json(document) => document.root().elements().map(Value::raw).collect(),
        }
    }
}

struct Element<'e, 'd> {
    path: String,
    value: Value<'d>,
    networks: &'e mut Networks,
    places: &'e mut Places<'d>,
    requests: Requests,
}

impl<'d> Element<'_, 'd> {
    /// Checks every key in order: its spelling, and the type of its value.
    fn keys(&mut self) {
        self.spelling(self.value, &KEYS.map(|(key, _)| key), "");
        for (key, kind) in KEYS {
            for value in self.value.fields(key).filter(|value| !value.is_null()) {
                self.typed(key, kind, value);
            }
            // Go keeps the last one; an empty one requests nothing.
            if let Some(value) = self.value.field(key)
                && !matches!(key, "name" | "namespace" | "interface" | "interfaceRequest")
                && !matches!(value.raw(), "\"\"" | "[]" | "{}")
            {
                self.requests.keys.push((key, value.raw().into()));
            }
        }
    }

    /// Keys that Go folds into a known one, or that occur twice: readers disagree on them.
    fn spelling(&mut self, object: Value<'d>, known: &[&'static str], below: &str) {
        let mut seen: Vec<&'static str> = Vec::new();
        for member in object.members() {
            let Some(key) = member.key.str() else {
                continue;
            };
            let Some(canonical) = known.iter().copied().find(|known| folds(&key, known)) else {
                continue;
            };
            let message = if seen.contains(&canonical) {
                format!(
                    "the key \"{canonical}\" occurs more than once (here as \"{}\"): Go takes the \
                     last one that is not null, and other readers another one; keep one",
                    shorten(&key)
                )
            } else if *key == *canonical {
                seen.push(canonical);
                continue;
            } else {
                format!(
                    "Multus reads the key \"{}\" as \"{canonical}\", and other readers do not: \
                     write \"{canonical}\"",
                    shorten(&key)
                )
            };
            seen.push(canonical);
            let at = self.at(format_args!("{below}.{canonical}"), member.key);
            self.networks.ambiguous.push(Fault { at, message });
        }
    }

    /// How Multus' `CheckGatewayConfig` counts `default-route`, with its place: an IPv4 address
    /// written as IPv6 counts as IPv4, and an empty text and null count as IPv6.
    fn gateways(&mut self) -> Vec<(Family, Inside)> {
        let Some(list) = self.value.field("default-route") else {
            return Vec::new();
        };
        let at = self.at(format_args!(".default-route"), list);
        let families = list.elements().filter_map(|item| {
            if item.is_null() {
                return Some(Family::V6);
            }
            let text = item.str()?;
            if text.is_empty() {
                return Some(Family::V6);
            }
            let address = text.parse::<IpAddr>().ok()?.to_canonical();
            Some(if address.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            })
        });
        families.map(|family| (family, at.clone())).collect()
    }

    /// What is accepted, but almost certainly not intended.
    fn suspicious(&mut self) {
        let ports = self
            .value
            .field("portMappings")
            .into_iter()
            .flat_map(Value::elements);
        for (index, entry) in ports.enumerate() {
            for field in ["hostPort", "containerPort"] {
                let port = entry.field(field).and_then(Value::integer);
                if let Some(port) = port.filter(|port| !(1..=65535).contains(port)) {
                    let key = format!("portMappings[{index}].{field}");
                    self.suspect(
                        &key,
                        entry,
                        &format!("is {port}: write a port from 1 to 65535"),
                    );
                }
            }
        }
        if let Some(bandwidth) = self.value.field("bandwidth") {
            for (burst, rate) in [
                ("ingressBurst", "ingressRate"),
                ("egressBurst", "egressRate"),
            ] {
                let given = |key| {
                    bandwidth
                        .field(key)
                        .and_then(Value::integer)
                        .is_some_and(|value| value != 0)
                };
                if given(burst) && !given(rate) {
                    let key = format!("bandwidth.{burst}");
                    self.suspect(&key, bandwidth, &format!("needs {rate} beside it: add it"));
                }
            }
        }
        let asked = |key| {
            self.value
                .field(key)
                .is_some_and(|value| !matches!(value.raw(), "\"\"" | "[]"))
        };
        // Not a key of Multus, but of others (network-attachment-definition-client, types.go).
        if asked("ips") && asked("ipam-claim-reference") {
            let problem = "excludes ips, because the address comes from the claim: remove one";
            self.suspect("ipam-claim-reference", self.value, problem);
        }
    }

    /// Keys that Multus does not read. Those of vendors have a dot (specification of the
    /// annotation, 4.1.2).
    fn unknown(&mut self) {
        for member in self.value.members() {
            if self.requests.suspicious.is_full() {
                break;
            }
            let Some(key) = member.key.str() else {
                continue;
            };
            let mut known = KEYS.iter().map(|(known, _)| *known).chain(OTHERS);
            if key.contains('.') || known.any(|known| folds(&key, known)) {
                continue;
            }
            let names = || KEYS.iter().map(|(known, _)| *known);
            let advice = match key.to_ascii_lowercase().as_str() {
                "gateway" | "gateways" | "gw" => {
                    "request a default route with \"default-route\": [\"10.1.1.1\"]".to_owned()
                }
                "ip" | "address" | "addresses" => {
                    "request an address with \"ips\": [\"10.1.1.7/24\"]".to_owned()
                }
                "ipam" | "master" | "mode" | "mtu" | "plugins" | "routes" | "type" | "vlan" => {
                    "it belongs in the spec.config of the network".to_owned()
                }
                _ => match nearest(&key, names()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("the keys are {}", names().collect::<Vec<_>>().join(", ")),
                },
            };
            let key = shorten(&key);
            let problem = format!("is not a key that Multus reads, so it has no effect: {advice}");
            self.suspect(&key, member.key, &problem);
        }
    }

    /// Values that could do harm when a program running as root on a node uses them.
    fn dangerous(&mut self) {
        if danger::may_have_control_characters(self.value.raw()) {
            for string in self.value.strings() {
                let problem = string
                    .str()
                    .and_then(|text| danger::control_character(&text));
                if let Some(problem) = problem {
                    self.danger("", string, format!("{} {problem}", shorten(string.raw())));
                }
            }
        }
        if let Some(device) = self.value.field("deviceID")
            && let Some(problem) = device.str().and_then(|text| danger::device(&text))
        {
            self.danger("deviceID", device, format!("deviceID {problem}"));
        }
        let ports = self.value.field("portMappings").into_iter();
        for (index, entry) in ports.flat_map(Value::elements).enumerate() {
            for (key, danger) in danger::PORT_MAPPING {
                if let Some(value) = entry.field(key)
                    && let Some(problem) = value.str().and_then(|text| danger(&text))
                {
                    let key = format!("portMappings[{index}].{key}");
                    let message = format!("{key} {problem}");
                    self.danger(&key, value, message);
                }
            }
            if let Some(value) = entry.field("hostPort")
                && let Some(port) = value.integer()
            {
                let at = self.at(format_args!(".portMappings[{index}].hostPort"), value);
                self.requests.host_ports.push((port, at));
            }
        }
    }

    fn danger(&mut self, key: &str, value: Value<'d>, message: String) {
        let at = if key.is_empty() {
            self.at(format_args!(""), value)
        } else {
            self.at(format_args!(".{key}"), value)
        };
        self.networks.dangerous.push(Fault { at, message });
    }

    /// The place of a value, with its path below the element.
    fn at(&mut self, below: fmt::Arguments<'_>, value: Value<'d>) -> Inside {
        let path = format!("{}{below}", self.path);
        Inside::among(self.places, value.span().start, path)
    }

    fn finish(self, own: &str) {
        let text = |key| {
            self.value
                .field(key)
                .and_then(Value::str)
                .unwrap_or_default()
        };
        let namespace = text("namespace");
        let namespace = if namespace.is_empty() {
            own
        } else {
            &*namespace
        };
        let name = text("name");
        let interface = match text("interface") {
            empty if empty.is_empty() => text("interfaceRequest"),
            interface => interface,
        };
        let at = Inside::among(self.places, self.value.span().start, self.path.as_str());
        let mut malformed = |key: &str, message: String| {
            let place = self.value.field(
                KEYS.iter()
                    .map(|(key, _)| *key)
                    .find(|own| *own == key)
                    .unwrap_or("name"),
            );
            let start = place.unwrap_or(self.value).span().start;
            let at = Inside::among(self.places, start, format!("{}.{key}", self.path));
            self.networks.malformed.push(Fault { at, message });
        };
        if let Some(problem) = name_problem(namespace, &name) {
            let (key, problem) = match name.split_once(['/', '@']) {
                Some(_) if name.contains('/') => (
                    "name",
                    format!(
                        "\"{}\" contains \"/\", and a name in JSON is not split: write the \
                         namespace as \"namespace\"",
                        shorten(&name)
                    ),
                ),
                Some(_) => (
                    "name",
                    format!(
                        "\"{}\" contains \"@\", and a name in JSON is not split: write the \
                         interface as \"interface\"",
                        shorten(&name)
                    ),
                ),
                None if !crate::name::is_label(namespace) => ("namespace", problem),
                None => ("name", problem),
            };
            malformed(key, problem);
            return;
        }
        if !interface.is_empty()
            && let Some(problem) = interface_problem(&interface)
        {
            malformed("interface", problem);
        } else if !interface.is_empty()
            && let Some(message) = danger::interface_name(&interface)
        {
            let place = self.value.field("interface").unwrap_or(self.value);
            let path = format!("{}.interface", self.path);
            let at = Inside::among(self.places, place.span().start, path);
            self.networks.dangerous.push(Fault { at, message });
        }
        self.networks.selections.push(Selection {
            namespace: namespace.to_owned(),
            name: name.into_owned(),
            interface: (!interface.is_empty()).then(|| interface.into_owned()),
            requests: self.requests,
            at,
            field: None,
        });
    }

    fn malformed(&mut self, key: &str, value: Value<'d>, problem: &str) {
        if self.networks.malformed.is_full() {
            return;
        }
        let at = self.at(format_args!(".{key}"), value);
        let message = format!("{key}: {problem}");
        self.networks.malformed.push(Fault { at, message });
    }

    fn suspect(&mut self, key: &str, value: Value<'d>, problem: &str) {
        if self.requests.suspicious.is_full() {
            return;
        }
        let at = self.at(format_args!(".{key}"), value);
        let message = format!("{key} {problem}");
        self.requests.suspicious.push(Fault { at, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_sinks_lists_every_key() {
        let page = include_str!("../../../../docs/sinks.md");
        let section = page
            .split("\n## ")
            .find(|section| section.starts_with("Network selection elements"))
            .unwrap_or_default();
        for (key, _) in KEYS {
            assert!(section.contains(&format!("| `{key}` | ")), "{key}");
        }
        for key in PORT_MAPPING {
            assert!(
                section.contains(&format!("| `portMappings.{key}` | ")),
                "{key}"
            );
        }
    }
}
