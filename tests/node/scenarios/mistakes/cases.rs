//! Mistakes that one Pod shows: its networks, what Multus says of it, and how multinic answers.

use serde_json::{Value, json};

use crate::load::pod;

/// How multinic answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answers {
    /// The Pod is refused.
    RefusesPod,
    /// The Pod is created, with a warning.
    WarnsOfPod,
    /// The network is refused, and so are Pods that ask for one that is stored.
    RefusesNetwork,
    /// The network is created, with a warning.
    WarnsOfNetwork,
    /// A Pod without networks is created, and refused is the update that asks for the network.
    RefusesUpdate,
}

/// A mistake.
#[derive(Debug)]
pub(super) struct Case {
    /// The name of the Pod.
    pub(super) name: &'static str,
    /// The networks that there are: name, node selector, configuration.
    pub(super) networks: &'static [(&'static str, &'static str, &'static str)],
    /// The networks annotation of the Pod.
    pub(super) asks: &'static str,
    /// The node that the Pod is to run on, where that matters.
    pub(super) node: Option<&'static str>,
    /// The rule that multinic refuses it by.
    pub(super) rule: &'static str,
    pub(super) answer: Answers,
    /// What the event of the hanging Pod says.
    pub(super) event: &'static str,
    /// The part of that which multinic repeats.
    pub(super) quoted: &'static str,
}

const GOOD: &str = r#"{"cniVersion": "1.0.0", "name": "good", "type": "macvlan", "master": "ens192", "mode": "bridge",
    "ipam": {"type": "host-local", "subnet": "10.30.0.0/24"}}"#;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "missing",
        networks: &[],
        asks: "nowhere",
        node: None,
        rule: "missing-network",
        answer: Answers::RefusesPod,
        event: "cannot find a network-attachment-definition (nowhere) in namespace (mistakes)",
        quoted: "cannot find a network-attachment-definition (nowhere) in namespace (mistakes)",
    },
    Case {
        name: "trailing-comma",
        networks: &[("good", "", GOOD)],
        asks: "good,",
        node: None,
        rule: "malformed-networks",
        answer: Answers::RefusesPod,
        event: "resource name may not be empty",
        quoted: "resource name may not be empty",
    },
    Case {
        name: "interface-twice",
        networks: &[("good", "", GOOD)],
        asks: "good@data,good@data",
        node: None,
        rule: "duplicate-interface",
        answer: Answers::RefusesPod,
        event: "interface name data already exists",
        quoted: "interface name data already exists",
    },
    Case {
        name: "generated-name",
        networks: &[("good", "", GOOD)],
        asks: "good@net2,good",
        node: None,
        rule: "shadowed-interface",
        answer: Answers::WarnsOfPod,
        event: "interface name net2 already exists",
        quoted: "",
    },
    Case {
        name: "comment",
        networks: &[(
            "comment",
            "",
            "{\"cniVersion\": \"1.0.0\", \"type\": \"macvlan\", # fast\n \"master\": \"ens192\"}",
        )],
        asks: "comment",
        node: None,
        rule: "malformed-config",
        answer: Answers::RefusesNetwork,
        event: "failed to unmarshal Spec.Config: invalid character '#' looking for beginning of object key string",
        quoted: "failed to unmarshal Spec.Config: invalid character '#' looking for beginning of object key string",
    },
    Case {
        name: "mode",
        networks: &[(
            "mode",
            "",
            r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens192", "mode": "sideways"}"#,
        )],
        asks: "mode",
        node: None,
        rule: "invalid-plugin-config",
        answer: Answers::RefusesNetwork,
        event: "unknown macvlan mode: \"sideways\"",
        quoted: "unknown macvlan mode: \"sideways\"",
    },
    Case {
        name: "subnet",
        networks: &[(
            "subnet",
            "",
            r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens192",
                "ipam": {"type": "host-local", "subnet": "10.9.0.0"}}"#,
        )],
        asks: "subnet",
        node: None,
        rule: "invalid-plugin-config",
        answer: Answers::RefusesNetwork,
        event: "invalid CIDR address: 10.9.0.0",
        quoted: "invalid CIDR address: 10.9.0.0",
    },
    Case {
        name: "plugin",
        networks: &[("plugin", "", r#"{"cniVersion": "1.0.0", "type": "sriov"}"#)],
        asks: "plugin",
        node: None,
        rule: "unsupported-plugin",
        answer: Answers::RefusesNetwork,
        event: "failed to find plugin \"sriov\" in path",
        quoted: "",
    },
    Case {
        name: "ipam",
        networks: &[(
            "ipam",
            "",
            r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens192", "ipam": {"type": "dhcp"}}"#,
        )],
        asks: "ipam",
        node: None,
        rule: "unsupported-ipam",
        answer: Answers::RefusesNetwork,
        event: "failed to find plugin \"dhcp\" in path",
        quoted: "",
    },
    Case {
        name: "empty-config",
        networks: &[("empty-config", "", "")],
        asks: "empty-config",
        node: None,
        rule: "on-disk-config",
        answer: Answers::RefusesNetwork,
        event: "empty-config",
        quoted: "",
    },
    Case {
        name: "dotted",
        networks: &[("dotted.name", "", GOOD)],
        asks: "dotted.name",
        node: None,
        rule: "unreferenceable-name",
        answer: Answers::WarnsOfNetwork,
        event: "dotted.name",
        quoted: "",
    },
    Case {
        name: "elsewhere",
        networks: &[(
            "elsewhere",
            "nic=ens256",
            r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens256",
                "ipam": {"type": "host-local", "subnet": "10.31.0.0/24"}}"#,
        )],
        asks: "elsewhere",
        node: Some("node-1"),
        rule: "unenforced-node-selector",
        answer: Answers::RefusesUpdate,
        event: "Link not found",
        quoted: "",
    },
    Case {
        name: "nowhere",
        networks: &[
            (
                "on-node-1",
                "nic=ens224",
                r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens160",
                    "ipam": {"type": "host-local", "subnet": "10.32.0.0/24"}}"#,
            ),
            (
                "on-node-2",
                "nic=ens256",
                r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens256",
                    "ipam": {"type": "host-local", "subnet": "10.33.0.0/24"}}"#,
            ),
        ],
        asks: "on-node-1,on-node-2",
        node: None,
        rule: "unsatisfiable-node-selector",
        answer: Answers::RefusesPod,
        event: "Link not found",
        quoted: "",
    },
    Case {
        name: "contested",
        networks: &[
            (
                "shared-link",
                "",
                r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens160", "mode": "bridge"}"#,
            ),
            (
                "whole-link",
                "",
                r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens160", "mode": "passthru"}"#,
            ),
        ],
        asks: "shared-link,whole-link",
        node: Some("node-1"),
        rule: "contested-link",
        answer: Answers::RefusesPod,
        event: "failed to create macvlan: invalid argument",
        quoted: "failed to create macvlan: invalid argument",
    },
    Case {
        name: "prefix",
        networks: &[(
            "prefix",
            "",
            r#"{"cniVersion": "1.0.0", "type": "macvlan", "master": "ens192",
                "capabilities": {"ips": true}, "ipam": {"type": "static"}}"#,
        )],
        asks: r#"[{"name": "prefix", "ips": ["10.9.0.7"]}]"#,
        node: None,
        rule: "unusable-request",
        answer: Answers::RefusesPod,
        event: "the 'ip' field is expected to be in CIDR notation, got: '10.9.0.7'",
        quoted: "the 'ip' field is expected to be in CIDR notation, got: '10.9.0.7'",
    },
];

impl Case {
    pub(super) fn pod(&self) -> Value {
        let mut pod = pod(self.name, self.asks);
        if let Some(node) = self.node {
            pod["spec"]["nodeName"] = json!(node);
        }
        pod
    }
}

/// A network of a case: name, node selector, configuration.
pub(super) fn network((name, selector, config): (&str, &str, &str)) -> Value {
    let mut network = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name}, "spec": {"config": config}});
    if !selector.is_empty() {
        network["metadata"]["annotations"] = json!({"k8s.v1.cni.cncf.io/nodeSelector": selector});
    }
    network
}
