//! The report for people: each finding with the line that it is about, as compilers print it.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level as Title, Renderer, Snippet};
use multinic_core::finding::Level;

use super::{Entry, Place, Position, Report, State};

/// Writes the report; with colours for a terminal.
pub(super) fn write(report: &Report, is_coloured: bool) -> String {
    let renderer = if is_coloured {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for problem in &report.problems {
        let mut group = Group::with_title(Title::ERROR.primary_title(&*problem.message));
        if let Some(position) = &problem.position {
            group = show(report, position, group);
        }
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}\n", renderer.render(&[group]));
    }
    let shown = report.findings.iter();
    for entry in shown.filter(|entry| entry.state == State::New) {
        let _ = writeln!(out, "{}\n", renderer.render(&[group(report, entry)]));
    }
    out
}

fn group<'r>(report: &'r Report, entry: &'r Entry) -> Group<'r> {
    let level = match entry.level {
        Level::Deny => Title::ERROR,
        Level::Warn | Level::Off => Title::WARNING,
    };
    let title = level.primary_title(&*entry.message).id(entry.rule);
    let mut group = Group::with_title(title);
    if let Some(position) = &entry.position {
        group = show(report, position, group);
        if let Some(origin) = &position.origin {
            group = group.element(Title::NOTE.message(format!("rendered from {origin}")));
        }
    }
    for note in &entry.notes {
        group = group.element(Title::NOTE.message(&**note));
    }
    group
}

/// Adds the lines of a position.
fn show<'r>(report: &'r Report, position: &Position, group: Group<'r>) -> Group<'r> {
    let Some(source) = report.source(position) else {
        return group;
    };
    // Of a long file the lines themselves suffice; the renderer reads all that it is given.
    let (lines, span) = lines(&source.text, &position.span);
    let snippet: Snippet<'_, Annotation<'_>> = Snippet::source(&source.text[lines.clone()])
        .line_start(Place::of(&source.text, lines.start).line)
        .path(&*source.path)
        .annotation(AnnotationKind::Primary.span(span));
    group.element(snippet)
}

/// The lines of a span, and the span within them.
fn lines(text: &str, span: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let (before, after) = (text.get(..start), text.get(end..));
    let first = before.and_then(|before| before.rfind('\n'));
    let first = first.map_or(0, |newline| newline + 1);
    let last = after.and_then(|after| after.find('\n'));
    let last = last.map_or(text.len(), |newline| end + newline);
    (first..last, start - first..end - first)
}
