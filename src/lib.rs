//! Admission control for multi-network Kubernetes Pods.
//!
//! The way of a review, from its bytes to the bytes of its answer:
//!
//! ```text
//!          review              view                      rules
//! bytes ─> Request ─> Subject ─(look-ups)─┬─> fixes(Subject, World)  ─> mutate:   Keep  | Patch ─┬─> bytes
//!                     │                   └─> decide(Subject, World) ─> validate: Allow | Deny  ─┘
//!                     │                            │
//!                     ├ Attach: a Pod, a Binding,  └ what is known: networks (cluster),
//!                     │ a workload's template        what the administrator decided (config)
//!                     └ Define: a NetworkAttachmentDefinition
//! ```
//!
//! Everything between [`view::Subject`] and the answer is pure: no clock, no file, no lock, nothing
//! that waits or panics. The lints below hold it so. [`answer::Case`] is that way as one call.
//!
//! | module | |
//! |---|---|
//! | [`args`] | the command line |
//! | [`config`] | what an administrator decides |
//! | [`review`] | the AdmissionReview on the wire |
//! | [`json`] | JSON as Go reads it, with the place of every value |
//! | [`view`] | what rules see of a request |
//! | [`cni`] | CNI configurations, as Multus, libcni and the plugins read them |
//! | [`cluster`] | what is known of the cluster |
//! | [`rules`] | the rules; each is a module whose documentation is its page |
//! | [`finding`] | what a rule says, and where |
//! | [`mutate`], [`patch`], [`validate`], [`answer`] | from findings to the answer |

#[deny(clippy::disallowed_methods)]
pub mod answer;
pub mod args;
#[deny(clippy::disallowed_methods)]
pub mod authority;
pub mod cert;
pub mod cluster;
#[deny(clippy::disallowed_methods)]
pub mod cni;
pub mod config;
pub mod crypto;
pub mod duration;
#[deny(clippy::disallowed_methods)]
pub mod finding;
mod followed;
pub mod http;
pub mod json;
pub mod listen;
pub mod log;
pub mod metrics;
#[deny(clippy::disallowed_methods)]
pub mod mutate;
mod nearest;
#[deny(clippy::disallowed_methods)]
pub mod patch;
pub mod review;
#[deny(clippy::disallowed_methods)]
pub mod rules;
pub mod tls;
#[deny(clippy::disallowed_methods)]
pub mod validate;
#[deny(clippy::disallowed_methods)]
pub mod view;
