//! What the Dockerfile of the project says, so that the image of the tests is the image that users
//! build.

use std::{fs, io, path::Path};

use serde_json::{Value, json};

/// The parts of the Dockerfile that decide what is in the image.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    /// The command that builds the program, and is given the file to write.
    pub(crate) build: String,
    /// Where the program is put.
    pub(crate) program: String,
    /// What the containers of the image run, and as whom.
    pub(crate) config: Value,
}

impl Dockerfile {
    /// Reads the Dockerfile in the root of the project.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(root.join("Dockerfile"))?.replace("\\\n", " ");
        let fault = |why: String| io::Error::other(format!("Dockerfile: {why}"));
        let words: Vec<_> = text.split_whitespace().collect();
        let built = words.windows(2).find(|pair| pair[0] == "release/program");
        let built = built
            .ok_or_else(|| fault("expected a command `release/program`, found none".to_owned()))?;
        let (_, last) = text
            .rsplit_once("\nFROM scratch\n")
            .ok_or_else(|| fault("expected a last stage `FROM scratch`, found none".to_owned()))?;
        let mut program = None;
        let mut config = json!({});
        for line in last.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (instruction, value) = line.split_once(' ').unwrap_or((line, ""));
            match instruction {
                "COPY" => program = value.rsplit(' ').next().map(str::to_owned),
                "USER" => config["User"] = json!(value),
                "EXPOSE" => {
                    for port in value.split_whitespace() {
                        config["ExposedPorts"][format!("{port}/tcp")] = json!({});
                    }
                }
                "ENTRYPOINT" => config["Entrypoint"] = serde_json::from_str(value)?,
                "CMD" => config["Cmd"] = serde_json::from_str(value)?,
                "LABEL" => {
                    let (name, text) = value
                        .split_once('=')
                        .ok_or_else(|| fault(format!("expected NAME=TEXT, found \"{line}\"")))?;
                    config["Labels"][name] = json!(text.trim_matches('"'));
                }
                _ => {
                    return Err(fault(format!(
                        "the tests cannot follow \"{line}\": extend tests/node/dockerfile.rs"
                    )));
                }
            }
        }
        let program = program.ok_or_else(|| fault("expected one COPY, found none".to_owned()))?;
        if program != built[1] {
            return Err(fault(format!(
                "expected the image to have {}, which is built, found {program}",
                built[1]
            )));
        }
        Ok(Self {
            build: built[0].to_owned(),
            program,
            config,
        })
    }
}
