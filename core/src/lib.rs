//! The decisions of multinic: bytes of an AdmissionReview in, bytes of its answer out.
//!
//! ```text
//!          review              view                      rules
//! bytes ─> Request ─> Subject ─(look-ups)─┬─> fixes(Subject, World)  ─> mutate:   Keep  | Patch ─┬─> bytes
//!                     │                   └─> decide(Subject, World) ─> validate: Allow | Deny  ─┘
//!                     │                            │
//!                     ├ Attach: a Pod, a Binding,  └ what is known: networks (network),
//!                     │ a workload's template        decisions of the administrator (policy)
//!                     └ Define: a NetworkAttachmentDefinition
//! ```
//!
//! Nothing here does I/O, reads a clock, takes a lock, waits, or panics: Cargo keeps the crates for
//! that away, and the lints below refuse the rest. [`answer::Case`] is the whole way as one call.
//!
//! The modules stand in the order of the pipeline: each imports only modules that stand before it.
//! The test `layers` of the suite holds that.

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
