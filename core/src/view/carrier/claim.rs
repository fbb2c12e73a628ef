//! ResourceClaims that name a NAD in the opaque parameters of their driver.
//!
//! dra-driver-sriov attaches the network itself, without Multus and without an annotation, and
//! reads the NAD with its own rights in whatever namespace the claim names
//! (`pkg/api/virtualfunction/v1alpha1/api.go`: `VfConfig`; `pkg/devicestate/state.go`:
//! `applyConfigOnDevice`). It decodes the parameters strictly: a key with different case, an
//! unknown or a repeated one is an error, so keys are compared exactly here.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use crate::json::Value;
use crate::view::networks::{Networks, Selection};
use crate::view::placement::present;

/// The driver whose parameters name NADs.
const DRIVER: &str = "sriovnetwork.k8snetworkplumbingwg.io";
const NAME: &str = "netAttachDefName";
const NAMESPACE: &str = "netAttachDefNamespace";
/// The number of entries, and of requests of an entry, that are read. The API server accepts 32 of
/// each (`pkg/apis/resource/types.go`: `DeviceConfigMaxSize`, `DeviceRequestsMaxSize`), but checks
/// that only after the webhooks.
const MAX_READ: usize = 128;

/// An entry of `devices.config` for the driver.
struct ConfigEntry {
    index: usize,
    name: Option<String>,
    namespace: Option<String>,
    /// The requests that it applies to; all of them if empty.
    requests: Vec<String>,
}

/// The result of the entries for one request.
#[derive(Clone, Debug, Default)]
struct Wanted {
    name: Option<String>,
    namespace: Option<String>,
    /// The entry that was read last.
    index: usize,
}

/// The networks that `spec.devices.config` of a claim requests, if any. `field` is the path of the
/// list, `own` the namespace of the claim.
///
/// Later entries override earlier ones. An entry without requests applies to all of them in
/// Kubernetes, and to none in the driver (`getMapOfOpaqueDeviceConfigForDevice`): the networks of
/// both readings count.
pub(super) fn networks(spec: Option<Value<'_>>, own: &str, field: &str) -> Option<Networks> {
    let config = spec.and_then(|spec| spec.get("devices")?.get("config"));
    let list = config.into_iter().flat_map(Value::elements).take(MAX_READ);
    let entries: Vec<_> = list
        .enumerate()
        .filter_map(|(index, entry)| ConfigEntry::read(index, entry))
        .collect();
    let mut networks = Networks::default();
    let mut seen = HashSet::new();
    for wanted in [true, false]
        .into_iter()
        .flat_map(|inherits| results(&entries, inherits))
    {
        let Some(name) = wanted.name else { continue };
        let namespace = wanted.namespace.unwrap_or_else(|| own.to_owned());
        if seen.insert((namespace.clone(), name.clone())) {
            let field = format!("{field}[{}].opaque.parameters", wanted.index);
            let selection = Selection::of_field(namespace, name, field);
            networks.selections.push(selection);
        }
    }
    (!networks.selections.is_empty()).then_some(networks)
}

/// The result of the entries for each request, and for a request that none of them names. Entries
/// without requests apply to all requests if `inherits` is set, and else to the latter only.
fn results(entries: &[ConfigEntry], inherits: bool) -> Vec<Wanted> {
    let mut for_all = Wanted::default();
    let mut by_request: BTreeMap<&str, Wanted> = BTreeMap::new();
    for entry in entries {
        if entry.requests.is_empty() {
            entry.set(&mut for_all);
            if inherits {
                for wanted in by_request.values_mut() {
                    entry.set(wanted);
                }
            }
        }
        for request in &entry.requests {
            let wanted = by_request.entry(request).or_insert_with(|| {
                let inherited = inherits.then(|| for_all.clone());
                inherited.unwrap_or_default()
            });
            entry.set(wanted);
        }
    }
    [for_all]
        .into_iter()
        .chain(by_request.into_values())
        .collect()
}

impl ConfigEntry {
    fn read(index: usize, entry: Value<'_>) -> Option<Self> {
        let opaque = present(entry.get("opaque"))?;
        let parameters = opaque
            .get("driver")?
            .is_str(DRIVER)
            .then(|| opaque.get("parameters"))??;
        let text = |key| {
            let text = parameters.get(key).and_then(Value::str)?;
            (!text.is_empty()).then(|| text.into_owned())
        };
        let requests = entry.get("requests").into_iter().flat_map(Value::elements);
        let requests = requests.take(MAX_READ).filter_map(Value::str);
        Some(Self {
            index,
            name: text(NAME),
            namespace: text(NAMESPACE),
            requests: requests.map(Cow::into_owned).collect(),
        })
    }

    fn set(&self, wanted: &mut Wanted) {
        wanted.name = self.name.clone().or_else(|| wanted.name.take());
        wanted.namespace = self.namespace.clone().or_else(|| wanted.namespace.take());
        wanted.index = self.index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn asked(config: &str) -> Vec<String> {
        let spec = format!(r#"{{"devices": {{"config": {config}}}}}"#).replace(
            "DRIVER",
            r#""driver": "sriovnetwork.k8snetworkplumbingwg.io", "parameters""#,
        );
        let document = Document::parse(&spec).expect("JSON");
        let networks = networks(Some(document.root()), "own", "spec.devices.config");
        let mut asked: Vec<_> = networks
            .into_iter()
            .flat_map(|networks| networks.selections)
            .map(|selection| selection.network())
            .collect();
        asked.sort_unstable();
        asked
    }

    #[test]
    fn the_networks_of_a_claim() {
        for (config, wanted) in [
            ("[]", &[][..]),
            (r#"[{"requests": ["a"]}]"#, &[]),
            (
                r#"[{"opaque": {"driver": "gpu.example.com", "parameters": {"netAttachDefName": "n"}}}]"#,
                &[],
            ),
            (r#"[{"opaque": {DRIVER: {"ifName": "net1"}}}]"#, &[]),
            (
                r#"[{"requests": ["a"], "opaque": {DRIVER: {"netAttachDefName": "n"}}}]"#,
                &["own/n"],
            ),
            (
                r#"[{"opaque": {DRIVER: {"netAttachDefName": "n", "netAttachDefNamespace": "x"}}}]"#,
                &["x/n"],
            ),
            // Another entry sets the namespace: for the one request, and not for the other.
            (
                r#"[{"requests": ["a", "b"], "opaque": {DRIVER: {"netAttachDefName": "n"}}},
                    {"requests": ["b"], "opaque": {DRIVER: {"netAttachDefNamespace": "x"}}}]"#,
                &["own/n", "x/n"],
            ),
            // An entry for all does not hide what the driver, which ignores it, would read.
            (
                r#"[{"requests": ["a"], "opaque": {DRIVER: {"netAttachDefName": "n", "netAttachDefNamespace": "x"}}},
                    {"opaque": {DRIVER: {"netAttachDefNamespace": "own"}}}]"#,
                &["own/n", "x/n"],
            ),
            (
                r#"[{"opaque": {DRIVER: {"netAttachDefNamespace": "x"}}},
                    {"requests": ["a"], "opaque": {DRIVER: {"netAttachDefName": "n"}}}]"#,
                &["own/n", "x/n"],
            ),
        ] {
            assert_eq!(asked(config), wanted, "{config}");
        }
    }
}
