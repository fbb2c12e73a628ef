//! The judgement of one object: what the webhooks would answer if it were created.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use multinic_core::answer::{Case, Verdict};
use multinic_core::finding::Finding;
use multinic_core::network::Fetched;
use multinic_core::review::{self, Request, Webhook};
use multinic_core::rules::{decide, missing_network};
use multinic_core::view::{Cluster, Subject};
use multinic_core::world::World;

use super::kinds::Kind;
use super::{Manifests, Object, Options};

/// What is wrong with an object.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    /// Networks that it requests and that are unknown, as `namespace/name`.
    pub(super) unknown: Vec<String>,
}

/// What is known when objects are judged.
pub(super) fn world<'a>(manifests: &'a Manifests, fetched: &'a Fetched) -> World<'a> {
    World {
        snapshot: &manifests.snapshot,
        fetched,
        policy: &manifests.policy,
        // Which Pods use a network shows in a cluster only.
        usage: None,
    }
}

/// Judges an object as if it were created, with what the mutating webhook writes.
pub(super) fn judge(object: &Object, manifests: &Manifests, options: &Options) -> Judged {
    let fetched = Fetched::default();
    let world = world(manifests, &fetched);
    if let Some(config) = &object.cluster {
        let cluster = Cluster::of(&object.name, config.clone());
        return Judged {
            findings: decide(&Subject::Cluster(cluster), &world),
            unknown: Vec::new(),
        };
    }
    let patched = patched(object, &world).map(|object| object.to_string());
    let review = review_of(object, patched.as_ref().unwrap_or(&object.json));
    let judged = with_case(&review, &world, |case| {
        let mut judged = Judged {
            findings: case.findings(&world),
            unknown: Vec::new(),
        };
        if !options.is_complete {
            let unknown = case.unknown(world.policy, world.snapshot).into_iter();
            let names = unknown.map(|(namespace, name)| format!("{namespace}/{name}"));
            judged.unknown = names.collect();
            let is_missing = |finding: &Finding| finding.rule == missing_network::RULE.name;
            judged.findings.retain(|finding| !is_missing(finding));
        }
        judged
    });
    judged.unwrap_or_default()
}

/// The object with what the mutating webhook writes, if it writes anything.
pub(super) fn patched(object: &Object, world: &World<'_>) -> Option<serde_json::Value> {
    if object.kind.is_cluster() {
        return None;
    }
    let patched = with_case(&review_of(object, &object.json), world, |case| {
        let answer = case.answer(Webhook::Mutate, world);
        let patch = (answer.verdict == Verdict::Patch).then(|| patch(&answer.body));
        apply(&object.json, &patch??)
    });
    patched?
}

/// Calls `ask` with what a review is about.
fn with_case<T>(review: &str, world: &World<'_>, ask: impl FnOnce(&Case<'_>) -> T) -> Option<T> {
    // It is written here, so it can be read.
    let document = review::read(review.as_bytes()).ok()?;
    let request = Request::of(&document).ok()?;
    Some(ask(&Case::of(&request, world.policy)))
}

/// The JSON Patch in the body of an answer.
fn patch(body: &[u8]) -> Option<json_patch::Patch> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = answer.pointer("/response/patch")?.as_str()?;
    serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
}

fn apply(json: &str, patch: &json_patch::Patch) -> Option<serde_json::Value> {
    let mut object = serde_json::from_str(json).ok()?;
    json_patch::patch(&mut object, patch).ok()?;
    Some(object)
}

/// The AdmissionReview of an object that is created.
fn review_of(object: &Object, json: &str) -> String {
    let Kind {
        name: kind,
        group,
        resource,
    } = object.kind;
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(json.len() + 512);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        r#"{{"apiVersion":"{api}","kind":"AdmissionReview","request":{{"uid":"check","kind":{{"group":"{group}","version":{version},"kind":"{kind}"}},"resource":{{"group":"{group}","version":{version},"resource":"{resource}"}},"name":{name},"namespace":{namespace},"operation":"CREATE","object":{json}}}}}"#,
        api = review::API_VERSION,
        version = text(&object.version),
        name = text(&object.name),
        namespace = text(&object.namespace),
    );
    out
}
