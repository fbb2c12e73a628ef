//! Reading and writing the Secret and the webhook configurations.

use std::time::Duration;

use json_patch::{AddOperation, Patch as Operations, PatchOperation, TestOperation, jsonptr};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::Value;

use super::FIELD_MANAGER;
use super::bundle::Bundle;
use super::object::{Reference, Registration, Secret};

/// No answer within this time is a failure.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why an object was not read or written.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is no longer as it was read: read it again.
    Changed,
    /// In one line.
    Other(String),
}

/// What is written into the bundle of an entry, if it is still as it was read.
pub(super) struct Change<'a> {
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) old: &'a Bundle,
    pub(super) new: String,
}

pub(super) fn secrets(client: Client, namespace: &str) -> Api<Secret> {
    Api::namespaced(client, namespace)
}

pub(super) fn registrations(client: Client, reference: &Reference) -> Api<Registration> {
    Api::all_with(client, &reference.kind)
}

/// Returns `None` if it does not exist.
pub(super) async fn get<K>(api: &Api<K>, name: &str) -> Result<Option<K>, Failure>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match limited(api.get_opt(name)).await {
        Err(Failure::Changed) => Err(Failure::Other("it changed while it was read".to_owned())),
        other => other,
    }
}

/// Replaces the Secret if it is still as it was read, or creates it.
pub(super) async fn put(api: &Api<Secret>, name: &str, secret: &Secret) -> Result<Secret, Failure> {
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        dry_run: false,
    };
    if secret.metadata.resource_version.is_some() {
        limited(api.replace(name, &params, secret)).await
    } else {
        limited(api.create(&params, secret)).await
    }
}

/// Writes bundles of one configuration. A JSON patch, not an apply: the API server refuses to drop
/// an entry in which another manager applied a field, so that an upgrade of the release would fail.
pub(super) async fn patch(
    api: &Api<Registration>,
    name: &str,
    changes: &[Change<'_>],
) -> Result<Registration, Failure> {
    let mut operations = Vec::new();
    for change in changes {
        let index = change.index.to_string();
        let path = |field: &[&str]| {
            let path = ["webhooks", &index]
                .into_iter()
                .chain(field.iter().copied());
            jsonptr::PointerBuf::from_tokens(path)
        };
        let bundle = path(&["clientConfig", "caBundle"]);
        // A value of null means an absent field.
        let old = change.old.text.clone().map_or(Value::Null, Value::String);
        operations.extend([
            PatchOperation::Test(TestOperation {
                path: path(&["name"]),
                value: change.name.into(),
            }),
            PatchOperation::Test(TestOperation {
                path: bundle.clone(),
                value: old,
            }),
            PatchOperation::Add(AddOperation {
                path: bundle,
                value: change.new.clone().into(),
            }),
        ]);
    }
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Json::<()>(Operations(operations));
    limited(api.patch(name, &params, &patch)).await
}

async fn limited<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(done)) => Ok(done),
        // A conflict; or a test in a patch that failed.
        Ok(Err(kube::Error::Api(status))) if [404, 409, 422].contains(&status.code) => {
            tracing::debug!(status.message, "changed meanwhile");
            Err(Failure::Changed)
        }
        Ok(Err(error)) => Err(Failure::Other(crate::cluster::watch::described(&error))),
        Err(_) => Err(Failure::Other(format!("no answer within {DEADLINE:?}"))),
    }
}
