//! values.schema.json: a mistake is found before a Pod crashes on it.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use crate::helm::{IMAGE, read, refused, with};

fn schema() -> Value {
    serde_json::from_str(&read("charts/multinic/values.schema.json")).expect("JSON")
}

/// The names that `multinic explain` lists.
fn rules() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_multinic"))
        .arg("explain")
        .output()
        .expect("multinic");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| {
        name.contains('-')
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    });
    names.map(str::to_owned).collect()
}

#[test]
fn the_rules_of_the_schema_are_those_of_the_program() {
    let rules = rules();
    assert!(
        rules.len() > 20 && rules.contains("isolated-network"),
        "{rules:?}"
    );
    let schema = schema();
    let listed: BTreeSet<String> =
        serde_json::from_value(schema["definitions"]["rule"]["enum"].clone()).expect("names");
    assert_eq!(listed, rules, "values.schema.json: definitions.rule");
    let levels = schema["properties"]["config"]["properties"]["rules"]["properties"]
        .as_object()
        .expect("an object");
    assert_eq!(
        levels.keys().cloned().collect::<BTreeSet<_>>(),
        rules,
        "values.schema.json: config.rules"
    );
}

/// Every key of the documented default configuration is a value of the chart.
#[test]
fn the_keys_of_the_configuration_are_those_of_the_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_multinic"))
        .arg("config")
        .output()
        .expect("multinic");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let config: Value = serde_saphyr::from_str(&text).expect("YAML");
    let schema = schema();
    let known = schema["properties"]["config"]["properties"]
        .as_object()
        .expect("an object");
    for key in config.as_object().expect("an object").keys() {
        assert!(
            known.contains_key(key),
            "values.schema.json lacks config.{key}"
        );
    }
}

/// Values that are not described are refused, and so are misspelled ones.
#[test]
fn a_misspelled_value_is_refused() {
    for (values, words) in [
        ("unknown: 1", "additional properties 'unknown' not allowed"),
        ("config: {enforcement: deney}", "/config/enforcement"),
        (
            "config: {rules: {isolated-networks: off}}",
            "'isolated-networks' not allowed",
        ),
        (
            "config: {rules: {isolated-network: block}}",
            "/config/rules/isolated-network",
        ),
        (
            "config: {exemptions: [{rules: [isolated-networks], objects: [\"a/*\"], reason: x}]}",
            "/config/exemptions/0/rules/0",
        ),
        (
            "config: {exemptions: [{rules: [isolated-network], reason: x}]}",
            "/config/exemptions/0",
        ),
        (
            "config: {globalNamespaces: [Default]}",
            "/config/globalNamespaces/0",
        ),
        (
            "config: {grants: [{networks: telecom, namespaces: [a]}]}",
            "/config/grants/0/networks",
        ),
        (
            "config: {grants: [{networks: \"a/*\", namespaces: [\"a'b\"]}]}",
            "/config/grants/0/namespaces/0",
        ),
        ("certificates: {mode: builtin}", "/certificates/mode"),
        ("webhook: {url: \"http://192.0.2.7\"}", "/webhook/url"),
        ("webhook: {failurePolicy: ignore}", "/webhook/failurePolicy"),
        ("backstop: maybe", "/backstop"),
        (
            "monitoring: {prometheusRule: {disabled: [Other]}}",
            "/monitoring/prometheusRule/disabled/0",
        ),
    ] {
        refused(&format!("{IMAGE}{values}"), words);
    }
}

#[test]
fn every_key_of_the_configuration_may_be_null() {
    let schema = schema();
    let keys = schema["properties"]["config"]["properties"]
        .as_object()
        .expect("an object");
    let values: Vec<_> = keys.keys().map(|key| format!("  {key}: null\n")).collect();
    let values = values.concat();
    let config = with(&format!("config:\n{values}")).config();
    assert_eq!(config, serde_json::json!({}));
}
