//! Everything that `cargo test` proves of the crate from outside.

#![expect(
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::from_iter_instead_of_collect,
    clippy::match_same_arms,
    clippy::or_fun_call,
    clippy::redundant_closure,
    clippy::similar_names,
    clippy::unnecessary_wraps,
    reason = "a test that cannot go on fails where it stands; tables of cases read best side by side"
)]

mod check;
mod cni;
mod examples;
mod laws;
mod layers;
mod manifest;
mod oracle;
mod pages;
mod readme;
mod reviews;
mod server;
mod shape;
mod tools;
