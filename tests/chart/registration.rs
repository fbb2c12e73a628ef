//! What the API server asks multinic for, and what it decides by itself.

use serde_json::{Value, json};

use crate::helm::{IMAGE, Rendered, refused, with};

fn policy(rendered: &Rendered) -> Option<&Value> {
    let policy = rendered.find("ValidatingAdmissionPolicy", "isolation.multinic.dev");
    let binding = rendered.find("ValidatingAdmissionPolicyBinding", "isolation.multinic.dev");
    assert_eq!(policy.is_some(), binding.is_some());
    policy.map(|policy| &policy["spec"])
}

fn actions(values: &str) -> Value {
    let rendered = with(values);
    let binding = rendered.find("ValidatingAdmissionPolicyBinding", "");
    binding.map_or(Value::Null, |binding| {
        binding["spec"]["validationActions"].clone()
    })
}

#[test]
fn webhooks_fail_as_the_values_say() {
    let failure = |values: &str| {
        let rendered = with(values);
        let webhooks = rendered.webhooks();
        let policies = webhooks.iter().map(|w| {
            (
                w["name"].as_str().unwrap_or_default().to_owned(),
                w["failurePolicy"].as_str().unwrap_or_default().to_owned(),
            )
        });
        policies.collect::<std::collections::BTreeMap<_, _>>()
    };
    let policies = failure("");
    assert_eq!(policies["placement.pods.multinic.dev"], "Ignore");
    assert_eq!(policies["networks.pods.multinic.dev"], "Fail");
    assert_eq!(
        policies["config.network-attachment-definitions.multinic.dev"],
        "Fail"
    );
    assert_eq!(policies["networks.workloads.multinic.dev"], "Ignore");
    let policies = failure("webhook: {failurePolicy: Ignore}");
    assert!(
        policies.values().all(|policy| policy == "Ignore"),
        "{policies:?}"
    );
}

#[test]
fn mutation_comes_last_and_may_be_repeated() {
    let rendered = with("");
    let mutating = rendered.get("MutatingWebhookConfiguration", "zzz-multinic");
    assert_eq!(mutating["webhooks"][0]["reinvocationPolicy"], "IfNeeded");
    for webhook in rendered.webhooks() {
        assert_eq!(webhook["sideEffects"], "None");
        assert_eq!(webhook["matchPolicy"], "Equivalent");
        assert_eq!(webhook["clientConfig"]["service"]["name"], "multinic");
        assert_eq!(
            webhook["clientConfig"]["service"]["namespace"],
            "multinic-system"
        );
    }
    let timeouts = |values: &str| {
        with(values)
            .webhooks()
            .iter()
            .map(|w| w["timeoutSeconds"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(timeouts(""), [2, 3, 3, 3, 3, 3, 3]);
    assert_eq!(
        timeouts("webhook: {timeoutSeconds: {mutating: 4, validating: 5}}"),
        [4, 5, 5, 5, 5, 5, 5]
    );
    refused(
        &format!("{IMAGE}webhook: {{timeoutSeconds: {{mutating: 3}}}}"),
        "webhook.timeoutSeconds.mutating must be below",
    );
}

/// An entry that is dropped from an object makes an upgrade fail where another manager owns a field of it.
#[test]
fn templates_have_an_object_of_their_own() {
    let rendered = with("");
    let templates = rendered.get("ValidatingWebhookConfiguration", "zzz-multinic-templates");
    assert_eq!(templates["webhooks"].as_array().map(Vec::len), Some(3));
    let rendered = with("webhook: {templates: false}");
    assert!(
        rendered
            .find("ValidatingWebhookConfiguration", "zzz-multinic-templates")
            .is_none()
    );
    assert!(!rendered.args().join(" ").contains("zzz-multinic-templates"));
    assert!(!format!("{:?}", rendered.rights()).contains("zzz-multinic-templates"));
}

#[test]
fn excluded_namespaces_are_matched_by_name() {
    let rendered = with("backstop: on\nwebhook: {excludedNamespaces: [infra, multinic-system]}");
    let wanted = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["infra", "multinic-system"]}]});
    for webhook in rendered.webhooks() {
        assert_eq!(webhook["namespaceSelector"], wanted);
    }
    let policy = policy(&rendered).expect("a policy");
    assert_eq!(policy["matchConstraints"]["namespaceSelector"], wanted);
}

#[test]
fn the_backstop_is_on_where_calls_may_fail_open() {
    assert_eq!(actions(""), Value::Null);
    assert_eq!(actions("webhook: {failurePolicy: Ignore}"), json!(["Deny"]));
    assert_eq!(
        actions("webhook: {failurePolicy: Ignore}\nbackstop: off"),
        Value::Null
    );
    assert_eq!(actions("backstop: on"), json!(["Deny"]));
    assert_eq!(actions("backstop: \"on\""), json!(["Deny"]));
    // It never says more than multinic would.
    assert_eq!(
        actions("backstop: on\nconfig: {enforcement: warn}"),
        json!(["Warn"])
    );
    assert_eq!(
        actions("backstop: on\nconfig: {rules: {isolated-network: warn}}"),
        json!(["Warn"])
    );
    assert_eq!(
        actions("backstop: on\nconfig: {enforcement: null, rules: {isolated-network: null}}"),
        json!(["Deny"])
    );
    assert_eq!(
        actions("backstop: on\nconfig: {rules: {isolated-network: off}}"),
        Value::Null
    );
}

/// It is asked of the same requests as multinic.
#[test]
fn the_backstop_matches_what_the_webhook_matches() {
    let rendered = with("backstop: on");
    let webhooks = rendered.webhooks();
    let webhook = webhooks
        .iter()
        .find(|w| w["name"] == "networks.pods.multinic.dev")
        .expect("the webhook");
    let policy = policy(&rendered).expect("a policy");
    assert_eq!(
        policy["matchConstraints"]["resourceRules"],
        webhook["rules"]
    );
    assert_eq!(policy["matchConditions"], webhook["matchConditions"]);
    assert_eq!(policy["failurePolicy"], "Fail");
}

#[test]
fn the_backstop_knows_grants_and_exemptions() {
    let rendered = with(
        "backstop: on\nconfig:\n  globalNamespaces: []\n  multusNamespace: multus\n  defaultNetworkNamespaces: [multus, other]\n  \
         grants: [{networks: \"telecom/sr.v*\", namespaces: [\"dev-*\", b]}]\n  \
         exemptions:\n  - {rules: [isolated-network], objects: [\"ci/*\"], reason: x}\n  \
         - {rules: [\"*\"], objects: [\"a/*\"], users: [\"system:serviceaccount:ns:*\"], reason: x}\n  \
         - {rules: [missing-network], objects: [\"z/*\"], reason: x}\n",
    );
    let policy = policy(&rendered).expect("a policy");
    let exempt = policy["matchConditions"][1]["expression"]
        .as_str()
        .expect("an expression");
    assert_eq!(
        exempt,
        "!((request.namespace.matches('^(?:ci)$')) || (request.namespace.matches('^(?:a)$') && \
         request.userInfo.username.matches(\"^(?:system:serviceaccount:ns:.*)$\")))"
    );
    let variable = |name: &str| {
        let variables = policy["variables"].as_array().expect("variables");
        let found = variables.iter().find(|v| v["name"] == name);
        found
            .and_then(|v| v["expression"].as_str())
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert!(
        variable("granted").contains(
            "{'namespaces': '^(?:dev-[^/]*|b)$', 'networks': '^(?:telecom/sr[.]v[^/]*)$'}"
        )
    );
    assert!(variable("networksForeign").contains(" in ([request.namespace] + [])"));
    assert!(
        variable("defaultForeign").contains(" in ([request.namespace] + [\"multus\",\"other\"])")
    );
    assert!(variable("defaultAsked").contains("\"multus\""));
}
