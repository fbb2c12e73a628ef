//! `multinic check`: manifests are judged before they are applied.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use multinic_core::finding::Level;
use multinic_core::network::Snapshot;
use multinic_core::policy::pattern::Pattern;

use super::output::OutputArgs;
use super::{Error, read_cluster_config, read_config};
use crate::check::{self, Checked, Options};
use crate::cluster::folder::Folder;
use crate::report::{Cause, Problem, Source};

/// Judge manifests before they are applied
///
/// Files, folders and - (stdin) are judged together: networks among them exist for the others. Exit
/// codes, in every format: 0 nothing found, 1 findings, 2 usage or a file that cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with manifests, folders with such files, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration; `multinic config` prints the default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// The cluster configuration of Google Distributed Cloud, which is judged too; without it, the
    /// one among the files
    #[arg(long, value_name = "FILE")]
    cluster_config: Option<PathBuf>,
    /// A folder with the other NetworkAttachmentDefinitions of the cluster, which are not judged;
    /// with it, a network that is neither there nor among the manifests is missing
    #[arg(long, value_name = "DIR")]
    networks: Option<PathBuf>,
    /// A network that is not among the manifests is missing; without this flag it is unknown
    #[arg(long)]
    assume_complete: bool,
    /// Skip paths that match; * stands for any number of characters. Repeatable
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Write into the files what the mutating webhook would add to their Pods, then judge them
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        self.output.verify()?;
        if self.fix && self.paths.iter().any(|path| path == Path::new("-")) {
            let problem = "--fix writes files, so stdin (-) cannot be fixed";
            return Err(Error::Usage(problem.to_owned()));
        }
        let policy = read_config(self.config.as_deref())?;
        let networks = match &self.networks {
            Some(folder) => networks(folder)?,
            None => Snapshot::default(),
        };
        let cluster = self.cluster_config.as_deref().map(read_cluster_config);
        let options = Options {
            cluster: cluster.transpose()?,
            policy,
            namespace: self.namespace.clone(),
            networks,
            is_complete: self.assume_complete || self.networks.is_some(),
        };
        let (mut sources, problems) = self.sources()?;
        if self.fix {
            fix(&mut sources, &options)?;
        }
        let mut checked = check::check(sources, &options);
        checked.report.problems.extend(problems);
        let code = self.output.write(&mut checked.report)?;
        summarize(&checked);
        Ok(code)
    }

    /// The files, each with its content, and those that cannot be read.
    fn sources(&self) -> Result<(Vec<Source>, Vec<Problem>), Error> {
        let exclude: Vec<_> = self.exclude.iter().map(|text| Pattern::new(text)).collect();
        let mut files = Vec::new();
        for path in &self.paths {
            if path == Path::new("-") || !path.is_dir() {
                files.push(path.clone());
            } else {
                walk(path, &mut files).map_err(|source| Error::Read {
                    path: path.display().to_string(),
                    source,
                })?;
            }
        }
        let is_excluded = |path: &PathBuf| {
            let path = path.display().to_string();
            exclude.iter().any(|pattern| pattern.matches(&path))
        };
        files.retain(|path| !is_excluded(path));
        if let Some(path) = &self.cluster_config
            && !files.contains(path)
        {
            files.push(path.clone());
        }
        let (mut sources, mut problems) = (Vec::new(), Vec::new());
        for path in files {
            match read(&path) {
                Ok(source) => sources.push(source),
                Err(error) => problems.push(Problem {
                    cause: Cause::Unreadable,
                    message: format!("{} cannot be read: {error}", path.display()),
                    position: None,
                }),
            }
        }
        Ok((sources, problems))
    }
}

/// Lists the manifests below a folder, in the order of their names. Hidden folders and Helm charts,
/// whose templates are not manifests, are skipped.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.join("Chart.yaml").exists() {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(
            stderr,
            "skipped {0}, a Helm chart: helm template {0} | multinic check -",
            folder.display()
        );
        return Ok(());
    }
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Source> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        let path = "stdin".to_owned();
        return Ok(Source { path, text });
    }
    let text = fs::read_to_string(path)?;
    let path = path.display().to_string();
    Ok(Source { path, text })
}

fn networks(folder: &Path) -> Result<Snapshot, Error> {
    let folder = Folder::read(folder)?;
    if let Some(error) = folder.errors().next() {
        return Err(Error::Usage(error.to_string()));
    }
    Ok(folder.snapshot())
}

/// Writes what the mutating webhook would add into the files.
fn fix(sources: &mut [Source], options: &Options) -> Result<(), Error> {
    let mut stderr = io::stderr().lock();
    for fixed in check::fix::fix(sources, options) {
        let Some(source) = sources.get_mut(fixed.source) else {
            continue;
        };
        let Some(text) = fixed.text else {
            let _ = writeln!(
                stderr,
                "{} cannot be fixed, because of how it is written; what is to be added: multinic \
                 review --webhook mutate",
                source.path
            );
            continue;
        };
        fs::write(&source.path, &text).map_err(|error| Error::WriteFile {
            path: source.path.clone(),
            source: error,
        })?;
        source.text = text;
        for object in fixed.objects {
            let _ = writeln!(stderr, "fixed: {object} in {}", source.path);
        }
    }
    Ok(())
}

/// Reports on stderr what was looked at.
fn summarize(checked: &Checked) {
    let Checked {
        report,
        documents,
        unknown,
        notes,
    } = checked;
    let mut stderr = io::stderr().lock();
    for note in notes {
        let _ = writeln!(stderr, "note: {note}");
    }
    if !unknown.is_empty() {
        let _ = writeln!(
            stderr,
            "unknown, because not among the manifests: {}; --networks DIR names a folder with them, \
             --assume-complete takes them for missing",
            unknown.join(", ")
        );
    }
    let _ = writeln!(
        stderr,
        "{}, {}, {} judged: {} denied, {}{}",
        count(report.sources.len(), "file"),
        count(*documents, "document"),
        count(report.objects.len(), "object"),
        report.count(Level::Deny),
        count(report.count(Level::Warn), "warning"),
        match report.findings.len() - report.counted().count() {
            0 => String::new(),
            not_counted => format!("; {not_counted} suppressed or in the baseline"),
        },
    );
    if report.objects.is_empty() && report.problems.is_empty() {
        let _ = writeln!(
            stderr,
            "nothing was judged: no object that multinic judges is there"
        );
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
