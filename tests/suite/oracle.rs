//! Agreement with the real programs, on inputs whose verdict by them is recorded in `tests/oracle`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

mod annotations;
mod cases;
mod injector;
mod peers;
mod selectors;

/// A file of `tests/oracle`.
fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cases of a `.json` file.
fn cases(name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(&read(name)).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// The lines of a `.jsonl` file.
fn lines(name: &str) -> Vec<Value> {
    read(name)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Asserts that differences fall into the classes that are listed, each as often as it says.
fn assert_counted(found: &BTreeMap<&str, usize>, listed: &[(&str, usize)]) {
    let listed: BTreeMap<&str, usize> = listed.iter().copied().collect();
    assert_eq!(*found, listed);
}
