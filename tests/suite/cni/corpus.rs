//! The corpora of `tests/oracle`, with the rules on ambiguity, unsupported plugins and configs on
//! disk off.

use multinic_core::cni::Config;
use serde_json::Value;

/// Why `malformed-config` or `invalid-plugin-config` would refuse a configuration.
fn refusals(config: &Config) -> Vec<String> {
    config
        .malformed
        .iter()
        .chain(&config.invalid)
        .map(|fault| format!("{}: {}", fault.at, fault.message))
        .collect()
}

fn cases(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// `config` of a case, which is a text or the object itself.
fn config_of(case: &Value) -> String {
    match &case["config"] {
        Value::String(text) => text.clone(),
        object => object.to_string(),
    }
}

#[test]
fn real_plugins_agree() {
    let mut wrong = Vec::new();
    let cases = cases(include_str!("../../oracle/cni_plugins.json"));
    assert_eq!(cases.len(), 531);
    for case in &cases {
        let text = config_of(case);
        let said = refusals(&Config::read("net", &text));
        let is_refused = case["verdict"] == "reject" && case["cause"] == "config";
        if case["podDependent"] == true {
            continue;
        }
        if is_refused == said.is_empty() {
            wrong.push(format!(
                "{}: {text}\n  plugins: {}\n  we: {said:?}",
                case["id"], case["error"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn documentation_agrees() {
    let mut wrong = Vec::new();
    let cases = cases(include_str!("../../oracle/documented.json"));
    assert_eq!(cases.len(), 229);
    for case in &cases {
        let text = config_of(case);
        let config = Config::read("net", &text);
        let said = refusals(&config);
        let fits = match case["expect"].as_str().unwrap() {
            "accept" => said.is_empty(),
            "reject-invalid" => !said.is_empty(),
            // The lists of supported plugins are judged by other rules, from these.
            "reject-unsupported" => case["unsupported"].as_array().unwrap().iter().all(|name| {
                config.plugins.iter().any(|plugin| {
                    let ipam = plugin.ipam.iter().map(|ipam| &ipam.kind);
                    ipam.chain([&plugin.kind])
                        .any(|kind| **kind == *name.as_str().unwrap())
                })
            }),
            other => panic!("{other}"),
        };
        if !fits {
            wrong.push(format!(
                "{}: {} {text}\n  plugins: {}\n  we: {said:?}",
                case["id"], case["expect"], case["error"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[derive(serde::Deserialize)]
struct Fuzzed {
    input: String,
    multus: Multus,
}

/// What Multus and libcni made of a text.
#[derive(serde::Deserialize)]
struct Multus {
    error: Option<String>,
    panic: Option<String>,
    /// `type/ipam.type` of each plugin that would run.
    types: Option<Vec<String>>,
}

fn types(config: &Config) -> Vec<String> {
    let ipam = |plugin: &multinic_core::cni::PluginConf| {
        let kind = plugin.ipam.as_ref().map(|ipam| ipam.kind.clone());
        kind.unwrap_or_default()
    };
    config
        .plugins
        .iter()
        .map(|plugin| format!("{}/{}", plugin.kind, ipam(plugin)))
        .collect()
}

/// How we may differ from this oracle, and why.
#[derive(Debug, Default, Eq, PartialEq)]
struct Differences {
    /// libcni asks for the name of the network when it runs the plugins, after this oracle.
    name: usize,
    /// When libcni runs a plugin it passes the config through a map, so that of equal keys the last
    /// counts, even null, and of variants the one last in byte order. The oracle shows the IPAM type
    /// as it is before that. `ambiguous-config` denies all of these.
    order: usize,
}

#[test]
fn multus_and_libcni_agree_on_what_can_be_read() {
    let mut wrong = Vec::new();
    let mut differences = Differences::default();
    let lines = include_str!("../../oracle/fuzz_config.jsonl");
    for line in lines.lines() {
        let Fuzzed { input, multus } = serde_json::from_str(line).unwrap();
        let config = Config::read("nadname", &input);
        let ours = config.malformed.as_ref().map(|fault| &*fault.message);
        let theirs = multus.error.as_deref().or(multus.panic.as_deref());
        match (theirs, ours) {
            (Some(_), Some(_)) => {}
            (None, Some(ours)) if ours.contains(" network name") => differences.name += 1,
            (None, None) if multus.types.as_ref() == Some(&types(&config)) => {}
            (None, None) if !config.ambiguous.is_empty() => differences.order += 1,
            _ => wrong.push(format!(
                "{input}\n  multus: {theirs:?} {:?}\n  we: {ours:?} {:?}",
                multus.types,
                types(&config)
            )),
        }
    }
    assert_eq!(lines.lines().count(), 1500);
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(differences, Differences { name: 24, order: 5 });
}

#[test]
fn multus_and_libcni_agree_on_the_documented_edges() {
    for case in cases(include_str!("../../oracle/nad_config.json")) {
        let text = config_of(&case);
        let config = Config::read("nadname", &text);
        if text.is_empty() {
            assert!(config.on_disk);
        } else {
            assert_eq!(
                config.malformed.is_some(),
                case["error"].is_string(),
                "{text}: {:?}",
                config.malformed
            );
        }
    }
}

#[test]
fn what_multus_panics_on_with_cni_args_is_dangerous() {
    let cases = cases(include_str!("../../oracle/cni_args.json"));
    assert_eq!(cases.len(), 51);
    for case in cases {
        let text = config_of(&case);
        let dangerous = Config::read("net", &text).dangerous;
        assert_eq!(
            !dangerous.is_empty(),
            case["panics"].as_bool().unwrap(),
            "{text}"
        );
    }
}
