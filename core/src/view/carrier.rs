//! From an object to what carries the annotations.

use std::borrow::Cow;

use super::networks::{DEFAULT_NETWORK, NETWORKS, Networks, shrinks};
use super::placement::{Patchable, Placement, present};
use super::{Attach, Carrier, Change, Object, annotation};
use crate::json::{Kind, Value};
use crate::policy::Policy;
use crate::review::{Operation, Request};

/// The kubelet's mark on the copy of a static Pod, which runs already.
const MIRROR: &str = "kubernetes.io/config.mirror";

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
        // A patch needs something to be added to.
        let has_spec = spec(new).is_some_and(|spec| spec.kind() == Kind::Object);
        let patchable = match (status || !has_spec, carrier) {
            (true, _) => Patchable::Nothing,
            (false, Carrier::NewPod) => Patchable::Additions,
            (false, _) => {
                Patchable::Restore(present(spec(old).and_then(|spec| spec.get("affinity"))))
            }
        };
        // The API server takes the stored spec for an update of the status, whatever is sent.
        let spec = if status { spec(old) } else { spec(new) };
        Self::carried(request, policy, carrier, new, old, spec, patchable)
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
        if unchanged || request.object.is_some_and(has_controller) {
            attach.networks = attach.networks.kept();
            attach.default_network = attach.default_network.kept();
            attach.misplaced = false;
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
        let text = |object: Option<Value<'a>>, name| {
            object
                .and_then(|object| annotation(object, name))
                .map(|value| value.str().unwrap_or_default())
        };
        let own = &*request.namespace;
        let networks = change(
            text(new, NETWORKS).filter(|text| !text.is_empty()),
            text(old, NETWORKS).filter(|text| !text.is_empty()),
            own,
            shrinks,
        );
        // An empty default-network annotation is no absent one: Multus fails on it.
        let home = &*policy.multus_namespace;
        let default_network = change(
            empty_for_null(new, DEFAULT_NETWORK).or_else(|| text(new, DEFAULT_NETWORK)),
            empty_for_null(old, DEFAULT_NETWORK).or_else(|| text(old, DEFAULT_NETWORK)),
            home,
            |_, _, _| false,
        );
        let not_text = [NETWORKS, DEFAULT_NETWORK].into_iter().find(|name| {
            new.and_then(|object| annotation(object, name))
                .is_some_and(|value| value.kind() != Kind::String)
        });
        let is_true = |key| spec.and_then(|spec| spec.get(key)?.bool()) == Some(true);
        let mirror = new.is_some_and(|object| annotation(object, MIRROR).is_some());
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
            host_network,
            node_name: node_name.is_some_and(|name| !name.is_empty()),
            misplaced: false,
        }
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

/// The API server stores a null annotation as an empty one.
fn empty_for_null<'a>(object: Option<Value<'a>>, name: &str) -> Option<Cow<'a, str>> {
    let value = object?.get("metadata")?.get("annotations")?.get(name)?;
    value.is_null().then_some(Cow::Borrowed(""))
}

fn has_controller(object: Value<'_>) -> bool {
    let owners = object
        .get("metadata")
        .and_then(|metadata| metadata.get("ownerReferences"));
    let mut owners = owners.into_iter().flat_map(Value::elements);
    owners.any(|owner| owner.get("controller").and_then(Value::bool) == Some(true))
}
