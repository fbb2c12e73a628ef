//! Whether the replicas run, and with which configuration.

use serde_json::Value;

use super::{Check, Outcome};

/// The annotation of the Pods' template that holds the configuration.
const CONFIG: &str = "multinic.dev/config";

/// The configuration with which the replicas of a Deployment run, if it is one of the chart.
pub(super) fn config(deployment: &Value) -> Option<&str> {
    deployment["spec"]["template"]["metadata"]["annotations"][CONFIG].as_str()
}

/// Judges the Deployments of multinic in the namespace of its Service.
pub(super) fn judge(namespace: &str, deployments: &[Value]) -> Check {
    const CHECK: &str = "replicas";
    let Some(deployment) = deployments.first() else {
        let message = format!("namespace {namespace} has no Deployment of multinic");
        return Check::new(CHECK, Outcome::Failed, message).remedy(
            "install the release again, or delete the webhook configurations it left behind",
        );
    };
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let of = format!("Deployment {namespace}/{name}");
    let status = |key: &str| deployment["status"][key].as_u64().unwrap_or_default();
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
    let pods = format!("kubectl -n {namespace} get pods; docs/runbooks/");
    if ready == 0 {
        return Check::new(CHECK, Outcome::Failed, format!("{of}: no replica is ready"))
            .remedy(format!("{pods}MultinicDown.md"));
    }
    let is_settled = status("observedGeneration")
        >= deployment["metadata"]["generation"]
            .as_u64()
            .unwrap_or_default();
    if updated < wanted || !is_settled {
        let message = format!(
            "{of}: {updated} of {wanted} replicas run the newest version: a rollout is under way or stuck"
        );
        return Check::new(CHECK, Outcome::Warning, message)
            .remedy(format!("{pods}MultinicConfigDiffers.md"));
    }
    let message = format!("{of}: {ready} of {wanted} replicas are ready");
    if ready < wanted {
        return Check::new(CHECK, Outcome::Warning, message)
            .remedy(format!("{pods}MultinicReplicaDown.md"));
    }
    if wanted == 1 {
        return Check::new(CHECK, Outcome::Warning, message)
            .remedy("run two (replicaCount): while one restarts, networked writes are refused");
    }
    Check::new(CHECK, Outcome::Ok, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(wanted: u64, updated: u64, ready: u64) -> Check {
        let deployment = json!({"metadata": {"name": "multinic", "generation": 2},
            "spec": {"replicas": wanted},
            "status": {"observedGeneration": 2, "updatedReplicas": updated, "readyReplicas": ready}});
        judge("s", &[deployment])
    }

    #[test]
    fn replicas_are_counted() {
        assert_eq!(of(2, 2, 2).outcome, Outcome::Ok);
        assert_eq!(
            of(2, 2, 2).message,
            "Deployment s/multinic: 2 of 2 replicas are ready"
        );
        assert_eq!(of(1, 1, 1).outcome, Outcome::Warning);
        assert_eq!(of(2, 2, 1).outcome, Outcome::Warning);
        assert_eq!(of(2, 1, 2).outcome, Outcome::Warning);
        assert_eq!(of(2, 2, 0).outcome, Outcome::Failed);
        assert_eq!(judge("s", &[]).outcome, Outcome::Failed);
    }

    #[test]
    fn the_configuration_is_that_of_the_template() {
        let annotations = json!({CONFIG: "enforcement: warn"});
        let deployment = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        assert_eq!(config(&deployment), Some("enforcement: warn"));
        assert_eq!(config(&json!({})), None);
    }
}
