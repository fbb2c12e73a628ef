//! Admission control for multi-network Kubernetes Pods.

#[deny(clippy::disallowed_methods)]
pub mod cni;
#[deny(clippy::disallowed_methods)]
pub mod finding;
pub mod json;
