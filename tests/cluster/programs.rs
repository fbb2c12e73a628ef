//! Where the programs of a control plane are: what `control-plane/build` prints.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The folder of etcd, kube-apiserver and the others; builds what is missing.
///
/// `KUBERNETES_LANE` chooses another version than the default.
pub(crate) fn folder() -> Result<PathBuf, String> {
    built_by(&root().join("tests/cluster/control-plane/build"))
}

/// The folder that a script builds and names.
pub(crate) fn built_by(script: &Path) -> Result<PathBuf, String> {
    let output = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("{}: {e}", script.display()))?;
    if !output.status.success() {
        return Err(format!(
            "{} failed: there is nothing to test against",
            script.display()
        ));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

/// The multinic that was built with this test.
pub(crate) fn multinic() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_multinic"))
}

/// This repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The chart in this repository.
pub(crate) fn chart() -> PathBuf {
    root().join("charts/multinic")
}
