//! The registry of rules, and their pages: what a page shows is what happens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use multinic_core::policy::Policy;
use multinic_core::rules::{RULES, Rule};

use crate::manifest::{cluster, documents, judge};
use crate::reviews::is_for_reviews;

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
                .all(|word| word.starts_with(|c: char| c.is_ascii_lowercase())
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())),
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
    let found: BTreeSet<PathBuf> = fs::read_dir(root().join("core/src/rules"))
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()))
        .collect();
    assert_eq!(found, wanted);
    for rule in RULES {
        let page = root()
            .join("core/src/rules")
            .join(rule.name.replace('-', "_"))
            .with_extension("md");
        assert_eq!(
            rule.page,
            fs::read_to_string(page).unwrap(),
            "{}",
            rule.name
        );
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
    let mut wrong = Vec::new();
    for rule in RULES {
        let Some(manifests) = one(rule, "yaml admitted") else {
            wrong.push(format!("{}: not one block tagged yaml admitted", rule.name));
            continue;
        };
        let answer = judge(manifests, &config(rule));
        let said = answer
            .findings
            .iter()
            .map(|finding| finding.line().to_string());
        wrong.extend(said.map(|line| format!("{}: {line}", rule.name)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_page_shows_as_refused_is_refused_by_this_rule_alone_and_in_these_words() {
    let mut wrong = Vec::new();
    for rule in RULES {
        let Some(manifests) = one(rule, "yaml refused") else {
            wrong.push(format!("{}: not one block tagged yaml refused", rule.name));
            continue;
        };
        let answer = judge(manifests, &config(rule));
        let lines: Vec<_> = answer
            .findings
            .iter()
            .map(|finding| finding.line().to_string())
            .collect();
        let [finding] = &answer.findings[..] else {
            wrong.push(format!("{}: said is {lines:#?}", rule.name));
            continue;
        };
        if (finding.rule, finding.level) != (rule.name, rule.default_level) {
            wrong.push(format!(
                "{}: said at {} is {}",
                rule.name,
                finding.level.name(),
                lines[0]
            ));
        }
        // What a page quotes, it quotes to the letter, but for spaces and ends of lines.
        let letters = |text: &str| -> String { text.split_whitespace().collect() };
        for quoted in blocks(rule.page, "text") {
            if letters(quoted) != letters(&lines[0]) {
                wrong.push(format!("{}: quoted otherwise: {}", rule.name, lines[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rule_has_a_case_in_which_it_speaks_and_one_in_which_it_does_not() {
    let mut lacking = Vec::new();
    for rule in RULES.into_iter().filter(|rule| is_for_reviews(rule)) {
        let folder = root().join("tests/reviews").join(rule.name);
        let spoken: BTreeSet<bool> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|case| fs::read_to_string(case.unwrap().path().join("case.yaml")).unwrap())
            .map(|case| speaks(rule, &case))
            .collect();
        if spoken.len() < 2 {
            lacking.push((rule.name, spoken));
        }
    }
    assert_eq!(lacking, []);
}

/// Whether a rule is among those that a `case.yaml` expects to speak.
fn speaks(rule: &Rule, case: &str) -> bool {
    let case: serde_json::Value = serde_saphyr::from_str(case).unwrap();
    ["denied", "warned"].into_iter().any(|level| {
        let rules = case["expect"][level].as_array().unwrap();
        rules.iter().any(|name| name == rule.name)
    })
}

/// The configuration of a page: the default one, where it shows none.
fn config(rule: &Rule) -> Policy {
    let policy = match blocks(rule.page, "yaml config")[..] {
        [] => Policy::default(),
        [text] => multinic_core::config::parse(text)
            .unwrap_or_else(|error| panic!("{}: {error}", rule.name)),
        _ => panic!("{} shows more than one configuration", rule.name),
    };
    match one(rule, "yaml cluster") {
        Some(text) => policy.with_cluster(&cluster(&documents(text)[0]).unwrap()),
        None => policy,
    }
}

/// The block of a page that is tagged so, if there is exactly one.
fn one(rule: &Rule, tag: &str) -> Option<&'static str> {
    match blocks(rule.page, tag)[..] {
        [block] => Some(block),
        _ => None,
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
