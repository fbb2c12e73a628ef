//! The table of values in the chart's README is that of values.yaml: `make values` writes it.

use std::{env, fmt::Write as _, fs};

use serde_json::Value;

use crate::helm::{chart, read};

/// A value with its default and the comment above it.
#[derive(Debug)]
struct Described {
    path: String,
    default: String,
    text: String,
}

const BEGIN: &str = "<!-- values: written by `make values` -->\n";
const END: &str = "<!-- end of values -->\n";

/// Reads the comments above the keys of a YAML text in block style. A key without a comment belongs to a group, and a
/// comment behind an empty line above a `#` belongs to nothing.
fn described(yaml: &str) -> Vec<Described> {
    let values: Value = serde_saphyr::from_str(yaml).expect("YAML");
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in yaml.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.is_empty() {
            comment.clear();
        } else if let Some(words) = text.strip_prefix('#') {
            comment.push(words.trim());
        } else if let Some((key, _)) = text.split_once(':') {
            path.retain(|(depth, _)| *depth < indent);
            path.push((indent, key.to_owned()));
            let names: Vec<_> = path.iter().map(|(_, name)| name.as_str()).collect();
            if !comment.is_empty() {
                let pointer = format!("/{}", names.join("/"));
                let default = values
                    .pointer(&pointer)
                    .unwrap_or_else(|| panic!("{pointer}"));
                found.push(Described {
                    path: names.join("."),
                    default: default.to_string(),
                    text: comment.join(" "),
                });
            }
            comment.clear();
        }
    }
    found
}

fn table(values: &[Described]) -> String {
    let mut table = "| value | default | meaning |\n|---|---|---|\n".to_owned();
    for Described {
        path,
        default,
        text,
    } in values
    {
        let text = text.replace('|', "\\|");
        writeln!(table, "| `{path}` | `{default}` | {text} |").expect("a string");
    }
    table
}

/// The paths of the values that the schema describes, down to where it names no more.
fn leaves(schema: &Value, path: &str, found: &mut Vec<String>) {
    match schema["properties"].as_object() {
        Some(properties) if path != "config" => {
            for (name, below) in properties {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(below, &path, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn every_value_is_described_once_and_has_a_schema() {
    let values = described(&read("charts/multinic/values.yaml"));
    let schema: Value =
        serde_json::from_str(&read("charts/multinic/values.schema.json")).expect("JSON");
    let mut wanted = Vec::new();
    leaves(&schema, "", &mut wanted);
    let mut named: Vec<_> = values.iter().map(|value| value.path.clone()).collect();
    named.sort();
    wanted.sort();
    // These are values as a whole, whatever the schema says of their inside.
    let whole = |path: &String| !path.starts_with("certificates.certManager.issuerRef.");
    wanted.retain(whole);
    if !wanted.contains(&"certificates.certManager.issuerRef".to_owned()) {
        wanted.push("certificates.certManager.issuerRef".to_owned());
        wanted.sort();
    }
    assert_eq!(named, wanted);
    for value in &values {
        assert!(
            value.text.ends_with('.') || value.text.contains(". "),
            "{}: {}",
            value.path,
            value.text
        );
    }
}

#[test]
fn the_table_in_the_readme_is_up_to_date() {
    let path = chart().join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let table = table(&described(&read("charts/multinic/values.yaml")));
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("the beginning of the table");
    let (current, after) = rest.split_once(END).expect("the end of the table");
    if env::var_os("WRITE_VALUES").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md");
        return;
    }
    assert!(
        current == table,
        "the table of values in {} is not up to date: `make values` writes it",
        path.display()
    );
}
