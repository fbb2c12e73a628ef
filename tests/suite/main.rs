//! Everything that `cargo test` proves of the crate from outside.

mod cni;
mod examples;
mod laws;
mod manifest;
mod oracle;
mod pages;
mod readme;
mod reviews;
mod server;
mod shape;
