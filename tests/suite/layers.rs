//! The layers of `multinic-core`: imports follow the order in which modules are declared.
//!
//! Cargo keeps I/O out of the package. Inside, a module may import only modules that are declared
//! before it, in `lib.rs` and likewise in each module with modules of its own. So no two of them
//! import each other in a circle. A parent's own items are for its children to use; from a child to
//! its parent's siblings the order of the parent counts.

use std::fs;
use std::path::{Path, PathBuf};

fn core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("core/src")
}

/// What a file imports, with the number of the line: paths that begin with `crate::` or `super::`,
/// in code, as the names after it.
fn imports(text: &str, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices(root) {
            // `super::super::x` is no import of `x` from the parent.
            if code[..at].ends_with("::") || code[at + root.len()..].starts_with("super::") {
                continue;
            }
            let rest = &code[at + root.len()..];
            let names = rest.strip_prefix('{').map_or(vec![rest], |list| {
                list.split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .collect()
            });
            for name in names {
                let name = name.trim_start();
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                found.push((number + 1, name[..end.unwrap_or(name.len())].to_owned()));
            }
        }
    }
    found
}

/// The modules that a file declares, in its order.
fn modules(text: &str) -> Vec<String> {
    let declared = text.lines().filter_map(|line| {
        let line = line
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ");
        line.strip_prefix("mod ")?
            .strip_suffix(';')
            .map(str::to_owned)
    });
    declared.collect()
}

/// The files of a module: its own, and all below it.
fn files(folder: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![folder.join(format!("{module}.rs"))];
    let mut folders = vec![folder.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// Imports against the order of `modules`, each as `file:line`.
fn upward(folder: &Path, modules: &[String], root: &str, deep: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (level, module) in modules.iter().enumerate() {
        let own = vec![folder.join(format!("{module}.rs"))];
        for file in if deep { files(folder, module) } else { own } {
            let text = fs::read_to_string(&file).unwrap_or_default();
            for (line, name) in imports(&text, root) {
                let other = modules.iter().position(|other| *other == name);
                if other.is_some_and(|other| other > level) {
                    let file = file.strip_prefix(core()).unwrap_or(&file).display();
                    wrong.push(format!(
                        "{file}:{line} imports {name}, which stands above {module}"
                    ));
                }
            }
        }
    }
    wrong
}

#[test]
fn imports_follow_the_order_of_the_modules() {
    let core = core();
    let read = |path: &Path| fs::read_to_string(path).expect("a file of core");
    let top = modules(&read(&core.join("lib.rs")));
    assert!(top.len() > 15, "{top:?}");
    let mut wrong = upward(&core, &top, "crate::", true);
    // The same for the modules inside a module, which name each other with `super::`.
    let mut inside = 0;
    for module in &top {
        for file in files(&core, module) {
            let children = modules(&read(&file));
            if !children.is_empty() {
                inside += children.len();
                wrong.extend(upward(
                    &file.with_extension(""),
                    &children,
                    "super::",
                    false,
                ));
            }
        }
    }
    assert!(inside > 40, "{inside}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_against_the_order_is_found() {
    let text = "use crate::text::escape;\nuse crate::{json, rules::Rule};\n// crate::cni\nlet x = crate::answer::f();\nuse super::super::chain;\n";
    let names: Vec<_> = imports(text, "crate::")
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert_eq!(names, ["text", "json", "rules", "answer"]);
    assert!(imports(text, "super::").is_empty());
    let folder = core();
    let order = ["json", "text"].map(str::to_owned);
    // `json` imports `text`: the other way round it stands above.
    assert!(!upward(&folder, &order, "crate::", true).is_empty());
}

#[test]
fn nothing_of_the_edges_is_among_the_dependencies_of_core() {
    let manifest = fs::read_to_string(core().join("../Cargo.toml")).expect("core/Cargo.toml");
    let edges = [
        "axum",
        "clap",
        "hyper",
        "kube",
        "prometheus",
        "rustls",
        "tokio",
        "tracing",
    ];
    for edge in edges {
        let named = manifest.lines().find(|line| line.starts_with(edge));
        assert_eq!(named, None, "core depends on {edge}");
    }
}
