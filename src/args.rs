//! The command line.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use multinic_core::config;
use multinic_core::policy::Policy;

pub mod doctor;
pub mod explain;
pub mod review;
pub mod serve;

/// Admission control for multi-network Kubernetes Pods.
#[derive(Debug, Parser)]
#[command(name = "multinic", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the default configuration, with what each key means.
    Config,
    /// Ask the API server, by a dry run, for a Pod that multinic has to refuse.
    Doctor(doctor::Args),
    /// Explain a rule, or list all of them.
    Explain(explain::Args),
    /// Answer one recorded AdmissionReview.
    Review(review::Args),
    /// Serve the webhooks over TLS.
    Serve(serve::Args),
}

/// Why a command could not be carried out: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is none.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: config::Error,
    },
    /// A file of networks, or their folder, cannot be read.
    #[error(transparent)]
    Folder(#[from] crate::cluster::folder::Error),
    /// A file cannot be read, or the output not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What was asked for does not exist.
    #[error("{0}")]
    Usage(String),
}

/// Nothing was done: the input is unreadable, or the command line is.
pub const UNREADABLE: u8 = 2;

impl Args {
    /// Carries out the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Config => print(config::DEFAULT.as_bytes()).map(|()| ExitCode::SUCCESS),
            Command::Doctor(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Review(args) => args.run(),
            Command::Serve(args) => args.run(),
        };
        done.unwrap_or_else(|error| {
            let _ = writeln!(io::stderr(), "multinic: {error}");
            ExitCode::from(UNREADABLE)
        })
    }
}

/// The configuration of a file, or the default one.
fn read_config(path: Option<&Path>) -> Result<Policy, Error> {
    let Some(path) = path else {
        return Ok(Policy::default());
    };
    parse_config(path, &read_text(path)?)
}

fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.display().to_string(),
        source,
    })
}

/// The configuration in the text of a file.
fn parse_config(path: &Path, text: &str) -> Result<Policy, Error> {
    config::parse(text).map_err(|source| Error::Config {
        path: path.display().to_string(),
        source,
    })
}

/// Writes to stdout. A reader that went away is no fault of ours.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Error::Io {
            path: "stdout".to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
