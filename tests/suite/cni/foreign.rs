//! The plugins that people add most: `tests/oracle/other_plugins.json`.

use std::collections::BTreeMap;

use multinic_core::cni::Config;
use serde_json::Value;

/// How far the real plugin came, or why it stopped, and how many configurations that is of.
const COUNTS: [(&str, usize); 7] = [
    ("accept: an interface", 222),
    ("accept: the configuration, up to the device", 109),
    ("reject: a device was needed to find it", 5),
    ("reject: configuration", 621),
    ("reject: kernel", 4),
    ("reject: node", 47),
    ("reject: Pod", 7),
];

#[test]
fn real_plugins_that_are_added_agree() {
    let file: Value =
        serde_json::from_str(include_str!("../../oracle/other_plugins.json")).unwrap();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        let config = Config::read("net", case["config"].as_str().unwrap());
        let said: Vec<&str> = config
            .malformed
            .iter()
            .chain(&config.invalid)
            .map(|fault| &*fault.message)
            .collect();
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let (class, is_refused) = match (text("verdict"), text("cause"), text("reached")) {
            // Read in the plugin's source: it comes behind the device, which is made up.
            _ if case["behindDevice"] == true => ("reject: a device was needed to find it", true),
            _ if case["podDependent"] == true => ("reject: Pod", false),
            ("accept", _, "end") => ("accept: an interface", false),
            ("accept", ..) => ("accept: the configuration, up to the device", false),
            ("reject", "config", _) => ("reject: configuration", true),
            ("reject", "node", _) => ("reject: node", false),
            _ => ("reject: kernel", false),
        };
        *counts.entry(class).or_insert(0) += 1;
        if is_refused == said.is_empty() {
            wrong.push(format!(
                "{}: {}\n  plugin: {class}: {}\n  we: {said:?}",
                case["id"], case["config"], case["error"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(counts, BTreeMap::from(COUNTS));
}
