//! The command line.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use multinic_core::cluster_config::ClusterConfig;
use multinic_core::config;
use multinic_core::policy::Policy;

use crate::error::chain;

pub mod audit;
pub mod check;
pub mod completion;
pub mod connection;
pub mod doctor;
pub mod explain;
pub mod map;
mod output;
mod problems;
pub mod review;
pub mod serve;
pub mod why;

/// Admission control for multi-network Kubernetes Pods
#[derive(Debug, Parser)]
#[command(name = "multinic", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[expect(
    clippy::large_enum_variant,
    reason = "it is made once, from the command line"
)]
#[derive(Debug, Subcommand)]
enum Command {
    /// Judge what is stored in a cluster
    Audit(audit::Args),
    /// Judge manifests before they are applied
    Check(check::Args),
    /// What can stand at the end of a command line, as kubectl asks for it
    #[command(hide = true)]
    Complete(completion::Words),
    /// Print a script that completes command lines: for bash, zsh, fish, elvish or PowerShell
    Completion(completion::Args),
    /// Print the default configuration, with the meaning of each key
    Config,
    /// Check that everything is in place, and that multinic is asked
    Doctor(doctor::Args),
    /// Explain a rule, or list all rules
    Explain(explain::Args),
    /// Draw which namespaces reach which networks on which nodes
    Map(map::Args),
    /// Answer a recorded AdmissionReview
    Review(review::Args),
    /// Serve the webhooks
    Serve(serve::Args),
    /// Explain the networks of a Pod or a workload
    Why(why::Args),
}

/// Why a command failed: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] crate::cert::Error),
    /// The client CA cannot be used.
    #[error(transparent)]
    ClientCa(#[from] crate::tls::client_ca::Error),
    /// There is no connection to the API server.
    #[error(transparent)]
    Cluster(#[from] crate::cluster::connect::Error),
    /// The configuration file is not valid.
    #[error("{path}{place}", place = place(source))]
    Config {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: config::Error,
    },
    /// The cluster does not answer, or does not let us read: exit code 3.
    #[error("{0}")]
    NotChecked(String),
    /// The networks of a folder cannot be read.
    #[error(transparent)]
    Folder(#[from] crate::cluster::folder::Error),
    /// An address is not available.
    #[error("cannot listen on {address} ({flag})")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag with the address.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The system refuses what the program needs.
    #[error("cannot start {what}")]
    Start {
        /// What it needs.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The command line, or a file that it names, is not as expected.
    #[error("{0}")]
    Usage(String),
    /// The output cannot be written.
    #[error("cannot write to stdout")]
    Write(#[source] io::Error),
    /// A file cannot be written.
    #[error("cannot write {path}")]
    WriteFile {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What the help of the program ends with.
const EXAMPLES: &str = "Examples:
  multinic check manifests/          judge manifests before they are applied
  multinic doctor                    whether everything is in place
  multinic audit                     what is stored in the cluster
  multinic why pod team-a/web        the networks of a Pod
  multinic map > map.html            who reaches which networks on which nodes";

/// The exit code of a command that failed.
pub const FAILED: u8 = 2;
/// The exit code of a command that could not look at everything: the cluster or a right is missing.
pub const NOT_CHECKED: u8 = 3;

/// How the program is called: as a plugin of kubectl, its name is `kubectl-multinic`.
pub fn program() -> &'static str {
    static PROGRAM: LazyLock<bool> = LazyLock::new(|| {
        let name = std::env::args_os().next().unwrap_or_default();
        let stem = Path::new(&name).file_stem().unwrap_or_default();
        stem.to_string_lossy().starts_with("kubectl-multinic")
    });
    if *PROGRAM {
        "kubectl multinic"
    } else {
        "multinic"
    }
}

impl Args {
    /// Parses the command line. Where it is not as expected, or asks for help, the process ends.
    pub fn from_command_line() -> Self {
        let matches = command().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Audit(args) => args.run(),
            Command::Complete(words) => words.run(),
            Command::Completion(args) => args.run(),
            Command::Config => print(config::DEFAULT.as_bytes()).map(|()| ExitCode::SUCCESS),
            Command::Check(args) => args.run(),
            Command::Doctor(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Map(args) => args.run(),
            Command::Review(args) => args.run(),
            Command::Serve(args) => args.run(),
            Command::Why(args) => args.run(),
        };
        done.unwrap_or_else(|error| {
            let mut stderr = io::stderr();
            let _ = writeln!(stderr, "{}: {}", program(), chain(&error));
            if let Error::Config { source, .. } = &error
                && let Some(excerpt) = &source.excerpt
            {
                let _ = writeln!(stderr, "{excerpt}");
            }
            ExitCode::from(match error {
                Error::NotChecked(_) => NOT_CHECKED,
                _ => FAILED,
            })
        })
    }
}

/// The command line, under the name by which the program is called.
fn command() -> clap::Command {
    let examples = EXAMPLES.replace("multinic", program());
    Args::command()
        .bin_name(program())
        .name(program())
        .after_help(examples)
}

/// `:LINE:COLUMN` of an error in the configuration, where it is known.
fn place(error: &config::Error) -> String {
    error
        .place
        .map(|(line, column)| format!(":{line}:{column}"))
        .unwrap_or_default()
}

/// Reads a configuration file; without one, returns the default configuration.
fn read_config(path: Option<&Path>) -> Result<Policy, Error> {
    let Some(path) = path else {
        return Ok(Policy::default());
    };
    parse_config(path, &read_text(path)?)
}

/// Reads a file with a cluster configuration of Google Distributed Cloud.
fn read_cluster_config(path: &Path) -> Result<ClusterConfig, Error> {
    let config = crate::check::cluster_config(&read_text(path)?);
    config.map_err(|problem| Error::Usage(format!("{}: {problem}", path.display())))
}

fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.display().to_string(),
        source,
    })
}

/// Parses the text of a configuration file.
fn parse_config(path: &Path, text: &str) -> Result<Policy, Error> {
    config::parse(text).map_err(|source| Error::Config {
        path: path.display().to_string(),
        source,
    })
}

/// Writes to stdout. That the reader has gone away is not an error.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Error::Write(source)),
        _ => Ok(()),
    }
}
