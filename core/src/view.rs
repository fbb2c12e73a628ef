//! Typed views of a request: what the rules read, and nothing else of the object.
//!
//! [`Subject::of`] cannot fail: what cannot be read is kept as a fault, for a rule to report. Old
//! and new object become one [`Change`] here, so no rule asks whether the request is an update.

use std::borrow::Cow;
use std::fmt;

use crate::cluster_config::{ClusterConfig, NodeInterface};
use crate::cni::{Config, NodeUse};
use crate::finding::Place;
use crate::json::{Kind, Value};
use crate::network::{self, Network, Selector};
use crate::policy::Policy;
use crate::review::{Operation, Request};
use crate::selector::NODE_SELECTOR;
use crate::text::shorten;

pub mod networks;
pub mod placement;
pub mod devices;
mod carrier;

use devices::Devices;
use networks::{Annotation, Networks, Selection};
use placement::Placement;

/// The subject of a request.
#[derive(Debug)]
pub enum Subject<'a> {
    /// A carrier of the annotations.
    Attach(Attach<'a>),
    /// A NetworkAttachmentDefinition.
    Define(Define<'a>),
    /// A cluster configuration, which is in a file and never in a request.
    Cluster(Cluster<'a>),
    /// A kind, a subresource or an operation that no rule checks.
    Other,
}

/// A carrier of the annotations: a Pod, a Binding, the template of a workload; or an object that
/// names networks in its spec.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of an object that do not depend on each other"
)]
#[derive(Debug)]
pub struct Attach<'a> {
    /// Its name in messages.
    pub object: Object<'a>,
    /// Its kind.
    pub carrier: Carrier,
    /// Path of the annotations.
    pub annotations: &'static str,
    /// What the networks annotation requests.
    pub networks: Change<Networks>,
    /// What the default-network annotation requests.
    pub default_network: Change<Networks>,
    /// An annotation that is not a string.
    pub not_text: Option<Annotation>,
    /// What it requires of its node; `None` if placement does not apply: for a hostNetwork or
    /// mirror Pod, or a Binding.
    pub placement: Option<Placement<'a>>,
    /// The devices that it requests; `None` if that does not apply: for a hostNetwork or mirror
    /// Pod, a Binding, a ResourceClaim, or a virtual machine, whose Pod KubeVirt writes.
    pub devices: Option<Devices<'a>>,
    /// How many Pods are created from it.
    pub copies: Copies,
    /// Whether its sandbox was already created, with the networks that it requested then.
    pub is_running: bool,
    /// All of its annotations.
    annotation_map: Option<Value<'a>>,
    /// Whether it uses the node's own network, so that no network is attached.
    pub host_network: bool,
    /// Whether it names its node itself.
    pub node_name: bool,
    /// Whether the networks annotation is on the workload itself, and not on its template.
    pub misplaced: bool,
}

/// The kind of a carrier of the annotations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// A Binding, whose annotations the API server merges into the Pod.
    Binding,
    /// A ResourceClaim, whose driver attaches networks.
    Claim,
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

/// How many Pods are created from one carrier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Copies {
    /// At most this number at a time.
    Count(i64),
    /// One on each node.
    EachNode,
}

/// A NetworkAttachmentDefinition.
#[derive(Debug)]
pub struct Define<'a> {
    /// Its name in messages.
    pub object: Object<'a>,
    /// Its `spec.config`, which is read only if it is new or changed.
    pub config: Change<Cow<'a, Config>, ()>,
    /// The type of a `spec.config` that is not a string, as [`Value::description`] names it.
    pub config_not_text: Option<&'static str>,
    /// Its nodeSelector annotation, which is read only if it is new or changed: the requirements,
    /// or why it does not parse.
    pub selector: Change<Cow<'a, Selector>, ()>,
    /// Whether the object is new or exists; absent if it is deleted.
    pub existence: Change<(), ()>,
    /// All of its annotations, and those that it had before.
    annotation_maps: [Option<Value<'a>>; 2],
}

/// A cluster configuration.
#[derive(Debug)]
pub struct Cluster<'a> {
    /// What it is called in messages.
    pub object: Object<'a>,
    /// Its content.
    pub config: ClusterConfig,
}

/// A part of an object, before and after.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Change<T, K = T> {
    /// It does not exist.
    #[default]
    Absent,
    /// It did not change, or was only reduced: not to be judged again.
    Kept(K),
    /// It is new or changed.
    New(T),
}

/// The name of an object in messages.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// Its kind.
    pub kind: Cow<'a, str>,
    /// The namespace of the request, regardless of the one in the object.
    pub namespace: Cow<'a, str>,
    /// Its name; its `generateName` and a `*` if it has none yet.
    pub name: Cow<'a, str>,
    /// The name of the user who writes it; `None` for an object that is already stored.
    pub user: Option<Cow<'a, str>>,
}

impl<'a> Subject<'a> {
    /// Reads the subject of a request.
    pub fn of(request: &'a Request<'a>, policy: &Policy) -> Self {
        use Operation::{Create, Delete, Update};
        let kind = (&*request.group, &*request.resource, &*request.sub_resource);
        match (kind, request.operation) {
            (("", "pods", ""), Create | Update) | (("", "pods", "status"), Update) => {
                Self::Attach(Attach::pod(request, policy))
            }
            (("", "pods", "binding") | ("", "bindings", ""), Create) => {
                Self::Attach(Attach::binding(request, policy))
            }
            (
                ("apps", "deployments" | "statefulsets" | "daemonsets" | "replicasets", "")
                | ("", "replicationcontrollers", "")
                | ("batch", "jobs" | "cronjobs", ""),
                Create | Update,
            ) => Self::Attach(Attach::workload(request, policy)),
            (
                ("resource.k8s.io", "resourceclaims" | "resourceclaimtemplates", ""),
                Create | Update,
            ) => Self::Attach(Attach::claim(request, policy)),
            (
                ("kubevirt.io", "virtualmachines" | "virtualmachineinstances", ""),
                Create | Update,
            ) => Self::Attach(Attach::machine(request, policy)),
            (("k8s.cni.cncf.io", "network-attachment-definitions", ""), Create | Update) => {
                Self::Define(Define::of(request))
            }
            (("k8s.cni.cncf.io", "network-attachment-definitions", ""), Delete) => {
                Self::Define(Define::deleted(request))
            }
            _ => Self::Other,
        }
    }
}

impl Attach<'_> {
    /// What one of the annotations requests.
    pub fn asking(&self, annotation: Annotation) -> &Change<Networks> {
        match annotation {
            Annotation::DefaultNetwork => &self.default_network,
            Annotation::Networks => &self.networks,
        }
    }

    /// What the annotations that are new or changed request.
    pub fn newly_asking(&self) -> impl Iterator<Item = (&Networks, Annotation)> {
        let both = Annotation::ALL.into_iter();
        both.filter_map(|annotation| Some((self.asking(annotation).new()?, annotation)))
    }

    /// The elements of both annotations in the order in which Multus attaches what they name, with
    /// whether they are to be judged.
    pub fn elements(&self) -> impl Iterator<Item = (&Selection, Annotation, bool)> {
        Annotation::ALL.into_iter().flat_map(|annotation| {
            let asking = self.asking(annotation);
            let is_new = asking.new().is_some();
            let selections = asking
                .any()
                .into_iter()
                .flat_map(|asking| &asking.selections);
            selections.map(move |selection| (selection, annotation, is_new))
        })
    }

    /// Whether anything is to be judged.
    pub fn is_new(&self) -> bool {
        self.networks.new().is_some() || self.default_network.new().is_some()
    }

    /// Path of one of the annotations.
    pub fn path(&self, annotation: Annotation) -> String {
        format!("{}[{}]", self.annotations, annotation.key())
    }

    /// The place of an element: in one of the annotations, or a field of its own.
    pub fn place(&self, annotation: Annotation, selection: &Selection) -> Place {
        match &selection.field {
            Some(field) => Place::field(field.to_string()),
            None => Place::inside(self.path(annotation), selection.at.clone()),
        }
    }

    /// The keys of all annotations.
    pub fn annotation_keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        keys(self.annotation_map)
    }
}

impl<'a> Define<'a> {
    /// A network of the snapshot, to be judged as if it were written now.
    pub fn stored(namespace: &'a str, name: &'a str, network: &'a Network) -> Self {
        let object = Object {
            kind: Cow::Borrowed("NetworkAttachmentDefinition"),
            namespace: Cow::Borrowed(namespace),
            name: Cow::Borrowed(name),
            user: None,
        };
        Self {
            object,
            config: Change::New(Cow::Borrowed(&network.config)),
            config_not_text: None,
            selector: Change::New(Cow::Borrowed(&network.selector)),
            existence: Change::Kept(()),
            annotation_maps: [None, None],
        }
    }

    /// A network that is deleted: no part of it is written.
    fn deleted(request: &'a Request<'a>) -> Self {
        Self {
            object: Object::of(request),
            config: Change::Absent,
            config_not_text: None,
            selector: Change::Absent,
            existence: Change::Absent,
            annotation_maps: [None, None],
        }
    }

    /// What a `spec.config` that is new or changed uses of the node.
    pub fn new_uses(&self) -> impl Iterator<Item = &NodeUse> {
        let config = self.config.new().into_iter();
        config.flat_map(|config| &config.uses)
    }

    /// The keys of new annotations.
    pub fn new_annotation_keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let [new, old] = self.annotation_maps;
        keys(new).filter(move |key| old.is_none_or(|old| old.get(key).is_none()))
    }

    fn of(request: &'a Request<'a>) -> Self {
        let (new, old) = (request.object, request.old_object);
        let config = |object: Option<Value<'a>>| {
            placement::present(object.and_then(|object| object.get("spec")?.get("config")))
        };
        let selector = |object: Option<Value<'a>>| {
            object.and_then(|object| annotation(object, NODE_SELECTOR)?.str())
        };
        let object = Object::of(request);
        let (config_at, new_selector) = (config(new), selector(new));
        let text = config_at.and_then(Value::str).unwrap_or_default();
        let new_selector = new_selector.unwrap_or_default();
        let is_changed = |old: Option<Cow<'_, str>>, new: &str| old.unwrap_or_default() != new;
        let is_new = old.is_none();
        let config = if is_new || is_changed(config(old).and_then(Value::str), &text) {
            Change::New(Cow::Owned(Config::read(&object.name, &text)))
        } else {
            Change::Kept(())
        };
        let selector = if is_new || is_changed(selector(old), &new_selector) {
            Change::New(Cow::Owned(network::read_selector(&new_selector)))
        } else {
            Change::Kept(())
        };
        Self {
            config,
            config_not_text: config_at
                .filter(|config| config.kind() != Kind::String)
                .map(Value::description),
            selector,
            existence: if is_new {
                Change::New(())
            } else {
                Change::Kept(())
            },
            annotation_maps: [new, old].map(annotations),
            object,
        }
    }
}

impl<'a> Cluster<'a> {
    /// A cluster configuration of a file; the name may be empty.
    pub fn of(name: &'a str, config: ClusterConfig) -> Self {
        let object = Object {
            kind: Cow::Borrowed("cluster configuration"),
            namespace: Cow::Borrowed(""),
            name: Cow::Borrowed(name),
            user: None,
        };
        Self { object, config }
    }

    /// The additional interfaces of its nodes.
    pub fn interfaces(&self) -> &[NodeInterface] {
        let vmware = self.config.vmware.as_ref();
        vmware.map_or(&[], |vmware| &vmware.interfaces)
    }
}

impl<T, K> Change<T, K> {
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
}

impl<T> Change<T> {
    /// The value, changed or not.
    pub fn any(&self) -> Option<&T> {
        match self {
            Self::New(value) | Self::Kept(value) => Some(value),
            Self::Absent => None,
        }
    }
}

impl Copies {
    /// Whether there can be two at a time.
    pub fn are_several(self) -> bool {
        !matches!(self, Self::Count(..=1))
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(1) => f.write_str("1 Pod"),
            Self::Count(count) => write!(f, "{count} Pods"),
            Self::EachNode => f.write_str("a Pod for each node"),
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
            user: Some(Cow::Borrowed(&*request.user)),
        }
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.namespace.is_empty() && self.name.is_empty() {
            return Ok(());
        }
        f.write_str(" ")?;
        // What is in no namespace is not in a cluster either.
        if !self.namespace.is_empty() {
            f.write_str(&shorten(&self.namespace))?;
            f.write_str("/")?;
        }
        f.write_str(&shorten(&self.name))
    }
}

/// The annotations of an object.
fn annotations(object: Option<Value<'_>>) -> Option<Value<'_>> {
    object?.get("metadata")?.get("annotations")
}

fn keys(map: Option<Value<'_>>) -> impl Iterator<Item = Cow<'_, str>> {
    map.into_iter()
        .flat_map(Value::members)
        .filter_map(|member| member.key.str())
}

/// An annotation of an object, if it exists and is not null.
fn annotation<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    placement::present(object.get("metadata")?.get("annotations")?.get(name))
}
