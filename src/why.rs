//! `multinic why`: from a Pod, or a workload, to its networks.
//!
//! [`read`](read::read) fetches the object and what belongs to it; [`explain`] says what that means,
//! without I/O.

use std::fmt::Write as _;

use multinic_core::policy::Policy;
use multinic_core::text::{escape, shorten};
use multinic_core::view::networks::Annotation;
use multinic_core::view::{Attach, Subject};
use multinic_core::world::{Asked, Resolved, World};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::inventory::{Networks, Nodes};
use crate::describe;
use crate::stored::{self, Head, Kind, POD};

mod events;
mod nodes;
pub mod read;
mod reported;

pub use events::Event;

/// What is known of an object.
#[derive(Debug)]
pub struct Facts {
    /// Its kind.
    pub kind: &'static Kind,
    /// The object, in JSON.
    pub object: String,
    /// What the administrator decided.
    pub policy: Policy,
    /// The networks of the cluster.
    pub networks: Networks,
    /// The labels of its nodes; `None` where they could not be read.
    pub nodes: Option<Nodes>,
    /// What was said about it, the oldest first.
    pub events: Vec<Event>,
    /// The Pods of a workload, each with its name, phase and node.
    pub pods: Vec<[String; 3]>,
    /// What could not be read.
    pub unread: Vec<String>,
}

/// Why an object has the networks that it has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// What it is about: `Pod team-a/web`.
    object: String,
    /// What it is doing.
    state: String,
    /// What it asks for, in the order in which Multus attaches it.
    networks: Vec<Attachment>,
    /// What the webhooks would say if it were created now.
    findings: Vec<String>,
    /// Which nodes are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<nodes::Left>,
    /// What was said about it.
    events: Vec<events::Said>,
    /// The Pods of a workload.
    pods: Vec<String>,
    /// Where to look further.
    look: Vec<String>,
    /// What could not be read.
    not_checked: Vec<String>,
}

/// One element of the annotations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    /// The interface in the Pod.
    interface: String,
    /// The network that it names.
    network: String,
    /// Where the element stands.
    place: String,
    /// What becomes of it.
    is: String,
    /// What it demands of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    /// What the element asks for beside the network.
    requested: Vec<String>,
    /// What network-status reports; `None` where the object is not a Pod that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    reported: Option<String>,
    /// Where that differs from what was asked for.
    differences: Vec<String>,
}

/// Explains an object.
pub fn explain(facts: &Facts) -> Why {
    let head = Head::of(&facts.object);
    let object: Value = serde_json::from_str(&facts.object).unwrap_or_default();
    let mut why = Why {
        object: format!("{} {}", facts.kind.kind, head.name()),
        state: state(facts.kind, &object),
        networks: Vec::new(),
        findings: Vec::new(),
        nodes: None,
        events: events::explain(&facts.events),
        pods: facts.pods.iter().map(|pod| line_of(pod, &head)).collect(),
        look: Vec::new(),
        not_checked: facts.unread.clone(),
    };
    let world = World {
        snapshot: &facts.networks.snapshot,
        fetched: &multinic_core::network::Fetched::default(),
        policy: &facts.policy,
        usage: None,
    };
    stored::with_subject(facts.kind, &head, &facts.object, &facts.policy, |subject| {
        if let Subject::Attach(attach) = subject {
            why.networks = attachments(facts, &world, attach, &object);
            why.nodes = facts
                .nodes
                .as_ref()
                .and_then(|nodes| nodes::left(nodes, &world, attach));
        }
        let findings = stored::findings(subject, &world);
        let lines = findings
            .iter()
            .map(|own| format!("{}: {}", own.level.name(), own.line()));
        why.findings = lines.collect();
    });
    why.look = events::where_to_look(&object, &why.events);
    why
}

fn attachments(
    facts: &Facts,
    world: &World<'_>,
    attach: &Attach<'_>,
    object: &Value,
) -> Vec<Attachment> {
    let statuses = (*facts.kind == POD)
        .then(|| reported::statuses(object))
        .flatten();
    let runs = *facts.kind == POD && object["status"]["phase"] == "Running";
    let mut index = 0;
    let mut attachments = Vec::new();
    for asked in world.asked(attach) {
        let selection = asked.selection;
        let is_default = asked.annotation == Annotation::DefaultNetwork;
        if !is_default {
            index += 1;
        }
        let interface = match (&selection.interface, is_default) {
            (Some(name), _) => name.clone(),
            (None, true) => "eth0".to_owned(),
            (None, false) => format!("net{index}"),
        };
        let status = statuses
            .as_ref()
            .map(|statuses| reported::of(statuses, &interface, is_default));
        let (reported, differences) = reported::compare(selection, status, runs);
        attachments.push(Attachment {
            place: attach.place(asked.annotation, selection).to_string(),
            network: selection.network(),
            is: resolved(facts, &asked, &attach.object.namespace),
            selector: asked.known().and_then(describe::selector),
            requested: requested(&asked),
            interface,
            reported,
            differences,
        });
    }
    attachments
}

/// What the element of an annotation names.
fn resolved(facts: &Facts, asked: &Asked<'_>, own: &str) -> String {
    let namespace = &asked.selection.namespace;
    match asked.network {
        Resolved::Known(network) => describe::network(network),
        Resolved::Isolated => format!(
            "not permitted: it belongs to namespace \"{}\", and a Pod of \"{own}\" may use networks of {}",
            shorten(namespace),
            facts
                .policy
                .allowed_namespaces(asked.annotation == Annotation::DefaultNetwork)
        ),
        Resolved::Absent if facts.networks.unread.contains(namespace) => {
            format!(
                "not known: networks of namespace \"{}\" cannot be read",
                shorten(namespace)
            )
        }
        Resolved::Absent => {
            let mut names: Vec<&str> = facts.networks.snapshot.names(namespace).collect();
            names.sort_unstable();
            let names = match names.len() {
                0 => "it has none".to_owned(),
                1..=8 => format!("it has {}", names.join(", ")),
                count => format!("it has {count} others"),
            };
            format!(
                "does not exist in namespace \"{}\": {names}",
                shorten(namespace)
            )
        }
    }
}

/// What an element asks for beside its network, as it is written.
fn requested(asked: &Asked<'_>) -> Vec<String> {
    let keys = asked.selection.requests.keys.iter();
    keys.map(|(key, value)| format!("{key}: {}", shorten(value)))
        .collect()
}

/// What an object is doing.
fn state(kind: &Kind, object: &Value) -> String {
    let status = &object["status"];
    if *kind != POD {
        let number = |key: &str| status[key].as_u64();
        let ready = number("readyReplicas").or_else(|| number("numberReady"));
        let wanted = object["spec"]["replicas"]
            .as_u64()
            .or_else(|| number("desiredNumberScheduled"));
        return match (ready, wanted) {
            (ready, Some(wanted)) => format!("{} of {wanted} Pods are ready", ready.unwrap_or(0)),
            (_, None) => "a template of Pods".to_owned(),
        };
    }
    let phase = status["phase"].as_str().unwrap_or("not started");
    let Some(node) = object["spec"]["nodeName"].as_str() else {
        return format!("{phase}, on no node");
    };
    let containers = status["containerStatuses"].as_array().into_iter().flatten();
    let mut waiting = containers.filter_map(|own| own["state"]["waiting"]["reason"].as_str());
    match waiting.next() {
        Some(reason) => format!("{phase} ({reason}) on node {node}"),
        None => format!("{phase} on node {node}"),
    }
}

fn line_of([name, phase, node]: &[String; 3], head: &Head) -> String {
    let on = if node.is_empty() {
        "on no node".to_owned()
    } else {
        format!("on node {node}")
    };
    format!("{}/{name} {phase} {on}", head.metadata.namespace)
}

impl Why {
    /// Whether anything is wrong: a finding that denies, a network that is not as it was asked for,
    /// no node that is left, or an event that warns.
    pub fn has_problems(&self) -> bool {
        let differs = |own: &Attachment| !own.differences.is_empty();
        self.findings.iter().any(|own| own.starts_with("deny: "))
            || self.networks.iter().any(differs)
            || self.nodes.as_ref().is_some_and(nodes::Left::is_none)
            || self.events.iter().any(|own| own.is_warning)
    }

    /// Whether something could not be read.
    pub fn is_incomplete(&self) -> bool {
        !self.not_checked.is_empty()
    }

    /// The explanation for people. `program` is how the program is called.
    pub fn text(&self, program: &str) -> String {
        let mut out = format!("{}: {}\n", self.object, self.state);
        // Writing to a String does not fail.
        if self.networks.is_empty() {
            let _ = writeln!(out, "\nIt asks for no network beside its default one.");
        }
        for own in &self.networks {
            let _ = writeln!(out, "\n{}  {}", own.interface, own.network);
            let mut line = |what: &str, text: &str| {
                let _ = writeln!(out, "      {what:<10} {text}");
            };
            line("asked in", &own.place);
            line("network", &own.is);
            if let Some(selector) = &own.selector {
                line("nodes with", selector);
            }
            if !own.requested.is_empty() {
                line("requested", &own.requested.join(", "));
            }
            if let Some(reported) = &own.reported {
                line("reported", reported);
            }
            for difference in &own.differences {
                line("differs", difference);
            }
        }
        section(&mut out, "If it were created now", &self.findings);
        if let Some(left) = &self.nodes {
            section(&mut out, "Nodes", &left.lines());
        }
        let events: Vec<_> = self.events.iter().map(events::Said::lines).collect();
        section(&mut out, "Events", &events);
        section(&mut out, "Pods", &self.pods);
        if !self.pods.is_empty() {
            let _ = writeln!(
                out,
                "  {program} why pod NAMESPACE/NAME explains one of them"
            );
        }
        section(&mut out, "Where to look", &self.look);
        section(&mut out, "Not checked", &self.not_checked);
        // Texts of others may hold what acts on a terminal; line breaks are this function's own.
        out.lines()
            .map(|line| escape(line).into_owned() + "\n")
            .collect()
    }
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for line in lines {
        for part in line.lines() {
            let _ = writeln!(out, "  {part}");
        }
    }
}

#[cfg(test)]
mod tests;
