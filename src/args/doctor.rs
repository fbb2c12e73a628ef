//! `multinic doctor`: whether everything is in place.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::connection::{Connection, runtime};
use super::output::TextOrJson;
use super::{Error, NOT_CHECKED, print, read_config};
use crate::doctor::examine::examine;
use crate::doctor::{Check, Outcome};
use crate::duration;

/// Check that everything is in place: the API server, the networks, Multus, the registration, the
/// replicas, the certificate; and, by dry runs, that objects are refused and Pods placed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The namespace of the dry runs: one whose Pods are judged; without it, `default`
    #[arg(long, short, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// The checks to make, by name; without it, all of them
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<String>,
    /// The configuration of multinic; without it, that of the Deployment in the cluster
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long to check again while something fails
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::flag)]
    wait: Duration,
    /// The format of the output
    #[arg(long, short, value_enum, default_value_t = TextOrJson::Text)]
    output: TextOrJson,
    #[command(flatten)]
    connection: Connection,
}

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a connection may take: the first check says that there is none.
const CONNECT: Duration = Duration::from_secs(5);

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        runtime()?.block_on(self.examine())
    }

    async fn examine(&self) -> Result<ExitCode, Error> {
        let policy = match &self.config {
            Some(_) => Some(read_config(self.config.as_deref())?),
            None => None,
        };
        let site = self.connection.open(Some(CONNECT)).await?;
        let deadline = Instant::now() + self.wait;
        let checks = loop {
            let mut checks =
                examine(&site.reader, &site.url, &self.namespace, policy.clone()).await;
            // That the API server does not answer explains whatever is missing.
            let answers = checks.len() > 1;
            if answers && !self.only.is_empty() {
                checks.retain(|check| self.only.iter().any(|name| name == check.check));
            }
            let worst = checks.iter().map(|check| check.outcome).max();
            if worst != Some(Outcome::Failed) || Instant::now() >= deadline {
                break checks;
            }
            tokio::time::sleep(PAUSE).await;
        };
        if checks.is_empty() {
            return Err(Error::Usage(format!(
                "--only names no check that was made: {}",
                self.only.join(", ")
            )));
        }
        print(self.rendered(&checks).as_bytes())?;
        Ok(code(&checks))
    }

    fn rendered(&self, checks: &[Check]) -> String {
        match self.output {
            TextOrJson::Text => checks.iter().map(Check::lines).collect(),
            TextOrJson::Json => {
                let text = serde_json::to_string_pretty(&checks).unwrap_or_default();
                text + "\n"
            }
        }
    }
}

/// 1 where something does not work, 3 where something could not be looked at.
fn code(checks: &[Check]) -> ExitCode {
    match checks.iter().map(|check| check.outcome).max() {
        Some(Outcome::Failed) => ExitCode::FAILURE,
        Some(Outcome::NotChecked) => ExitCode::from(NOT_CHECKED),
        _ => ExitCode::SUCCESS,
    }
}
