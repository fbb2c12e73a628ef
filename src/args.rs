//! The command line.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use multinic_core::cluster_config::ClusterConfig;
use multinic_core::config;
use multinic_core::policy::Policy;

use crate::error::chain;

pub mod check;
pub mod doctor;
pub mod explain;
mod output;
mod problems;
pub mod review;
pub mod serve;

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
    /// Judge manifests before they are applied
    Check(check::Args),
    /// Print the default configuration, with the meaning of each key
    Config,
    /// Check by a dry run that the API server asks multinic, and that a Pod is refused
    Doctor(doctor::Args),
    /// Explain a rule, or list all rules
    Explain(explain::Args),
    /// Answer a recorded AdmissionReview
    Review(review::Args),
    /// Serve the webhooks
    Serve(serve::Args),
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
    Cluster(#[from] crate::cluster::watch::Error),
    /// The configuration file is not valid.
    #[error("{path}{place}", place = place(source))]
    Config {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: config::Error,
    },
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

/// The exit code of a command that failed.
pub const FAILED: u8 = 2;

impl Args {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Config => print(config::DEFAULT.as_bytes()).map(|()| ExitCode::SUCCESS),
            Command::Check(args) => args.run(),
            Command::Doctor(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Review(args) => args.run(),
            Command::Serve(args) => args.run(),
        };
        done.unwrap_or_else(|error| {
            let mut stderr = io::stderr();
            let _ = writeln!(stderr, "multinic: {}", chain(&error));
            if let Error::Config { source, .. } = &error
                && let Some(excerpt) = &source.excerpt
            {
                let _ = writeln!(stderr, "{excerpt}");
            }
            ExitCode::from(FAILED)
        })
    }
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
