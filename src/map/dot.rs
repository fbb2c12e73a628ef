//! The language of Graphviz.

use std::fmt::Write as _;

use super::{By, Graph};

pub(super) fn draw(graph: &Graph, title: &str) -> String {
    let mut out = String::from("digraph multinic {\n  rankdir=LR;\n  ranksep=2;\n");
    // Writing to a String does not fail.
    let _ = writeln!(out, "  label={};", quoted(title));
    out.push_str("  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    let mut rank = |prefix: &str, labels: &mut dyn Iterator<Item = (String, &'static str)>| {
        let _ = writeln!(out, "  {{ rank=same;");
        for (index, (label, more)) in labels.enumerate() {
            let _ = writeln!(out, "    {prefix}{index} [label={}{more}];", quoted(&label));
        }
        let _ = writeln!(out, "  }}");
    };
    let plain = |label: &String| (label.clone(), "");
    rank(
        "s",
        &mut graph.namespaces.iter().map(|own| plain(&own.name)),
    );
    rank(
        "n",
        &mut graph.networks.iter().map(|own| {
            let colour = if own.refused.is_some() {
                ", color=red"
            } else {
                ""
            };
            (format!("{}\n{}", own.name, own.is), colour)
        }),
    );
    rank("i", &mut graph.interfaces.iter().map(plain));
    rank("g", &mut graph.groups.iter().map(|own| plain(&own.label)));
    for (space, own) in graph.namespaces.iter().enumerate() {
        for reach in &own.reaches {
            let style = match (reach.by, reach.pods) {
                (By::Nothing, pods) => format!("color=red, label=\"{pods}\""),
                (_, 0) => "style=dashed".to_owned(),
                (_, pods) => format!("label=\"{pods}\""),
            };
            let _ = writeln!(out, "  s{space} -> n{} [{style}];", reach.network);
        }
    }
    for (from, to) in graph.lower_edges() {
        let _ = writeln!(out, "  {from} -> {to};");
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{text}\"")
}

impl Graph {
    /// The edges from networks to interfaces, and from there to groups of nodes, each once. A network
    /// without an interface leads to its nodes itself.
    pub(super) fn lower_edges(&self) -> Vec<(String, String)> {
        let mut edges = Vec::new();
        for (index, network) in self.networks.iter().enumerate() {
            let network_id = format!("n{index}");
            for interface in &network.interfaces {
                edges.push((network_id.clone(), format!("i{interface}")));
            }
            for group in &network.groups {
                let group = format!("g{group}");
                if network.interfaces.is_empty() {
                    edges.push((network_id.clone(), group.clone()));
                }
                for interface in &network.interfaces {
                    edges.push((format!("i{interface}"), group.clone()));
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        edges.retain(|edge| seen.insert(edge.clone()));
        edges
    }
}
