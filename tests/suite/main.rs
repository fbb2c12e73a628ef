//! Everything that `cargo test` proves of the crate from outside.

mod cni;
mod oracle;
