//! Mistakes that multinic refuses: without it the Pods hang, and Multus' own event has the words that multinic repeats.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::{
    Scenario,
    api::{Answer, networks, pods},
    cluster::Cluster,
    load::pod,
    process::eventually,
    programs,
};

pub(crate) const BEFORE: &[Scenario] = &[
    ("every_rule_that_promises_a_hang_has_a_case", complete),
    ("mistakes_hang_without_multinic", hang),
];

pub(crate) const AFTER: &[Scenario] = &[("mistakes_are_refused_in_the_words_of_multus", refused)];

/// Where the Pods hang. Its networks are older than multinic.
const NAMESPACE: &str = "mistakes";

/// Where the same networks are to be created again.
const JUDGED: &str = "mistakes-again";

/// How multinic answers.
#[derive(Clone, Copy, Debug)]
enum Answers {
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
struct Case {
    /// The name of the Pod.
    name: &'static str,
    /// The networks that there are: name, node selector, configuration.
    networks: &'static [(&'static str, &'static str, &'static str)],
    /// The networks annotation of the Pod.
    asks: &'static str,
    /// The node that the Pod is to run on, where that matters.
    node: Option<&'static str>,
    /// The rule that multinic refuses it by.
    rule: &'static str,
    answer: Answers,
    /// What the event of the hanging Pod says.
    event: &'static str,
    /// The part of that which multinic repeats.
    quoted: &'static str,
}

const GOOD: &str = r#"{"cniVersion": "1.0.0", "name": "good", "type": "macvlan", "master": "ens192", "mode": "bridge",
    "ipam": {"type": "host-local", "subnet": "10.30.0.0/24"}}"#;

const CASES: &[Case] = &[
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
];

impl Case {
    fn pod(&self) -> Value {
        let mut pod = pod(self.name, self.asks);
        if let Some(node) = self.node {
            pod["spec"]["nodeName"] = json!(node);
        }
        pod
    }

    fn network(&self, (name, selector, config): (&str, &str, &str)) -> Value {
        let mut network = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": name}, "spec": {"config": config}});
        if !selector.is_empty() {
            network["metadata"]["annotations"] =
                json!({"k8s.v1.cni.cncf.io/nodeSelector": selector});
        }
        network
    }
}

/// Rules whose pages say that Pods stay in `ContainerCreating`, without a case here.
const WITHOUT_CASE: [(&str, &str); 2] = [
    (
        "network-in-use",
        "a network that is deleted is one that is missing, when the sandbox is made anew",
    ),
    (
        "unrequested-resource",
        "devices that a device plugin hands out: there is none here",
    ),
];

/// Pages promise what is seen here: that a Pod stays in `ContainerCreating`.
fn complete(_: &Cluster) {
    let rules = programs::root().join("core/src/rules");
    let mut promised = 0;
    for entry in fs::read_dir(rules)
        .expect("the folder of the rules")
        .flatten()
    {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let page = fs::read_to_string(&path).expect("a page");
        let rule = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace('_', "-");
        let excused = WITHOUT_CASE.iter().find(|(name, _)| *name == rule);
        if let Some((rule, why)) = excused {
            eprintln!("  {rule} has no case: {why}");
        } else if page.contains("ContainerCreating") {
            promised += 1;
            assert!(
                CASES.iter().any(|case| case.rule == rule),
                "the page of {rule} says that Pods stay in ContainerCreating: add a case to tests/node/scenarios/mistakes.rs"
            );
        }
    }
    assert!(promised > 5, "only {promised} pages promise it");
}

fn hang(c: &Cluster) {
    assert!(!c.is_installed(), "multinic is installed already");
    c.namespace(NAMESPACE);
    for case in CASES {
        for network in case.networks {
            let network = case.network(*network);
            let answer = c.post(&networks(NAMESPACE), &network);
            assert!(
                answer.is_success() || answer.status == 409,
                "{}: {}",
                case.name,
                answer.message()
            );
        }
        c.create(&pods(NAMESPACE), &case.pod());
    }
    for case in CASES {
        let name = case.name;
        let said = eventually(&format!("Pod {name} to hang"), || {
            let said = c.events(NAMESPACE, name);
            let failed = said
                .lines()
                .find(|l| l.starts_with("FailedCreatePodSandBox: "));
            failed.map(str::to_owned).ok_or(said)
        });
        assert!(said.contains(case.event), "{name}: {said}");
        eprintln!("  {name}: {}", shortened(&said));
    }
    // A second time round nothing has become better.
    std::thread::sleep(Duration::from_secs(2));
    for case in CASES {
        let pod = c.get(&format!("{}/{}", pods(NAMESPACE), case.name));
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        assert_eq!(
            waiting, "ContainerCreating",
            "{}: {}",
            case.name, pod["status"]
        );
    }
    for case in CASES {
        let path = format!("{}/{}", pods(NAMESPACE), case.name);
        c.api.delete(&path).expect("delete a Pod");
    }
}

/// The event without what every event has.
fn shortened(event: &str) -> &str {
    event
        .rsplit_once("failed (add): ")
        .map_or(event, |(_, said)| said)
}

fn refused(c: &Cluster) {
    c.ensure_installed();
    c.namespace(JUDGED);
    let dry = |path: String| format!("{path}?dryRun=All");
    for case in CASES {
        let created = |namespace: &str| {
            let pod = case.pod();
            let answer = c.post(&dry(pods(namespace)), &pod);
            (answer, pod)
        };
        match case.answer {
            Answers::RefusesPod => {
                let (answer, _) = created(NAMESPACE);
                refuses(case, &answer, case.rule);
            }
            Answers::WarnsOfPod => {
                let (answer, pod) = created(NAMESPACE);
                warns(c, case, &answer, NAMESPACE, &pod);
            }
            Answers::RefusesNetwork => {
                let (answer, _) = created(NAMESPACE);
                refuses(case, &answer, "unusable-network");
                let network = case.network(case.networks[0]);
                let answer = c.post(&dry(networks(JUDGED)), &network);
                refuses(case, &answer, case.rule);
            }
            Answers::WarnsOfNetwork => {
                let network = case.network(case.networks[0]);
                let answer = c.post(&dry(networks(JUDGED)), &network);
                warns(c, case, &answer, JUDGED, &network);
            }
            Answers::RefusesUpdate => {
                let mut pod = case.pod();
                let annotations = pod["metadata"]["annotations"].take();
                pod["metadata"]["name"] = json!("plain");
                c.create(&pods(NAMESPACE), &pod);
                let path = dry(format!("{}/plain", pods(NAMESPACE)));
                let patch = json!({"metadata": {"annotations": annotations}});
                let answer = c.api.patch(&path, &patch).expect("an answer");
                refuses(case, &answer, case.rule);
            }
        }
    }
    c.delete_namespace(JUDGED);
    c.delete_namespace(NAMESPACE);
}

fn refuses(case: &Case, answer: &Answer, rule: &str) {
    let said = answer.message();
    let denied = said.contains(&format!("denied the request: {rule}: "));
    assert!(
        answer.status == 403 && denied && said.contains(case.quoted),
        "{}: expected to be refused by {rule}, saying {:?}\ncame: {} {said}",
        case.name,
        case.quoted,
        answer.status
    );
}

/// Warnings are headers, which kubectl shows.
fn warns(c: &Cluster, case: &Case, answer: &Answer, namespace: &str, object: &Value) {
    assert!(answer.is_success(), "{}: {}", case.name, answer.message());
    let file = c.file("warned.json");
    fs::write(&file, object.to_string()).expect("write a manifest");
    let file = file.display().to_string();
    c.kubectl(&["-n", namespace, "create", "--dry-run=server", "-f", &file])
        .accepted()
        .warned(case.rule);
}
