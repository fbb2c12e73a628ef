//! `multinic review`: answers a recorded AdmissionReview.

use std::fs;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use multinic_core::answer::{Case, Verdict};
use multinic_core::finding::Finding;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::{self, Request, Webhook};
use multinic_core::rules;
use multinic_core::text::{escape, shorten};
use multinic_core::world::World;
use serde::Deserialize;

use super::problems::problems;
use super::{Error, print, read_config};
use crate::cluster::folder::Folder;

/// Answer a recorded AdmissionReview
///
/// The answer is written to stdout as the server would send it. Exit codes: 0 allowed, 1 denied,
/// 2 invalid input or usage, 3 a fault for which the server would answer with an HTTP status of
/// 500.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The AdmissionReview, in JSON; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// A folder with the NetworkAttachmentDefinitions of the cluster, in YAML or JSON
    #[arg(long, value_name = "DIR")]
    networks: Option<PathBuf>,
    /// The configuration; `multinic config` prints the default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The webhook that is called
    #[arg(long, value_parser = webhook(), default_value = "validate")]
    webhook: Webhook,
    /// Indent the answer, decode its patch, and print the findings to stderr
    #[arg(long)]
    pretty: bool,
}

/// A parser for the names of the webhooks.
fn webhook() -> impl TypedValueParser<Value = Webhook> {
    PossibleValuesParser::new(Webhook::ALL.map(Webhook::name)).map(|name| {
        let named = Webhook::ALL.into_iter().find(|one| one.name() == name);
        named.unwrap_or(Webhook::Validate)
    })
}

/// The exit code if the server would answer with HTTP status 500.
const FAULT: u8 = 3;

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let config = read_config(self.config.as_deref())?;
        let folder = match &self.networks {
            Some(path) => folder(path)?,
            None => Folder::default(),
        };
        let snapshot = folder.snapshot();
        let body = read(&self.file)?;
        let (answer, findings) = {
            let unreadable = |error| not_a_review(&self.file, &body, &error);
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
            if let Some(path) = &self.networks {
                doubt(path, &folder, &snapshot, &config);
            }
            explain(&findings, answer.verdict);
        } else {
            print(&answer.body)?;
            print(b"\n")?;
        }
        Ok(ExitCode::from(u8::from(answer.verdict == Verdict::Deny)))
    }
}

/// Returns the result of a decision; `None` if it panics, for which the server would answer 500.
fn caught<T>(decide: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decide)).ok()
}

/// Reads a folder of networks, all of whose files must be readable.
fn folder(path: &Path) -> Result<Folder, Error> {
    let mut folder = Folder::read(path)?;
    let unreadable = |(_, file): &(&PathBuf, &Result<_, _>)| file.is_err();
    if let Some((path, _)) = folder.files.iter().find(unreadable) {
        let path = path.clone();
        if let Some(Err(error)) = folder.files.remove(&path) {
            return Err(error.into());
        }
    }
    Ok(folder)
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
        Err(source) => Err(Error::Read {
            path: name(path),
            source,
        }),
    }
}

/// The name of the input, for messages.
fn name(path: &Path) -> String {
    if path == Path::new("-") {
        return "stdin".to_owned();
    }
    path.display().to_string()
}

/// Says what the input is, if it is something else than an AdmissionReview.
fn not_a_review(path: &Path, body: &[u8], error: &review::Error) -> Error {
    let name = name(path);
    let text = std::str::from_utf8(body).unwrap_or_default();
    if text.trim().is_empty() && body.len() == text.len() {
        return Error::Usage(format!(
            "{name} is empty; expected an AdmissionReview in JSON"
        ));
    }
    let kind = serde_saphyr::from_multiple::<Manifest>(text)
        .ok()
        .and_then(|manifests| manifests.into_iter().find_map(|one| one.kind));
    match kind.filter(|kind| kind != "AdmissionReview") {
        Some(kind) => Error::Usage(format!(
            "{name} is a manifest (kind: {}), not an AdmissionReview; an AdmissionReview is what the \
             API server sends to a webhook, with the manifest in request.object",
            shorten(&kind)
        )),
        None => Error::Usage(format!("{name}: {error}")),
    }
}

/// The fields of a manifest that identify its kind.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    kind: Option<String>,
}

/// Indents an answer, and decodes its patch.
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

/// Reports what is odd about the networks of a folder.
fn doubt(path: &Path, folder: &Folder, snapshot: &Snapshot, policy: &Policy) {
    let mut stderr = io::stderr().lock();
    let others = folder.others();
    if snapshot.is_empty() {
        let _ = writeln!(
            stderr,
            "warning: {} contains no NetworkAttachmentDefinition: only its own .yaml, .yml and .json \
             files are read, not those of folders in it",
            path.display()
        );
    } else if others > 0 {
        let _ = writeln!(
            stderr,
            "ignored: {others} objects in {} that are not NetworkAttachmentDefinitions",
            path.display()
        );
    }
    let files = folder.files.iter();
    let files = files.filter_map(|(path, file)| Some((&**path, file.as_ref().ok()?)));
    for problem in problems(files, snapshot, policy) {
        let _ = writeln!(stderr, "warning: {}", escape(&problem));
    }
}

/// Prints the findings and the verdict.
fn explain(findings: &[Finding], verdict: Verdict) {
    let mut stderr = io::stderr().lock();
    // The patch resolves the findings of a rule with a fix.
    let resolved = |finding: &&Finding| {
        verdict == Verdict::Patch
            && rules::find(finding.rule).is_some_and(|rule| rule.fix.is_some())
    };
    for finding in findings.iter().filter(|finding| !resolved(finding)) {
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
