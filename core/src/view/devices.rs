//! The devices that a Pod requests.
//!
//! A device plugin offers the devices of a node as an extended resource, which a container requests
//! in `resources`. Multus gives them to the attachments of the Pod one after another, regardless of
//! the container that requested them (`GetPodResourceMap` in `pkg/kubeletclient/kubeletclient.go`):
//! the containers, and the init containers that continue to run. The requests of other init
//! containers do not count.

use std::collections::{HashMap, HashSet};

use crate::json::{Kind, Value};
use crate::view::placement::present;

/// What a Pod, or a template, requests, and what may still be changed.
#[derive(Clone, Copy, Debug)]
pub struct Devices<'a> {
    spec: Option<Value<'a>>,
    /// What may still be added.
    pub writable: Writable<'a>,
}

/// The changes of `resources` that the API server still accepts.
#[derive(Clone, Copy, Debug)]
pub enum Writable<'a> {
    /// Requests may be added: the Pod is new.
    Additions,
    /// None, except to write again what is already stored (`spec` of the old object).
    Restore(Option<Value<'a>>),
    /// None.
    Nothing,
}

impl<'a> Devices<'a> {
    /// What the Pod spec `spec` requests.
    pub fn of(spec: Option<Value<'a>>, writable: Writable<'a>) -> Self {
        Self { spec, writable }
    }

    /// The containers that run as long as the Pod does.
    fn running(&self) -> impl Iterator<Item = Value<'a>> {
        let list = |key| {
            let list = self.spec.and_then(|spec| spec.get(key));
            list.into_iter().flat_map(Value::elements)
        };
        let is_sidecar = |container: &Value<'_>| {
            container
                .get("restartPolicy")
                .is_some_and(|policy| policy.is_str("Always"))
        };
        list("containers").chain(list("initContainers").filter(is_sidecar))
    }

    /// The containers of `spec.containers`, in order.
    pub fn containers(&self) -> impl Iterator<Item = Value<'a>> {
        let list = self.spec.and_then(|spec| spec.get("containers"));
        list.into_iter().flat_map(Value::elements)
    }

    /// Whether the Pod gets devices from a ResourceClaim; its spec does not show which ones.
    pub fn are_claimed(&self) -> bool {
        let claims = self.spec.and_then(|spec| spec.get("resourceClaims"));
        claims.is_some_and(|claims| claims.elements().next().is_some())
    }

    /// How many of each of these resources the Pod requests; `None` if that is not an integer,
    /// which the API server refuses.
    pub fn requested<'n>(&self, resources: &[&'n str]) -> HashMap<&'n str, Option<u64>> {
        let mut sums: HashMap<_, _> = resources.iter().map(|name| (*name, Some(0))).collect();
        for container in self.running() {
            for (resource, count) in requested(container, resources) {
                if let Some(sum) = sums.get_mut(resource) {
                    *sum = sum
                        .zip(count)
                        .and_then(|(sum, count): (u64, u64)| sum.checked_add(count));
                }
            }
        }
        sums
    }
}

/// How many of each of these resources a container requests, for those that it requests. The API
/// server requires the limit of an extended resource to equal its request, and uses the limit if
/// there is no request.
pub(crate) fn requested<'n>(
    container: Value<'_>,
    resources: &[&'n str],
) -> HashMap<&'n str, Option<u64>> {
    let wanted: HashSet<&str> = resources.iter().copied().collect();
    let own = present(container.get("resources"));
    let mut requested = HashMap::new();
    for kind in ["requests", "limits"] {
        let list = own.and_then(|own| own.get(kind));
        for member in list.into_iter().flat_map(Value::members) {
            let name = member.key.str().and_then(|key| wanted.get(&*key).copied());
            if let Some(name) = name
                && !member.value.is_null()
            {
                requested.insert(name, whole(member.value));
            }
        }
    }
    requested
}

/// A `Quantity` that is an integer: digits with an optional suffix or exponent (apimachinery,
/// `pkg/api/resource/quantity.go`), as a string or as a number in JSON.
fn whole(quantity: Value<'_>) -> Option<u64> {
    let text = match quantity.kind() {
        Kind::String => quantity.str()?,
        Kind::Number => quantity.raw().into(),
        _ => return None,
    };
    let text = text.strip_prefix('+').unwrap_or(&text);
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(end)?;
    let number: u64 = digits.parse().ok()?;
    let factor = match suffix {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u64.pow(2),
        "G" => 1000_u64.pow(3),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        // Larger quantities and other forms are left to the API server.
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            10_u64.checked_pow(exponent)?
        }
    };
    number.checked_mul(factor)
}

/// Whether containers can request the resource: it has a domain that is not Kubernetes' own
/// (`IsExtendedResourceName` in `pkg/apis/core/helper/helpers.go`). Devices with another name can
/// come from a ResourceClaim only.
pub fn is_extended_resource(name: &str) -> bool {
    let Some((domain, name)) = name.split_once('/') else {
        return false;
    };
    // A ResourceQuota puts "requests." before the name, and the result has to be a qualified name
    // too.
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends_well = |name: &str| {
        let ends = [name.bytes().next(), name.bytes().last()];
        ends.iter()
            .all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
    };
    domain != "kubernetes.io"
        && !domain.ends_with(".kubernetes.io")
        && !domain.starts_with("requests.")
        && domain.len() + "requests.".len() <= 253
        && crate::name::is_subdomain(domain)
        && name.len() <= 63
        && name.bytes().all(is_part)
        && ends_well(name)
}
