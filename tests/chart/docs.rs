//! The documents about installation hold values that the chart takes.

use std::fs;

use crate::helm::{chart, read, render};

/// The fenced blocks of a page that begin with this line.
fn blocks(page: &str, fence: &str) -> Vec<String> {
    let text = read(page);
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

#[test]
fn the_values_of_every_platform_are_taken() {
    let presets = blocks("docs/platforms.md", "```yaml values");
    assert!(presets.len() >= 6, "{presets:?}");
    for values in &presets {
        let rendered = render(values);
        assert!(
            rendered
                .find("ValidatingWebhookConfiguration", "zzz-multinic")
                .is_some()
        );
    }
}

#[test]
fn the_values_of_the_other_pages_are_taken() {
    for page in [
        "docs/installation.md",
        "docs/certificates.md",
        "docs/backstop.md",
        "charts/multinic/README.md",
    ] {
        for values in blocks(page, "```yaml values") {
            render(&format!(
                "{}{values}",
                if values.contains("image:") {
                    ""
                } else {
                    crate::helm::IMAGE
                }
            ));
        }
    }
}

#[test]
fn every_file_in_ci_is_taken() {
    let files: Vec<_> = fs::read_dir(chart().join("ci"))
        .expect("ci")
        .flatten()
        .collect();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        render(&fs::read_to_string(file.path()).expect("a file"));
    }
}
