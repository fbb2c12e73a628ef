//! The networks of KubeVirt's virtual machines, which become the annotations of the Pod that each
//! of them runs in.
//!
//! Source: `GenerateCNIAnnotation` in KubeVirt's `pkg/network/multus/annotation.go`, and
//! `NetAttachDefNamespacedName` in `nad.go` beside it.

use crate::json::Value;
use crate::view::networks::{Networks, Selection};
use crate::view::placement::present;

/// The number of networks that are read: more than a virtual machine has slots for, and its Pod is
/// judged as well.
const MAX_READ: usize = 256;

/// The networks and the default network that `spec.networks` of a VirtualMachineInstance requests.
/// `field` is the path of the list, `own` the namespace of the machine, and `home` the namespace in
/// which Multus looks up a default network that names none.
pub(super) fn networks(
    spec: Option<Value<'_>>,
    own: &str,
    home: &str,
    field: &str,
) -> (Option<Networks>, Option<Networks>) {
    let (mut networks, mut default_network) = (Networks::default(), Networks::default());
    let list = spec.and_then(|spec| spec.get("networks"));
    let list = list.into_iter().flat_map(Value::elements).take(MAX_READ);
    for (index, network) in list.enumerate() {
        let Some(multus) = present(network.get("multus")) else {
            continue;
        };
        let Some(full) = multus.get("networkName").and_then(Value::str) else {
            continue;
        };
        let is_default = multus.get("default").and_then(Value::bool) == Some(true);
        let (list, own) = if is_default {
            (&mut default_network, home)
        } else {
            (&mut networks, own)
        };
        let (namespace, name) = full.split_once('/').unwrap_or((own, &full));
        let field = format!("{field}[{index}].multus.networkName");
        let selection = Selection::of_field(namespace.to_owned(), name.to_owned(), field);
        list.selections.push(selection);
    }
    let some = |networks: Networks| (!networks.selections.is_empty()).then_some(networks);
    (some(networks), some(default_network))
}
