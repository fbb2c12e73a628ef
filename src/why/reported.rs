//! What Multus reports of an interface, beside what was asked for.

use multinic_core::text::shorten;
use multinic_core::view::networks::Selection;
use serde::Deserialize;
use serde_json::Value;

/// The annotation in which Multus reports, and its old name.
const STATUS: [&str; 2] = [
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.v1.cni.cncf.io/networks-status",
];

/// An entry of it: `NetworkStatus` of network-attachment-definition-client, types.go.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    name: String,
    #[serde(default)]
    interface: String,
    #[serde(default)]
    ips: Option<Vec<String>>,
    #[serde(default)]
    mac: String,
    #[serde(default, rename = "default")]
    is_default: bool,
}

/// What Multus reports of a Pod; `None` where it has reported nothing yet.
pub(super) fn statuses(pod: &Value) -> Option<Vec<Status>> {
    let annotations = &pod["metadata"]["annotations"];
    let text = STATUS.iter().find_map(|key| annotations[*key].as_str())?;
    serde_json::from_str(text).ok()
}

/// The entry about an interface.
pub(super) fn of<'s>(
    statuses: &'s [Status],
    interface: &str,
    is_default: bool,
) -> Option<&'s Status> {
    let mut statuses = statuses.iter();
    statuses.find(|own| own.interface == interface || (is_default && own.is_default))
}

/// What is reported, and where it differs from what was asked for. The outer `None` means that Multus
/// has reported nothing at all, and the inner one that it reports nothing of this interface.
#[expect(clippy::option_option, reason = "two absences with different meanings")]
pub(super) fn compare(
    selection: &Selection,
    status: Option<Option<&Status>>,
    runs: bool,
) -> (Option<String>, Vec<String>) {
    let Some(status) = status else {
        let text = "the Pod runs, and Multus has reported nothing: it was started without Multus, or \
                    before the annotation was written";
        let differences = if runs {
            vec![text.to_owned()]
        } else {
            Vec::new()
        };
        return (None, differences);
    };
    let Some(status) = status else {
        let text = "not attached: the annotation was changed after the Pod started (create it again), \
                    or the configuration of the network has no cniVersion, so that nothing is reported";
        return (Some("nothing".to_owned()), vec![text.to_owned()]);
    };
    let ips = status.ips.clone().unwrap_or_default();
    let mut reported = vec![status.interface.clone()];
    reported.push(if ips.is_empty() {
        "no address".to_owned()
    } else {
        ips.join(", ")
    });
    if !status.mac.is_empty() {
        reported.push(status.mac.clone());
    }
    let mut differences = Vec::new();
    let network = selection.network();
    // The name in the configuration may stand there without a namespace.
    let is_same = status.name == network || status.name == selection.name;
    if !is_same && status.name.contains('/') {
        differences.push(format!("it is attached to {}", shorten(&status.name)));
    }
    let list = |key: &str| -> Vec<String> {
        match selection
            .request(key)
            .and_then(|value| serde_json::from_str(value).ok())
        {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(list)) => {
                let texts = list.iter().filter_map(Value::as_str);
                texts.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    };
    let plain = |text: &str| text.split('/').next().unwrap_or(text).to_lowercase();
    for ip in list("ips") {
        if !ips.iter().any(|own| plain(own) == plain(&ip)) {
            differences.push(format!(
                "{} was requested, and the interface does not have it: a plugin has to declare the \
                 capability ips",
                shorten(&ip)
            ));
        }
    }
    for mac in list("mac") {
        if !mac.eq_ignore_ascii_case(&status.mac) {
            differences.push(format!(
                "{} was requested, and the interface does not have it: a plugin has to declare the \
                 capability mac",
                shorten(&mac)
            ));
        }
    }
    (Some(reported.join(", ")), differences)
}
