//! What the API server's answers to dry runs say about multinic.

use axum::http::StatusCode;
use multinic_core::selector::NODE_SELECTOR;
use serde_json::{Value, json};

use super::{Check, Outcome, cause};
use crate::cluster::reader::Answer;

/// An annotation that is malformed and names no foreign namespace: the backstop admits it, so that
/// only a webhook that answers can refuse it.
const MALFORMED: &str = "multinic@doctor@probe";

/// An object that has to be refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// The name of the check.
    pub(super) check: &'static str,
    /// What the object is, with its article.
    what: &'static str,
    /// The rule that refuses it.
    rule: &'static str,
    /// The webhook that has to be called.
    webhook: &'static str,
}

/// A Pod whose annotation is malformed.
pub(super) const POD: Probe = Probe {
    check: "refusal",
    what: "a Pod",
    rule: "malformed-networks",
    webhook: "networks.pods.multinic.dev",
};
/// A network whose configuration is malformed.
pub(super) const NETWORK: Probe = Probe {
    check: "refusal-of-networks",
    what: "a NetworkAttachmentDefinition",
    rule: "malformed-config",
    webhook: "config.network-attachment-definitions.multinic.dev",
};

impl Probe {
    /// The object.
    pub(super) fn object(&self, namespace: &str) -> Value {
        if self.rule == POD.rule {
            return pod(namespace, MALFORMED);
        }
        json!({
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"generateName": "multinic-doctor-", "namespace": namespace},
            "spec": {"config": "{"},
        })
    }

    /// Judges the answer to [`Self::object`].
    pub(super) fn judge(&self, answer: &Answer, namespace: &str) -> Check {
        let (check, what) = (self.check, self.what);
        let message = answer.message();
        if message.contains(self.webhook) && message.contains("denied the request: ") {
            return Check::new(
                check,
                Outcome::Ok,
                format!(
                    "the API server asks multinic, and {what} of namespace \"{namespace}\" is refused"
                ),
            );
        }
        if answer.warnings().contains(self.rule) {
            return Check::new(
                check,
                Outcome::Ok,
                format!(
                    "the API server asks multinic, which warns of {what} of namespace \"{namespace}\" \
                     (enforcement: warn)"
                ),
            );
        }
        if let Some(failed) = unanswered(check, &message) {
            return failed;
        }
        if answer.status == StatusCode::CREATED {
            return Check::new(
                check,
                Outcome::Failed,
                format!(
                    "{what} of namespace \"{namespace}\" that is malformed was admitted: multinic was \
                     not asked"
                ),
            )
            .remedy(
                "see whether the ValidatingWebhookConfiguration zzz-multinic is there, and whether the \
                 namespace is judged (webhook.excludedNamespaces); under failurePolicy Ignore, no \
                 replica may have answered",
            );
        }
        refused_before(check, what, answer, namespace)
    }
}

/// A Pod that the restricted Pod security standard admits.
pub(super) fn pod(namespace: &str, networks: &str) -> Value {
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "multinic-doctor-",
            "namespace": namespace,
            "annotations": {"k8s.v1.cni.cncf.io/networks": networks},
        },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{"name": "none", "image": "none", "securityContext": security}],
        },
    })
}

/// Judges the answer to a Pod that asks for `network`, whose selector has this text.
pub(super) fn placed(answer: &Answer, network: &str, selector: &str) -> Check {
    const CHECK: &str = "placement";
    let of = format!("a Pod that uses {network}");
    if answer.status != StatusCode::CREATED {
        let message = answer.message();
        if let Some(failed) = unanswered(CHECK, &message) {
            return failed;
        }
        let message = format!("{of} was refused: {message}");
        return Check::new(CHECK, Outcome::Warning, message)
            .remedy("see whether the network is usable: multinic audit");
    }
    let wanted: Vec<Value> = multinic_core::selector::parse(selector)
        .unwrap_or_default()
        .iter()
        .map(|requirement| {
            let values: Vec<&str> = requirement.values.iter().map(|value| &**value).collect();
            json!([&*requirement.key, requirement.operator.name(), values])
        })
        .collect();
    let pod: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let terms = pod
        .pointer(required)
        .map(|required| &required["nodeSelectorTerms"]);
    let mut terms = terms.and_then(Value::as_array).into_iter().flatten();
    let has_all = |term: &Value| {
        let own: Vec<Value> = term["matchExpressions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                let values = one["values"].as_array().cloned().unwrap_or_default();
                json!([one["key"], one["operator"], values])
            })
            .collect();
        wanted.iter().all(|wanted| own.contains(wanted))
    };
    if terms.any(has_all) {
        let message = format!("{of} is placed on nodes with {selector}");
        return Check::new(CHECK, Outcome::Ok, message);
    }
    if answer.warnings().contains("unenforced-node-selector") || !answer.warnings().is_empty() {
        let message = format!(
            "{of} is admitted with a warning, and not placed: {}",
            answer.warnings()
        );
        return Check::new(CHECK, Outcome::Warning, message);
    }
    Check::new(
        CHECK,
        Outcome::Failed,
        format!("{of} is admitted and not placed on nodes with {selector} ({NODE_SELECTOR})"),
    )
    .remedy(
        "see whether the MutatingWebhookConfiguration zzz-multinic is there; under enforcement: warn \
         nothing is placed",
    )
}

/// A failure if the API server could not call multinic.
fn unanswered(check: &'static str, message: &str) -> Option<Check> {
    let (_, error) = message.split_once("failed calling webhook ")?;
    let check = |what: &str| {
        let message = format!("the API server does not reach multinic: {what}: {error}");
        Check::new(check, Outcome::Failed, message)
    };
    Some(match cause::of_call(error) {
        Some(cause) => check(cause.what).remedy(cause.remedy),
        None => check("see the message"),
    })
}

/// What it means that something was refused without multinic.
fn refused_before(check: &'static str, what: &str, answer: &Answer, namespace: &str) -> Check {
    let (status, message) = (answer.status, answer.message());
    if status == StatusCode::NOT_FOUND && message.starts_with("namespaces ") {
        return Check::new(
            check,
            Outcome::NotChecked,
            format!("there is no namespace \"{namespace}\""),
        )
        .remedy("name one whose Pods are judged with --namespace");
    }
    let said = format!(
        "the API server refused {what} before multinic was asked ({}): {message}",
        status.as_u16()
    );
    let is_missing_right =
        status == StatusCode::UNAUTHORIZED || message.contains("is forbidden: User ");
    if is_missing_right {
        return Check::new(check, Outcome::NotChecked, said)
            .remedy("grant the right to create it: it is needed for a dry run too");
    }
    Check::new(check, Outcome::NotChecked, said)
        .remedy("name another namespace with --namespace, where nothing else refuses it")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::*;

    fn answer(status: u16, body: &Value, warning: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if !warning.is_empty() {
            let warning = HeaderValue::from_bytes(warning.as_bytes()).expect("a header");
            headers.insert(header::WARNING, warning);
        }
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: body.to_string().into_bytes(),
        }
    }

    fn judged(status: u16, message: &str, warning: &str) -> Check {
        POD.judge(
            &answer(status, &json!({"message": message}), warning),
            "default",
        )
    }

    #[test]
    fn an_answer_is_read_for_what_it_says_about_multinic() {
        let refused = "admission webhook \"networks.pods.multinic.dev\" denied the request: malformed-networks: …";
        assert_eq!(judged(403, refused, "").outcome, Outcome::Ok);
        let warned = judged(201, "", "299 - \"malformed-networks: …\"");
        assert!(warned.outcome == Outcome::Ok && warned.message.contains("warns"));
        let call =
            "failed calling webhook \"networks.pods.multinic.dev\": failed to call webhook: ";
        for (status, message, outcome, wanted) in [
            (
                201,
                String::new(),
                Outcome::Failed,
                "multinic was not asked",
            ),
            (
                404,
                "namespaces \"x\" not found".to_owned(),
                Outcome::NotChecked,
                "there is no namespace",
            ),
            (
                403,
                "pods is forbidden: User \"u\" cannot create".to_owned(),
                Outcome::NotChecked,
                "before multinic was asked",
            ),
            (
                500,
                format!("{call}x509: certificate signed by unknown authority"),
                Outcome::Failed,
                "does not contain the CA",
            ),
            (
                500,
                format!("{call}odd"),
                Outcome::Failed,
                "see the message",
            ),
        ] {
            let check = judged(status, &message, "");
            assert_eq!(check.outcome, outcome, "{check:?}");
            assert!(check.message.contains(wanted), "{check:?}");
        }
        // A refusal of the backstop proves no webhook.
        let policy = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'isolation.multinic.dev' … denied request: isolated-network: …";
        assert_eq!(judged(403, policy, "").outcome, Outcome::NotChecked);
    }

    #[test]
    fn a_pod_is_placed_if_a_term_has_every_requirement() {
        let pod = |expressions: Value| {
            json!({"spec": {"affinity": {"nodeAffinity":
                {"requiredDuringSchedulingIgnoredDuringExecution":
                    {"nodeSelectorTerms": [{"matchExpressions": expressions}]}}}}})
        };
        let nic = json!({"key": "nic", "operator": "In", "values": ["a"]});
        let zone = json!({"key": "zone", "operator": "Exists"});
        let check = |pod: &Value| placed(&answer(201, pod, ""), "default/fast", "nic=a,zone");
        assert_eq!(check(&pod(json!([zone, nic]))).outcome, Outcome::Ok);
        assert_eq!(check(&pod(json!([nic]))).outcome, Outcome::Failed);
        assert_eq!(check(&json!({"spec": {}})).outcome, Outcome::Failed);
        let refused = json!({"message": "unusable-network: …"});
        let check = placed(&answer(403, &refused, ""), "default/fast", "nic=a");
        assert_eq!(check.outcome, Outcome::Warning);
    }
}
