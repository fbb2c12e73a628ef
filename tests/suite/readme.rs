//! The sessions of the README: what it shows as printed is printed.

use std::path::Path;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../README.md");
/// How a line of a session begins that is run here.
const COMMAND: &str = "$ cargo run -q -- ";

#[test]
fn what_the_readme_shows_is_printed() {
    let sessions: Vec<&str> = README
        .split("```")
        .filter_map(|block| block.strip_prefix("console\n"))
        .collect();
    let mut run = 0;
    for session in sessions {
        let (command, shown) = session.split_once('\n').unwrap();
        let Some(arguments) = command.strip_prefix(COMMAND) else {
            continue;
        };
        let (arguments, thrown_away) = match arguments.split_once(" > /dev/null") {
            Some((arguments, _)) => (arguments, Stream::Output),
            None => (arguments.trim_end_matches(" 2> /dev/null"), Stream::Errors),
        };
        let output = Command::new(env!("CARGO_BIN_EXE_multinic"))
            .args(arguments.split(' '))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::null())
            .output()
            .unwrap();
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

enum Stream {
    Errors,
    Output,
}
