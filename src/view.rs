//! Typed views on a request: what the rules read, and nothing else of the object.
//!
//! [`Subject::of`] cannot fail: what cannot be read is kept as a fault, for a rule to find. Old and
//! new object become one [`Change`] here; no rule asks whether this is an update.

use std::borrow::Cow;
use std::fmt;

use crate::cluster::{Network, Snapshot};
use crate::config::Config;
use crate::finding::shorten;
use crate::json::{Kind, Value};
use crate::review::{Operation, Request};

mod carrier;
pub(crate) mod mac;
pub(crate) mod name;
pub mod networks;
pub mod placement;
pub mod selector;

use networks::{Networks, Selection};
use placement::{Patchable, Placement};

/// What a request is about.
#[derive(Debug)]
pub enum Subject<'a> {
    /// Something that carries the annotations.
    Attach(Attach<'a>),
    /// A network attachment definition.
    Define(Define<'a>),
    /// Nothing of ours: a kind, a subresource or an operation that no rule is about.
    Other,
}

/// A carrier of the annotations: a Pod, a Binding, the template of a workload.
#[derive(Debug)]
pub struct Attach<'a> {
    /// What it is called in messages.
    pub object: Object<'a>,
    /// What it is.
    pub carrier: Carrier,
    /// Path of the annotations.
    pub annotations: &'static str,
    /// What the networks annotation asks for.
    pub networks: Change<Networks>,
    /// What the default-network annotation asks for.
    pub default_network: Change<Networks>,
    /// An annotation that is no string, by its name.
    pub not_text: Option<&'static str>,
    /// What it demands of its node; `None` where placement is nobody's business: a hostNetwork or
    /// mirror Pod, or a Binding.
    pub placement: Option<Placement<'a>>,
    /// Whether it uses the node's own network, so that no network is attached.
    pub host_network: bool,
    /// Whether it names its node itself.
    pub node_name: bool,
    /// Whether the networks annotation stands on the workload itself, and not on its template.
    pub misplaced: bool,
}

/// What carries the annotations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// A Binding, whose annotations the API server merges into the Pod.
    Binding,
    /// A Pod that is already stored, and not scheduling-gated.
    ExistingPod,
    /// A Pod that is new, or still scheduling-gated.
    NewPod,
    /// The Pod template of a workload.
    Template {
        /// Whether a controller chooses the nodes from the template itself.
        daemon_set: bool,
    },
}

/// A NetworkAttachmentDefinition.
#[derive(Debug)]
pub struct Define<'a> {
    /// What it is called in messages.
    pub object: Object<'a>,
    /// Its parts, read.
    pub network: Cow<'a, Network>,
    /// `spec.config` is there and is no string.
    pub config_not_text: Option<&'static str>,
    /// Whether `spec.config` is new or changed.
    pub config_changed: bool,
    /// Whether the nodeSelector annotation is new or changed.
    pub selector_changed: bool,
    /// Whether the whole object is new.
    pub created: bool,
}

/// A part of an object, before and after.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Change<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is as it was, or less: not to be judged again.
    Kept(T),
    /// It is new or changed.
    New(T),
}

/// How messages call an object.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// Its kind.
    pub kind: Cow<'a, str>,
    /// Its namespace, which is the request's, whatever the object says.
    pub namespace: Cow<'a, str>,
    /// Its name; the `generateName` and a `*` while it has none.
    pub name: Cow<'a, str>,
}

impl<'a> Subject<'a> {
    /// What the request is about.
    pub fn of(request: &'a Request<'a>, config: &Config) -> Self {
        use Operation::{Create, Update};
        let kind = (&*request.group, &*request.resource, &*request.sub_resource);
        match (kind, request.operation) {
            (("", "pods", ""), Create | Update) | (("", "pods", "status"), Update) => {
                Self::Attach(Attach::pod(request, config))
            }
            (("", "pods", "binding") | ("", "bindings", ""), Create) => {
                Self::Attach(Attach::binding(request, config))
            }
            (
                ("apps", "deployments" | "statefulsets" | "daemonsets" | "replicasets", "")
                | ("", "replicationcontrollers", "")
                | ("batch", "jobs" | "cronjobs", ""),
                Create | Update,
            ) => Self::Attach(Attach::workload(request, config)),
            (("k8s.cni.cncf.io", "network-attachment-definitions", ""), Create | Update) => {
                Self::Define(Define::of(request))
            }
            _ => Self::Other,
        }
    }

    /// The networks that isolation lets through, that a rule will ask for, and that the snapshot
    /// lacks, as namespace and name: to be looked up one by one before a rule is asked.
    pub fn unknown<'s>(
        &'s self,
        config: &'s Config,
        snapshot: &Snapshot,
    ) -> Vec<(&'s str, &'s str)> {
        let Self::Attach(attach) = self else {
            return Vec::new();
        };
        if !attach.is_new() && !attach.may_be_patched() {
            return Vec::new();
        }
        let mut wanted: Vec<_> = attach
            .used(config)
            .map(|selection| (&*selection.namespace, &*selection.name))
            .filter(|(namespace, name)| snapshot.get(namespace, name).is_none())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}

impl Attach<'_> {
    /// The elements of both annotations that isolation lets through, the default network first: in
    /// the order in which Multus attaches them.
    pub fn used<'s>(&'s self, config: &'s Config) -> impl Iterator<Item = &'s Selection> {
        let allowed = move |own: bool| {
            move |selection: &&Selection| {
                config.isolation_allows(
                    &self.object.namespace,
                    &selection.namespace,
                    &selection.name,
                    own,
                )
            }
        };
        let default = self
            .default_network
            .any()
            .into_iter()
            .flat_map(|networks| &networks.selections);
        let others = self
            .networks
            .any()
            .into_iter()
            .flat_map(|networks| &networks.selections);
        default
            .filter(allowed(true))
            .chain(others.filter(allowed(false)))
    }

    /// Whether there is anything that is to be judged.
    pub fn is_new(&self) -> bool {
        self.networks.new().is_some() || self.default_network.new().is_some()
    }

    /// Whether a patch could still narrow where it runs, or write again what narrows it.
    fn may_be_patched(&self) -> bool {
        let patchable = self
            .placement
            .as_ref()
            .map(|placement| &placement.patchable);
        matches!(
            patchable,
            Some(Patchable::Additions | Patchable::Restore(Some(_)))
        )
    }

    /// Path of one of the annotations.
    pub fn path(&self, annotation: &str) -> String {
        format!("{}[{annotation}]", self.annotations)
    }
}

impl<'a> Define<'a> {
    /// A network as the snapshot has it, to be judged as if it were written now.
    pub fn stored(namespace: &'a str, name: &'a str, network: &'a Network) -> Self {
        let object = Object {
            kind: Cow::Borrowed("NetworkAttachmentDefinition"),
            namespace: Cow::Borrowed(namespace),
            name: Cow::Borrowed(name),
        };
        Self {
            object,
            network: Cow::Borrowed(network),
            config_not_text: None,
            config_changed: true,
            selector_changed: true,
            created: false,
        }
    }

    fn of(request: &'a Request<'a>) -> Self {
        let (new, old) = (request.object, request.old_object);
        let config = |object: Option<Value<'a>>| {
            placement::present(object.and_then(|object| object.get("spec")?.get("config")))
        };
        let selector = |object: Option<Value<'a>>| {
            object.and_then(|object| annotation(object, selector::NODE_SELECTOR)?.str())
        };
        let object = Object::of(request);
        let (config_at, new_selector) = (config(new), selector(new));
        let text = config_at.and_then(Value::str).unwrap_or_default();
        let is_changed = |old: Option<Cow<'_, str>>, new: &str| old.unwrap_or_default() != new;
        let is_new = old.is_none();
        Self {
            config_changed: is_new || is_changed(config(old).and_then(Value::str), &text),
            selector_changed: is_new
                || is_changed(selector(old), new_selector.as_deref().unwrap_or_default()),
            created: is_new,
            network: Cow::Owned(Network::read(&object.name, &text, new_selector.as_deref())),
            config_not_text: config_at
                .filter(|config| config.kind() != Kind::String)
                .map(Value::type_name),
            object,
        }
    }
}

impl<T> Change<T> {
    /// What is new or changed.
    #[expect(
        clippy::new_ret_no_self,
        reason = "not a constructor: the opposite of what was kept"
    )]
    pub fn new(&self) -> Option<&T> {
        match self {
            Self::New(value) => Some(value),
            Self::Absent | Self::Kept(_) => None,
        }
    }

    /// What is there, changed or not.
    pub fn any(&self) -> Option<&T> {
        match self {
            Self::New(value) | Self::Kept(value) => Some(value),
            Self::Absent => None,
        }
    }
}

impl<'a> Object<'a> {
    fn of(request: &'a Request<'a>) -> Self {
        let object = request.object.or(request.old_object);
        let text = |key| {
            let text = object?.get("metadata")?.get(key)?.str();
            text.filter(|text| !text.is_empty())
        };
        let name = if let Some(name) = &request.name {
            Cow::Borrowed(&**name)
        } else if let Some(name) = text("name") {
            name
        } else if let Some(prefix) = text("generateName") {
            Cow::Owned(format!("{prefix}*"))
        } else {
            Cow::Borrowed("*")
        };
        let kind = Cow::Borrowed(if request.kind.is_empty() {
            &*request.resource
        } else {
            &*request.kind
        });
        Self {
            kind,
            namespace: Cow::Borrowed(&*request.namespace),
            name,
        }
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        f.write_str(" ")?;
        f.write_str(&shorten(&self.namespace))?;
        f.write_str("/")?;
        f.write_str(&shorten(&self.name))
    }
}

/// An annotation of an object, if it is there and not null.
fn annotation<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    placement::present(object.get("metadata")?.get("annotations")?.get(name))
}
