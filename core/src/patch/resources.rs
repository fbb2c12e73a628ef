//! The operations that request devices: on `resources` of one container, and only increases.

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation};
use serde_json::{Value as Json, json};

use super::add;
use crate::json::{Kind, Value};
use crate::view::devices::{Devices, Writable, requested};
use crate::view::placement::present;

/// Returns the operations that request the `lacking` devices; `None` if the API server would not
/// accept them. They change the container named `container`, or the first one if no container has
/// that name.
pub fn request(
    devices: &Devices<'_>,
    container: Option<&str>,
    lacking: &[(Box<str>, u64)],
) -> Option<Patch> {
    let chosen = container.and_then(|name| {
        let mut containers = devices.containers().enumerate();
        containers.find(|(_, own)| own.get("name").is_some_and(|own| own.is_str(name)))
    });
    let (index, container) = chosen.or_else(|| devices.containers().enumerate().next())?;
    let patch = Patch(additions(index, container, lacking)?);
    match devices.writable {
        Writable::Nothing => None,
        Writable::Additions => apply(index, container, &patch).map(|_| patch),
        Writable::Restore(stored) => {
            let stored = stored?.get("containers")?.elements().nth(index)?;
            let stored: Json = serde_json::from_str(stored.get("resources")?.raw()).ok()?;
            (apply(index, container, &patch)? == stored).then_some(patch)
        }
    }
}

fn additions(
    index: usize,
    container: Value<'_>,
    lacking: &[(Box<str>, u64)],
) -> Option<Vec<PatchOperation>> {
    let names: Vec<&str> = lacking.iter().map(|(resource, _)| &**resource).collect();
    let known = requested(container, &names);
    let mut wanted = Vec::new();
    for (resource, more) in lacking {
        let own = known.get(&**resource).copied().unwrap_or(Some(0))?;
        wanted.push((&**resource, own.checked_add(*more)?.to_string()));
    }
    let list = || -> Json { wanted.iter().cloned().collect() };
    let path = |names: &[&str]| {
        let mut path = PointerBuf::new();
        path.push_back("spec");
        path.push_back("containers");
        path.push_back(index);
        for name in names {
            path.push_back(*name);
        }
        path
    };
    let Some(resources) = present(container.get("resources")) else {
        let value = json!({"limits": list(), "requests": list()});
        return Some(vec![add(path(&["resources"]), value)]);
    };
    let mut operations = Vec::new();
    for kind in ["limits", "requests"] {
        match present(resources.get(kind)) {
            None => operations.push(add(path(&["resources", kind]), list())),
            Some(known) if known.kind() == Kind::Object => {
                operations.extend(wanted.iter().map(|(resource, count)| {
                    add(path(&["resources", kind, resource]), json!(count))
                }));
            }
            // The API server refuses it.
            Some(_) => return None,
        }
    }
    Some(operations)
}

/// The `resources` after the patch.
fn apply(index: usize, container: Value<'_>, patch: &Patch) -> Option<Json> {
    let own = match container.get("resources") {
        Some(resources) => {
            json!({"resources": serde_json::from_str::<Json>(resources.raw()).ok()?})
        }
        None => json!({}),
    };
    let mut containers = vec![Json::Null; index];
    containers.push(own);
    let mut pod = json!({"spec": {"containers": containers}});
    json_patch::patch_unsafe(&mut pod, patch).ok()?;
    pod.pointer_mut(&format!("/spec/containers/{index}/resources"))
        .map(Json::take)
}
