//! Alerts, runbooks and the dashboard.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::helm::{read, refused, root, with};

const ALL: &str = "monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}\n";

fn rules(rendered: &crate::helm::Rendered) -> Vec<&Value> {
    let groups = rendered.get("PrometheusRule", "")["spec"]["groups"]
        .as_array()
        .expect("groups")
        .iter();
    groups
        .flat_map(|group| group["rules"].as_array().into_iter().flatten())
        .collect()
}

/// The alerts of the rule file, rendered in any mode or not.
fn alerts() -> Vec<Value> {
    let file: Value =
        serde_saphyr::from_str(&read("charts/multinic/files/alerts.yaml")).expect("YAML");
    file["groups"][0]["rules"]
        .as_array()
        .expect("rules")
        .clone()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("charts/multinic/files/dashboard.json")).expect("JSON")
}

/// The names of multinic's own metrics in a text of `PromQL`.
fn own_metrics(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text
        .split(|c| !letter(c))
        .filter(|word| word.starts_with("multinic_"));
    // The parts of a histogram are one metric.
    words
        .map(|word| {
            word.trim_end_matches("_bucket")
                .trim_end_matches("_total")
                .to_owned()
        })
        .collect()
}

#[test]
fn nothing_of_it_is_rendered_by_default() {
    let rendered = with("");
    for kind in ["ServiceMonitor", "PrometheusRule", "ConfigMap"] {
        assert!(rendered.find(kind, "").is_none(), "{kind}");
    }
}

#[test]
fn the_metrics_are_scraped_where_they_are_served() {
    let rendered =
        with("monitoring: {serviceMonitor: {enabled: true, labels: {release: p}, interval: 30s}}");
    let monitor = rendered.get("ServiceMonitor", "multinic");
    assert_eq!(monitor["metadata"]["labels"]["release"], "p");
    assert_eq!(monitor["spec"]["endpoints"][0]["interval"], "30s");
    let service = rendered.get("Service", "multinic");
    let ports = service["spec"]["ports"].as_array().expect("ports");
    assert!(
        ports
            .iter()
            .any(|port| port["name"] == monitor["spec"]["endpoints"][0]["port"])
    );
    for (key, value) in monitor["spec"]["selector"]["matchLabels"]
        .as_object()
        .expect("labels")
    {
        assert_eq!(service["metadata"]["labels"][key], *value);
    }
    let plain = with("monitoring: {serviceMonitor: {enabled: true}}");
    assert!(
        plain.get("ServiceMonitor", "")["spec"]["endpoints"][0]
            .get("interval")
            .is_none()
    );
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let names: BTreeSet<String> = alerts()
        .iter()
        .map(|alert| alert["alert"].as_str().unwrap_or_default().to_owned())
        .collect();
    let pages = fs::read_dir(root().join("docs/runbooks")).expect("docs/runbooks");
    let pages = pages
        .flatten()
        .filter_map(|page| page.file_name().into_string().ok());
    let pages: BTreeSet<String> = pages
        .filter_map(|page| page.strip_suffix(".md").map(str::to_owned))
        .filter(|page| page != "README")
        .collect();
    assert_eq!(pages, names);
    let index = read("docs/runbooks/README.md");
    for name in &names {
        let page = read(&format!("docs/runbooks/{name}.md"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        for heading in ["## Meaning", "## Impact", "## Diagnosis", "## Remedy"] {
            assert!(
                page.contains(&format!("\n{heading}\n")),
                "{name} lacks {heading}"
            );
        }
        assert!(
            index.contains(&format!("[{name}]({name}.md)")),
            "docs/runbooks/README.md lacks {name}"
        );
    }
    for rule in rules(&with(ALL)) {
        let name = rule["alert"].as_str().expect("a name");
        let url = rule["annotations"]["runbook_url"].as_str().expect("a URL");
        assert_eq!(
            url,
            format!("https://github.com/multinic/multinic/blob/main/docs/runbooks/{name}.md")
        );
        assert!(
            ["critical", "warning"]
                .contains(&rule["labels"]["severity"].as_str().unwrap_or_default()),
            "{rule}"
        );
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].is_string(), "{rule}");
        }
    }
}

#[test]
fn alerts_are_about_this_release() {
    let rendered = with(ALL);
    let names = |mode: &str| {
        let rendered = with(&format!("{ALL}{mode}"));
        rules(&rendered)
            .iter()
            .map(|rule| rule["alert"].as_str().unwrap_or_default().to_owned())
            .collect::<BTreeSet<_>>()
    };
    for rule in rules(&rendered) {
        let text = rule["expr"].as_str().expect("an expression");
        for metric in own_metrics(text) {
            let _ = metric;
            assert!(
                text.contains("namespace=\"multinic-system\", job=\"multinic\""),
                "{text}"
            );
        }
    }
    // What multinic makes itself is renewed after a week; what others make is not its authority.
    let (built_in, given) = (
        names(""),
        names("certificates: {mode: secret, secretName: own}"),
    );
    let differ: Vec<_> = built_in.symmetric_difference(&given).cloned().collect();
    assert_eq!(
        differ,
        ["MultinicAuthorityExpiring", "MultinicCertificateNotRenewed"]
    );
    assert!(
        built_in.contains("MultinicAuthorityExpiring")
            && given.contains("MultinicCertificateNotRenewed")
    );

    let rendered = with(
        "monitoring: {prometheusRule: {enabled: true, disabled: [MultinicSlow], alertLabels: {team: net}, labels: {a: b}, runbooks: \"https://wiki.test/\"}}",
    );
    assert_eq!(
        rendered.get("PrometheusRule", "")["metadata"]["labels"]["a"],
        "b"
    );
    let rules = rules(&rendered);
    assert!(rules.iter().all(|rule| rule["alert"] != "MultinicSlow"));
    assert_eq!(rules.len(), names("").len() - 1);
    for rule in rules {
        assert_eq!(rule["labels"]["team"], "net");
        assert!(rule["labels"]["severity"].is_string());
        assert!(
            rule["annotations"]["runbook_url"]
                .as_str()
                .is_some_and(|url| url.starts_with("https://wiki.test/Multinic"))
        );
    }
    refused(
        "image: {repository: a}\nmonitoring: {prometheusRule: {disabled: [multinicSlow]}}",
        "/monitoring/prometheusRule/disabled/0",
    );
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "an identifier is used twice");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |field: &str| panel["gridPos"][field].as_u64().expect("a number");
        assert!(place("x") + place("w") <= 24, "{}", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(
                    taken.insert((x, y)),
                    "{} lies over another panel",
                    panel["title"]
                );
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].is_string() && panel["title"].is_string());
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty());
        for target in targets {
            let text = target["expr"].as_str().expect("an expression");
            assert_eq!(
                text.matches('(').count(),
                text.matches(')').count(),
                "{text}"
            );
            for _ in own_metrics(text) {
                assert!(
                    text.contains("namespace=~\"$namespace\", job=~\"$job\""),
                    "{text}"
                );
            }
        }
    }
    let rendered = with(
        "monitoring: {dashboard: {enabled: true, namespace: grafana, annotations: {grafana_folder: net}}}",
    );
    let map = rendered.get("ConfigMap", "multinic-dashboard");
    assert_eq!(map["metadata"]["namespace"], "grafana");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "net");
    let text = map["data"]["multinic.json"].as_str().expect("a text");
    assert_eq!(
        serde_json::from_str::<Value>(text).expect("JSON"),
        dashboard
    );
}
