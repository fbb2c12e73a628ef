//! The sessions of the README: what it shows as printed is printed.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const README: &str = include_str!("../../README.md");
/// How a line of a session begins that is run here.
const COMMAND: &str = "$ cargo run -q -- ";

#[test]
fn what_the_readme_shows_is_printed() {
    let mut run = 0;
    for (command, shown) in sessions() {
        let Some(arguments) = command.strip_prefix(COMMAND) else {
            continue;
        };
        let (arguments, thrown_away) = match arguments.split_once(" > /dev/null") {
            Some((arguments, _)) => (arguments, Stream::Output),
            None => (arguments.trim_end_matches(" 2> /dev/null"), Stream::Errors),
        };
        let output = multinic(&arguments.split(' ').collect::<Vec<_>>());
        let printed = match thrown_away {
            Stream::Output => output.stderr,
            Stream::Errors => output.stdout,
        };
        assert_eq!(String::from_utf8(printed).unwrap(), shown, "{command}");
        run += 1;
    }
    assert!(
        run > 0,
        "no session is run: does none begin with {COMMAND:?}?"
    );
}

/// `multinic review` prints what goes over the wire, so it stands for the server here.
#[test]
fn what_the_readme_shows_of_the_server_is_answered() {
    let mut asked = 0;
    for (command, shown) in sessions() {
        let Some((_, request)) = command.split_once("--data-binary @") else {
            continue;
        };
        let (review, url) = request.split_once(' ').unwrap();
        let webhook = url.rsplit('/').next().unwrap();
        let networks = "examples/networks";
        let arguments = [
            "review",
            review,
            "--networks",
            networks,
            "--webhook",
            webhook,
        ];
        let printed = String::from_utf8(multinic(&arguments).stdout).unwrap();
        assert_eq!(printed.trim_end(), shown.trim_end(), "{command}");
        asked += 1;
    }
    assert!(asked > 0, "no session asks a server");
}

/// The first command of each, and what is shown below it.
fn sessions() -> impl Iterator<Item = (&'static str, &'static str)> {
    README
        .split("```")
        .filter_map(|block| block.strip_prefix("console\n")?.split_once('\n'))
}

fn multinic(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_multinic"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

enum Stream {
    Errors,
    Output,
}
