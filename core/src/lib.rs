//! The decisions of multinic: bytes of an AdmissionReview in, bytes of its answer out.
//!
//! ```text
//!          review              view                      rules
//! bytes ─> Request ─> Subject ─(look-ups)─┬─> fixes(Subject, World)  ─> mutate:   Allow | Patch ─┬─> bytes
//!                     │                   └─> decide(Subject, World) ─> validate: Allow | Deny  ─┘
//!                     │                            │
//!                     ├ Attach: a Pod, a Binding,  └ what is known: networks (network),
//!                     │ a workload's template        decisions of the administrator (policy)
//!                     └ Define: a NetworkAttachmentDefinition
//! ```
//!
//! Nothing here does I/O, reads a clock, takes a lock, waits, or panics: the crates for that are not
//! among the dependencies, and the lints below deny the rest. [`answer::Case`] is the whole pipeline.
//!
//! The modules are in the order of the pipeline: each imports only modules before it. The test `layers`
//! of the suite checks that.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a test may fail by panicking")
)]

// The basis: texts, names, JSON, places, labels.
pub mod limits;
pub mod text;
pub mod nearest;
pub mod name;
pub mod address;
pub mod interface;
pub mod danger;
pub mod node_path;
pub mod json;
pub mod fault;
pub mod selector;
// What is known: CNI configurations, networks, and the decisions of the administrator.
pub mod cni;
pub mod network;
pub mod finding;
pub mod cluster_config;
pub mod policy;
// The request, and the views of it that rules read.
pub mod review;
pub mod view;
pub mod usage;
pub mod patch;
pub mod world;
// The rules, and the way from their findings to the answer.
pub mod rules;
pub mod mutate;
pub mod validate;
pub mod answer;
// The configuration file, which names rules.
pub mod config;
// Besides the pipeline: what a replica does for built-in certificates.
pub mod authority;
