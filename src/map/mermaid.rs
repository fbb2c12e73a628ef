//! Mermaid, a language for diagrams in Markdown.

use std::fmt::Write as _;

use super::{By, Graph};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    let mut refused = Vec::new();
    let mut part =
        |id: &str, title: &str, prefix: char, labels: &mut dyn Iterator<Item = String>| {
            // Writing to a String does not fail.
            let _ = writeln!(out, "  subgraph {id}[\"{title}\"]");
            for (index, label) in labels.enumerate() {
                let _ = writeln!(out, "    {prefix}{index}[\"{}\"]", escaped(&label));
            }
            let _ = writeln!(out, "  end");
        };
    part(
        "spaces",
        "namespaces",
        's',
        &mut graph.namespaces.iter().map(|own| own.name.clone()),
    );
    part(
        "nets",
        "networks",
        'n',
        &mut graph.networks.iter().map(|own| own.name.clone()),
    );
    part(
        "links",
        "interfaces of nodes",
        'i',
        &mut graph.interfaces.iter().cloned(),
    );
    part(
        "nodes",
        "nodes",
        'g',
        &mut graph.groups.iter().map(|own| own.label.clone()),
    );
    let mut edge = 0;
    for (space, own) in graph.namespaces.iter().enumerate() {
        for reach in &own.reaches {
            let (network, pods) = (reach.network, reach.pods);
            let _ = match pods {
                0 => writeln!(out, "  s{space} -.-> n{network}"),
                pods => writeln!(out, "  s{space} -->|{pods}| n{network}"),
            };
            if reach.by == By::Nothing {
                refused.push(edge.to_string());
            }
            edge += 1;
        }
    }
    for (from, to) in graph.lower_edges() {
        let _ = writeln!(out, "  {from} --> {to}");
    }
    if !refused.is_empty() {
        let _ = writeln!(out, "  linkStyle {} stroke:red", refused.join(","));
    }
    let networks = graph.networks.iter().enumerate();
    for (index, _) in networks.filter(|(_, own)| own.refused.is_some()) {
        let _ = writeln!(out, "  style n{index} stroke:red");
    }
    out
}

/// Text between quotes: what Mermaid would interpret is written by its number.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || " -_./=,()…!".contains(letter) {
            out.push(letter);
        } else {
            let _ = write!(out, "#{};", u32::from(letter));
        }
    }
    out
}
