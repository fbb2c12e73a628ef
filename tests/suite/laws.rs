//! Laws that hold for every Pod, every selector and every body.

use base64::Engine as _;
use multinic_core::answer::Answer;
use serde_json::Value;

mod devices;
mod callers;
mod hostile;
mod matcher;
mod placement;
mod requests;

/// The operations of the patch in an answer; none where it has no patch.
pub(crate) fn operations(answer: &Answer) -> Vec<Value> {
    let review: Value = serde_json::from_slice(&answer.body).unwrap();
    let Some(patch) = review["response"]["patch"].as_str() else {
        return Vec::new();
    };
    let patch = base64::engine::general_purpose::STANDARD
        .decode(patch)
        .unwrap();
    serde_json::from_slice(&patch).unwrap()
}
