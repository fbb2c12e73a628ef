//! The shape of answers: what the API server checks, what kubectl shows, and the words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use multinic_core::finding::Level;
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use multinic_core::review::{self, Request};
use multinic_core::view::networks::{DEFAULT_NETWORK, NETWORKS};
use serde_json::{Value, json};

use crate::manifest::{answer, created};
use crate::reviews::networks;

fn ask(review: &Value, webhook: Webhook) -> Value {
    let body = review.to_string();
    let answer = answer(body.as_bytes(), webhook, &networks(""), &Policy::default());
    assert!(!answer.body.contains(&b'\n'), "one line");
    let found: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(found["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(found["kind"], "AdmissionReview");
    let response = found["response"].clone();
    assert_eq!(response["uid"], review["request"]["uid"]);
    assert_eq!(
        response.get("patch").is_some(),
        response.get("patchType").is_some()
    );
    let audit = response["auditAnnotations"].as_object().unwrap();
    for key in audit.keys() {
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()), "{key}");
    }
    response
}

fn pod(networks: &str) -> Value {
    created(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "team-a", "annotations": {NETWORKS: networks}},
        "spec": {"containers": null, "initContainers": null, "unknownField": 1},
    }))
}

fn network(config: &str) -> Value {
    created(&json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "n", "namespace": "team-a"},
        "spec": {"config": config},
    }))
}

fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::Object(map) => map.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

#[test]
fn a_patch_is_base64_of_an_array_and_comes_with_its_type() {
    let mut review = pod("default/zoned");
    review["request"]["uid"] = json!("abc");
    let response = ask(&review, Webhook::Mutate);
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = STANDARD
        .decode(response["patch"].as_str().unwrap())
        .unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
    // Asked again, because another webhook changed the Pod after us.
    let again = ask(&review, Webhook::Mutate);
    assert_eq!(
        (&again["allowed"], again.get("patch")),
        (&json!(true), None)
    );
    assert_eq!(ask(&review, Webhook::Validate)["allowed"], true);
}

#[test]
fn validate_never_patches_and_mutate_never_speaks() {
    for text in ["default/zoned", "team-b/secret", "[", "a,,b"] {
        let judged = ask(&pod(text), Webhook::Validate);
        assert_eq!(
            (judged.get("patch"), &judged["allowed"]),
            (None, &json!(false)),
            "{text}"
        );
        let mutated = ask(&pod(text), Webhook::Mutate);
        assert_eq!(mutated["allowed"], true, "{text}");
        assert_eq!(
            (mutated.get("status"), mutated.get("warnings")),
            (None, None),
            "{text}"
        );
    }
}

#[test]
fn a_denial_is_a_status_that_kubectl_shows() {
    let asked: Vec<String> = (0..14).map(|index| format!("other-{index}/n")).collect();
    let review = pod(&asked.join(","));
    let response = ask(&review, Webhook::Validate);
    let status = &response["status"];
    assert_eq!(
        (&response["allowed"], &status["code"]),
        (&json!(false), &json!(403))
    );
    assert_eq!(
        (&status["status"], &status["reason"]),
        (&json!("Failure"), &json!("Forbidden"))
    );
    assert_eq!(
        (&status["details"]["kind"], &status["details"]["name"]),
        (&json!("Pod"), &json!("web"))
    );
    let causes = status["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), asked.len());
    for (cause, asked) in causes.iter().zip(&asked) {
        let message = cause["message"].as_str().unwrap();
        assert!(
            message.starts_with("isolated-network: ") && message.contains(&**asked),
            "{cause}"
        );
        assert_eq!(cause["field"], format!("metadata.annotations[{NETWORKS}]"));
    }
    let lines: Vec<&str> = status["message"].as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 11);
    let (reference, lines) = lines.split_last().unwrap();
    assert_eq!(*reference, "See: multinic explain isolated-network");
    let first = causes[0]["message"].as_str().unwrap();
    assert_eq!(lines[0], format!("{first} (and 13 more)"));
    for (line, cause) in lines.iter().zip(causes).skip(1) {
        assert_eq!(cause["message"], *line);
    }
}

#[test]
fn a_denial_refers_to_what_the_configuration_names() {
    let message = |documentation: &str| {
        let policy =
            multinic_core::config::parse(&format!("documentation: {documentation:?}")).unwrap();
        let body = pod("other/n").to_string();
        let answer = answer(body.as_bytes(), Webhook::Validate, &networks(""), &policy);
        let found: Value = serde_json::from_slice(&answer.body).unwrap();
        let message = &found["response"]["status"]["message"];
        message
            .as_str()
            .unwrap()
            .lines()
            .skip(1)
            .collect::<String>()
    };
    let url = "https://docs.example/{rule}.html";
    assert_eq!(
        message(url),
        "See: https://docs.example/isolated-network.html"
    );
    assert_eq!(message(""), "");
    let error = multinic_core::config::parse("documentation: \"a\\nb\"").unwrap_err();
    assert!(error.to_string().contains("documentation"), "{error}");
}

#[test]
fn nothing_that_acts_on_a_terminal_leaves() {
    let acting = "\u{1b}[31m\r\n\u{7}\u{202e}\u{2066}\u{200f}\u{feff}\u{2028}\u{85}\u{0}";
    let mut reviews = Vec::new();
    for text in [
        acting.to_owned(),
        format!("team-b/{acting}"),
        format!("n@{acting}"),
        format!("[{{\"name\":{}}}]", json!(acting)),
        format!("[{{\"name\":\"n\",{}:1}}]", json!(acting)),
        format!("[{{\"name\":\"n\",\"mac\":{}}}]", json!(acting)),
    ] {
        let mut review = pod(&text);
        reviews.push(review.clone());
        let annotations = json!({DEFAULT_NETWORK: text});
        review["request"]["object"]["metadata"]["annotations"] = annotations;
        reviews.push(review.clone());
        review["request"]["name"] = json!(acting);
        review["request"]["namespace"] = json!(acting);
        reviews.push(review);
    }
    for config in [
        acting.to_owned(),
        json!({"type": acting}).to_string(),
        json!({"cniVersion": acting, "type": "bridge", acting: acting, "bridge": acting})
            .to_string(),
        json!({"type": "macvlan", "master": acting, "ipam": {"type": acting}}).to_string(),
    ] {
        let mut review = network(&config);
        reviews.push(review.clone());
        let selector = json!({"k8s.v1.cni.cncf.io/nodeSelector": acting});
        review["request"]["object"]["metadata"]["annotations"] = selector;
        reviews.push(review);
    }
    let acts = |letter: char| {
        letter.is_control()
            || acting[4..]
                .chars()
                .skip(1)
                .any(|own| own == letter && !own.is_ascii_graphic())
    };
    for review in reviews {
        let response = ask(&review, Webhook::Validate);
        let mut said = Vec::new();
        strings(&response["warnings"], &mut said);
        strings(&response["status"]["details"]["causes"], &mut said);
        said.extend(
            response["status"]["message"]
                .as_str()
                .into_iter()
                .flat_map(str::lines),
        );
        assert!(!said.is_empty(), "{review}");
        for text in said {
            assert!(!text.contains(acts), "{text:?} of {review}");
        }
    }
}

#[test]
fn warnings_are_lines_and_few_enough_to_be_passed_on_whole() {
    let many: Vec<String> = (0..200)
        .map(|index| {
            format!(
                "{{\"name\":\"gke-network-1\",\"namespace\":\"default\",\"mac\":\"{index:040}\"}}"
            )
        })
        .collect();
    let response = ask(&pod(&format!("[{}]", many.join(","))), Webhook::Validate);
    let warnings = response["warnings"].as_array().unwrap();
    assert!(!warnings.is_empty());
    let texts: Vec<&str> = warnings.iter().map(|text| text.as_str().unwrap()).collect();
    assert!(texts.iter().all(|text| !text.contains('\n')));
    let total: usize = texts.iter().map(|text| text.chars().count()).sum();
    assert!(total <= 4096, "{total}");
}

#[test]
fn a_warning_that_is_too_long_is_cut_and_not_dropped() {
    use multinic_core::finding::{Finding, Level, Place};
    use multinic_core::rules::find;
    use multinic_core::validate::{Judgement, validate};

    let finding = |length| {
        let rule = find("missing-network").unwrap();
        Finding::new(rule.name, Level::Warn, Place::default(), "x".repeat(length))
    };
    for lengths in [vec![5000], vec![10, 5000], vec![4070, 500]] {
        let findings: Vec<_> = lengths.iter().copied().map(finding).collect();
        let Judgement::Allow { warnings } = validate(&findings) else {
            panic!("warnings deny nothing");
        };
        let total: usize = warnings
            .iter()
            .map(|line| line.to_string().chars().count())
            .sum();
        assert!(total <= 4096, "{lengths:?}: {total}");
        let begun = if lengths[0] == 4070 { 1 } else { lengths.len() };
        assert_eq!(warnings.len(), begun, "{lengths:?}");
        let is_cut = warnings.last().unwrap().message.ends_with('…');
        assert_eq!(is_cut, lengths[0] != 4070, "{lengths:?}");
    }
}

#[test]
fn a_message_names_a_network_once() {
    let once = ask(&pod(&["default/zoned"; 200].join(",")), Webhook::Validate);
    let message = once["status"]["message"].as_str().unwrap();
    assert_eq!(message.matches("default/zoned").count(), 1, "{message}");
}

#[test]
fn a_dry_run_is_answered_like_any_other() {
    for text in ["default/zoned", "team-b/secret"] {
        for webhook in [Webhook::Mutate, Webhook::Validate] {
            let mut dry = pod(text);
            dry["request"]["dryRun"] = json!(true);
            assert_eq!(ask(&dry, webhook), ask(&pod(text), webhook));
        }
    }
}

#[test]
fn what_is_not_ours_to_judge_passes() {
    let mut deleted = pod("team-b/secret");
    deleted["request"]["operation"] = json!("DELETE");
    deleted["request"]["oldObject"] = deleted["request"]["object"].take();
    let mut unknown = pod("team-b/secret");
    unknown["request"]["resource"] =
        json!({"group": "apps", "version": "v1", "resource": "gadgets"});
    let mut resize = pod("team-b/secret");
    resize["request"]["subResource"] = json!("resize");
    for review in [deleted, unknown, resize] {
        for webhook in [Webhook::Mutate, Webhook::Validate] {
            assert_eq!(ask(&review, webhook)["allowed"], true, "{review}");
        }
    }
}

#[test]
fn a_review_without_a_request_is_none() {
    let mut review = pod("n");
    review["request"] = Value::Null;
    let body = review.to_string();
    let document = review::read(body.as_bytes()).unwrap();
    assert!(Request::of(&document).is_err());
}

/// The words, of which a change should be seen.
#[test]
fn the_words_of_the_most_important_messages() {
    let mut words = String::new();
    let mut say = |review: &Value, snapshot: &Snapshot| {
        let body = review.to_string();
        let answer = answer(
            body.as_bytes(),
            Webhook::Validate,
            snapshot,
            &Policy::default(),
        );
        for finding in answer
            .findings
            .iter()
            .filter(|finding| finding.level > Level::Off)
        {
            words.push_str(&format!("{} {}\n", finding.level.name(), finding.line()));
        }
    };
    let known = networks("");
    for text in [
        "privileged/sriov",
        "zoned",
        "default/zonde",
        "default/zoned",
        "a//b",
        "[{\"name\":\"n\"",
        "[{\"name\":\"private\",\"Name\":\"x\"}]",
        "default/gke-network-1@eth0",
        "default/zoned,private",
        "n@very_long_interface_name",
    ] {
        say(&pod(text), &known);
    }
    for config in [
        "",
        "{\"type\":\"sriov\"}",
        "{\"type\":\"macvlan\",}",
        "{\"type\":\"macvlan\",\"ipam\":{\"type\":\"dhcp\"}}",
    ] {
        say(&network(config), &known);
    }
    let isolated = "deny isolated-network: Pod team-a/web may not use network \"privileged/sriov\": it \
         belongs to namespace \"privileged\", and a Pod may use networks of its own namespace or of: \
         default\n";
    assert!(words.starts_with(isolated), "{words}");
    insta::assert_snapshot!(words);
}
