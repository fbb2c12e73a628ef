//! The `multinic` program.
fn main() {}
