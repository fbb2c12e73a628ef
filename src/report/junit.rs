//! JUnit XML, for test reports: a test case for each object, and one for each problem.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use multinic_core::finding::Level;

use super::{Entry, Problem, Report};

/// What a test suite is made of.
#[derive(Default)]
struct Suite<'r> {
    /// Objects, each with the findings for which it is refused.
    cases: Vec<(&'r str, Vec<&'r Entry>)>,
    problems: Vec<&'r Problem>,
}

pub(super) fn write(report: &Report) -> String {
    let mut denied: BTreeMap<usize, Vec<&Entry>> = BTreeMap::new();
    for entry in report.counted().filter(|entry| entry.level == Level::Deny) {
        denied.entry(entry.object).or_default().push(entry);
    }
    let mut suites: BTreeMap<&str, Suite<'_>> = BTreeMap::new();
    for (index, object) in report.objects.iter().enumerate() {
        let findings = denied.remove(&index).unwrap_or_default();
        let suite = suites.entry(&object.suite).or_default();
        suite.cases.push((&object.title, findings));
    }
    for problem in &report.problems {
        let position = problem.position.as_ref();
        let source = position.and_then(|position| report.source(position));
        let name = source.map_or(report.command, |source| &*source.path);
        suites.entry(name).or_default().problems.push(problem);
    }
    let tests: usize = suites.values().map(Suite::tests).sum();
    let failures: usize = suites.values().map(Suite::failures).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "<testsuites name=\"multinic {}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{}\">",
        report.command,
        report.problems.len()
    );
    for (name, suite) in suites {
        suite.write(report, &xml(name), &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

impl Suite<'_> {
    fn tests(&self) -> usize {
        self.cases.len() + self.problems.len()
    }

    fn failures(&self) -> usize {
        let failed = self
            .cases
            .iter()
            .filter(|(_, findings)| !findings.is_empty());
        failed.count()
    }

    fn write(&self, report: &Report, name: &str, out: &mut String) {
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
            self.tests(),
            self.failures(),
            self.problems.len()
        );
        for problem in &self.problems {
            let place = problem.position.as_ref().and_then(|own| place(report, own));
            let _ = writeln!(
                out,
                "    <testcase name=\"{name}\" classname=\"{name}\">\
                 <error message=\"{}\" type=\"problem\">{}</error></testcase>",
                xml(&problem.message),
                xml(&place.unwrap_or_default())
            );
        }
        for (title, findings) in &self.cases {
            let title = xml(title);
            let _ = write!(out, "    <testcase name=\"{title}\" classname=\"{name}\">");
            if let Some(first) = findings.first() {
                // A case may fail once only: the other findings are lines of its text.
                let lines = findings.iter().map(|entry| {
                    let place = entry.position.as_ref().and_then(|own| place(report, own));
                    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
                    xml(&format!("{place}{}: {}", entry.rule, entry.message))
                });
                let _ = write!(
                    out,
                    "<failure type=\"{}\" message=\"{}\">{}</failure>",
                    first.rule,
                    xml(&first.message),
                    lines.collect::<Vec<_>>().join("\n")
                );
            }
            out.push_str("</testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
}

fn place(report: &Report, position: &super::Position) -> Option<String> {
    let source = report.source(position)?;
    let (start, _) = position.places(source);
    Some(format!("{}:{}:{}", source.path, start.line, start.column))
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => drop(write!(out, "&#{};", u32::from(letter))),
            // XML 1.0 has no place for these, not even escaped.
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
