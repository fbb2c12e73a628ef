//! The types of an element's keys, and what Multus can make of their values.

use super::{BANDWIDTH, Element, PORT_MAPPING, Type};
use crate::address::{self, Mac};
use crate::json::{Kind, Value};
use crate::text::shorten;

impl<'d> Element<'_, 'd> {
    pub(super) fn typed(&mut self, key: &'static str, kind: Type, value: Value<'d>) {
        match kind {
            Type::Device | Type::Interface | Type::Name => {
                self.expect(key, value, Kind::String, "a string")
            }
            Type::Arguments => {
                if self.expect(key, value, Kind::Object, "an object") {
                    self.finite(key, value);
                }
                true
            }
            Type::Mac => self.mac(key, value),
            Type::Addresses | Type::Gateways => self.addresses(key, kind, value),
            Type::Bandwidth => {
                if self.expect(key, value, Kind::Object, "an object") {
                    self.spelling(value, &BANDWIDTH, ".bandwidth");
                    self.integers(key, value, &BANDWIDTH);
                }
                true
            }
            Type::PortMappings => {
                if self.expect(key, value, Kind::Array, "a list") {
                    for (index, entry) in value.elements().enumerate() {
                        if self.networks.malformed.is_full() {
                            break;
                        }
                        let below = format!("{key}[{index}]");
                        if entry.is_null() {
                            continue;
                        }
                        if self.expect(&below, entry, Kind::Object, "an object") {
                            self.spelling(entry, &PORT_MAPPING, &format!(".{below}"));
                            self.integers(&below, entry, &["containerPort", "hostPort"]);
                            for text in ["protocol", "hostIP"] {
                                for value in entry.fields(text).filter(|value| !value.is_null()) {
                                    let below = format!("{below}.{text}");
                                    self.expect(&below, value, Kind::String, "a string");
                                }
                            }
                        }
                    }
                }
                true
            }
        };
    }

    pub(super) fn expect(
        &mut self,
        key: &str,
        value: Value<'d>,
        kind: Kind,
        article: &str,
    ) -> bool {
        if value.kind() == kind {
            return true;
        }
        self.malformed(
            key,
            value,
            &format!("is a {}, and must be {article}", value.type_name()),
        );
        false
    }

    fn integers(&mut self, key: &str, object: Value<'d>, fields: &[&'static str]) {
        for field in fields {
            for value in object.fields(field).filter(|value| !value.is_null()) {
                if value.integer().is_none() {
                    let problem = format!(
                        "is {}, and must be a whole number without fraction, exponent or quotes",
                        shorten(value.raw())
                    );
                    self.malformed(&format!("{key}.{field}"), value, &problem);
                }
            }
        }
    }

    /// Go decodes the numbers of a free-form object into float64.
    fn finite(&mut self, key: &str, value: Value<'d>) {
        let outside = value
            .numbers()
            .find(|number| number.float().is_none_or(f64::is_infinite));
        if let Some(number) = outside {
            let problem = format!(
                "contains {}, out of the range of numbers",
                shorten(number.raw())
            );
            self.malformed(key, number, &problem);
        }
    }

    fn mac(&mut self, key: &'static str, value: Value<'d>) -> bool {
        if !self.expect(key, value, Kind::String, "a string") {
            return false;
        }
        let text = value.str().unwrap_or_default();
        let wanted = if key == "mac" { 6 } else { 8 };
        // Two builds of Multus disagree on one without separators: those of Go 1.26 accept it.
        match Mac::parse(&text).filter(|mac| !mac.bare) {
            _ if text.is_empty() => {}
            Some(mac) if mac.bytes.len() == wanted => {}
            Some(mac) => self.suspect(
                key,
                value,
                &format!("has {} octets, and {wanted} are expected", mac.bytes.len()),
            ),
            None => {
                let problem = format!(
                    "\"{}\" is no hardware address: write two hexadecimal digits an octet, \
                     separated by \":\"",
                    shorten(&text)
                );
                self.malformed(key, value, &problem);
            }
        }
        true
    }

    fn addresses(&mut self, key: &'static str, kind: Type, value: Value<'d>) -> bool {
        if !self.expect(key, value, Kind::Array, "a list of strings") {
            return false;
        }
        let gateways = matches!(kind, Type::Gateways);
        let is_accepted = |item: Value<'d>| match item.str() {
            Some(text) if gateways => text.is_empty() || address::ip(&text).is_some(),
            Some(text) => address::ip(&text).is_some() || address::prefix(&text).is_some(),
            None => item.is_null() && gateways,
        };
        for (index, item) in value.elements().enumerate() {
            if is_accepted(item) {
                continue;
            }
            if self.networks.malformed.is_full() {
                break;
            }
            let below = format!("{key}[{index}]");
            if item.is_null() {
                self.malformed(&below, item, "is null, and must be an IP address");
            } else if self.expect(&below, item, Kind::String, "a string") {
                let form = if gateways {
                    ""
                } else {
                    ", or one with a prefix length"
                };
                let text = item.str().unwrap_or_default();
                let problem = format!(
                    "\"{}\" is not a valid IP address{form} (no leading zeros)",
                    shorten(&text)
                );
                self.malformed(&below, item, &problem);
            }
        }
        true
    }
}
