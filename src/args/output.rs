//! The flags that say how findings are reported, for every command that finds some.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Error, print, read_text};
use crate::report::baseline::Baseline;
use crate::report::{FailOn, Format, Report};

/// How findings are reported
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// text, json, sarif, junit, github, policyreport or openreport, to stdout; FORMAT=FILE writes a
    /// file. Repeatable
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = output)]
    output: Vec<Output>,
    /// The lowest level of findings for which the exit code is 1
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "deny")]
    fail_on: FailOn,
    /// A file with findings that are known: they are marked, and do not count
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the findings that count to a file for --baseline
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
}

/// The format of what is not a list of findings.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum TextOrJson {
    Text,
    Json,
}

/// A format, and where it goes.
#[derive(Clone, Debug)]
struct Output {
    format: Format,
    file: Option<PathBuf>,
}

fn output(text: &str) -> Result<Output, String> {
    let (format, file) = match text.split_once('=') {
        Some((_, "")) => return Err("expected a file after \"=\"".to_owned()),
        Some((format, file)) => (format, Some(PathBuf::from(file))),
        None => (text, None),
    };
    let format = Format::from_str(format, false).map_err(|_| {
        "expected text, json, sarif, junit, github, policyreport or openreport".to_owned()
    })?;
    Ok(Output { format, file })
}

impl OutputArgs {
    /// Checks that the formats can be written, before anything is judged.
    ///
    /// # Errors
    /// If several formats go to stdout.
    pub(super) fn verify(&self) -> Result<(), Error> {
        let to_stdout = self.output.iter().filter(|output| output.file.is_none());
        if to_stdout.count() > 1 {
            return Err(Error::Usage(
                "--output: only one format can go to stdout; write the others to files, as in \
                 --output sarif=multinic.sarif"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Compares the report with the baseline, writes it in every format, and returns the exit code.
    ///
    /// # Errors
    /// If the baseline is not one, or if a file or stdout cannot be written.
    pub(super) fn write(&self, report: &mut Report) -> Result<ExitCode, Error> {
        if let Some(path) = &self.baseline {
            let baseline = Baseline::parse(&read_text(path)?);
            let baseline = baseline.map_err(|problem| {
                Error::Usage(format!("{} is not a baseline: {problem}", path.display()))
            })?;
            let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
            for note in baseline.apply(report, today) {
                // That it cannot be said does not matter.
                let _ = writeln!(io::stderr(), "note: {note}");
            }
        }
        if let Some(path) = &self.write_baseline {
            write_file(path, Baseline::of(report).write())?;
        }
        for Output { format, file } in &self.output {
            match file {
                None => print(format.write(report, is_coloured()).as_bytes())?,
                Some(path) => write_file(path, format.write(report, false))?,
            }
        }
        Ok(ExitCode::from(report.exit_code(self.fail_on)))
    }
}

fn write_file(path: &Path, text: String) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::WriteFile {
        path: path.display().to_string(),
        source,
    })
}

/// Whether stdout is a terminal on which colours are wanted (<https://no-color.org>).
fn is_coloured() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    io::stdout().is_terminal() && !no_color
}
