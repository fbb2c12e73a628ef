//! Admission control for multi-network Kubernetes Pods: the program around the decisions of
//! [`multinic_core`].
//!
//! | module | |
//! |---|---|
//! | [`args`] | the command line, a file for each subcommand |
//! | [`serve`], [`shutdown`], [`thread`] | the server as a whole, its end, and its threads |
//! | [`listen`], [`http`] | TCP, TLS and HTTP with a limit on every wait; the routes |
//! | [`crypto`], [`cert`], [`tls`] | certificates: created, read, verified, served |
//! | [`cluster`] | the networks of a cluster, or of a folder |
//! | [`check`], [`manifest`] | manifests, judged before they are applied |
//! | [`report`] | findings, and the formats in which they are reported |
//! | [`audit`], [`doctor`], [`why`], [`map`] | the commands that read a cluster |
//! | [`stored`], [`describe`] | stored objects, judged; networks in words |
//! | [`metrics`], [`log`] | what the server counts and logs |

pub mod args;
pub mod audit;
pub mod cert;
pub mod check;
pub mod cluster;
pub mod crypto;
pub mod describe;
pub mod doctor;
pub mod duration;
pub mod error;
mod followed;
pub mod http;
pub mod listen;
pub mod log;
pub mod manifest;
pub mod map;
pub mod metrics;
mod parallel;
pub mod progress;
pub mod report;
pub mod serve;
pub mod shutdown;
pub mod stored;
pub mod thread;
pub mod tls;
pub mod why;
