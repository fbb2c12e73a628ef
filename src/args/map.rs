//! `multinic map`: which namespaces reach which networks on which nodes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::connection::{Connection, runtime};
use super::{Error, NOT_CHECKED, print, read_config};
use crate::map::{Format, Known, graph, manifests, read};

/// Draw which namespaces reach which networks, on which nodes, through which interfaces
///
/// From manifests, or from a cluster if none are named. Exit codes: 0, 2 usage or a file that cannot be
/// read, 3 something of the cluster could not be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with manifests, folders with such files, or - for stdin; without any, the cluster is read
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The format, to stdout
    #[arg(long, short = 'o', visible_alias = "output", value_enum, default_value_t = Format::Html)]
    format: Format,
    /// The configuration of multinic; `multinic config` prints the default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace to look at; without it, all of them. Of manifests: the namespace of objects that
    /// name none
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
    /// Only Pods with these labels
    #[arg(
        long,
        short = 'l',
        value_name = "SELECTOR",
        default_value = "",
        conflicts_with = "paths"
    )]
    selector: String,
    #[command(flatten)]
    connection: Connection,
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let policy = read_config(self.config.as_deref())?;
        let (known, title) = if self.paths.is_empty() {
            runtime()?.block_on(async {
                let site = self.connection.open(None).await?;
                let namespace = self.namespace.as_deref();
                let known = read::read(&site.reader, namespace, &self.selector, &policy).await;
                Ok::<_, Error>((known, format!("Networks of {}", site.url)))
            })?
        } else {
            let mut known = Known::default();
            let namespace = self.namespace.as_deref().unwrap_or("default");
            for (path, text) in files(&self.paths)? {
                manifests::add(&mut known, &text, namespace, &policy)
                    .map_err(|error| Error::Usage(format!("{path}: {error}")))?;
            }
            let paths: Vec<_> = self
                .paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            (known, format!("Networks of {}", paths.join(", ")))
        };
        print(self.format.draw(&graph(&known, &policy), &title).as_bytes())?;
        let mut stderr = io::stderr().lock();
        for what in &known.unread {
            let _ = writeln!(stderr, "not checked: {what}");
        }
        Ok(if known.unread.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NOT_CHECKED)
        })
    }
}

/// The files, in the order in which they are named, and those of folders in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Error> {
    let mut files = Vec::new();
    for path in paths {
        let fault = |source| Error::Read {
            path: path.display().to_string(),
            source,
        };
        if path == Path::new("-") {
            let mut text = String::new();
            io::stdin()
                .lock()
                .read_to_string(&mut text)
                .map_err(fault)?;
            files.push(("stdin".to_owned(), text));
        } else if path.is_dir() {
            let mut inside = Vec::new();
            for entry in fs::read_dir(path).map_err(fault)? {
                inside.push(entry.map_err(fault)?.path());
            }
            inside.retain(|path| {
                let kind = path.extension().and_then(|extension| extension.to_str());
                path.is_dir() || matches!(kind, Some("yaml" | "yml" | "json"))
            });
            inside.sort_unstable();
            files.extend(self::files(&inside)?);
        } else {
            let text = fs::read_to_string(path).map_err(fault)?;
            files.push((path.display().to_string(), text));
        }
    }
    Ok(files)
}
