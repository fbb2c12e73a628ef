//! ResourceClaims that name a NAD in the opaque parameters of their driver.
//!
//! dra-driver-sriov attaches the network itself, without Multus and without an annotation, and reads
//! the NAD with its own rights in whatever namespace the claim names
//! (`pkg/api/virtualfunction/v1alpha1/api.go`: `VfConfig`; `pkg/devicestate/state.go`:
//! `applyConfigOnDevice`). It decodes the parameters strictly: a key of other case, an unknown one or
//! one that stands twice is an error there, so keys are compared exactly here.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use crate::json::Value;
use crate::view::networks::{Networks, Selection};
use crate::view::placement::present;

/// The driver whose parameters name NADs.
const DRIVER: &str = "sriovnetwork.k8snetworkplumbingwg.io";
const NAME: &str = "netAttachDefName";
const NAMESPACE: &str = "netAttachDefNamespace";
/// As many entries, and as many requests of an entry, are read. The API server takes 32 of each
/// (`pkg/apis/resource/types.go`: `DeviceConfigMaxSize`, `DeviceRequestsMaxSize`), but asks first.
const MAX_READ: usize = 128;

/// An entry of `devices.config` that is for the driver.
struct Entry {
    index: usize,
    name: Option<String>,
    namespace: Option<String>,
    /// The requests that it is for; all of them if there are none.
    requests: Vec<String>,
}

/// What the entries for one request come to.
#[derive(Clone, Debug, Default)]
struct Wanted {
    name: Option<String>,
    namespace: Option<String>,
    /// The entry that was read last.
    index: usize,
}

/// The networks that `spec.devices.config` of a claim asks for, if any. `field` is the path of the list,
/// `own` the namespace of the claim.
///
/// Later entries hold over earlier ones. An entry without requests is for all of them in Kubernetes,
/// and for none in the driver (`getMapOfOpaqueDeviceConfigForDevice`): what both readings come to is
/// asked for.
pub(super) fn networks(spec: Option<Value<'_>>, own: &str, field: &str) -> Option<Networks> {
    let config = spec.and_then(|spec| spec.get("devices")?.get("config"));
    let list = config.into_iter().flat_map(Value::elements).take(MAX_READ);
    let entries: Vec<_> = list
        .enumerate()
        .filter_map(|(index, entry)| Entry::read(index, entry))
        .collect();
    let mut networks = Networks::default();
    let mut seen = HashSet::new();
    for wanted in [true, false]
        .into_iter()
        .flat_map(|inherits| come_to(&entries, inherits))
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

/// What the entries come to for each request, and for a request that none of them names. Entries
/// without requests count if `inherits`, and else for the latter alone.
fn come_to(entries: &[Entry], inherits: bool) -> Vec<Wanted> {
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

impl Entry {
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
    fn what_the_entries_of_a_claim_come_to() {
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
            // An entry for all does not hide what the driver, which passes over it, would read.
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
