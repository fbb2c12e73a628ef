//! The chart without a cluster: what each branch of its templates renders, what it refuses, and that its
//! documents are true. `cargo test --test chart`.
//!
//! helm is the one that `tests/cluster/control-plane/build` builds. That what is rendered is accepted by an API server is
//! proven by the scenarios of `tests/cluster`.

mod audit;
mod certificates;
mod docs;
mod helm;
mod monitoring;
mod registration;
mod schema;
mod values;
mod workload;
