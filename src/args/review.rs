//! `multinic review`: one AdmissionReview in, its answer out.

use std::fs;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use multinic_core::answer::{Case, Verdict};
use multinic_core::finding::Finding;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::review::{self, Request, Webhook};
use multinic_core::rules;
use multinic_core::world::World;

use super::{Error, print, read_config};
use crate::cluster::folder::Folder;

/// Answer one recorded AdmissionReview.
///
/// The answer goes to stdout as it would go over the wire. Exit code: 0 allowed, 1 denied,
/// 2 unreadable input or usage, 3 an answer that would be an HTTP 5xx.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The AdmissionReview, in JSON; - is stdin.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// A folder of YAML or JSON files with the NetworkAttachmentDefinitions of the cluster.
    #[arg(long, value_name = "DIR")]
    networks: Option<PathBuf>,
    /// The configuration; `multinic config` prints the default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which webhook is asked.
    #[arg(long, value_parser = webhook(), default_value = "validate")]
    webhook: Webhook,
    /// Print the answer indented, its patch decoded, and the findings on stderr.
    #[arg(long)]
    pretty: bool,
}

/// The names of the webhooks, as values of a flag.
fn webhook() -> impl TypedValueParser<Value = Webhook> {
    PossibleValuesParser::new(Webhook::ALL.map(Webhook::name)).map(|name| {
        let named = Webhook::ALL.into_iter().find(|one| one.name() == name);
        named.unwrap_or(Webhook::Validate)
    })
}

/// The exit code of an answer that would be an HTTP 5xx.
const FAULT: u8 = 3;

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let config = read_config(self.config.as_deref())?;
        let (snapshot, passed_over) = match &self.networks {
            Some(folder) => networks(folder)?,
            None => (Snapshot::default(), 0),
        };
        let body = read(&self.file)?;
        let (answer, findings) = {
            let unreadable = |error: review::Error| Error::Usage(error.to_string());
            let document = review::read(&body).map_err(unreadable)?;
            let request = Request::of(&document).map_err(unreadable)?;
            let world = World {
                snapshot: &snapshot,
                fetched: &Fetched::default(),
                policy: &config,
                usage: None,
            };
            let answered = caught(|| {
                let case = Case::of(&request, &config);
                (case.answer(self.webhook, &world), case.findings(&world))
            });
            match answered {
                Some(answered) => answered,
                None => return Ok(ExitCode::from(FAULT)),
            }
        };
        if self.pretty {
            print(pretty(&answer.body).as_bytes())?;
            explain(&findings, answer.verdict, passed_over);
        } else {
            print(&answer.body)?;
            print(b"\n")?;
        }
        Ok(ExitCode::from(u8::from(answer.verdict == Verdict::Deny)))
    }
}

/// What `decide` returns, or `None` where it panicked: the server would answer 500.
fn caught<T>(decide: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decide)).ok()
}

/// The networks of a folder, and how many objects in it are none.
fn networks(folder: &Path) -> Result<(Snapshot, usize), Error> {
    let folder = Folder::read(folder)?;
    if let Some(error) = folder.errors().next() {
        return Err(Error::Usage(error.to_string()));
    }
    Ok((folder.snapshot(), folder.passed_over()))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let done = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    match done {
        Ok(()) => Ok(bytes),
        Err(source) => Err(Error::Io {
            path: path.display().to_string(),
            source,
        }),
    }
}

/// The answer indented, with the patch as what it is.
fn pretty(body: &[u8]) -> String {
    use base64::Engine as _;
    let mut answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(patch) = answer.pointer_mut("/response/patch")
        && let Some(text) = patch.as_str()
        && let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(text)
        && let Ok(decoded) = serde_json::from_slice(&bytes)
    {
        *patch = decoded;
    }
    format!("{answer:#}\n")
}

fn explain(findings: &[Finding], verdict: Verdict, passed_over: usize) {
    let mut stderr = io::stderr().lock();
    if passed_over > 0 {
        let _ = writeln!(
            stderr,
            "passed over {passed_over} of --networks that are no NetworkAttachmentDefinition"
        );
    }
    // What the patch mends is no news any more.
    let mended = |finding: &&Finding| {
        verdict == Verdict::Patch
            && rules::find(finding.rule).is_some_and(|rule| rule.fix.is_some())
    };
    for finding in findings.iter().filter(|finding| !mended(finding)) {
        let _ = writeln!(stderr, "{}: {}", finding.level.name(), finding.line());
    }
    let _ = writeln!(stderr, "{}", verdict.name());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault_and_no_answer() {
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| -> u8 { panic!("a rule") }), None);
    }
}
