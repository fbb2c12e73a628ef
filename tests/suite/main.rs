//! Everything that `cargo test` proves of the crate from outside.

mod cni;
mod examples;
mod manifest;
mod oracle;
mod pages;
mod reviews;
mod server;
