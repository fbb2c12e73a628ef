//! The types of an element's keys, and whether Multus can decode their values.

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
            &format!("expected {article}, found {}", value.description()),
        );
        false
    }

    fn integers(&mut self, key: &str, object: Value<'d>, fields: &[&'static str]) {
        for field in fields {
            for value in object.fields(field).filter(|value| !value.is_null()) {
                if value.integer().is_none() {
                    let problem = format!(
                        "expected an integer without fraction, exponent and quotes, found {}",
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
            let problem = format!("the number {} is out of range", shorten(number.raw()));
            self.malformed(key, number, &problem);
        }
    }

    fn mac(&mut self, key: &'static str, value: Value<'d>) -> bool {
        if !self.expect(key, value, Kind::String, "a string") {
            return false;
        }
        let text = value.str().unwrap_or_default();
        let wanted = if key == "mac" { 6 } else { 8 };
        // Builds of Multus disagree on one without separators: those with Go 1.26 accept it.
        match Mac::parse(&text).filter(|mac| !mac.bare) {
            _ if text.is_empty() => {}
            Some(mac) if mac.bytes.len() == wanted => {}
            Some(mac) => self.suspect(
                key,
                value,
                &format!("has {} octets: write {wanted}", mac.bytes.len()),
            ),
            None => {
                let problem = format!(
                    "\"{}\" is not a valid hardware address: write two hexadecimal digits for each \
                     octet, separated by \":\"",
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
                self.malformed(&below, item, "expected an IP address, found null");
            } else if self.expect(&below, item, Kind::String, "a string") {
                let form = if gateways {
                    ""
                } else {
                    ", with or without a prefix length"
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
