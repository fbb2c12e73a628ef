//! `multinic explain`: the pages of the rules.

use std::process::ExitCode;

use multinic_core::nearest::nearest;
use multinic_core::rules::{self, RULES};
use multinic_core::text::shorten;

use super::{Error, print};

/// Explain a rule, or list all rules
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name of the rule; without it, all rules are listed with their levels
    rule: Option<String>,
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let text = match self.rule {
            Some(name) => page(&name)?.to_owned(),
            None => list(),
        };
        print(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page(name: &str) -> Result<&'static str, Error> {
    rules::find(name).map(|rule| rule.page).ok_or_else(|| {
        let near = nearest(name, RULES.iter().map(|rule| rule.name));
        let advice = near.map_or_else(
            || "`multinic explain` lists the rules".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        Error::Usage(format!("there is no rule \"{}\"; {advice}", shorten(name)))
    })
}

/// A line per rule: its name, its level, and the first line of its page below the title.
fn list() -> String {
    let mut text = String::new();
    for rule in RULES {
        let mut lines = rule
            .page
            .lines()
            .skip(1)
            .filter(|line| !line.trim().is_empty());
        let summary = lines.next().unwrap_or_default();
        text.push_str(&format!(
            "{:28} {:5} {summary}\n",
            rule.name,
            rule.default_level.name()
        ));
    }
    text
}
