//! Admission control for multi-network Kubernetes Pods.

#[deny(clippy::disallowed_methods)]
pub mod answer;
pub mod args;
pub mod cluster;
#[deny(clippy::disallowed_methods)]
pub mod cni;
pub mod config;
#[deny(clippy::disallowed_methods)]
pub mod finding;
pub mod json;
#[deny(clippy::disallowed_methods)]
pub mod mutate;
#[deny(clippy::disallowed_methods)]
pub mod patch;
pub mod review;
#[deny(clippy::disallowed_methods)]
pub mod rules;
#[deny(clippy::disallowed_methods)]
pub mod validate;
#[deny(clippy::disallowed_methods)]
pub mod view;
