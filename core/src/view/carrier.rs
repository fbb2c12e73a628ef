//! Reading the carrier of the annotations from an object.

use std::borrow::Cow;
use std::collections::HashSet;

use super::devices::{Devices, Writable};
use super::networks::{
    Annotation, DEFAULT_NETWORK, NETWORKS, Networks, Selection, shrinks, too_many,
};
use super::placement::{Patchable, Placement, present};
use super::{Attach, Carrier, Change, Copies, Object, annotation, annotations};
use crate::json::{Kind, Value};
use crate::limits::MAX_ATTACHMENTS;
use crate::policy::Policy;
use crate::review::{Operation, Request};

mod claim;
mod machine;

/// The kubelet's mark on the copy of a static Pod, which is already running.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// The group of the kubelets.
const NODES: &str = "system:nodes";

impl<'a> Attach<'a> {
    pub(super) fn pod(request: &'a Request<'a>, policy: &Policy) -> Self {
        let (new, old) = (request.object, request.old_object);
        let spec = |object: Option<Value<'a>>| object.and_then(|object| object.get("spec"));
        let gated = spec(old)
            .and_then(|spec| spec.get("schedulingGates"))
            .is_some_and(|gates| gates.elements().next().is_some());
        let status = &*request.sub_resource == "status";
        let carrier = match request.operation {
            Operation::Create => Carrier::NewPod,
            _ if gated => Carrier::NewPod,
            _ => Carrier::ExistingPod,
        };
        // A patch needs an object to add to.
        let has_spec = spec(new).is_some_and(|spec| spec.kind() == Kind::Object);
        let patchable = match (status || !has_spec, carrier) {
            (true, _) => Patchable::Nothing,
            (false, Carrier::NewPod) => Patchable::Additions,
            (false, _) => {
                Patchable::Restore(present(spec(old).and_then(|spec| spec.get("affinity"))))
            }
        };
        let writable = match request.operation {
            _ if status || !has_spec => Writable::Nothing,
            Operation::Create => Writable::Additions,
            _ => Writable::Restore(spec(old)),
        };
        let address = old.and_then(|old| old.get("status")?.get("podIP")?.str());
        // For an update of the status, the API server uses the stored spec, whatever is sent.
        let spec = if status { spec(old) } else { spec(new) };
        let mut attach = Self::carried(request, policy, carrier, new, old, spec, patchable);
        attach.devices = attach
            .placement
            .is_some()
            .then(|| Devices::of(spec, writable));
        attach.is_running = address.is_some_and(|address| !address.is_empty());
        attach
    }

    pub(super) fn binding(request: &'a Request<'a>, policy: &Policy) -> Self {
        let carrier = Carrier::Binding;
        let object = request.object;
        let mut attach = Self::carried(
            request,
            policy,
            carrier,
            object,
            None,
            None,
            Patchable::Nothing,
        );
        attach.placement = None;
        attach
    }

    pub(super) fn workload(request: &'a Request<'a>, policy: &Policy) -> Self {
        let cron = &*request.resource == "cronjobs";
        let template = |object: Option<Value<'a>>| {
            let spec = object.and_then(|object| object.get("spec"));
            let spec = if cron {
                spec.and_then(|spec| spec.get("jobTemplate")?.get("spec"))
            } else {
                spec
            };
            present(spec.and_then(|spec| spec.get("template")))
        };
        let (new, old) = (template(request.object), template(request.old_object));
        let unchanged = request.old_object.is_some() && new == old;
        let carrier = Carrier::Template {
            daemon_set: &*request.resource == "daemonsets",
        };
        let spec = new.and_then(|template| template.get("spec"));
        let mut attach = Self::carried(
            request,
            policy,
            carrier,
            new,
            None,
            spec,
            Patchable::Nothing,
        );
        attach.devices = attach
            .placement
            .is_some()
            .then(|| Devices::of(spec, Writable::Nothing));
        attach.copies = copies(request);
        attach.annotations = if cron {
            "spec.jobTemplate.spec.template.metadata.annotations"
        } else {
            "spec.template.metadata.annotations"
        };
        let own = request
            .object
            .and_then(|object| annotation(object, NETWORKS)?.str());
        attach.misplaced =
            attach.networks.any().is_none() && own.is_some_and(|own| !own.is_empty());
        // If a controller writes it, its owner was judged.
        let is_controlled =
            policy.is_controller(&request.user) && request.object.is_some_and(has_controller);
        if unchanged || is_controlled {
            attach.networks = attach.networks.kept();
            attach.default_network = attach.default_network.kept();
            attach.misplaced = false;
        }
        attach
    }

    /// A ResourceClaim, or a template of one.
    pub(super) fn claim(request: &'a Request<'a>, policy: &Policy) -> Self {
        let is_template = &*request.resource == "resourceclaimtemplates";
        let (carrier, field) = if is_template {
            let carrier = Carrier::Template { daemon_set: false };
            (carrier, "spec.spec.devices.config")
        } else {
            (Carrier::Claim, "spec.devices.config")
        };
        let spec = |object: Option<Value<'a>>| {
            let spec = object?.get("spec")?;
            if is_template {
                spec.get("spec")
            } else {
                Some(spec)
            }
        };
        let (new, old) = (spec(request.object), spec(request.old_object));
        let nothing = Patchable::Nothing;
        let mut attach = Self::carried(request, policy, carrier, None, None, None, nothing);
        attach.placement = None;
        let asked = |spec| claim::networks(spec, &request.namespace, field);
        attach.networks = changed(asked(new), asked(old));
        attach
    }

    /// A virtual machine of KubeVirt, or a running instance of one.
    pub(super) fn machine(request: &'a Request<'a>, policy: &Policy) -> Self {
        let is_template = &*request.resource == "virtualmachines";
        let (annotations, field) = if is_template {
            (
                "spec.template.metadata.annotations",
                "spec.template.spec.networks",
            )
        } else {
            ("metadata.annotations", "spec.networks")
        };
        let instance = |object: Option<Value<'a>>| {
            if is_template {
                present(object?.get("spec")?.get("template"))
            } else {
                object
            }
        };
        let spec = |object: Option<Value<'a>>| object.and_then(|object| object.get("spec"));
        let (new, old) = (instance(request.object), instance(request.old_object));
        let carrier = Carrier::Template { daemon_set: false };
        let nothing = Patchable::Nothing;
        let mut attach = Self::carried(request, policy, carrier, new, old, spec(new), nothing);
        attach.annotations = annotations;
        let home = &*policy.multus_namespace;
        let asked = |object| machine::networks(spec(object), &request.namespace, home, field);
        let (networks, default_network) = asked(new);
        let (old_networks, old_default_network) = asked(old);
        // KubeVirt overwrites the annotation of the machine, and passes it on only if it has no
        // networks to write.
        if networks.is_some() {
            attach.networks = changed(networks, old_networks);
        }
        if default_network.is_some() {
            attach.default_network = changed(default_network, old_default_network);
        }
        let is_controlled =
            policy.is_controller(&request.user) && request.object.is_some_and(has_controller);
        if !is_template && is_controlled {
            attach.networks = attach.networks.kept();
            attach.default_network = attach.default_network.kept();
        }
        attach
    }

    fn carried(
        request: &'a Request<'a>,
        policy: &Policy,
        carrier: Carrier,
        new: Option<Value<'a>>,
        old: Option<Value<'a>>,
        spec: Option<Value<'a>>,
        patchable: Patchable<'a>,
    ) -> Self {
        let object = Object::of(request);
        let [new_networks, new_default, mirror] =
            annotations_of(new, [NETWORKS, DEFAULT_NETWORK, MIRROR]);
        let [old_networks, old_default] = annotations_of(old, [NETWORKS, DEFAULT_NETWORK]);
        // The API server stores a null annotation as an empty one, and an empty one requests
        // nothing.
        let text = |value: Option<Value<'a>>| value.map(|value| value.str().unwrap_or_default());
        let asking = |value| text(value).filter(|text| !text.is_empty());
        let networks = change(
            asking(new_networks),
            asking(old_networks),
            &request.namespace,
            shrinks,
        );
        // An empty default-network annotation is not an absent one: Multus fails on it.
        let default_network = change(
            text(new_default),
            text(old_default),
            &policy.multus_namespace,
            |_, _, _| false,
        );
        let is_not_text = |value: Option<Value<'a>>| {
            present(value).is_some_and(|value| value.kind() != Kind::String)
        };
        let not_text = if is_not_text(new_networks) {
            Some(Annotation::Networks)
        } else {
            is_not_text(new_default).then_some(Annotation::DefaultNetwork)
        };
        let is_true = |key| spec.and_then(|spec| spec.get(key)?.bool()) == Some(true);
        // Any user can write the mark; it counts only from the kubelet.
        let mirror = present(mirror).is_some() && request.is_from_group(NODES);
        let host_network = is_true("hostNetwork");
        let node_name = spec.and_then(|spec| spec.get("nodeName")?.str());
        Self {
            object,
            carrier,
            annotations: "metadata.annotations",
            networks,
            default_network,
            not_text,
            placement: (!host_network && !mirror).then(|| Placement::of(spec, patchable)),
            devices: None,
            copies: Copies::Count(1),
            is_running: false,
            annotation_map: annotations(new),
            host_network,
            node_name: node_name.is_some_and(|name| !name.is_empty()),
            misplaced: false,
        }
    }
}

/// How many Pods a workload creates at a time.
fn copies(request: &Request<'_>) -> Copies {
    let spec = request.object.and_then(|object| object.get("spec"));
    let count = |spec: Option<Value<'_>>, key| {
        Copies::Count(spec.and_then(|spec| spec.get(key)?.integer()).unwrap_or(1))
    };
    match &*request.resource {
        "daemonsets" => Copies::EachNode,
        "jobs" => count(spec, "parallelism"),
        "cronjobs" => {
            let job = spec.and_then(|spec| spec.get("jobTemplate")?.get("spec"));
            count(job, "parallelism")
        }
        _ => count(spec, "replicas"),
    }
}

impl Change<Networks> {
    fn kept(self) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::Kept(networks) | Self::New(networks) => Self::Kept(networks),
        }
    }
}

fn change(
    new: Option<Cow<'_, str>>,
    old: Option<Cow<'_, str>>,
    namespace: &str,
    shrinks: fn(&str, &str, &str) -> bool,
) -> Change<Networks> {
    let Some(new) = new else {
        return Change::Absent;
    };
    let networks = Networks::parse(&new, namespace);
    match old {
        Some(old) if old == new => Change::Kept(networks),
        Some(old) if shrinks(&new, &old, namespace) => Change::Kept(networks),
        _ => Change::New(networks),
    }
}

/// Some annotations of an object, also if they are null.
fn annotations_of<'a, const N: usize>(
    object: Option<Value<'a>>,
    names: [&str; N],
) -> [Option<Value<'a>>; N] {
    annotations(object).map_or([None; N], |annotations| annotations.get_each(names))
}

/// What a spec requests, before and after.
fn changed(new: Option<Networks>, old: Option<Networks>) -> Change<Networks> {
    let Some(new) = new else {
        return Change::Absent;
    };
    if new.selections.len() > MAX_ATTACHMENTS {
        return Change::New(Networks {
            beyond_limits: Some(too_many()),
            ..Networks::default()
        });
    }
    let is_kept = old.is_some_and(|old| {
        let names = |own: &Selection| (own.namespace.clone(), own.name.clone());
        let old: HashSet<_> = old.selections.iter().map(names).collect();
        new.selections.iter().all(|own| old.contains(&names(own)))
    });
    if is_kept {
        Change::Kept(new)
    } else {
        Change::New(new)
    }
}

fn has_controller(object: Value<'_>) -> bool {
    let owners = object
        .get("metadata")
        .and_then(|metadata| metadata.get("ownerReferences"));
    let mut owners = owners.into_iter().flat_map(Value::elements);
    owners.any(|owner| owner.get("controller").and_then(Value::bool) == Some(true))
}
