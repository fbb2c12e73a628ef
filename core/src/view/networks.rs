//! The networks annotation and the default-network annotation, as Multus parses them.
//!
//! Source: `parsePodNetworkAnnotation` in Multus' `pkg/k8sclient/k8sclient.go`; the limits on
//! interface names are libcni's (`pkg/utils/utils.go`, `ValidateInterfaceName`).

use std::collections::HashMap;
use std::hash::Hash;

use crate::danger;
use crate::fault::{Fault, Faults, Inside};
use crate::interface::{MAX_LENGTH, name_fault};
use crate::json::Places;
use crate::limits::{MAX_ANNOTATION, MAX_ATTACHMENTS};
use crate::name::{is_label, is_subdomain};
use crate::text::shorten;

mod element;

/// The annotation that requests networks.
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// The annotation that replaces the Pod's default network.
pub const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";

/// The message for a second default route (Multus: `CheckGatewayConfig`).
pub(crate) const ECMP: &str = "more than one element has a default-route of the same address \
                               family: keep one (Multus: multus does not support ECMP for the \
                               default-route)";

/// One of the annotations that request networks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Annotation {
    /// [`DEFAULT_NETWORK`]
    DefaultNetwork,
    /// [`NETWORKS`]
    Networks,
}

impl Annotation {
    /// Both, in the order in which Multus attaches what they request.
    pub const ALL: [Self; 2] = [Self::DefaultNetwork, Self::Networks];

    /// Its key.
    pub fn key(self) -> &'static str {
        match self {
            Self::DefaultNetwork => DEFAULT_NETWORK,
            Self::Networks => NETWORKS,
        }
    }
}

/// What an annotation requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Networks {
    /// The elements whose namespace and name are valid; all of them if nothing is malformed.
    pub selections: Vec<Selection>,
    /// Why it is not read (rule `beyond-limits`); then everything else is empty.
    pub beyond_limits: Option<Fault>,
    /// What Multus fails on, panics on, or can only fail on later (rule `malformed-networks`).
    pub malformed: Faults,
    /// Keys that Go folds together (rule `ambiguous-networks`).
    pub ambiguous: Faults,
    /// Values that could do harm when a program running as root uses them (rule `dangerous-value`).
    pub dangerous: Faults,
    /// How many default routes of IPv4 and of IPv6 it requests, as Multus counts them.
    pub default_routes: [usize; 2],
}

/// One network selection element.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selection {
    /// The namespace of the NAD; the Pod's own (for a default network: Multus' own) if the element
    /// names none.
    pub namespace: String,
    /// The name of the NAD.
    pub name: String,
    /// The requested interface name.
    pub interface: Option<String>,
    /// What else the element requests.
    pub requests: Requests,
    /// The place of the element in the annotation.
    pub at: Inside,
    /// The field that names the network, if it is not an element of an annotation.
    pub field: Option<Box<str>>,
}

/// What an element requests from its network, by the keys of the JSON form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Requests {
    /// Keys that request something, in alphabetical order, with their values as they are written.
    pub keys: Vec<(&'static str, Box<str>)>,
    /// Accepted, but almost certainly not intended (rule `suspicious-networks`).
    pub suspicious: Faults,
    /// The ports of the node that it requests.
    pub host_ports: Vec<(i64, Inside)>,
}

impl Networks {
    /// Reads what `annotation` requests. A bare name is looked up in `namespace`.
    pub fn parse(annotation: &str, namespace: &str) -> Self {
        let mut networks = Self::default();
        if annotation.len() > MAX_ANNOTATION {
            networks.beyond_limits = Some(too_long(annotation));
        } else if annotation.contains(['[', '{', '"']) {
            element::list(annotation, namespace, &mut networks);
        } else {
            networks.short_form(annotation, namespace);
        }
        networks
    }

    fn short_form(&mut self, annotation: &str, own: &str) {
        if annotation.split(',').nth(MAX_ATTACHMENTS).is_some() {
            self.beyond_limits = Some(too_many());
            return;
        }
        let mut places = Places::of(annotation);
        let mut offset = 0;
        for (index, item) in annotation.split(',').enumerate() {
            let start = offset + (item.len() - item.trim_start().len());
            let at = Inside::among(&mut places, start, format!("[{index}]"));
            offset += item.len() + 1;
            match short_item(item.trim(), own) {
                Ok((namespace, name, interface)) => {
                    if let Some(message) = interface.and_then(interface_problem) {
                        let at = at.clone();
                        self.malformed.push(Fault { at, message });
                    } else if let Some(message) = interface.and_then(danger::interface_name) {
                        let at = at.clone();
                        self.dangerous.push(Fault { at, message });
                    }
                    self.selections.push(Selection {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        interface: interface.map(str::to_owned),
                        requests: Requests::default(),
                        at,
                        field: None,
                    });
                }
                Err(message) => self.malformed.push(Fault { at, message }),
            }
        }
    }
}

fn too_long(annotation: &str) -> Fault {
    let message = format!(
        "the annotation has {} bytes, and at most {MAX_ANNOTATION} are read: shorten it, because \
         the API server stores no more either",
        annotation.len()
    );
    Fault {
        at: Inside::whole(),
        message,
    }
}

pub(super) fn too_many() -> Fault {
    let message = format!(
        "the annotation requests more than {MAX_ATTACHMENTS} networks, and no more are read: \
         attach fewer, because they are attached one after another while the kubelet waits"
    );
    Fault {
        at: Inside::whole(),
        message,
    }
}

/// Whether each element of `new` is one of `old`, at most as often: nothing new is requested.
/// Elements are compared as they are written, or else, if both are sound, by what they request.
pub(crate) fn shrinks(new: &str, old: &str, namespace: &str) -> bool {
    fn among<T: Eq + Hash>(new: Vec<T>, old: Vec<T>) -> bool {
        let mut left: HashMap<T, usize> = HashMap::new();
        for element in old {
            *left.entry(element).or_default() += 1;
        }
        new.into_iter().all(|element| match left.get_mut(&element) {
            Some(count @ 1..) => {
                *count -= 1;
                true
            }
            _ => false,
        })
    }
    if new.len().max(old.len()) > MAX_ANNOTATION {
        return false;
    }
    let (list, other) = (element::Written::read(new), element::Written::read(old));
    if let (Some(new), Some(old)) = (list, other)
        && among(new.elements(), old.elements())
    {
        return true;
    }
    let sound = |text| {
        let networks = Networks::parse(text, namespace);
        let sound = networks.beyond_limits.is_none()
            && networks.malformed.is_empty()
            && networks.ambiguous.is_empty();
        sound.then_some(networks.selections)
    };
    let asked = |selections: Vec<Selection>| -> Vec<_> {
        let asked = selections.into_iter();
        asked
            .map(|own| (own.namespace, own.name, own.interface, own.requests.keys))
            .collect()
    };
    match (sound(new), sound(old)) {
        (Some(new), Some(old)) => among(asked(new), asked(old)),
        _ => false,
    }
}

impl Selection {
    /// A network that a field of a spec names.
    pub(crate) fn of_field(namespace: String, name: String, field: String) -> Self {
        Self {
            namespace,
            name,
            interface: None,
            requests: Requests::default(),
            at: Inside::at((1, 1), ""),
            field: Some(field.into()),
        }
    }

    /// `namespace/name`.
    pub fn network(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The value of `key` in the JSON form, as it is written.
    pub fn request(&self, key: &str) -> Option<&str> {
        self.requests
            .keys
            .iter()
            .find(|(own, _)| *own == key)
            .map(|(_, value)| &**value)
    }
}

/// Why no interface of a Pod can have this name. `None` if one can.
pub fn interface_problem(name: &str) -> Option<String> {
    let problem = if name.len() > MAX_LENGTH {
        format!("it has {} bytes", name.len())
    } else {
        name_fault(name)?
    };
    Some(format!(
        "interface name \"{}\" is not valid, because {problem}: use at most {MAX_LENGTH} bytes \
         without \"/\", \":\" and white space",
        shorten(name)
    ))
}

/// Why no NAD can have this `namespace` and `name`. `None` if one can.
fn name_problem(namespace: &str, name: &str) -> Option<String> {
    if !is_label(namespace) {
        return Some(format!(
            "\"{}\" is not a valid name of a namespace: use at most 63 lower-case letters, digits \
             and \"-\", with a letter or digit at both ends",
            shorten(namespace)
        ));
    }
    if name.is_empty() {
        return Some(
            "the element does not name a network: add the name (Multus: resource name may not be \
             empty)"
                .to_owned(),
        );
    }
    (!is_subdomain(name)).then(|| {
        format!(
            "\"{}\" is not a valid name of a NetworkAttachmentDefinition: use lower-case letters, \
             digits, \"-\" and \".\", with a letter or digit at both ends",
            shorten(name)
        )
    })
}

/// Namespace, name and interface of an item of the short form.
fn short_item<'a>(
    item: &'a str,
    own: &'a str,
) -> Result<(&'a str, &'a str, Option<&'a str>), String> {
    if item.is_empty() {
        return Err(
            "the element is empty: remove the comma, or write namespace/name \
                    (Multus: resource name may not be empty)"
                .to_owned(),
        );
    }
    let mut slashes = item.split('/').map(str::trim);
    let first = slashes.next().unwrap_or_default();
    let (namespace, rest) = match (slashes.next(), slashes.next()) {
        (None, _) => ("", first),
        (Some(rest), None) => (first, rest),
        (Some(_), Some(_)) => {
            return Err(format!(
                "\"{}\" has more than one \"/\": write namespace/name (Multus: Invalid network \
                 object (failed at '/'))",
                shorten(item)
            ));
        }
    };
    let mut ats = rest.split('@').map(str::trim);
    let name = ats.next().unwrap_or_default();
    let interface = ats.next().filter(|interface| !interface.is_empty());
    if ats.next().is_some() {
        return Err(format!(
            "\"{}\" has more than one \"@\": write namespace/name@interface (Multus: Invalid \
             network object (failed at '@'))",
            shorten(item)
        ));
    }
    let namespace = if namespace.is_empty() { own } else { namespace };
    if name.contains('.') && is_subdomain(name) {
        let name = shorten(name);
        return Err(format!(
            "\"{name}\" has a dot, which the short form does not allow: write \
             [{{\"name\": \"{name}\", \"namespace\": \"{}\"}}]",
            shorten(namespace)
        ));
    }
    match name_problem(namespace, name) {
        Some(problem) if item.contains(';') || item.contains([' ', '\n']) => {
            Err(format!("{problem}; only a comma separates elements"))
        }
        Some(problem) => Err(problem),
        None => Ok((namespace, name, interface)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CheckGatewayConfig` in Multus' `pkg/types/conf.go`: more than one that is `To4`, or more
    /// than one that is not.
    #[test]
    fn default_routes_are_counted_as_multus_counts_them() {
        for (routes, wanted) in [
            (r#""10.0.0.1","::1""#, true),
            (r#""10.0.0.1","10.0.0.2""#, false),
            (r#""10.0.0.1","::ffff:10.0.0.2""#, false),
            (r#""::1","::ffff:10.0.0.2""#, true),
            (r#""10.0.0.1","""#, true),
            (r#""::1","""#, false),
            (r#""::1",null"#, false),
            (r#"null,"""#, false),
        ] {
            let annotation = format!(r#"[{{"name":"a","default-route":[{routes}]}}]"#);
            let malformed = Networks::parse(&annotation, "own").malformed;
            assert_eq!(malformed.is_empty(), wanted, "{annotation}: {malformed:?}");
        }
    }
}
