//! `multinic audit`: what is stored in a cluster, judged as if it were created now, and what only
//! shows when objects are seen together.
//!
//! [`read`](read::read) lists the objects page by page and hands each one to an [`Audit`], which does
//! no I/O. Of an object without findings, nothing is kept but the networks that it uses, counted, and
//! the addresses that it fixes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use multinic_core::finding::{Finding, Level};
use multinic_core::network::{Fetched, Network};
use multinic_core::policy::Policy;
use multinic_core::rules::missing_network;
use multinic_core::text::shorten;
use multinic_core::view::{Attach, Subject};
use multinic_core::world::{Asked, World};
use serde_json::{Value, json};

use crate::cluster::inventory::{Networks, Nodes};
use crate::report::{Cause, Entry, Problem, Report, State};
use crate::stored::{self, Head, Kind, NETWORK, POD};

pub mod read;

/// A Pod runs on a node that its networks do not select.
const UNMET: (&str, &str) = (
    "unmet-node-selector",
    "A Pod runs on a node that no longer has the labels its networks select",
);
/// Two Pods fix one address.
const DUPLICATE: (&str, &str) = (
    "duplicate-address",
    "Two Pods request the same address of one network",
);
/// Several Pods have the addresses that are written in a network.
const SHARED: (&str, &str) = (
    "shared-static-network",
    "Several Pods use a network whose addresses are fixed",
);
/// Nobody asks for a network.
const UNUSED: (&str, &str) = (
    "unused-network",
    "Neither a Pod nor a workload requests a network",
);

/// The rules of this command: what shows only when objects are seen together.
pub static RULES: [(&str, &str); 4] = [UNMET, DUPLICATE, SHARED, UNUSED];

/// Keys of an element that fix an address.
const FIXED: [&str; 3] = ["infiniband-guid", "ips", "mac"];
/// How many users of a network are named.
const NAMED: usize = 3;

/// What is known before objects are judged.
#[derive(Debug)]
pub struct Known {
    /// What the administrator decided.
    pub policy: Policy,
    /// The networks of the cluster.
    pub networks: Networks,
    /// The labels of its nodes; `None` where they could not be read.
    pub nodes: Option<Nodes>,
}

/// What was found so far.
#[derive(Debug)]
pub struct Audit<'k> {
    known: &'k Known,
    report: Report,
    uses: HashMap<(String, String), Use>,
    /// Who was the first to fix an address, by network, key and address.
    fixed: HashMap<(String, &'static str, String), Arc<str>>,
    /// How many objects were looked at, by kind.
    seen: BTreeMap<&'static str, usize>,
    /// By namespace, and there by rule.
    summary: BTreeMap<String, BTreeMap<&'static str, usize>>,
}

/// Who uses a network.
#[derive(Debug, Default)]
struct Use {
    pods: usize,
    /// The first of them.
    named: Vec<String>,
}

impl<'k> Audit<'k> {
    /// An audit in which nothing was judged yet.
    pub fn new(known: &'k Known) -> Self {
        let report = Report {
            command: "audit",
            own_rules: &RULES,
            ..Report::default()
        };
        Self {
            known,
            report,
            uses: HashMap::new(),
            fixed: HashMap::new(),
            seen: BTreeMap::new(),
            summary: BTreeMap::new(),
        }
    }

    /// Judges an object in JSON.
    pub fn object(&mut self, kind: &Kind, object: &str) {
        *self.seen.entry(kind.kind).or_default() += 1;
        if !kind.may_ask(object) {
            return;
        }
        let head = Head::of(object);
        // Of Pods each one is judged; of what else a controller makes, its owner was.
        if *kind != POD && head.is_controlled() {
            return;
        }
        let known = self.known;
        let judged = stored::with_subject(kind, &head, object, &known.policy, |subject| {
            let findings = stored::findings(subject, &known.world());
            match subject {
                Subject::Attach(attach) => self.carrier(kind, &head, attach, findings),
                Subject::Cluster(_) | Subject::Define(_) | Subject::Other => {
                    self.add(kind, &head, &findings);
                }
            }
        });
        if judged.is_none() {
            let message = format!("{} {} is not valid JSON", kind.kind, head.name());
            self.not_checked(&message);
        }
    }

    /// Notes that something could not be looked at.
    pub fn not_checked(&mut self, what: &str) {
        self.report.problems.push(Problem {
            cause: Cause::NotChecked,
            message: format!("not checked: {what}"),
            position: None,
        });
    }

    /// Everything that was found. `sees_all` says that every Pod and workload of the cluster was
    /// listed, so that a network nobody asked for is one that nobody uses.
    pub fn finish(mut self, sees_all: bool) -> Report {
        let known = self.known;
        let mut networks: Vec<_> = known.networks.snapshot.iter().collect();
        networks.sort_unstable_by_key(|(namespace, name, _)| (*namespace, *name));
        for (namespace, name, network) in networks {
            let used = self.uses.remove(&(namespace.to_owned(), name.to_owned()));
            if let Some((rule, message)) = known.judge_use(namespace, network, used, sees_all) {
                let title = format!("{} {namespace}/{name}", NETWORK.kind);
                let field = if rule == SHARED.0 { "spec.config" } else { "" };
                let message = format!("{title}: {message}");
                self.say(namespace, title, rule, field, &message);
            }
        }
        let details = json!({"objects": self.seen, "summary": self.summary});
        if let Value::Object(details) = details {
            self.report.details = details;
        }
        self.report
    }

    /// By namespace and rule, how many findings there are.
    pub fn summary(report: &Report) -> Vec<(String, String, u64)> {
        let summary = report.details.get("summary").and_then(Value::as_object);
        let mut rows = Vec::new();
        for (namespace, rules) in summary.into_iter().flatten() {
            for (rule, count) in rules.as_object().into_iter().flatten() {
                let count = count.as_u64().unwrap_or_default();
                rows.push((namespace.clone(), rule.clone(), count));
            }
        }
        rows
    }

    fn carrier(
        &mut self,
        kind: &Kind,
        head: &Head,
        attach: &Attach<'_>,
        mut findings: Vec<Finding>,
    ) {
        let known = self.known;
        let world = known.world();
        let is_pod = *kind == POD;
        for asked in world.asked(attach) {
            let selection = asked.selection;
            let name = (selection.namespace.clone(), selection.name.clone());
            if asked.known().is_none() {
                // A namespace that could not be read may have the network.
                if known.networks.unread.contains(&selection.namespace) {
                    let place = attach.place(asked.annotation, selection);
                    findings
                        .retain(|own| own.rule != missing_network::RULE.name || own.place != place);
                }
                continue;
            }
            let used = self.uses.entry(name).or_default();
            if !is_pod {
                continue;
            }
            used.pods += 1;
            if used.named.len() < NAMED {
                used.named.push(head.name());
            }
            self.addresses(head, attach, &asked);
        }
        self.add(kind, head, &findings);
        if is_pod {
            self.node(head, attach);
        }
    }

    /// Notes the addresses that an element fixes, and says who fixed them before.
    fn addresses(&mut self, head: &Head, attach: &Attach<'_>, asked: &Asked<'_>) {
        let network = asked.selection.network();
        for key in FIXED {
            for address in addresses(asked.selection.request(key)) {
                let first = self.fixed.entry((network.clone(), key, address.clone()));
                let own: Arc<str> = head.name().into();
                let first = Arc::clone(first.or_insert_with(|| Arc::clone(&own)));
                if first == own {
                    continue;
                }
                let field = attach.place(asked.annotation, asked.selection).field;
                let message = format!(
                    "Pod {own}: {field}: \"{}\" of network \"{}\" is requested by Pod {first} as well: \
                     only one of them can be reached; request another one",
                    shorten(&address),
                    shorten(&network),
                );
                let title = format!("Pod {own}");
                self.say(
                    &head.metadata.namespace,
                    title,
                    DUPLICATE.0,
                    &field,
                    &message,
                );
            }
        }
    }

    /// Whether the node of a Pod still has the labels that its networks select.
    fn node(&mut self, head: &Head, attach: &Attach<'_>) {
        let known = self.known;
        let node = head
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref());
        let Some(node) = node.filter(|_| attach.placement.is_some()) else {
            return;
        };
        let Some(labels) = known.nodes.as_ref().and_then(|nodes| nodes.get(node)) else {
            return;
        };
        let world = known.world();
        let lacking = world.asked(attach).find_map(|asked| {
            let mut requirements = asked.known()?.requirements().iter();
            let label = |key: &str| labels.get(key).map(String::as_str);
            let unmet = requirements.find(|own| !own.is_met_by(label(&own.key)))?;
            Some((asked.selection.network(), unmet.to_string()))
        });
        if let Some((network, requirement)) = lacking {
            let name = head.name();
            let message = format!(
                "Pod {name}: spec.nodeName: it runs on node \"{node}\", which does not meet {requirement} \
                 of network \"{}\": it keeps running, and a new Pod in its place would not be scheduled \
                 there; restore the label, or delete the Pod so that it is placed anew",
                shorten(&network),
            );
            let title = format!("Pod {name}");
            self.say(
                &head.metadata.namespace,
                title,
                UNMET.0,
                "spec.nodeName",
                &message,
            );
        }
    }

    fn add(&mut self, kind: &Kind, head: &Head, findings: &[Finding]) {
        let findings: Vec<_> = findings
            .iter()
            .filter(|own| own.level != Level::Off)
            .collect();
        if findings.is_empty() {
            return;
        }
        let namespace = &head.metadata.namespace;
        let title = format!("{} {}", kind.kind, head.name());
        let object = self.report.add_object(title, Arc::from(&**namespace));
        for finding in findings {
            self.count(namespace, finding.rule);
            self.report.findings.push(Entry::new(finding, object, None));
        }
    }

    /// Says something that no rule of the webhooks can see.
    fn say(&mut self, namespace: &str, title: String, rule: &'static str, field: &str, text: &str) {
        self.count(namespace, rule);
        let is_same = |last: &crate::report::Object| last.title == title;
        let object = match self.report.objects.last().filter(|last| is_same(last)) {
            Some(_) => self.report.objects.len() - 1,
            None => self.report.add_object(title, Arc::from(namespace)),
        };
        self.report.findings.push(Entry {
            rule,
            level: Level::Warn,
            object,
            field: field.to_owned(),
            message: text.to_owned(),
            position: None,
            state: State::New,
            notes: Vec::new(),
        });
    }

    fn count(&mut self, namespace: &str, rule: &'static str) {
        let rules = self.summary.entry(namespace.to_owned()).or_default();
        *rules.entry(rule).or_default() += 1;
    }
}

impl Known {
    fn world(&self) -> World<'_> {
        static NOTHING: std::sync::LazyLock<Fetched> = std::sync::LazyLock::new(Fetched::default);
        World {
            snapshot: &self.networks.snapshot,
            fetched: &NOTHING,
            policy: &self.policy,
            // A network that is in use is not changed or deleted here.
            usage: None,
        }
    }

    /// What there is to say about who uses a network.
    fn judge_use(
        &self,
        namespace: &str,
        network: &Network,
        used: Option<Use>,
        sees_all: bool,
    ) -> Option<(&'static str, String)> {
        let Some(used) = used else {
            // One in Multus' own namespace may be the default network in its configuration.
            let may_be_default = namespace == self.policy.multus_namespace;
            let text = "neither a Pod nor a workload requests it: delete it, unless somebody is about to \
                        use it";
            return (sees_all && !may_be_default).then(|| (UNUSED.0, text.to_owned()));
        };
        if used.pods < 2 || !network.has_static_addresses() {
            return None;
        }
        let more = used.pods - used.named.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let text = format!(
            "its addresses are fixed, and {} Pods use it ({}{more}): they all get the same address, and \
             only one of them can be reached; let an IPAM plugin hand out the addresses, or request \
             them in the Pods (`ips`)",
            used.pods,
            used.named.join(", "),
        );
        Some((SHARED.0, text))
    }
}

/// The addresses in the value of a key, one or a list: without the length of the prefix, in lower
/// case.
fn addresses(value: Option<&str>) -> Vec<String> {
    let plain = |text: &str| {
        let address = text.split('/').next().unwrap_or(text).trim().to_lowercase();
        let parsed: Result<std::net::IpAddr, _> = address.parse();
        parsed.map_or(address, |address| address.to_string())
    };
    match value.and_then(|value| serde_json::from_str(value).ok()) {
        Some(Value::String(text)) => vec![plain(&text)],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(plain).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VLAN: &str = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1"}"#;
    const STATIC: &str = r#"{"cniVersion":"1.0.0","type":"macvlan","master":"eth1","ipam":{"type":"static","addresses":[{"address":"10.0.0.1/24"}]}}"#;

    fn known() -> Known {
        let mut networks = Networks {
            is_complete: true,
            ..Networks::default()
        };
        for (name, config, selector) in [
            ("fast", VLAN, Some("nic=a")),
            ("fixed", STATIC, None),
            ("idle", VLAN, None),
        ] {
            let network = Arc::new(Network::read(name, config, selector));
            networks.snapshot.insert("default", name, network);
        }
        let node = |nic: &str| BTreeMap::from([("nic".to_owned(), nic.to_owned())]);
        let nodes = [("n1", "a"), ("n2", "b")];
        let nodes = nodes.map(|(name, nic)| (name.to_owned(), node(nic)));
        Known {
            policy: Policy::default(),
            networks,
            nodes: Some(Nodes::from(nodes)),
        }
    }

    fn pod(name: &str, networks: &str, node: &str) -> String {
        json!({"metadata": {"namespace": "team-a", "name": name,
                "annotations": {"k8s.v1.cni.cncf.io/networks": networks}},
            "spec": {"containers": [], "nodeName": node}})
        .to_string()
    }

    fn found(report: &Report) -> Vec<(&'static str, &str)> {
        let findings = report.findings.iter();
        findings.map(|own| (own.rule, report.object(own))).collect()
    }

    #[test]
    fn what_shows_only_together_is_found() {
        let known = known();
        let mut audit = Audit::new(&known);
        let ips = |ip: &str| format!(r#"[{{"name":"fast","namespace":"default","ips":["{ip}"]}}]"#);
        audit.object(&POD, &pod("a", &ips("10.0.0.7/24"), "n1"));
        audit.object(&POD, &pod("b", &ips("10.0.0.7"), "n2"));
        audit.object(&POD, &pod("c", "default/fixed", "n1"));
        audit.object(&POD, &pod("d", "default/fixed,default/gone", "n1"));
        audit.object(&POD, &pod("e", "", "n1"));
        let report = audit.finish(true);
        // macvlan declares no capability ips, which has a rule of its own.
        let mut all = found(&report);
        all.retain(|(rule, _)| *rule != "undeclared-capability");
        assert_eq!(
            all,
            [
                ("duplicate-address", "Pod team-a/b"),
                ("unmet-node-selector", "Pod team-a/b"),
                ("missing-network", "Pod team-a/d"),
                (
                    "shared-static-network",
                    "NetworkAttachmentDefinition default/fixed"
                ),
                ("unused-network", "NetworkAttachmentDefinition default/idle"),
            ]
        );
        let text = |rule| {
            let mut findings = report.findings.iter();
            &*findings
                .find(|own| own.rule == rule)
                .expect("a finding")
                .message
        };
        assert!(
            text("unmet-node-selector").contains("does not meet nic=a of network \"default/fast\"")
        );
        assert!(
            text("duplicate-address")
                .contains("\"10.0.0.7\" of network \"default/fast\" is requested by Pod team-a/a")
        );
        assert!(text("shared-static-network").contains("2 Pods use it (team-a/c, team-a/d)"));
        assert_eq!(report.details["objects"]["Pod"], 5);
        assert_eq!(report.details["summary"]["team-a"]["missing-network"], 1);
        assert_eq!(report.exit_code(crate::report::FailOn::Deny), 1);
    }

    #[test]
    fn what_was_not_seen_is_not_said() {
        let mut known = known();
        known.nodes = None;
        known.networks.unread.insert("shared".to_owned());
        known.policy.global_namespaces.push("shared".to_owned());
        let mut audit = Audit::new(&known);
        audit.object(&POD, &pod("a", "shared/net,default/fast", "n2"));
        audit.not_checked("nodes");
        let report = audit.finish(false);
        assert_eq!(found(&report), []);
        assert_eq!(report.exit_code(crate::report::FailOn::Never), 3);
    }

    #[test]
    fn a_workload_uses_a_network_and_what_it_makes_is_not_judged_again() {
        let known = known();
        let mut audit = Audit::new(&known);
        let template: Value = serde_json::from_str(&pod("x", "default/idle", "")).expect("JSON");
        let mut object = json!({"metadata": {"namespace": "team-a", "name": "web"},
            "spec": {"replicas": 0, "template": template}});
        audit.object(&stored::WORKLOADS[0], &object.to_string());
        object["metadata"]["ownerReferences"] = json!([{"controller": true}]);
        object["spec"]["template"]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] =
            json!("default/gone");
        audit.object(&stored::WORKLOADS[3], &object.to_string());
        let report = audit.finish(true);
        let unused = ["default/fast", "default/fixed"];
        let unused = unused.map(|name| format!("NetworkAttachmentDefinition {name}"));
        let unused: Vec<_> = unused
            .iter()
            .map(|name| ("unused-network", &**name))
            .collect();
        assert_eq!(found(&report), unused);
    }

    #[test]
    fn addresses_are_compared_by_what_they_are() {
        assert_eq!(
            addresses(Some(r#"["FD00::0:1/64", "10.0.0.1"]"#)),
            ["fd00::1", "10.0.0.1"]
        );
        assert_eq!(
            addresses(Some(r#""AA:bb:00:00:00:01""#)),
            ["aa:bb:00:00:00:01"]
        );
        assert_eq!(addresses(Some("7")), [""; 0]);
        assert_eq!(addresses(None), [""; 0]);
    }
}
