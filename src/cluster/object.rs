//! A NetworkAttachmentDefinition on its way from the API server.
//!
//! Where its definition leaves fields open, a stored object can hold anything, at any depth, and
//! one that cannot be decoded would end the list and the watch of all others. So an object is taken
//! as text, and only what makes a [`Network`] is read from it. What is not asked for,
//! `managedFields` and the rest, is never made.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Resource;
use multinic_core::cni;
use multinic_core::fault::{Fault, Inside};
use multinic_core::network::{Network, RESOURCE_NAME};
use multinic_core::selector::NODE_SELECTOR;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What is kept of a NetworkAttachmentDefinition until its network is read.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Namespace, name and resource version; nothing else.
    metadata: ObjectMeta,
    annotations: Option<Box<RawValue>>,
    spec: Option<Box<RawValue>>,
    /// Why it cannot be decoded.
    undecodable: Option<String>,
}

#[derive(Deserialize)]
struct Whole {
    metadata: Metadata,
    #[serde(default)]
    spec: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    resource_version: Option<String>,
    #[serde(default)]
    annotations: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Spec<'a> {
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
}

impl Object {
    pub(super) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// What its network is read from: as long as this is the same, so is the network.
    pub(super) fn source(&self) -> [Option<&str>; 2] {
        [&self.spec, &self.annotations].map(|part| part.as_deref().map(RawValue::get))
    }

    /// Reads its network, and why it cannot be read. One that cannot be read exists, and no Pod can
    /// use it.
    pub(super) fn network(&self) -> (Network, Option<String>) {
        let annotations = self.annotations.as_deref().and_then(annotations);
        let annotation = |name| annotations.as_ref()?.get(name).map(String::as_str);
        let (selector, resource) = (annotation(NODE_SELECTOR), annotation(RESOURCE_NAME));
        let config = self.spec.as_deref().map_or(Ok(String::new()), config);
        match config {
            Ok(config) => (
                Network::read(self.name(), &config, selector).with_resource(resource),
                self.undecodable.clone(),
            ),
            Err(why) => {
                let network = Network {
                    config: malformed(&why),
                    ..Network::read(self.name(), "", selector)
                };
                (network.with_resource(resource), Some(why))
            }
        }
    }

    pub(super) fn decode(text: &str) -> Self {
        let (metadata, spec, undecodable) = match serde_json::from_str(text) {
            Ok(Whole { metadata, spec }) => (metadata, spec, None),
            Err(error) => (Metadata::default(), None, Some(error.to_string())),
        };
        Self {
            metadata: ObjectMeta {
                name: Some(metadata.name.unwrap_or_default()),
                namespace: metadata.namespace,
                resource_version: metadata.resource_version,
                ..ObjectMeta::default()
            },
            annotations: metadata.annotations,
            spec,
            undecodable,
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self::decode(text.get()))
    }
}

/// The annotations. The API server stores only those whose values are strings.
fn annotations(annotations: &RawValue) -> Option<BTreeMap<String, String>> {
    serde_json::from_str::<Option<_>>(annotations.get()).ok()?
}

/// The text in `spec.config`, empty if it is absent; or why Multus could not decode it.
fn config(spec: &RawValue) -> Result<String, String> {
    // An array would be taken for the fields of a struct in their order.
    if !spec.get().starts_with('{') {
        return match spec.get() {
            "null" => Ok(String::new()),
            _ => Err("expected an object with a config".to_owned()),
        };
    }
    let spec: Spec<'_> = serde_json::from_str(spec.get()).map_err(|error| error.to_string())?;
    let text = spec.config.map_or("null", RawValue::get);
    serde_json::from_str::<Option<String>>(text)
        .map(Option::unwrap_or_default)
        .map_err(|_| "expected a string that contains JSON".to_owned())
}

fn malformed(why: &str) -> cni::Config {
    let at = Inside {
        path: String::new(),
        line: 1,
        column: 1,
    };
    cni::Config {
        malformed: Some(Fault {
            at,
            message: why.into(),
        }),
        ..cni::Config::default()
    }
}

impl Resource for Object {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "NetworkAttachmentDefinition".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "k8s.cni.cncf.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "network-attachment-definitions".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &str) -> Object {
        // As in a list: one that cannot be read must not take the others with it.
        let mut list: Vec<Object> = serde_json::from_str(&format!("[{object}]")).expect("JSON");
        list.pop().expect("one object")
    }

    fn with_spec(spec: &str) -> Object {
        read(&format!(
            r#"{{"metadata": {{"name": "net", "namespace": "team-a", "resourceVersion": "7",
                "annotations": {{"{NODE_SELECTOR}": "zone=a"}}, "managedFields": [{}]}}, "spec": {spec}}}"#,
            deep(300)
        ))
    }

    fn deep(levels: usize) -> String {
        format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_is_kept() {
        let object = with_spec(r#"{"config": "{\"cniVersion\":\"1.0.0\",\"type\":\"ipvlan\"}"}"#);
        assert_eq!((object.namespace(), object.name()), ("team-a", "net"));
        assert_eq!(object.meta().resource_version.as_deref(), Some("7"));
        assert_eq!(object.meta().managed_fields, None);
        assert_eq!(object.network().1, None);
        assert_eq!(object.network().0.requirements().len(), 1);
        assert_eq!(&*object.network().0.config.plugins[0].kind, "ipvlan");
    }

    #[test]
    fn no_config_is_an_empty_one() {
        for spec in ["null", "{}", r#"{"config": null}"#, r#"{"config": ""}"#] {
            let object = with_spec(spec);
            assert!(object.network().0.config.on_disk, "{spec}");
            assert_eq!(object.network().1, None, "{spec}");
        }
        let bare = read(r#"{"metadata": {"name": "net", "annotations": null}}"#);
        assert!(bare.network().0.config.on_disk);
    }

    #[test]
    fn what_cannot_be_read_is_there_and_unusable() {
        for spec in [
            r#""a string""#,
            "7",
            "[\"{}\"]",
            &deep(300),
            r#"{"config": 7}"#,
            r#"{"config": {"type": "ipvlan"}}"#,
            &format!(r#"{{"config": {}}}"#, deep(300)),
            r#"{"config": "\ud800"}"#,
        ] {
            let object = with_spec(spec);
            assert_eq!((object.namespace(), object.name()), ("team-a", "net"));
            assert!(object.network().1.is_some(), "{spec}");
            assert!(object.network().0.config.malformed.is_some(), "{spec}");
            // Its selector is read all the same.
            assert_eq!(object.network().0.requirements().len(), 1, "{spec}");
        }
        for odd in [
            "7",
            "{}",
            r#"{"metadata": 7}"#,
            r#"{"metadata": {"name": 7}}"#,
        ] {
            assert!(read(odd).network().1.is_some(), "{odd}");
        }
    }
}
