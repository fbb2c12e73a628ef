//! What is made before there are namespaces: programs, which may have to be downloaded, and images.

use std::{
    collections::BTreeMap,
    env, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::json;

use crate::{
    cluster::{REPOSITORY, seconds},
    dockerfile::Dockerfile,
    image::{Image, libraries},
    machine::run,
    node::PAUSE,
    programs,
};

/// Names the program for the image, in the place of a static release build.
const BINARY: &str = "MULTINIC_IMAGE_BINARY";

/// Makes the programs of a node, `programs`, and the images, `images`, in the folder of the run.
/// Returns the folders of programs that belong into `$PATH`.
pub(crate) fn everything(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let began = Instant::now();
    let plane = programs::folder()?;
    let node = programs::built_by(&programs::root().join("tests/node/programs/build"))?;
    eprintln!("programs: {}", seconds(began.elapsed()));
    images(folder, &node).map_err(|e| e.to_string())?;
    Ok(vec![node, plane])
}

fn images(folder: &Path, node: &Path) -> io::Result<()> {
    let images = folder.join("images");
    fs::create_dir_all(&images)?;
    fs::create_dir_all(folder.join("logs"))?;
    symlink(node, folder.join("programs"))?;
    pause(folder)?.write(&images.join("pause.tar"))?;
    let began = Instant::now();
    multinic()?.write(&images.join("multinic.tar"))?;
    eprintln!("image of multinic: {}", seconds(began.elapsed()));
    Ok(())
}

fn pause(folder: &Path) -> io::Result<Image> {
    let program = folder.join("pause");
    run(Command::new("cc")
        .args(["-Os", "-static", "-o"])
        .arg(&program)
        .arg(programs::root().join("tests/node/pause.c")))?;
    Ok(Image {
        name: PAUSE.to_owned(),
        config: json!({"Entrypoint": ["/pause"]}),
        programs: BTreeMap::from([("/pause".to_owned(), program)]),
    })
}

/// The image that the Dockerfile describes, tagged as the chart asks for it.
fn multinic() -> io::Result<Image> {
    let root = programs::root();
    let dockerfile = Dockerfile::read(&root)?;
    let binary = match env::var_os(BINARY) {
        Some(binary) => fs::canonicalize(binary)?,
        None => static_build(&root, &dockerfile.build)?,
    };
    let chart = fs::read_to_string(programs::chart().join("Chart.yaml"))?;
    let tag = chart.lines().find_map(|l| l.strip_prefix("appVersion:"));
    let tag = tag.map(|t| t.trim().trim_matches('"'));
    let tag = tag.ok_or_else(|| io::Error::other("Chart.yaml has no appVersion"))?;
    let mut programs = libraries(&binary)?;
    if !programs.is_empty() {
        eprintln!(
            "{} is not static: its libraries go into the image too",
            binary.display()
        );
    }
    programs.insert(dockerfile.program, binary);
    Ok(Image {
        name: format!("{REPOSITORY}:{tag}"),
        config: dockerfile.config,
        programs,
    })
}

/// Builds the program as the Dockerfile does, in this project's target folder.
fn static_build(root: &Path, command: &str) -> io::Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = target.parent().unwrap_or(target);
    let program = target.join("static/multinic");
    eprintln!("building the program for the image: {command}");
    let status = Command::new(root.join(command))
        .arg(&program)
        .env("CARGO_TARGET_DIR", target)
        .current_dir(root)
        .stdin(Stdio::null())
        .status()?;
    if status.success() {
        Ok(program)
    } else {
        Err(io::Error::other(format!("{command}: {status}")))
    }
}
