//! The flags that say how findings are reported, for every command that finds some.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum as _;

use super::{Error, print};
use crate::report::{FailOn, Format, Report};

/// How findings are reported
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// text, json, sarif, junit or github, to stdout; FORMAT=FILE writes a file. Repeatable
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = output)]
    output: Vec<Output>,
    /// The lowest level of findings for which the exit code is 1
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "deny")]
    fail_on: FailOn,
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
    let format = Format::from_str(format, false)
        .map_err(|_| "expected text, json, sarif, junit or github".to_owned())?;
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

    /// Writes the report in every format, and returns the exit code.
    ///
    /// # Errors
    /// If a file or stdout cannot be written.
    pub(super) fn write(&self, report: &Report) -> Result<ExitCode, Error> {
        for Output { format, file } in &self.output {
            match file {
                None => print(format.write(report, is_coloured()).as_bytes())?,
                Some(path) => fs::write(path, format.write(report, false)).map_err(|source| {
                    let path = path.display().to_string();
                    Error::WriteFile { path, source }
                })?,
            }
        }
        Ok(ExitCode::from(report.exit_code(self.fail_on)))
    }
}

/// Whether stdout is a terminal on which colours are wanted (<https://no-color.org>).
fn is_coloured() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    io::stdout().is_terminal() && !no_color
}
