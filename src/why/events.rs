//! Events in plain words.

use serde::Serialize;
use serde_json::Value;

/// What somebody said about an object: an Event of `core/v1`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// `reason`
    pub reason: String,
    /// `message`
    pub message: String,
    /// `type` is `Warning`.
    pub is_warning: bool,
    /// How often it was said.
    pub count: u64,
    /// When it was last said, as RFC 3339 writes it.
    pub last: String,
    /// The object that it was said of, if it is not the one that is explained.
    pub about: Option<String>,
}

/// An event with its meaning.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said {
    reason: String,
    message: String,
    #[serde(rename = "warning")]
    pub(super) is_warning: bool,
    count: u64,
    last: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// In plain words; `None` where there is nothing to add.
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'static str>,
}

/// How many events are shown: the newest ones.
const SHOWN: usize = 10;

/// Words of Multus, of the CNI plugins, of the kubelet and of the scheduler, and what they mean. The
/// first that applies counts.
const MEANINGS: [(&str, &str); 23] = [
    (
        "denied the request: ",
        "multinic refused it: the message says what to change",
    ),
    (
        "cannot find a network-attachment-definition",
        "the network does not exist, or not in that namespace",
    ),
    (
        "namespace isolation enabled",
        "Multus isolates namespaces (namespaceIsolation), and the network's namespace is not one of its \
         globalNamespaces",
    ),
    (
        "failed to parse pod Network Attachment Selection Annotation",
        "the networks annotation cannot be read",
    ),
    (
        "failed to find plugin",
        "a CNI plugin of the network is not installed on this node",
    ),
    (
        "Link not found",
        "the interface on which the network builds (master) does not exist on this node: the network \
         needs a node selector, or the node another label",
    ),
    (
        "failed to lookup master",
        "the interface on which the network builds (master) does not exist on this node: the network \
         needs a node selector, or the node another label",
    ),
    (
        "device or resource busy",
        "the interface of the node is used in another way by another network, such as macvlan beside \
         ipvlan",
    ),
    (
        "no IP addresses available in range set",
        "the range of the network is used up on this node; Pods that ended badly may still hold \
         addresses (/var/lib/cni/networks)",
    ),
    (
        "Could not allocate IP in range",
        "the range of the network is used up in the cluster (whereabouts); its IP reconciler frees \
         addresses of Pods that are gone",
    ),
    (
        "is not available in range set",
        "the requested address is taken, or outside of the range",
    ),
    (
        "already exists",
        "two networks of the Pod want the same interface, address or route",
    ),
    (
        "unknown capability",
        "the network does not declare what the Pod asks of it",
    ),
    (
        "failed to unmarshal Spec.Config",
        "the configuration of the network is not valid JSON",
    ),
    (
        "unknown macvlan mode",
        "the configuration of the network names a mode that the plugin does not have",
    ),
    ("multus.sock", "the Multus daemon does not run on this node"),
    (
        "multus-shim",
        "the Multus daemon does not run on this node, or does not answer",
    ),
    (
        "cni plugin not initialized",
        "the node has no CNI configuration: Multus or the default network is not ready there",
    ),
    (
        "plugin type=\"multus\"",
        "Multus could not attach a network: the words after the last colon are the plugin's",
    ),
    (
        "failed to setup network for sandbox",
        "a CNI plugin failed: the words after the last colon are its own",
    ),
    (
        "didn't match Pod's node affinity/selector",
        "nodes lack labels that the Pod or its networks demand: see the nodes above",
    ),
    (
        "Insufficient ",
        "nodes have too little of a resource left; a network with a resourceName takes a device for each \
         interface",
    ),
    (
        "untolerated taint",
        "nodes have taints that the Pod does not tolerate",
    ),
];

/// The newest events, in plain words.
pub(super) fn explain(events: &[Event]) -> Vec<Said> {
    let skipped = events.len().saturating_sub(SHOWN);
    events.iter().skip(skipped).map(Said::of).collect()
}

impl Said {
    fn of(event: &Event) -> Self {
        let mut meanings = MEANINGS.iter();
        let found = meanings.find(|(words, _)| event.message.contains(words));
        Self {
            reason: event.reason.clone(),
            message: event.message.clone(),
            is_warning: event.is_warning,
            count: event.count,
            last: event.last.clone(),
            about: event.about.clone(),
            means: found.filter(|_| event.is_warning).map(|(_, means)| *means),
        }
    }

    /// The event for people: what was said, and what it means under it.
    pub(super) fn lines(&self) -> String {
        let times = match self.count {
            0 | 1 => String::new(),
            count => format!(" ({count} times)"),
        };
        let about = match &self.about {
            Some(about) => format!(" {about}"),
            None => String::new(),
        };
        let message = self.message.replace('\n', " ");
        let said = format!("{}{about}{times}: {message}", self.reason);
        match self.means {
            Some(means) => format!("{said}\n  → {means}"),
            None => said,
        }
    }
}

/// Where the logs are, if Multus or a plugin failed.
pub(super) fn where_to_look(object: &Value, events: &[Said]) -> Vec<String> {
    let is_sandbox = |own: &Said| own.reason == "FailedCreatePodSandBox";
    let Some(node) = object["spec"]["nodeName"].as_str() else {
        return Vec::new();
    };
    if !events.iter().any(is_sandbox) {
        return Vec::new();
    }
    vec![
        format!("on node {node}: journalctl -u kubelet, and journalctl -u containerd or crio"),
        format!(
            "on node {node}: the logFile of Multus, usually /var/log/multus.log; of the thick plugin, the \
             log of its Pod on that node"
        ),
        format!(
            "on node {node}: the log_file of the network's ipam, such as /var/log/whereabouts.log"
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn warning(message: &str) -> Event {
        Event {
            reason: "FailedCreatePodSandBox".to_owned(),
            message: message.to_owned(),
            is_warning: true,
            count: 3,
            ..Event::default()
        }
    }

    #[test]
    fn events_have_meanings() {
        // What Multus 4.2 and the plugins said on real nodes.
        let failed = r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "0": plugin type="multus" name="multus-cni-network" failed (add): "#;
        for (words, wanted) in [
            (
                r#"cannot find a network-attachment-definition (nowhere) in namespace (team-a): network-attachment-definitions.k8s.cni.cncf.io "nowhere" not found"#,
                "does not exist",
            ),
            (
                r#"error adding container to network "o224": Link not found"#,
                "does not exist on this node",
            ),
            (
                r#"failed to find plugin "sriov" in path [/opt/cni/bin /opt/cni/bin]"#,
                "not installed on this node",
            ),
            (
                "namespace isolation enabled, annotation violates permission, pod is in namespace a but refers to target namespace b",
                "globalNamespaces",
            ),
            (
                "GetCNIConfig: err in getCNIConfigFromSpec: failed to unmarshal Spec.Config: invalid character '#' looking for beginning of object key string",
                "not valid JSON",
            ),
            ("something else", "words after the last colon"),
        ] {
            let said = Said::of(&warning(&format!("{failed}{words}")));
            let means = said.means.expect("a meaning");
            assert!(means.contains(wanted), "{words}: {means}");
        }
        let scheduler =
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.";
        let said = Said::of(&warning(scheduler));
        assert_eq!(
            said.lines(),
            format!(
                "FailedCreatePodSandBox (3 times): {scheduler}\n  → {}",
                MEANINGS[20].1
            )
        );
        assert_eq!(Said::of(&warning("odd")).means, None);
    }

    #[test]
    fn the_logs_are_those_of_the_node() {
        let pod = json!({"spec": {"nodeName": "n1"}});
        let said = explain(&[warning("odd")]);
        assert!(where_to_look(&pod, &said)[1].contains("on node n1: the logFile of Multus"));
        assert!(where_to_look(&pod, &[]).is_empty());
        assert!(where_to_look(&json!({}), &said).is_empty());
    }
}
