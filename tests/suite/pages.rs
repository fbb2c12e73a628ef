//! The registry of rules, and their pages: what a page shows is what happens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use multinic::config::Config;
use multinic::finding::Level;
use multinic::rules::{RULES, Rule};

use crate::manifest::judge;

/// The longest description that `multinic explain` shows in one line of a terminal.
const LONGEST_DESCRIPTION: usize = 90;
const HEADINGS: [&str; 4] = ["What it says", "Why", "What to do", "Examples"];

#[test]
fn rules_are_named_in_kebab_case_and_once() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for name in names {
        assert!(
            name.split('-')
                .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())),
            "{name}"
        );
    }
}

#[test]
fn a_rule_is_a_file_of_code_and_a_page_and_both_are_named_after_it() {
    let wanted: BTreeSet<PathBuf> = RULES
        .iter()
        .flat_map(|rule| {
            let stem = rule.name.replace('-', "_");
            ["md", "rs"].map(|kind| PathBuf::from(format!("{stem}.{kind}")))
        })
        .collect();
    let found: BTreeSet<PathBuf> = fs::read_dir(root().join("src/rules"))
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()))
        .collect();
    assert_eq!(found, wanted);
    for rule in RULES {
        let page = root()
            .join("src/rules")
            .join(rule.name.replace('-', "_"))
            .with_extension("md");
        assert_eq!(rule.page, fs::read_to_string(page).unwrap(), "{}", rule.name);
    }
}

#[test]
fn every_page_has_a_description_and_the_same_headings() {
    for rule in RULES {
        let mut lines = rule.page.lines();
        assert_eq!(lines.next(), Some(&*format!("# {}", rule.name)));
        let description = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let length = description.chars().count();
        assert!(
            (1..=LONGEST_DESCRIPTION).contains(&length) && !description.starts_with('#'),
            "{}: description of {length} characters: {description}",
            rule.name
        );
        let headings: Vec<&str> = outside_fences(rule.page)
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        assert_eq!(headings, HEADINGS, "{}", rule.name);
    }
}

#[test]
fn what_a_page_shows_as_admitted_is_admitted_without_a_word() {
    for rule in RULES {
        let answer = judge(one(rule, "yaml admitted"), &config(rule));
        let said: Vec<String> = answer.findings.iter().map(|said| said.line()).collect();
        assert_eq!(said, [""; 0], "{}", rule.name);
    }
}

#[test]
fn what_a_page_shows_as_refused_is_refused_by_this_rule_alone_and_in_these_words() {
    for rule in RULES {
        let answer = judge(one(rule, "yaml refused"), &config(rule));
        let said: Vec<(&str, Level)> = answer
            .findings
            .iter()
            .map(|finding| (finding.rule.name, finding.level))
            .collect();
        let lines: Vec<String> = answer.findings.iter().map(|said| said.line()).collect();
        assert_eq!(said, [(rule.name, rule.level)], "{lines:#?}");
        // A page that quotes the message quotes it as it is, but for the ends of lines.
        for quoted in blocks(rule.page, "text") {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(quoted), words(&lines[0]), "{}", rule.name);
        }
    }
}

#[test]
fn every_rule_has_recorded_cases() {
    for rule in RULES {
        let folder = root().join("tests/reviews").join(rule.name);
        assert!(folder.is_dir(), "{} is missing", folder.display());
    }
}

/// The configuration of a page: the default one, where it shows none.
fn config(rule: &Rule) -> Config {
    match blocks(rule.page, "yaml config")[..] {
        [] => Config::default(),
        [text] => Config::parse(text).unwrap_or_else(|error| panic!("{}: {error}", rule.name)),
        _ => panic!("{} shows more than one configuration", rule.name),
    }
}

/// The one block of a page that is tagged so.
fn one<'p>(rule: &Rule, tag: &str) -> &'p str
where
    'static: 'p,
{
    match blocks(rule.page, tag)[..] {
        [block] => block,
        ref all => panic!("{} has {} blocks tagged {tag}", rule.name, all.len()),
    }
}

/// The fenced blocks of a page that are tagged so.
fn blocks<'p>(page: &'p str, tag: &str) -> Vec<&'p str> {
    let mut parts = page.split("```");
    let mut found = Vec::new();
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        let (own, text) = block.split_once('\n').unwrap_or((block, ""));
        if own == tag {
            found.push(text);
        }
    }
    found
}

/// The lines of a page that are in no fenced block.
fn outside_fences(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").step_by(2).flat_map(str::lines)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
