//! The `multinic` program.

use std::process::ExitCode;

use multinic::args::Args;

fn main() -> ExitCode {
    Args::from_command_line().run()
}
