//! Completion of command lines, in shells and for kubectl.

use std::process::ExitCode;

use clap::{Arg, Command};
use clap_complete::Shell;

use super::{Error, command, print};

/// Print a script that completes command lines
///
/// For bash: source <(multinic completion bash). As a plugin of kubectl, put an executable named
/// kubectl_complete-multinic into $PATH that runs `multinic complete "$@"`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The words of a command line that is not complete.
#[derive(Debug, clap::Args)]
pub struct Words {
    /// The words after the name of the program; the last one is completed
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<String>,
}

/// kubectl reads this number after the choices: no names of files
/// (`ShellCompDirectiveNoFileComp` of cobra), or names of files as the shell knows them.
const NO_FILES: &str = ":4";
const FILES: &str = ":0";

impl Args {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        // The name of the plugin's file, since a shell completes the first word of a line.
        let name = super::program().replace(' ', "-");
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), name, &mut script);
        print(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Words {
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let (choices, files) = complete(&command(), &self.words);
        let mut text = String::new();
        for choice in choices {
            text.push_str(&choice);
            text.push('\n');
        }
        text.push_str(if files { FILES } else { NO_FILES });
        text.push('\n');
        print(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the last of the words can become, each with its description after a tab; and whether names of
/// files can stand there.
fn complete(root: &Command, words: &[String]) -> (Vec<String>, bool) {
    let (last, before) = words
        .split_last()
        .map_or(("", &[][..]), |(last, rest)| (&**last, rest));
    let mut command = root;
    let mut expects_value: Option<&Arg> = None;
    for word in before {
        if expects_value.take().is_some() {
            continue;
        }
        if let Some(arg) = flag(command, word).filter(|_| !word.contains('=')) {
            expects_value = Some(arg).filter(|arg| arg.get_action().takes_values());
        } else if let Some(inner) = command.find_subcommand(word) {
            command = inner;
        }
    }
    if let Some(arg) = expects_value {
        return values(arg, "", last);
    }
    if let Some((name, value)) = last.split_once('=')
        && let Some(arg) = flag(command, name)
    {
        return values(arg, &format!("{name}="), value);
    }
    let described = |name: String, about: Option<String>| match about {
        Some(about) => format!("{name}\t{}", about.lines().next().unwrap_or_default()),
        None => name,
    };
    if last.starts_with('-') {
        let flags = command.get_arguments().filter_map(|arg| {
            let name = format!("--{}", arg.get_long()?);
            let help = arg.get_help().map(ToString::to_string);
            name.starts_with(last).then(|| described(name, help))
        });
        return (flags.collect(), false);
    }
    let mut choices: Vec<String> = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name().starts_with(last))
        .map(|inner| {
            described(
                inner.get_name().to_owned(),
                inner.get_about().map(ToString::to_string),
            )
        })
        .collect();
    let mut files = false;
    for arg in command.get_positionals() {
        let (more, takes_files) = values(arg, "", last);
        choices.extend(more);
        files |= takes_files;
    }
    (choices, files)
}

/// The values that an argument can have, as far as they are known.
fn values(arg: &Arg, prefix: &str, begun: &str) -> (Vec<String>, bool) {
    let possible = arg.get_possible_values();
    let names = possible.iter().filter(|value| !value.is_hide_set());
    let names = names.map(clap::builder::PossibleValue::get_name);
    let choices = names
        .filter(|name| name.starts_with(begun))
        .map(|name| format!("{prefix}{name}"));
    let takes_path = arg
        .get_value_names()
        .into_iter()
        .flatten()
        .any(|name| matches!(&**name, "FILE" | "PATH" | "DIR"));
    (choices.collect(), takes_path)
}

fn flag<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let long = word
        .strip_prefix("--")
        .map(|name| name.split('=').next().unwrap_or(name));
    command.get_arguments().find(|arg| {
        if let Some(name) = long {
            arg.get_long() == Some(name)
        } else {
            let mut letters = word.strip_prefix('-').unwrap_or_default().chars();
            arg.get_short().is_some()
                && arg.get_short() == letters.next()
                && letters.next().is_none()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(words: &[&str]) -> (Vec<String>, bool) {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        let (choices, files) = complete(&command(), &words);
        let name = |choice: &String| choice.split('\t').next().unwrap_or_default().to_owned();
        (choices.iter().map(name).collect(), files)
    }

    #[test]
    fn words_are_completed() {
        let names = |words: &[&str]| choices(words).0;
        assert_eq!(names(&["do"]), ["doctor"]);
        assert!(names(&[""]).contains(&"why".to_owned()));
        // What is hidden stays so.
        assert!(!names(&[""]).contains(&"complete".to_owned()));
        assert_eq!(names(&["map", "--form"]), ["--format"]);
        assert_eq!(names(&["map", "--format", "m"]), ["mermaid"]);
        assert_eq!(names(&["map", "--format=s"]), ["--format=svg"]);
        assert_eq!(names(&["map", "-o", "d"]), ["dot"]);
        assert_eq!(names(&["completion", "z"]), ["zsh"]);
        assert!(choices(&["map", "--config", ""]).1);
        assert!(choices(&["map", ""]).1);
        assert!(!choices(&["doctor", "--only", ""]).1);
    }
}
