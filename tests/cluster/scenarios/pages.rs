//! Every rule, by the examples of its page: what `multinic explain` shows is what kubectl shows.

use multinic_core::{
    finding::Level,
    rules::{Check, RULES, Rule, undeclared_node_interface},
};
use serde_json::Value;

use crate::{
    Scenario, cluster::Cluster, kubectl::Outcome, process::eventually, scenarios::api_client,
};

pub(crate) const ALL: &[Scenario] = &[(
    "every_rule_speaks_as_its_page_says",
    every_rule_speaks_as_its_page_says,
)];

fn every_rule_speaks_as_its_page_says(c: &Cluster) {
    let mut wrong = Vec::new();
    // Rules with one configuration together, because each one needs another server.
    let rules: Vec<_> = RULES.iter().filter(|rule| is_for_reviews(rule)).collect();
    let mut configs: Vec<&str> = rules.iter().map(|rule| config(rule)).collect();
    configs.sort_unstable();
    configs.dedup();
    for text in configs {
        if uses_pods(text) {
            c.install(&["config.usage=true"]);
        }
        c.start_server(text);
        for rule in rules.iter().filter(|rule| config(rule) == text) {
            for tag in ["yaml admitted", "yaml refused"] {
                let manifests = block(rule.page, tag).expect("a page has both examples");
                let outcome = example(c, manifests, text);
                let fault = match tag {
                    "yaml admitted" => not_admitted(&outcome),
                    _ => not_said(rule, &outcome),
                };
                wrong.extend(fault.map(|fault| format!("{}: {tag}: {fault}", rule.name)));
            }
        }
        if uses_pods(text) {
            c.install(&[]);
        }
    }
    c.start_server("{}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Whether the rule can be shown by a request: a cluster configuration is a file.
fn is_for_reviews(rule: &Rule) -> bool {
    !matches!(rule.check, Check::Cluster(_)) && rule.name != undeclared_node_interface::RULE.name
}

/// Whether the configuration needs the rights for it.
fn uses_pods(config: &str) -> bool {
    config.contains("usage: true")
}

/// Stores all objects but the last one, asks the API server what it would do with that, and removes
/// the others again.
fn example(c: &Cluster, manifests: &str, config: &str) -> Outcome {
    let objects = serde_saphyr::from_multiple::<Option<Value>>(manifests).expect("manifests");
    let objects: Vec<Value> = objects.into_iter().flatten().collect();
    let (last, seeds) = objects.split_last().expect("an object");
    let mut api = api_client(c);
    let mut store = |seed: &Value| api.post(&collection(seed), &seed.to_string());
    let mut lenient = false;
    for seed in seeds {
        let mut made = store(seed).expect("an answer");
        if made.status() == 403 && !lenient {
            // It was there before the configuration was.
            lenient = true;
            c.start_server("enforcement: warn");
            made = store(seed).expect("an answer");
        }
        assert_eq!(made.status(), 201, "{seed}: {}", made.text());
    }
    if lenient {
        c.start_server(config);
    }
    let pods = || seeds.iter().filter(|seed| seed["kind"] == "Pod");
    for pod in pods().filter(|pod| pod["status"].is_object()) {
        c.scheduled_on(text(pod, "namespace"), text(pod, "name"));
    }
    c.informed();
    if uses_pods(config) {
        let using = pods().filter(|pod| pod["metadata"]["annotations"].is_object());
        counted(c, using.count());
    }
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "-o",
        "json",
        "-f",
        "-",
    ];
    let outcome = c.kubectl(&apply, Some(last));
    for seed in seeds {
        let path = format!(
            "{}/{}?gracePeriodSeconds=0",
            collection(seed),
            text(seed, "name")
        );
        let gone = api.ask("DELETE", &path, "application/json", "");
        let gone = gone.expect("an answer");
        assert_eq!(gone.status(), 200, "{path}: {}", gone.text());
    }
    c.informed();
    outcome
}

/// Waits until multinic knows of so many Pods that use a network.
fn counted(c: &Cluster, pods: usize) {
    eventually(&format!("{pods} Pods to be counted"), || {
        let metrics = c.metrics();
        let using = metrics.sum(
            "network_attachment_definition_instances",
            &[("networks", "any")],
        );
        if usize::try_from(using).is_ok_and(|using| using >= pods) {
            Ok(())
        } else {
            Err(format!("{metrics:?}"))
        }
    });
}

/// Why an example is not admitted without a word. The API server has warnings of its own.
fn not_admitted(outcome: &Outcome) -> Option<String> {
    let said = RULES.iter().any(|rule| warns(rule, outcome));
    (!outcome.accepted || said).then(|| outcome.to_string())
}

/// Why a rule, and it alone, does not say what its page quotes.
fn not_said(rule: &Rule, outcome: &Outcome) -> Option<String> {
    if rule.fix.is_some() && mended(outcome) {
        return None;
    }
    let denied = format!("denied the request: {}: ", rule.name);
    let speaks = match rule.default_level {
        Level::Deny => !outcome.accepted && outcome.stderr.contains(&denied),
        _ => outcome.accepted && warns(rule, outcome),
    };
    let others = RULES.iter().filter(|other| other.name != rule.name);
    let alone = !others.clone().any(|other| warns(other, outcome));
    // Where lines end depends on the page, and on the terminal.
    let letters = |text: &str| -> String { text.split_whitespace().collect() };
    let quoted = block(rule.page, "text")
        .is_none_or(|text| letters(&outcome.stderr).contains(&letters(text)));
    (!speaks || !alone || !quoted).then(|| format!("quoted: {quoted}, alone: {alone}\n{outcome}"))
}

/// Whether multinic added what the rule misses: a page shows what `/validate` alone says.
fn mended(outcome: &Outcome) -> bool {
    outcome.accepted && {
        let object = outcome.json();
        let resources = &object["spec"]["containers"][0]["resources"];
        object["kind"] == "Pod" && resources["limits"].is_object()
    }
}

fn warns(rule: &Rule, outcome: &Outcome) -> bool {
    let said = format!("Warning: {}: ", rule.name);
    outcome.stderr.lines().any(|line| line.starts_with(&said))
}

/// The path to which an object is posted.
fn collection(object: &Value) -> String {
    let (group, resource) = match object["kind"].as_str() {
        Some("NetworkAttachmentDefinition") => {
            ("apis/k8s.cni.cncf.io/v1", "network-attachment-definitions")
        }
        Some("Pod") => ("api/v1", "pods"),
        other => panic!("nothing is known of {other:?}"),
    };
    let namespace = text(object, "namespace");
    format!("/{group}/namespaces/{namespace}/{resource}")
}

/// A field of the metadata.
fn text<'o>(object: &'o Value, field: &str) -> &'o str {
    object["metadata"][field].as_str().expect("a text")
}

/// The configuration of a page; an empty one, where it shows none.
fn config(rule: &Rule) -> &'static str {
    block(rule.page, "yaml config").unwrap_or("{}")
}

/// The first block of a page that is tagged so.
fn block(page: &'static str, tag: &str) -> Option<&'static str> {
    let mut fenced = page.split("```").skip(1).step_by(2);
    fenced.find_map(|block| block.strip_prefix(tag)?.strip_prefix('\n'))
}
