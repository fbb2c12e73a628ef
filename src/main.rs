//! The `multinic` program.

use std::process::ExitCode;

use clap::Parser;
use multinic::args::Args;

fn main() -> ExitCode {
    Args::parse().run()
}
