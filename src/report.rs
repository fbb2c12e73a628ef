//! Findings, whatever they were found in, and the formats in which they are reported.
//!
//! Nothing here knows what was judged: manifests ([`crate::check`]) or the objects of a cluster. A
//! command fills a [`Report`], `args::output` writes it and returns the exit code.

use std::ops::Range;
use std::sync::Arc;

use multinic_core::finding::{Finding, Level};

pub mod baseline;
mod github;
mod json;
mod junit;
mod policy_report;
mod sarif;
mod text;

/// What a command found.
#[derive(Debug, Default)]
pub struct Report {
    /// The command, for example `check`.
    pub command: &'static str,
    /// The texts in which findings have positions.
    pub sources: Vec<Source>,
    /// The objects that were judged. A command that judges too many to keep them lists those with
    /// findings only.
    pub objects: Vec<Object>,
    /// The findings, in the order in which they are reported.
    pub findings: Vec<Entry>,
    /// What could not be judged.
    pub problems: Vec<Problem>,
    /// Rules that belong to the command alone, as name and description; those of
    /// [`multinic_core::rules::RULES`] need not be here.
    pub own_rules: &'static [(&'static str, &'static str)],
    /// Further members of the report in JSON, such as what was counted.
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// A text, such as a file.
#[derive(Debug)]
pub struct Source {
    /// Its path as it is shown.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// An object that was judged.
#[derive(Debug)]
pub struct Object {
    /// Its kind, namespace and name, as `Pod team-a/web`.
    pub title: String,
    /// What it is grouped by in JUnit: a file, or a namespace.
    pub suite: Arc<str>,
}

/// A finding.
#[derive(Debug)]
pub struct Entry {
    /// The name of the rule.
    pub rule: &'static str,
    /// Its level.
    pub level: Level,
    /// The index of the object in [`Report::objects`].
    pub object: usize,
    /// The path of the field in the object; empty for the object as a whole.
    pub field: String,
    /// What is wrong, without the name of the rule.
    pub message: String,
    /// Where it is written, if it is in one of [`Report::sources`].
    pub position: Option<Position>,
    /// Whether it counts.
    pub state: State,
    /// What else is to be known, for people.
    pub notes: Vec<String>,
}

/// A position in a source.
#[derive(Clone, Debug)]
pub struct Position {
    /// The index of the source in [`Report::sources`].
    pub source: usize,
    /// Where, in bytes.
    pub span: Range<usize>,
    /// The file from which that part of the source was rendered, as Helm and Kustomize write it.
    pub origin: Option<Arc<str>>,
}

/// Whether a finding counts for the exit code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// It counts.
    New,
    /// It was there when the baseline was written.
    Baseline,
    /// A comment suppresses it, for this reason.
    Suppressed(String),
}

/// Something that could not be judged.
#[derive(Debug)]
pub struct Problem {
    /// Why it could not.
    pub cause: Cause,
    /// What it is, and what is wrong with it.
    pub message: String,
    /// Where, if it is in one of [`Report::sources`].
    pub position: Option<Position>,
}

/// Why something could not be judged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// A file is not what it has to be: exit code 2.
    Unreadable,
    /// The cluster does not answer, or does not let us read: exit code 3.
    NotChecked,
}

/// The lowest level at which findings fail a command.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum FailOn {
    /// What is refused
    #[default]
    Deny,
    /// Warnings too
    Warn,
    /// Nothing; what cannot be judged still fails
    Never,
}

/// A format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people, with the lines of the file
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for test reports
    Junit,
    /// Annotations of GitHub workflows
    Github,
    /// `PolicyReports` of wgpolicyk8s.io/v1alpha2, one for each namespace
    #[value(name = "policyreport")]
    PolicyReport,
    /// Reports of openreports.io/v1alpha1, one for each namespace
    #[value(name = "openreport")]
    OpenReport,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    line: usize,
    column: usize,
}

impl Format {
    /// Writes a report in this format.
    pub fn write(self, report: &Report, is_coloured: bool) -> String {
        match self {
            Self::Text => text::write(report, is_coloured),
            Self::Json => json::write(report),
            Self::Sarif => sarif::write(report),
            Self::Junit => junit::write(report),
            Self::Github => github::write(report),
            Self::PolicyReport => policy_report::write(report, policy_report::Api::WgPolicy),
            Self::OpenReport => policy_report::write(report, policy_report::Api::OpenReports),
        }
    }
}

impl Report {
    /// Adds an object, and returns its index for [`Entry::object`].
    pub fn add_object(&mut self, title: String, suite: Arc<str>) -> usize {
        self.objects.push(Object { title, suite });
        self.objects.len() - 1
    }

    /// The findings that count: neither suppressed nor in the baseline.
    pub fn counted(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.findings.iter();
        entries.filter(|entry| entry.state == State::New)
    }

    /// How many findings of a level count.
    pub fn count(&self, level: Level) -> usize {
        self.counted().filter(|entry| entry.level == level).count()
    }

    /// The exit code: 0 nothing found, 1 findings, 2 something is unreadable, 3 something was not
    /// checked. The highest that applies.
    pub fn exit_code(&self, fail_on: FailOn) -> u8 {
        let lowest = match fail_on {
            FailOn::Deny => Some(Level::Deny),
            FailOn::Warn => Some(Level::Warn),
            FailOn::Never => None,
        };
        let is_failed = lowest.is_some_and(|level| self.counted().any(|own| own.level >= level));
        match self.problems.iter().map(|problem| problem.cause).max() {
            Some(Cause::NotChecked) => 3,
            Some(Cause::Unreadable) => 2,
            None => u8::from(is_failed),
        }
    }

    /// The title of the object that a finding is about.
    pub fn object(&self, entry: &Entry) -> &str {
        let object = self.objects.get(entry.object);
        object.map_or("", |object| &*object.title)
    }

    fn source(&self, position: &Position) -> Option<&Source> {
        self.sources.get(position.source)
    }
}

impl Entry {
    /// A finding of the rules.
    pub fn new(finding: &Finding, object: usize, position: Option<Position>) -> Self {
        let line = finding.line();
        Self {
            rule: line.rule,
            level: finding.level,
            object,
            field: finding.place.field.to_string(),
            message: line.message.into_owned(),
            position,
            state: State::New,
            notes: Vec::new(),
        }
    }
}

impl Entry {
    /// What stays the same when lines move: the rule, the object and the field.
    fn fingerprint(&self, report: &Report) -> String {
        format!("{}/{}/{}", self.rule, report.object(self), self.field)
    }
}

impl Position {
    /// Where it begins and ends.
    fn places(&self, source: &Source) -> (Place, Place) {
        let start = Place::of(&source.text, self.span.start);
        let between = source.text.get(self.span.clone()).unwrap_or_default();
        (start, start.after(between))
    }
}

impl Place {
    fn of(text: &str, offset: usize) -> Self {
        let start = Self { line: 1, column: 1 };
        start.after(text.get(..offset).unwrap_or(text))
    }

    fn after(self, text: &str) -> Self {
        let Some((before, last)) = text.rsplit_once('\n') else {
            let column = self.column + text.chars().count();
            return Self { column, ..self };
        };
        Self {
            line: self.line + before.matches('\n').count() + 1,
            column: last.chars().count() + 1,
        }
    }
}
