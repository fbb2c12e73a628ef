//! A page of its own: nothing is loaded from elsewhere.

use super::Graph;

/// The page. The graph, as JSON, takes the place of `GRAPH`, and what it is of that of `TITLE`.
const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

pub(super) fn draw(graph: &Graph, title: &str) -> String {
    let title = title
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    // A text in the graph cannot end the script that it stands in.
    let json = serde_json::to_string(graph).unwrap_or_default();
    let json = json
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + json.len());
    // In one pass: what is put in may hold the names of other places.
    for part in PAGE.split_inclusive("-->") {
        let Some((before, name)) = part.rsplit_once("<!--") else {
            out.push_str(part);
            continue;
        };
        out.push_str(before);
        match name {
            "TITLE-->" => out.push_str(&title),
            "STYLE-->" => out.push_str(STYLE),
            "SCRIPT-->" => out.push_str(SCRIPT),
            "GRAPH-->" => out.push_str(&json),
            _ => {}
        }
    }
    out
}
