//! Everything that `cargo test` proves of the crate from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input fails, and says where"
)]

mod cni;
mod examples;
mod laws;
mod manifest;
mod oracle;
mod pages;
mod readme;
mod reviews;
mod shape;
