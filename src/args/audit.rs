//! `multinic audit`: what is stored in a cluster.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use multinic_core::finding::Level;

use super::connection::{Connection, runtime};
use super::output::OutputArgs;
use super::{Error, read_config};
use crate::audit::Audit;
use crate::audit::read::{Scope, read};
use crate::report::Report;

/// Judge what is stored in a cluster
///
/// Networks, Pods and workloads are judged as if they were created now, and together: Pods on nodes
/// without the labels of their networks, addresses that two Pods request, networks that nobody uses.
/// Nothing is changed. Exit codes, in every format: 0 nothing found, 1 findings, 2 usage, 3 something
/// could not be looked at.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration of multinic; `multinic config` prints the default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace to look at; without it, all of them
    #[arg(
        long,
        short,
        value_name = "NAMESPACE",
        conflicts_with = "all_namespaces"
    )]
    namespace: Option<String>,
    /// Look at all namespaces, which is the default
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// Only Pods and workloads with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR", default_value = "")]
    selector: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: Connection,
}

/// How often the bar is drawn again, in objects.
const STEP: u64 = 50;

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        self.output.verify()?;
        let policy = read_config(self.config.as_deref())?;
        let mut report = runtime()?.block_on(async {
            let site = self.connection.open(None).await?;
            let scope = Scope {
                namespace: self.namespace.as_deref(),
                labels: &self.selector,
            };
            // Drawn on stderr, and only where that is a terminal.
            let bar = ProgressBar::new(0).with_style(style());
            let progress = |kind: &str, done: u64, left: u64| {
                if done == 0 {
                    bar.reset();
                    bar.set_message(kind.to_owned());
                }
                if done.is_multiple_of(STEP) {
                    bar.set_length(bar.length().unwrap_or_default().max(done + left));
                    bar.set_position(done);
                }
            };
            let report = read(&site.reader, &scope, policy, &progress).await;
            bar.finish_and_clear();
            Ok::<_, Error>(report)
        })?;
        let code = self.output.write(&mut report)?;
        summarize(&report);
        Ok(code)
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{msg:>40} {bar:30} {pos}/{len}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Reports on stderr what was looked at, and what was found where.
fn summarize(report: &Report) {
    let mut stderr = io::stderr().lock();
    for (namespace, rule, count) in Audit::summary(report) {
        let _ = writeln!(stderr, "{namespace:<30} {rule:<30} {count:>7}");
    }
    let seen = report
        .details
        .get("objects")
        .and_then(|seen| seen.as_object());
    let seen: u64 = seen
        .into_iter()
        .flat_map(|seen| seen.values())
        .filter_map(serde_json::Value::as_u64)
        .sum();
    let _ = writeln!(
        stderr,
        "{seen} objects: {} would be refused, {} warnings{}",
        report.count(Level::Deny),
        report.count(Level::Warn),
        if report.problems.is_empty() {
            ""
        } else {
            "; not everything could be looked at"
        },
    );
}
