//! `helm template`, and what came of it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// The least that an installation needs.
pub(crate) const IMAGE: &str = "image: {repository: example.test/multinic}\n";

/// The namespace of the release.
pub(crate) const NAMESPACE: &str = "multinic-system";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn chart() -> PathBuf {
    root().join("charts/multinic")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// helm, built where it is missing.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let script = root().join("tests/cluster/control-plane/build");
        let output = Command::new(&script)
            .args(["--only", "helm"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}", script.display()));
        assert!(output.status.success(), "helm could not be built");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// Renders the chart with these values; what helm has to say where it does not.
pub(crate) fn try_render(values: &str, more: &[&str]) -> Result<Rendered, String> {
    use std::io::Write as _;

    let mut child = Command::new(program())
        .args(["template", "multinic"])
        .arg(chart())
        .args(["--values", "-"])
        .args(more)
        .args(if more.contains(&"--namespace") {
            &[][..]
        } else {
            &["--namespace", NAMESPACE]
        })
        .env("HELM_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("HELM_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("HELM_DATA_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("helm");
    // helm may refuse its arguments before it reads.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(values.as_bytes());
    let output = child.wait_with_output().expect("helm");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let objects: Vec<Option<Value>> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Ok(Rendered(objects.into_iter().flatten().collect()))
}

/// Renders the chart with these values.
#[track_caller]
pub(crate) fn render(values: &str) -> Rendered {
    try_render(values, &[]).unwrap_or_else(|e| panic!("expected: rendered\ncame: {e}\n{values}"))
}

/// Renders the chart with the image and these values.
#[track_caller]
pub(crate) fn with(values: &str) -> Rendered {
    render(&format!("{IMAGE}{values}"))
}

/// The chart refuses these values, and its message holds these words.
#[track_caller]
pub(crate) fn refused(values: &str, words: &str) {
    match try_render(values, &[]) {
        Ok(_) => panic!("expected: refused\ncame: rendered\n{values}"),
        Err(message) => assert!(
            message.contains(words),
            "expected: a message with {words:?}\ncame: {message}"
        ),
    }
}

/// The objects of a release.
#[derive(Debug)]
pub(crate) struct Rendered(pub(crate) Vec<Value>);

impl Rendered {
    /// The only object of a kind, or the one with that name.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.iter().find(|object| {
            object["kind"] == kind && (name.is_empty() || object["metadata"]["name"] == name)
        })
    }

    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name)
            .unwrap_or_else(|| panic!("expected: {kind} {name}\ncame: {:?}", self.names()))
    }

    /// `Kind/name` of every object, without those of `helm test`.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .0
            .iter()
            .filter(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_null())
            .map(|object| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!(
                    "{}/{}",
                    text(&object["kind"]),
                    text(&object["metadata"]["name"])
                )
            })
            .collect();
        names.sort();
        names
    }

    /// The specification of the Pods of the Deployment.
    #[track_caller]
    pub(crate) fn pod(&self) -> &Value {
        &self.get("Deployment", "")["spec"]["template"]["spec"]
    }

    #[track_caller]
    pub(crate) fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// The arguments of the server.
    #[track_caller]
    pub(crate) fn args(&self) -> Vec<&str> {
        let args = self.container()["args"].as_array().expect("arguments");
        args.iter().filter_map(Value::as_str).collect()
    }

    /// The configuration that the server reads.
    #[track_caller]
    pub(crate) fn config(&self) -> Value {
        let template = &self.get("Deployment", "")["spec"]["template"]["metadata"];
        let text = template["annotations"]["multinic.dev/config"]
            .as_str()
            .expect("a text");
        serde_saphyr::from_str(text).expect("YAML")
    }

    /// Every webhook of every configuration.
    pub(crate) fn webhooks(&self) -> Vec<&Value> {
        let configurations = self.0.iter().filter(|object| {
            object["kind"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
        });
        configurations
            .flat_map(|object| object["webhooks"].as_array().into_iter().flatten())
            .collect()
    }

    /// The rules of the ClusterRole and of the Role of the server.
    pub(crate) fn rights(&self) -> Vec<&Value> {
        let roles = self.0.iter().filter(|object| {
            object["metadata"]["name"] == "multinic"
                && (object["kind"] == "ClusterRole" || object["kind"] == "Role")
        });
        roles
            .flat_map(|object| object["rules"].as_array().into_iter().flatten())
            .collect()
    }
}
