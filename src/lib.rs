//! Admission control for multi-network Kubernetes Pods: the program around the decisions of
//! [`multinic_core`].
//!
//! | module | |
//! |---|---|
//! | [`args`] | the command line, a file for each subcommand |
//! | [`listen`], [`http`] | TCP to TLS to HTTP, with a deadline on every wait; the routes |
//! | [`crypto`], [`cert`], [`tls`] | certificates: made, read, checked, served |
//! | [`cluster`] | where the networks come from: the API server, or a folder |
//! | [`metrics`], [`log`] | what the server counts and logs |

pub mod args;
pub mod cert;
pub mod cluster;
pub mod crypto;
pub mod duration;
mod followed;
pub mod http;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod tls;
