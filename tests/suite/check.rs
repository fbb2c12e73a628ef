//! `multinic check`: what is found, where, in which format, and the exit code.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn check(arguments: &[&str], stdin: &str) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_multinic"))
        .arg("check")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const ISOLATED: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: team-a
  annotations:
    k8s.v1.cni.cncf.io/networks: team-b/storage
";

#[test]
fn the_exit_code_is_the_same_in_every_format() {
    for format in ["text", "json", "sarif", "junit", "github"] {
        let refused = check(&["-", "--output", format], ISOLATED);
        assert_eq!(refused.status.code(), Some(1), "{format}");
        let fine = check(
            &["-", "--output", format],
            &ISOLATED.replace("team-b", "team-a"),
        );
        assert_eq!(fine.status.code(), Some(0), "{format}");
        let broken = check(&["-", "--output", format], "a: [");
        assert_eq!(broken.status.code(), Some(2), "{format}");
        let shown = check(&["-", "--output", format, "--fail-on", "never"], ISOLATED);
        assert_eq!(shown.status.code(), Some(0), "{format}");
    }
    assert_eq!(check(&["no-such-file.yaml"], "").status.code(), Some(2));
    let two = check(&["-", "--output", "json", "--output", "sarif"], ISOLATED);
    assert_eq!(two.status.code(), Some(2));
}

#[test]
fn findings_have_the_place_where_they_are_written() {
    let network = |config: &str| {
        format!(
            "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{name: a}}\nspec:\n  config: {config}\n"
        )
    };
    let plugin = r#"{"cniVersion": "1.0.0", "type": "sriov"}"#;
    let quoted = serde_json::to_string(plugin).unwrap();
    for (text, place, written) in [
        (ISOLATED.to_owned(), (7, 34), "team-b/storage"),
        (network(&format!("'{plugin}'")), (5, 44), "\"sriov\""),
        (network(&format!("|\n    {plugin}")), (6, 37), "\"sriov\""),
        (network(&format!(">-\n    {plugin}")), (6, 37), "\"sriov\""),
        (network(&quoted), (5, 50), "\\\"sriov\\\""),
    ] {
        let output = check(&["-", "--output", "json"], &text);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let finding = &report["findings"][0];
        let at = (
            finding["line"].as_u64().unwrap(),
            finding["column"].as_u64().unwrap(),
        );
        assert_eq!(at, place, "{text}\n{report:#}");
        let line = text
            .lines()
            .nth(usize::try_from(at.0).unwrap() - 1)
            .unwrap();
        let range = usize::try_from(at.1).unwrap() - 1
            ..usize::try_from(finding["endColumn"].as_u64().unwrap()).unwrap() - 1;
        assert_eq!(&line[range], written);
    }
}

#[test]
fn networks_among_the_manifests_exist_and_others_are_unknown() {
    let pod = ISOLATED.replace("team-b/storage", "storage");
    let unknown = check(&["-"], &pod);
    assert_eq!(unknown.status.code(), Some(0));
    let stderr = String::from_utf8(unknown.stderr).unwrap();
    assert!(stderr.contains("team-a/storage"), "{stderr}");
    let missing = check(&["-", "--assume-complete"], &pod);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stdout(&missing).contains("missing-network"));
    let network = "---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: storage, namespace: team-a}\nspec: {config: '{\"cniVersion\": \"1.0.0\", \"type\": \"macvlan\"}'}\n";
    let both = check(&["-", "--assume-complete"], &format!("{pod}{network}"));
    assert_eq!(both.status.code(), Some(0), "{}", stdout(&both));
}

#[test]
fn what_the_mutating_webhook_writes_is_not_a_finding() {
    let manifests = ["examples/networks", "examples/pods"];
    let output = check(&manifests, "");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(!stdout(&output).contains("unenforced-node-selector"));
}

#[test]
fn lists_sources_and_empty_input() {
    let item: String = ISOLATED
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    let list = format!(
        "# Source: chart/templates/web.yaml\nkind: List\napiVersion: v1\nitems:\n  -\n{item}"
    );
    let output = check(&["-", "--output", "json"], &list);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"][0]["origin"], "chart/templates/web.yaml");
    assert_eq!(report["findings"][0]["object"], "Pod team-a/web");
    let nothing = check(&["-"], "kind: ConfigMap\napiVersion: v1\n");
    assert_eq!(nothing.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing was judged"));
}

#[test]
fn several_formats_at_once_go_to_files() {
    let folder = std::env::temp_dir().join(format!("multinic-check-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let sarif = format!("sarif={}", file("a.sarif"));
    let junit = format!("junit={}", file("a.xml"));
    let output = check(&["-", "-o", "github", "-o", &sarif, "-o", &junit], ISOLATED);
    assert!(stdout(&output).starts_with("::error file=stdin,line=7,endLine=7,col=34,"));
    let sarif: Value = serde_json::from_str(&fs::read_to_string(file("a.sarif")).unwrap()).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "isolated-network");
    assert_eq!(
        result["locations"][0]["physicalLocation"]["region"]["startLine"],
        7
    );
    let junit = fs::read_to_string(file("a.xml")).unwrap();
    assert!(
        junit.contains(
            "<testsuites name=\"multinic check\" tests=\"1\" failures=\"1\" errors=\"0\">"
        )
    );
    fs::remove_dir_all(folder).unwrap();
}

/// The same object and the same answer: every recorded creation, by its manifest and by its review.
#[test]
fn check_and_the_webhook_say_the_same() {
    let mut compared = 0;
    let folder = root().join("tests/reviews/recorded");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".validate.json") || !name.contains(".create-") {
            continue;
        }
        let review: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let request = &review["request"];
        if request["object"]["kind"] == "Binding" {
            continue;
        }
        let mut object = request["object"].clone();
        object["apiVersion"] = Value::from("v1");
        let kind = &request["kind"];
        if kind["group"] != "" {
            object["apiVersion"] = Value::from(format!(
                "{}/{}",
                kind["group"].as_str().unwrap(),
                kind["version"].as_str().unwrap()
            ));
        }
        let namespace = request["namespace"].as_str().unwrap();
        let checked = check(
            &[
                "-",
                "--output",
                "json",
                "--namespace",
                namespace,
                "--assume-complete",
            ],
            &object.to_string(),
        );
        let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
        let mut found: Vec<String> = Vec::new();
        for finding in report["findings"].as_array().unwrap() {
            found.push(finding["message"].as_str().unwrap().to_owned());
        }
        let answered = Command::new(env!("CARGO_BIN_EXE_multinic"))
            .args(["review", path.to_str().unwrap()])
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&answered.stdout).unwrap();
        let causes = answer["response"]["status"]["details"]["causes"]
            .as_array()
            .cloned();
        let told = causes
            .unwrap_or_default()
            .into_iter()
            .map(|cause| cause["message"].clone());
        let warnings = answer["response"]["warnings"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut said: Vec<String> = told
            .chain(warnings)
            .map(|line| {
                line.as_str()
                    .unwrap()
                    .split_once(": ")
                    .unwrap()
                    .1
                    .to_owned()
            })
            .collect();
        found.sort();
        said.sort();
        assert_eq!(found, said, "{name}");
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}
