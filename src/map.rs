//! `multinic map`: which namespaces reach which networks, on which nodes, through which of their
//! interfaces.
//!
//! [`read`] and [`manifests`] collect a [`Known`]; [`graph`] makes a [`Graph`] of it, which each of the
//! formats draws. Only [`read`] does I/O.

use std::collections::{BTreeMap, BTreeSet};

use multinic_core::finding::Level;
use multinic_core::network::{Fetched, Network, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::rules::decide;
use multinic_core::view::{Define, Subject};
use multinic_core::world::World;
use serde::Serialize;

use crate::cluster::inventory::Nodes;
use crate::describe;

mod dot;
mod html;
pub mod manifests;
mod mermaid;
pub mod read;
mod svg;

/// What is known of a cluster, or of manifests.
#[derive(Debug, Default)]
pub struct Known {
    /// The networks.
    pub networks: Snapshot,
    /// The labels of the nodes; `None` where they are not known.
    pub nodes: Option<Nodes>,
    /// The namespaces that there are, beside those of networks and Pods.
    pub namespaces: BTreeSet<String>,
    /// How many Pods, or templates of Pods, use a network: by their namespace, and the namespace and
    /// the name of the network.
    pub uses: BTreeMap<(String, String, String), usize>,
    /// What could not be read.
    pub unread: Vec<String>,
}

/// What is drawn.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    /// The namespaces, in the order of their names.
    namespaces: Vec<Namespace>,
    /// The networks, in the order of their names.
    networks: Vec<Drawn>,
    /// The interfaces of nodes, in the order of their names.
    interfaces: Vec<String>,
    /// The nodes: those that have the same networks together.
    groups: Vec<Group>,
    /// Whether the nodes are known; if not, a group is a selector.
    knows_nodes: bool,
}

/// A namespace, and what its Pods reach.
#[derive(Debug, Serialize)]
struct Namespace {
    name: String,
    /// The networks that it may use or does use; global ones that it does not use are left out.
    reaches: Vec<Reach>,
}

/// A network that a namespace reaches.
#[derive(Debug, Serialize)]
struct Reach {
    /// The index of the network.
    network: usize,
    /// How many Pods use it.
    pods: usize,
    /// Why it may.
    by: By,
}

/// Why a namespace may use a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum By {
    /// It is its own.
    Own,
    /// It is everybody's.
    Global,
    /// The administrator granted it.
    Grant,
    /// It may not, and does: multinic would refuse the Pods if they were created now.
    Nothing,
}

/// A network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Drawn {
    /// `namespace/name`
    name: String,
    /// What it is, in a line.
    is: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    /// Whether every namespace may use it.
    is_global: bool,
    /// The indices of its interfaces.
    interfaces: Vec<usize>,
    /// The indices of its groups of nodes.
    groups: Vec<usize>,
    /// Why no Pod may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// Nodes that have the same networks.
#[derive(Debug, Serialize)]
struct Group {
    /// What it is called.
    label: String,
    /// The nodes; none where they are not known.
    nodes: Vec<String>,
}

/// A format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// A page that can be filtered and clicked through
    Html,
    /// A picture
    Svg,
    /// For Markdown, as GitHub and GitLab draw it
    Mermaid,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
}

impl Format {
    /// Draws a graph. `title` says of what it is.
    pub fn draw(self, graph: &Graph, title: &str) -> String {
        match self {
            Self::Html => html::draw(graph, title),
            Self::Svg => svg::draw(graph, title),
            Self::Mermaid => mermaid::draw(graph),
            Self::Dot => dot::draw(graph, title),
            Self::Json => serde_json::to_string_pretty(graph).unwrap_or_default() + "\n",
        }
    }
}

/// Makes a graph of what is known.
pub fn graph(known: &Known, policy: &Policy) -> Graph {
    let mut all: Vec<_> = known.networks.iter().collect();
    all.sort_unstable_by_key(|(namespace, name, _)| (*namespace, *name));
    let names: BTreeSet<String> = all
        .iter()
        .flat_map(|(_, _, network)| describe::interfaces(network))
        .collect();
    let interfaces: Vec<String> = names.into_iter().collect();
    let (groups, of_networks) = match &known.nodes {
        Some(nodes) => by_nodes(&all, nodes),
        None => by_selectors(&all),
    };
    let networks = all.iter().zip(of_networks);
    let networks = networks.map(|((namespace, name, network), groups)| Drawn {
        name: format!("{namespace}/{name}"),
        is: describe::network(network),
        selector: describe::selector(network),
        is_global: policy.global_namespaces.iter().any(|own| own == namespace),
        interfaces: describe::interfaces(network)
            .iter()
            .filter_map(|name| interfaces.binary_search(name).ok())
            .collect(),
        groups,
        refused: refusal(namespace, name, network, &known.networks, policy),
    });
    Graph {
        networks: networks.collect(),
        namespaces: namespaces(known, &all, policy),
        interfaces,
        groups,
        knows_nodes: known.nodes.is_some(),
    }
}

type Named<'k> = (&'k str, &'k str, &'k Network);

fn namespaces(known: &Known, all: &[Named<'_>], policy: &Policy) -> Vec<Namespace> {
    let mut names: BTreeSet<&str> = known.namespaces.iter().map(String::as_str).collect();
    names.extend(known.uses.keys().map(|(namespace, ..)| namespace.as_str()));
    names.extend(all.iter().map(|(namespace, ..)| *namespace));
    let namespace = |own: &str| {
        let reach = |(index, (namespace, name, _)): (usize, &Named<'_>)| {
            let key = (own.to_owned(), (*namespace).to_owned(), (*name).to_owned());
            let pods = known.uses.get(&key).copied().unwrap_or_default();
            let by = if *namespace == own {
                By::Own
            } else if policy
                .global_namespaces
                .iter()
                .any(|global| global == namespace)
            {
                By::Global
            } else if policy.isolation_allows(own, namespace, name, false) {
                By::Grant
            } else {
                By::Nothing
            };
            let is_drawn = pods > 0 || matches!(by, By::Own | By::Grant);
            is_drawn.then_some(Reach {
                network: index,
                pods,
                by,
            })
        };
        Namespace {
            name: own.to_owned(),
            reaches: all.iter().enumerate().filter_map(reach).collect(),
        }
    };
    names.into_iter().map(namespace).collect()
}

/// Nodes with the same networks together, and the groups of each network.
fn by_nodes(all: &[Named<'_>], nodes: &Nodes) -> (Vec<Group>, Vec<Vec<usize>>) {
    let mut sorted: BTreeMap<Vec<usize>, Vec<String>> = BTreeMap::new();
    for (node, labels) in nodes {
        let label = |key: &str| labels.get(key).map(String::as_str);
        let is_there = |network: &Network| {
            let mut requirements = network.requirements().iter();
            requirements.all(|own| own.is_met_by(label(&own.key)))
        };
        let there = all.iter().enumerate();
        let there = there.filter(|(_, (_, _, network))| is_there(network));
        let there = there.map(|(index, _)| index).collect();
        sorted.entry(there).or_default().push(node.clone());
    }
    let mut sorted: Vec<_> = sorted.into_iter().collect();
    sorted.sort_by(|(_, one), (_, other)| one.cmp(other));
    let mut of_networks = vec![Vec::new(); all.len()];
    for (group, (there, _)) in sorted.iter().enumerate() {
        for index in there {
            if let Some(groups) = of_networks.get_mut(*index) {
                groups.push(group);
            }
        }
    }
    let group = |(_, nodes): (Vec<usize>, Vec<String>)| Group {
        label: label(&nodes),
        nodes,
    };
    (sorted.into_iter().map(group).collect(), of_networks)
}

fn label(nodes: &[String]) -> String {
    match nodes {
        [first, .., last] if nodes.len() > 2 => format!("{first} … {last} ({} nodes)", nodes.len()),
        _ => nodes.join(", "),
    }
}

/// A group for each selector.
fn by_selectors(all: &[Named<'_>]) -> (Vec<Group>, Vec<Vec<usize>>) {
    let label = |network: &Network| {
        let selector = describe::selector(network);
        selector.map_or_else(
            || "every node".to_owned(),
            |text| format!("nodes with {text}"),
        )
    };
    let labels: BTreeSet<String> = all.iter().map(|(_, _, network)| label(network)).collect();
    let labels: Vec<String> = labels.into_iter().collect();
    let of =
        |(_, _, network): &Named<'_>| labels.binary_search(&label(network)).into_iter().collect();
    let of_networks = all.iter().map(of).collect();
    let group = |label: &String| Group {
        label: label.clone(),
        nodes: Vec::new(),
    };
    (labels.iter().map(group).collect(), of_networks)
}

/// Why no Pod may use a network, if so.
fn refusal(
    namespace: &str,
    name: &str,
    network: &Network,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Option<String> {
    let world = World {
        snapshot,
        fetched: &Fetched::default(),
        policy,
        usage: None,
    };
    let define = Subject::Define(Define::stored(namespace, name, network));
    let findings = decide(&define, &world);
    let mut findings = findings.iter();
    findings
        .find(|own| own.level == Level::Deny)
        .map(|finding| finding.line().to_string())
}

#[cfg(test)]
mod tests;
