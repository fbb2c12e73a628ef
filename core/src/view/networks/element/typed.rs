//! The types of an element's keys, and what Multus can make of their values.

use std::net::IpAddr;

use super::{BANDWIDTH, Element, PORT_MAPPING, Type};
use crate::json::{Kind, Value};
use crate::mac::{Mac, parse_mac};
use crate::text::shorten;

impl<'d> Element<'_, 'd> {
    pub(super) fn typed(&mut self, key: &'static str, kind: Type, value: Value<'d>) {
        match kind {
            Type::String => self.expect(key, value, Kind::String, "a string"),
            Type::Object => {
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
        match parse_mac(&text) {
            _ if text.is_empty() => {}
            Some(Mac { octets }) if octets == wanted => {}
            Some(Mac { octets }) => self.suspect(
                key,
                value,
                &format!("has {octets} octets, and {wanted} are expected"),
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
        for (index, item) in value.elements().enumerate() {
            let below = format!("{key}[{index}]");
            if item.is_null() && gateways {
                continue;
            }
            if item.is_null() {
                self.malformed(&below, item, "is null, and must be an IP address");
            } else if self.expect(&below, item, Kind::String, "a string") {
                let text = item.str().unwrap_or_default();
                let accepted = if gateways {
                    text.is_empty() || text.parse::<IpAddr>().is_ok()
                } else {
                    is_address(&text)
                };
                if !accepted {
                    let form = if gateways {
                        ""
                    } else {
                        ", or one with a prefix length"
                    };
                    let problem = format!(
                        "\"{}\" is no IP address{form} (no leading zeros)",
                        shorten(&text)
                    );
                    self.malformed(&below, item, &problem);
                }
            }
        }
        true
    }
}

/// An address, or one with a prefix length: `net.ParseIP` or `net.ParseCIDR`.
fn is_address(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().is_ok();
    };
    let bits = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    digits && length.parse::<u32>().is_ok_and(|length| length <= bits)
}
