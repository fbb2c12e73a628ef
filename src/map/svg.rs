//! A picture: four columns, and curves between them.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{By, Graph};

/// Of a row, in pixels.
const HEIGHT: usize = 26;
/// Of a box.
const BOX: usize = 20;
const WIDTH: usize = 260;
const GAP: usize = 120;
const MARGIN: usize = 20;
const TOP: usize = 70;
/// Characters that fit into a box.
const FITS: usize = 34;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1a1a1a}.h{font-weight:600}\
.b{fill:#f4f6f8;stroke:#8a94a0}.r{stroke:#c62828}path{fill:none;stroke:#8a94a0}\
.u{stroke:#1565c0;stroke-width:1.6}.d{stroke-dasharray:4 3}.x{stroke:#c62828;stroke-width:1.6}\
.bg{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e8e8e8}.b{fill:#22272e;stroke:#768390}\
.bg{fill:#16191d}path{stroke:#768390}.u{stroke:#6cb6ff}.x,.r{stroke:#ff7b72}}";

pub(super) fn draw(graph: &Graph, title: &str) -> String {
    let columns = [
        graph
            .namespaces
            .iter()
            .map(|own| (own.name.clone(), false))
            .collect(),
        graph
            .networks
            .iter()
            .map(|own| (own.name.clone(), own.refused.is_some()))
            .collect(),
        graph
            .interfaces
            .iter()
            .map(|own| (own.clone(), false))
            .collect(),
        graph
            .groups
            .iter()
            .map(|own| (own.label.clone(), false))
            .collect::<Vec<_>>(),
    ];
    let rows = columns.iter().map(Vec::len).max().unwrap_or_default();
    let width = 2 * MARGIN + 4 * WIDTH + 3 * GAP;
    let height = TOP + rows * HEIGHT + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"h\" x=\"{MARGIN}\" y=\"24\">{0}</text>\n",
        escaped(title)
    );
    let mut places = HashMap::new();
    let heads = ["namespaces", "networks", "interfaces of nodes", "nodes"];
    let mut boxes = String::new();
    for (column, (entries, head)) in columns.iter().zip(heads).enumerate() {
        let x = MARGIN + column * (WIDTH + GAP);
        // Writing to a String does not fail.
        let _ = writeln!(boxes, "<text class=\"h\" x=\"{x}\" y=\"54\">{head}</text>");
        for (row, (label, is_refused)) in entries.iter().enumerate() {
            // Short columns stand in the middle.
            let y = TOP + (rows - entries.len()) * HEIGHT / 2 + row * HEIGHT;
            let prefix = ["s", "n", "i", "g"]
                .get(column)
                .copied()
                .unwrap_or_default();
            places.insert(format!("{prefix}{row}"), (x, y + BOX / 2));
            let class = if *is_refused { "b r" } else { "b" };
            let short: String = if label.chars().count() > FITS {
                label.chars().take(FITS - 1).chain(['…']).collect()
            } else {
                label.clone()
            };
            let _ = writeln!(
                boxes,
                "<g><title>{}</title><rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" \
                 height=\"{BOX}\" rx=\"4\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
                escaped(label),
                x + 8,
                y + 14,
                escaped(&short)
            );
        }
    }
    let mut curve = |from: &str, to: &str, class: &str| {
        let (Some((x1, y1)), Some((x2, y2))) = (places.get(from), places.get(to)) else {
            return;
        };
        let x1 = x1 + WIDTH;
        let middle = usize::midpoint(x1, *x2);
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\"/>"
        );
    };
    for (space, own) in graph.namespaces.iter().enumerate() {
        for reach in &own.reaches {
            let class = match (reach.by, reach.pods) {
                (By::Nothing, _) => "x",
                (_, 0) => "d",
                _ => "u",
            };
            curve(&format!("s{space}"), &format!("n{}", reach.network), class);
        }
    }
    for (from, to) in graph.lower_edges() {
        curve(&from, &to, "");
    }
    out.push_str(&boxes);
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let is_allowed = |letter: &char| !letter.is_control();
    text.chars().filter(is_allowed).collect()
}
