//! `multinic doctor`: whether the API server asks multinic, proven by a Pod that has to be refused.
//!
//! The Pod is a dry run: nothing is stored, and no other right is needed than to create it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Error, print};
use crate::cluster::watch::client;
use crate::duration;

/// Check by a dry run that the API server asks multinic, and that a Pod is refused
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The namespace of the Pod: one whose Pods are judged
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// How to reach the API server; without it, the files in $KUBECONFIG, or the service account of
    /// the Pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How long to try again if it is not refused
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::flag)]
    wait: Duration,
}

/// An annotation that is malformed and names no foreign namespace: the backstop admits it, so that
/// only a webhook that answers can refuse it.
const ANNOTATION: &str = "multinic@doctor@probe";
/// The rule that speaks.
const RULE: &str = "malformed-networks";
/// The webhook that has to be called.
const WEBHOOK: &str = "networks.pods.multinic.dev";
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What is wrong, and what to do.
#[derive(Debug, Eq, PartialEq)]
struct Problem(String);

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::Start {
            what: "the runtime",
            source,
        })?;
        runtime.block_on(self.examine())
    }

    async fn examine(&self) -> Result<ExitCode, Error> {
        // The client of the API server takes the provider of the process.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = client(self.kubeconfig.as_deref()).await?;
        let deadline = Instant::now() + self.wait;
        loop {
            let (line, code) = match self.probe(&client).await {
                Ok(line) => (format!("ok: {line}\n"), ExitCode::SUCCESS),
                Err(Problem(line)) => (format!("failed: {line}\n"), ExitCode::FAILURE),
            };
            if code == ExitCode::SUCCESS || Instant::now() >= deadline {
                print(line.as_bytes())?;
                return Ok(code);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn probe(&self, client: &kube::Client) -> Result<String, Problem> {
        let unreachable =
            |error: String| Problem(format!("the API server does not answer: {error}"));
        let uri = format!("/api/v1/namespaces/{}/pods?dryRun=All", self.namespace);
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .body(self.pod().to_string().into_bytes().into())
            .map_err(|error| unreachable(error.to_string()))?;
        let answer = client
            .send(request)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let (head, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let status: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        let message = status["message"].as_str().unwrap_or_default();
        verdict(
            head.status,
            message,
            &warnings(&head.headers),
            &self.namespace,
        )
    }

    /// A Pod that the restricted Pod security standard admits.
    fn pod(&self) -> Value {
        let security =
            json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": "multinic-doctor-",
                "namespace": self.namespace,
                "annotations": {"k8s.v1.cni.cncf.io/networks": ANNOTATION},
            },
            "spec": {
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "none", "image": "none", "securityContext": security}],
            },
        })
    }
}

/// The warnings of an answer, one a line.
fn warnings(headers: &HeaderMap) -> String {
    let all = headers.get_all(header::WARNING).iter();
    all.filter_map(|value| value.to_str().ok())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What an answer of the API server says about multinic.
fn verdict(
    status: StatusCode,
    message: &str,
    warnings: &str,
    namespace: &str,
) -> Result<String, Problem> {
    if message.contains(WEBHOOK) && message.contains("denied the request: ") {
        return Ok(format!(
            "the API server asks multinic, and a Pod of namespace \"{namespace}\" is refused"
        ));
    }
    if warnings.contains(RULE) {
        return Ok(format!(
            "the API server asks multinic, which warns of a Pod of namespace \"{namespace}\" (enforcement: warn)"
        ));
    }
    if message.contains("failed calling webhook") {
        return Err(Problem(format!(
            "the API server does not reach multinic: {}: {message}",
            cause(message)
        )));
    }
    Err(Problem(match status {
        StatusCode::CREATED => format!(
            "a Pod of namespace \"{namespace}\" with a malformed networks annotation was admitted: multinic was not \
             asked. Is the ValidatingWebhookConfiguration zzz-multinic there, and is the namespace judged \
             (webhook.excludedNamespaces)? Under failurePolicy Ignore, no replica may have answered"
        ),
        StatusCode::NOT_FOUND => {
            format!("there is no namespace \"{namespace}\": name one with --namespace")
        }
        _ => format!(
            "the API server refused the Pod before multinic was asked ({status}): {message}"
        ),
    }))
}

/// The cause behind an error of the API server.
fn cause(message: &str) -> &'static str {
    const CAUSES: [(&str, &str); 8] = [
        (
            "signed by unknown authority",
            "caBundle does not name the CA of the certificate",
        ),
        (
            "certificate is valid for",
            "the certificate is for another name than that of the Service",
        ),
        (
            "has expired or is not yet valid",
            "the certificate is not valid now, or a clock is wrong",
        ),
        ("no endpoints available", "no replica is ready"),
        ("not found", "the Service does not exist"),
        (
            "connection refused",
            "nothing listens on the port of the webhooks",
        ),
        (
            "deadline exceeded",
            "no answer in time: a firewall between the control plane and the nodes, or overload",
        ),
        (
            "i/o timeout",
            "no connection in time: a firewall between the control plane and the nodes",
        ),
    ];
    let found = CAUSES.iter().find(|(words, _)| message.contains(words));
    found.map_or("see the message", |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_for_what_it_says_about_multinic() {
        let refused = "admission webhook \"networks.pods.multinic.dev\" denied the request: malformed-networks: …";
        assert!(verdict(StatusCode::FORBIDDEN, refused, "", "default").is_ok());
        let warned = "299 - \"malformed-networks: …\"";
        assert!(
            verdict(StatusCode::CREATED, "", warned, "default")
                .is_ok_and(|line| line.contains("warns"))
        );
        for (status, message, wanted) in [
            (201, "", "multinic was not asked"),
            (404, "namespaces \"x\" not found", "there is no namespace"),
            (
                403,
                "pods is forbidden: User \"u\" cannot create",
                "before multinic was asked",
            ),
            (
                500,
                "failed calling webhook \"networks.pods.multinic.dev\": x509: certificate signed by unknown authority",
                "caBundle does not name the CA",
            ),
            (
                500,
                "failed calling webhook \"networks.pods.multinic.dev\": no endpoints available for service",
                "no replica is ready",
            ),
            (
                500,
                "failed calling webhook \"networks.pods.multinic.dev\": context deadline exceeded",
                "firewall",
            ),
            (
                500,
                "failed calling webhook \"other.example.com\": odd",
                "see the message",
            ),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let Problem(line) = verdict(status, message, "", "default").expect_err("a problem");
            assert!(line.contains(wanted), "{line}");
        }
        // A refusal of the backstop proves no webhook.
        let policy = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'isolation.multinic.dev' … denied request: isolated-network: …";
        assert!(verdict(StatusCode::FORBIDDEN, policy, "", "default").is_err());
    }
}
