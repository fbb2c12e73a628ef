//! Admission control for multi-network Kubernetes Pods.

#[deny(clippy::disallowed_methods)]
pub mod answer;
pub mod args;
pub mod cert;
pub mod cluster;
#[deny(clippy::disallowed_methods)]
pub mod cni;
pub mod config;
pub mod duration;
#[deny(clippy::disallowed_methods)]
pub mod finding;
pub mod http;
pub mod json;
pub mod listen;
pub mod log;
pub mod metrics;
#[deny(clippy::disallowed_methods)]
pub mod mutate;
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
