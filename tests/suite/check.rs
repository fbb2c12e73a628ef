//! `multinic check`: what is found, where, in which format, and the exit code.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use multinic::check::Options;
use multinic::report::{Entry, Source};
use multinic_core::answer::{Answer, Verdict};
use multinic_core::finding::Level;
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use multinic_core::review::Webhook;
use serde_json::Value;

use crate::reviews;

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
    let item = ISOLATED.replace('\n', "\n    ");
    let item = item.trim_end();
    let list = format!(
        "# Source: chart/templates/web.yaml\nkind: List\napiVersion: v1\nitems:\n  -\n    {item}\n"
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
    let folder = temporary("formats");
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

#[test]
fn comments_suppress_findings_but_not_isolation() {
    let network = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: a}\nspec:\n  config: '{\"cniVersion\": \"1.0.0\", \"type\": \"macvlan\", \"mastr\": \"x\", \"master\": \"y\"}'\n";
    let plain = check(&["-", "--fail-on", "warn"], network);
    assert_eq!(plain.status.code(), Some(1), "{}", stdout(&plain));
    let comment = "# multinic: ignore suspicious-plugin-config: the driver reads it\n";
    let text =
        format!("{comment}{network}---\n# multinic: ignore isolated-network: no\n{ISOLATED}");
    let output = check(&["-", "--output", "sarif"], &text);
    assert_eq!(output.status.code(), Some(1));
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let reason = |rule: &str| {
        let result = results
            .iter()
            .find(|result| result["ruleId"] == rule)
            .unwrap();
        result["suppressions"][0]["justification"].clone()
    };
    assert_eq!(reason("suspicious-plugin-config"), "the driver reads it");
    assert_eq!(reason("isolated-network"), Value::Null);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("stdin:8: isolated-network cannot be suppressed"),
        "{stderr}"
    );
    let unused = check(&["-"], &format!("{comment}{ISOLATED}"));
    let stderr = String::from_utf8(unused.stderr).unwrap();
    assert!(
        stderr.contains("stdin:1: the comment suppresses nothing"),
        "{stderr}"
    );
}

#[test]
fn what_is_in_the_baseline_is_marked_and_does_not_count() {
    let folder = temporary("baseline");
    let file = folder.join("baseline.json").display().to_string();
    let written = check(&["-", "--write-baseline", &file], ISOLATED);
    assert_eq!(written.status.code(), Some(1));
    // Lines move, and there is a new finding.
    let text = format!(
        "# moved\n{ISOLATED}---\n{}",
        ISOLATED.replace("name: web", "name: new")
    );
    let output = check(&["-", "--baseline", &file, "--output", "json"], &text);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let states: Vec<_> = report["findings"].as_array().unwrap().iter().collect();
    assert_eq!(states[0]["state"], "baseline");
    assert_eq!(states[1]["state"], "new");
    let known = check(&["-", "--baseline", &file], ISOLATED);
    assert_eq!(known.status.code(), Some(0));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn fix_writes_files_and_keeps_their_layout() {
    let folder = temporary("fix");
    let network = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: fast\n  annotations: {k8s.v1.cni.cncf.io/nodeSelector: nic=fast}\nspec: {config: '{\"cniVersion\": \"1.0.0\", \"type\": \"macvlan\", \"master\": \"ens224\"}'}\n";
    let pod = "# first\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a # name\n  annotations: {k8s.v1.cni.cncf.io/networks: fast}\nspec:\n  affinity:\n  containers:\n  - {name: a, image: b}\n# last\n";
    fs::write(folder.join("network.yaml"), network).unwrap();
    fs::write(folder.join("pod.yaml"), pod).unwrap();
    let path = folder.display().to_string();
    let output = check(&[&path, "--fix"], "");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let fixed = fs::read_to_string(folder.join("pod.yaml")).unwrap();
    assert!(fixed.contains("  affinity: {\"nodeAffinity\":"), "{fixed}");
    assert!(
        fixed.starts_with("# first\n") && fixed.ends_with("# last\n"),
        "{fixed}"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("fixed: Pod default/a in"));
    let again = check(&[&path, "--fix"], "");
    assert!(!String::from_utf8_lossy(&again.stderr).contains("fixed"));
    assert_eq!(check(&["-", "--fix"], ISOLATED).status.code(), Some(2));
    fs::remove_dir_all(folder).unwrap();
}

/// A cluster configuration of Google Distributed Cloud, with what comes before its interfaces.
fn cluster(switches: &str, interfaces: &str) -> String {
    format!(
        "apiVersion: v1\nkind: UserCluster\nname: production\n{switches}network:\n  additionalNodeInterfaces: {interfaces}\n"
    )
}

/// The rules that speak, with what is written at their places.
fn spoken(arguments: &[&str], text: &str) -> Vec<(String, String)> {
    let output = check(&[arguments, &["-", "--output", "json"]].concat(), text);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let found = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let number = |key: &str| usize::try_from(finding[key].as_u64().unwrap()).unwrap() - 1;
            let written = &lines[number("line")][number("column")..number("endColumn")];
            let rule = finding["rule"].as_str().unwrap();
            (rule.to_owned(), written.to_owned())
        });
    found.collect()
}

#[test]
fn a_cluster_configuration_is_judged_and_decides() {
    const ON: &str = "multipleNetworkInterfaces: true\nenableDataplaneV2: true\n";
    let network = "---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: a}\nspec: {config: '{\"cniVersion\": \"1.0.0\", \"type\": \"macvlan\", \"master\": \"ens256\"}'}\n";
    let two = "[{networkName: a, type: dhcp}, {networkName: b, type: dhcp}]";
    let fine = cluster(ON, two) + network;
    assert_eq!(spoken(&[], &fine), []);
    for (text, rule, written) in [
        (
            cluster(ON, "[{networkName: a, type: dhcp}]") + network,
            "undeclared-node-interface",
            "\"ens256\"",
        ),
        (
            cluster("enableDataplaneV2: true\n", two) + network,
            "multi-nic-disabled",
            "{config: '{\"cniVersion\": \"1.0.0\", \"type\": \"macvlan\", \"master\": \"ens256\"}'}",
        ),
        (
            cluster("multipleNetworkInterfaces: true\n", two),
            "missing-dataplane-v2",
            "true",
        ),
        (
            cluster(
                ON,
                "[{networkName: a, type: dhcp}, {networkName: a, type: dhcp}]",
            ),
            "repeated-node-network",
            "a",
        ),
        (
            cluster(ON, "[{networkName: a, type: static}]"),
            "invalid-node-interface",
            "{networkName: a, type: static}",
        ),
        (
            cluster(
                ON,
                "[{networkName: a, type: dhcp, ipBlockFilePath: x.yaml}]",
            ),
            "invalid-node-interface",
            "x.yaml",
        ),
        (
            cluster(ON, "[{networkName: a, type: DHCP}]"),
            "invalid-node-interface",
            "DHCP",
        ),
        (
            cluster(ON, "[{type: dhcp}]"),
            "invalid-node-interface",
            "{type: dhcp}",
        ),
    ] {
        assert_eq!(
            spoken(&[], &text),
            [(rule.to_owned(), written.to_owned())],
            "{text}"
        );
    }
    // The switch of bare metal, and the flag.
    let bare_metal = "apiVersion: baremetal.cluster.gke.io/v1\nkind: Cluster\nmetadata: {name: a}\nspec: {clusterNetwork: {multipleNetworkInterfaces: false}}\n";
    assert_eq!(
        spoken(&[], &format!("{bare_metal}{network}"))[0].0,
        "multi-nic-disabled"
    );
    let folder = temporary("cluster");
    let file = folder.join("cluster.yaml").display().to_string();
    fs::write(&file, cluster("", two)).unwrap();
    let flag = ["--cluster-config", &*file];
    assert_eq!(
        spoken(&flag, network.trim_start_matches("---\n"))[0].0,
        "multi-nic-disabled"
    );
    fs::write(&file, "kind: Pod\n").unwrap();
    let output = check(&["-", "--cluster-config", &file], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a cluster configuration"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_the_documentation_shows_is_printed() {
    let page = include_str!("../../docs/check.md");
    let sessions = page.split("```console\n$ multinic check ").skip(1);
    let mut run = 0;
    for session in sessions {
        let (command, rest) = session.split_once('\n').unwrap();
        let shown = rest.split_once("```").unwrap().0;
        let output = check(&command.split(' ').collect::<Vec<_>>(), "");
        let errors = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(stdout(&output) + &errors, shown, "{command}");
        run += 1;
    }
    assert_eq!(run, 1);
}

fn temporary(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("multinic-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A recorded or derived creation, with what is known when it is judged.
struct Creation {
    name: String,
    review: Value,
    options: Options,
}

impl Creation {
    /// The object as somebody writes it: without what belongs to the request.
    fn manifest(&self) -> Value {
        let request = &self.review["request"];
        let mut object = request["object"].clone();
        let kind = &request["kind"];
        let (group, version) = (kind["group"].as_str(), kind["version"].as_str().unwrap());
        object["apiVersion"] = match group {
            Some("") | None => Value::from(version),
            Some(group) => Value::from(format!("{group}/{version}")),
        };
        object["kind"] = kind["kind"].clone();
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("namespace");
        object
    }

    fn answer(&self, webhook: Webhook, object: &Value) -> Answer {
        let mut review = self.review.clone();
        review["request"]["object"] = object.clone();
        let Options {
            networks, policy, ..
        } = &self.options;
        crate::manifest::answer(review.to_string().as_bytes(), webhook, networks, policy)
    }
}

/// Every creation under `tests/reviews` of an object that can stand in a file.
fn creations() -> Vec<Creation> {
    let mut found = Vec::new();
    let mut add = |path: PathBuf, networks: Snapshot, policy: Policy| {
        let mut review: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let request = &mut review["request"];
        let kind = request["kind"]["kind"].as_str().unwrap().to_owned();
        let is_creation = request["operation"] == "CREATE" && kind != "Binding";
        if !is_creation
            || !request["subResource"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        {
            return;
        }
        // A file does not say who applies it.
        request.as_object_mut().unwrap().remove("userInfo");
        let name = request["object"]["metadata"]["name"].clone();
        request["name"] = name;
        let options = Options {
            policy,
            namespace: request["namespace"].as_str().unwrap().to_owned(),
            networks,
            cluster: None,
            is_complete: true,
        };
        found.push(Creation {
            name: path.display().to_string(),
            review,
            options,
        });
    };
    for entry in fs::read_dir(reviews::folder()).unwrap() {
        let folder = entry.unwrap().path();
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let case = fs::read_to_string(path.join("case.yaml")).unwrap();
                let case: Value = serde_saphyr::from_str(&case).unwrap();
                let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
                let policy = multinic_core::config::parse(&text("config")).unwrap();
                let networks = reviews::networks(&text("networks"));
                add(path.join("review.json"), networks, policy);
            } else if file.contains(".create-") {
                add(path, reviews::networks(""), Policy::default());
            }
        }
    }
    found
}

/// What a finding is, without the kind of its review.
fn key(rule: &str, level: &str, field: &str, message: &str) -> String {
    format!("{level} {rule} {field}: {message}")
}

#[test]
fn check_and_the_webhook_say_the_same() {
    let (mut compared, mut found) = (0, 0);
    for creation in creations() {
        let mut object = creation.manifest();
        let source = |text: String| Source {
            path: "a".to_owned(),
            text,
        };
        let texts = [
            object.to_string(),
            serde_saphyr::to_string(&object).unwrap(),
        ];
        let mutated = creation.answer(Webhook::Mutate, &object);
        let response = reviews::response(&mutated);
        if let Some(patch) = response["patch"].as_str() {
            let patch = base64::engine::general_purpose::STANDARD
                .decode(patch)
                .unwrap();
            let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
            json_patch::patch(&mut object, &patch).unwrap();
        }
        let answer = creation.answer(Webhook::Validate, &object);
        let said = answer
            .findings
            .iter()
            .filter(|finding| finding.level > Level::Off);
        let mut said: Vec<_> = said
            .map(|finding| {
                let line = finding.line();
                let field = &finding.place.field;
                key(line.rule, finding.level.name(), field, &line.message)
            })
            .collect();
        said.sort();
        for text in texts {
            let checked = multinic::check::check(vec![source(text)], &creation.options);
            assert!(checked.report.problems.is_empty(), "{}", creation.name);
            let entries = checked.report.findings.iter();
            let mut own: Vec<_> = entries
                .map(|own| key(own.rule, own.level.name(), &own.field, &own.message))
                .collect();
            own.sort();
            assert_eq!(own, said, "{}", creation.name);
            let is_placed = |entry: &Entry| entry.position.is_some();
            assert!(
                checked.report.findings.iter().all(is_placed),
                "{}",
                creation.name
            );
        }
        compared += 1;
        found += said.len();
    }
    assert!(
        compared > 200 && found > 100,
        "{compared} creations, {found} findings"
    );
}

#[test]
fn what_is_fixed_is_patched_by_no_webhook() {
    let mut fixed = 0;
    for creation in creations() {
        let object = creation.manifest();
        if creation.answer(Webhook::Mutate, &object).verdict != Verdict::Patch {
            continue;
        }
        let texts = [
            object.to_string(),
            format!("{object:#}"),
            serde_saphyr::to_string(&object).unwrap(),
        ];
        for text in texts {
            let source = Source {
                path: "a".to_owned(),
                text,
            };
            let changed = multinic::check::fix::fix(&[source], &creation.options);
            let text = changed[0]
                .text
                .as_ref()
                .unwrap_or_else(|| panic!("{}", creation.name));
            let object = multinic::manifest::parse(text).unwrap()[0].root.json();
            let again = creation.answer(Webhook::Mutate, &object);
            assert_eq!(again.verdict, Verdict::Allow, "{}: {text}", creation.name);
            fixed += 1;
        }
    }
    assert!(fixed > 60, "{fixed}");
}
