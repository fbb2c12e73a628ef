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
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/control-plane/build");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("{}: {e}", script.display()))?;
    if !output.status.success() {
        return Err(format!(
            "{} failed: there is no control plane to test against",
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

/// The chart in this repository.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/multinic")
}
