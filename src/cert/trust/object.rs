//! The Secret and the webhook configurations, as much of them as is needed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::core::Resource;
use serde::{Deserialize, Serialize};

/// A Secret. What it holds is never shown.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    #[serde(default)]
    pub(super) metadata: ObjectMeta,
    /// Values in base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) data: BTreeMap<String, String>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) type_: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) immutable: Option<bool>,
}

/// A `MutatingWebhookConfiguration` or a `ValidatingWebhookConfiguration`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Registration {
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) webhooks: Vec<Webhook>,
}

/// An entry of a webhook configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook {
    pub(super) name: String,
    #[serde(default)]
    pub(super) client_config: ClientConfig,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientConfig {
    /// In base64.
    #[serde(default)]
    pub(super) ca_bundle: Option<String>,
}

/// Which of the two kinds of webhook configurations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `MutatingWebhookConfiguration`.
    Mutating,
    /// `ValidatingWebhookConfiguration`.
    Validating,
}

/// The kind and the name of a webhook configuration: `validating/NAME` on the command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl Registration {
    /// Who last wrote the bundle of an entry, other than this program.
    pub(super) fn writer(&self, entry: &str) -> Option<&str> {
        let key = format!("k:{{\"name\":\"{entry}\"}}");
        let wrote = |one: &&ManagedFieldsEntry| {
            let Some(fields) = &one.fields_v1 else {
                return false;
            };
            let config = &fields.0["f:webhooks"][&key]["f:clientConfig"];
            one.manager.as_deref() != Some(super::FIELD_MANAGER)
                && (config.get("f:caBundle").is_some() || config.is_object())
        };
        let fields = self.metadata.managed_fields.as_deref().unwrap_or_default();
        let last = fields
            .iter()
            .filter(wrote)
            .max_by_key(|one| one.time.clone());
        last?.manager.as_deref()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Mutating => "mutating",
            Kind::Validating => "validating",
        };
        write!(f, "{kind}/{}", self.name)
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = match text.split_once('/') {
            Some(("mutating", _)) => Kind::Mutating,
            Some(("validating", _)) => Kind::Validating,
            _ => return Err("expected mutating/NAME or validating/NAME".to_owned()),
        };
        let name = text.split_once('/').unwrap_or_default().1;
        if name.is_empty() || name.contains(['/', ',', '=']) {
            return Err(format!(
                "{name:?} is not the name of a webhook configuration"
            ));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// Without the data.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.metadata.name;
        f.debug_struct("Secret")
            .field("name", name)
            .finish_non_exhaustive()
    }
}

impl Resource for Secret {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Secret".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "secrets".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Resource for Registration {
    type DynamicType = Kind;
    type Scope = ClusterResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        match kind {
            Kind::Mutating => "MutatingWebhookConfiguration".into(),
            Kind::Validating => "ValidatingWebhookConfiguration".into(),
        }
    }

    fn group(_: &Kind) -> Cow<'_, str> {
        "admissionregistration.k8s.io".into()
    }

    fn version(_: &Kind) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        match kind {
            Kind::Mutating => "mutatingwebhookconfigurations".into(),
            Kind::Validating => "validatingwebhookconfigurations".into(),
        }
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
