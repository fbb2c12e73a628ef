//! The corpus of the plugins, run again: each configuration by the real binaries, in network
//! namespaces of its own, and their verdict beside ours.
//!
//! `make test-plugins` runs it, as root. It never skips in silence: what this kernel or machine
//! cannot run is counted and named, and running nothing at all is a failure.

mod dangers;
mod routes;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use multinic_core::cni::Config;
use serde_json::{Value, json};

/// Set in the child that has namespaces of its own.
const INSIDE: &str = "MULTINIC_PLUGINS_INSIDE";
/// A folder of plugins to use in place of those that `install.sh` builds.
const FOLDER: &str = "MULTINIC_PLUGINS";
/// A file of more configurations to compare, such as a generator makes, a JSON string on each line.
const MORE: &str = "MULTINIC_PLUGINS_MORE";

/// How many namespaces run at once: a plugin mostly waits for the kernel.
const SHARES: usize = 12;

#[test]
fn the_real_plugins_agree() {
    if let Ok(share) = env::var(INSIDE) {
        return compare(share.parse().unwrap());
    }
    let folder = folder();
    let children: Vec<_> = (0..SHARES)
        .map(|share| {
            unshare("the_real_plugins_agree", share, &folder)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("unshare is needed, of util-linux")
        })
        .collect();
    let (mut counts, mut wrong) = (BTreeMap::<_, usize>::new(), String::new());
    for child in children {
        let output = child.wait_with_output().unwrap();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some((count, what)) = line
                .strip_prefix(COUNT)
                .and_then(|rest| rest.split_once(' '))
            {
                *counts.entry(what.to_owned()).or_default() += count.parse::<usize>().unwrap();
            }
        }
        if !output.status.success() {
            wrong.push_str(&String::from_utf8_lossy(&output.stderr));
        }
    }
    for (what, count) in &counts {
        println!("{count} {what}");
    }
    assert!(
        wrong.is_empty(),
        "the real plugins disagree, or namespaces cannot be made here (this test needs root)\n{wrong}"
    );
    assert!(counts.contains_key(RUN), "nothing could be run");
}

/// One of these tests again, in namespaces of its own.
fn unshare(test: &str, share: usize, folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--propagation", "private", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, share.to_string())
        .env(FOLDER, folder);
    command
}

fn folder() -> PathBuf {
    if let Some(folder) = env::var_os(FOLDER) {
        return folder.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/install.sh");
    let built = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "install.sh failed");
    String::from_utf8(built.stdout).unwrap().trim().into()
}

/// Compares the cases of one share, and the accepted ones once more with something changed.
fn compare(share: usize) {
    let node = Node::prepare(env::var_os(FOLDER).unwrap().into());
    let text = include_str!("../oracle/cni_plugins.json");
    let corpus: Value = serde_json::from_str(text).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut judge = |id: &Value, config: &str, is_mutant: bool| {
        let read = Config::read("net", config);
        // Multus and libcni, whose part only the corpus knows.
        if is_mutant && read.malformed.is_some() {
            let what = "changed configurations refused before a plugin runs";
            return *counts.entry(what.to_owned()).or_default() += 1;
        }
        let real = node.add(config);
        let ours = read.invalid.first().or(read.malformed.as_ref());
        if let (true, Err(error), None) = (is_mutant, &real, ours)
            && let Some(state) = STATE.iter().find(|state| error.contains(**state))
        {
            let what = format!("changed configurations refused for the node or the Pod: {state}");
            return *counts.entry(what).or_default() += 1;
        }
        let what = if is_mutant {
            "changed configurations run"
        } else {
            RUN
        };
        *counts.entry(what.to_owned()).or_default() += 1;
        if real.is_err() != ours.is_some() {
            wrong.push(format!(
                "{id}: {config}\n  plugins: {real:?}\n  we: {ours:?}"
            ));
        }
    };
    let mut obstacles: BTreeMap<String, usize> = BTreeMap::new();
    let cases = corpus["cases"].as_array().unwrap().iter().enumerate();
    for (index, case) in cases.filter(|(index, _)| index % SHARES == share) {
        let config = case["config"].as_str().unwrap();
        if let Some(why) = node.obstacle(case, config) {
            *obstacles.entry(format!("not run: {why}")).or_default() += 1;
            continue;
        }
        judge(&case["id"], config, false);
        if case["verdict"] == "accept" {
            judge(&case["id"], &changed(config, index).to_string(), true);
        }
    }
    if let Some(path) = env::var_os(MORE) {
        for (index, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            if index % SHARES == share {
                let config: String = serde_json::from_str(line).unwrap();
                judge(&json!(index), &config, true);
            }
        }
    }
    for (what, count) in counts.into_iter().chain(obstacles) {
        println!("{COUNT}{count} {what}");
    }
    assert!(
        wrong.is_empty(),
        "{} disagree\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What a line begins with that a share counts something on.
const COUNT: &str = "count: ";
const RUN: &str = "configurations run";

/// What the plugins say where the node or the Pod has the last word, not the configuration.
const STATE: &[&str] = &[
    "no default route interface found",
    "Link not found",
    "failed to lookup master",
    "must be [0, master MTU",
    "operation not supported",
    "IPAM plugin returned missing IP config",
    "no such file or directory",
];

/// The configuration with one value changed or left out, both chosen by `seed`.
fn changed(config: &str, seed: usize) -> Value {
    let original: Value = serde_json::from_str(config).unwrap();
    let mut places = Vec::new();
    pointers(&original, "", &mut places);
    places.retain(|place| {
        !place.ends_with("/type") && !matches!(place.as_str(), "/plugins" | "/name")
    });
    let Some(place) = places.get(seed.wrapping_mul(31) % places.len().max(1)) else {
        return original;
    };
    let mut mutant = original.clone();
    let value = mutant.pointer_mut(place).unwrap();
    *value = match (seed % 10, value.take()) {
        (0, _) => Value::Null,
        (1, _) => json!(""),
        (2, _) => json!([]),
        (3, _) => json!({}),
        (4, _) => json!(-1),
        (5, _) => json!("10.1.0.1"),
        (6, _) => json!("fd00::/64"),
        (7, Value::Bool(flag)) => json!(!flag),
        (7, other) => json!(other.to_string()),
        (8, Value::Number(number)) => json!(number.as_f64().unwrap() + 1.0),
        (_, other) => json!([other]),
    };
    mutant
}

/// Paths to every value but the whole, as JSON pointers.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let mut visit = |key: String, value: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        out.push(at.clone());
        pointers(value, &at, out);
    };
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| visit(key.clone(), value)),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .for_each(|(index, value)| visit(index.to_string(), value)),
        _ => {}
    }
}

/// This machine, as a node.
struct Node {
    folder: PathBuf,
    /// What the kernel or the machine lacks: a word of the configuration, and what to say.
    lacks: Vec<(&'static str, String)>,
}

impl Node {
    /// Makes a node of the fresh namespaces that we are in.
    fn prepare(folder: PathBuf) -> Self {
        for directory in ["/run", "/var/lib"] {
            expect(&["mount", "-t", "tmpfs", "tmpfs", directory]);
        }
        fs::create_dir_all("/run/netns").unwrap();
        expect(&["ip", "link", "set", "lo", "up"]);
        let mut lacks = Vec::new();
        expect(&[
            "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1",
        ]);
        for (word, command) in [
            (
                "macvlan",
                "ip link add link probe0 name probe2 type macvlan",
            ),
            ("ipvlan", "ip link add link probe0 name probe2 type ipvlan"),
            ("bridge", "ip link add probe2 type bridge"),
            ("vlan\":", "ip link add probe2 type bridge vlan_filtering 1"),
            (
                "vlanTrunk",
                "ip link add probe2 type bridge vlan_filtering 1",
            ),
            ("ipMasq\": true", "iptables -t nat -L"),
            ("macspoofchk\": true", "nft list tables"),
        ] {
            let command: Vec<_> = command.split(' ').collect();
            if let Err(error) = call(&command) {
                lacks.push((
                    word,
                    format!("this machine cannot `{}`: {error}", command.join(" ")),
                ));
            }
            let _ = call(&["ip", "link", "del", "probe2"]);
        }
        expect(&["ip", "link", "del", "probe0"]);
        Self { folder, lacks }
    }

    /// Why a case cannot be run here, or says nothing about the plugins.
    fn obstacle(&self, case: &Value, config: &str) -> Option<String> {
        let says = |why: &str| Some(why.to_owned());
        if case["verdict"] == "reject" && !case["stage"].as_str().unwrap().starts_with("plugin") {
            return says("refused before a plugin runs");
        }
        if case["cause"] == "host" {
            return says("depends on the state of the node");
        }
        if case["podDependent"] == true
            || case.get("capArgs").is_some()
            || case.get("ifName").is_some()
        {
            return says("depends on what the Pod asks for");
        }
        if serde_json::from_str::<Value>(config).is_err() {
            return says("not JSON to this test's reader");
        }
        let lack = self.lacks.iter().find(|(word, _)| config.contains(word));
        lack.map(|(_, why)| why.clone())
    }

    /// Runs the plugins as libcni does at ADD, into a Pod of its own.
    fn add(&self, config: &str) -> Result<(), String> {
        self.result(config).map(drop)
    }

    /// The same, and what the last plugin answers.
    fn result(&self, config: &str) -> Result<Value, String> {
        expect(&["ip", "netns", "add", "pod"]);
        // What the corpus calls masters: two interfaces, one with an alternative name, and one of
        // the longest name. The Pod has an eth1 too, for linkInContainer.
        link("eth1", &["peer", "name", "eth1", "netns", "pod"]);
        link("eth2", &[]);
        expect(&[
            "ip",
            "link",
            "property",
            "add",
            "dev",
            "eth1",
            "altname",
            "abcdefghijklmnop",
        ]);
        if config.contains("\"master\": \"abcdefghijklmno\"") {
            link("abcdefghijklmno", &[]);
        }
        let outcome = self.chain(config);
        expect(&["ip", "netns", "del", "pod"]);
        for link in fs::read_to_string("/proc/net/dev").unwrap().lines().skip(2) {
            let name = link.split(':').next().unwrap().trim();
            if name != "lo" {
                // Its peer may be gone with it.
                let _ = call(&["ip", "link", "del", name]);
            }
        }
        let _ = fs::remove_dir_all("/var/lib/cni");
        outcome
    }

    fn chain(&self, config: &str) -> Result<Value, String> {
        let mut config: Value = serde_json::from_str(config).unwrap();
        through_float(&mut config);
        let name = match &config["name"] {
            Value::String(name) if !name.is_empty() => json!(name),
            _ => json!("net"),
        };
        let version = config
            .get("cniVersion")
            .filter(|version| version.is_string());
        let version = version.cloned().unwrap_or_else(|| json!(""));
        let kind = |plugin: &Value| {
            let members = plugin.as_object()?;
            let found = members
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case("type"))
                .last();
            found.and_then(|(_, kind)| kind.as_str()).map(str::to_owned)
        };
        let plugins = match (kind(&config), &config["plugins"]) {
            (None, Value::Array(plugins)) => plugins.clone(),
            // A list under another spelling is none to libcni.
            (None, _) => Vec::new(),
            (Some(_), _) => vec![config.clone()],
        };
        let mut previous: Option<Value> = None;
        for mut plugin in plugins {
            let kind = kind(&plugin).ok_or("missing 'type'")?;
            plugin["name"] = name.clone();
            plugin["cniVersion"] = version.clone();
            if let Some(previous) = &previous {
                plugin["prevResult"] = previous.clone();
            }
            previous = Some(self.run(&kind, &plugin)?);
        }
        Ok(previous.unwrap_or_default())
    }

    fn run(&self, kind: &str, config: &Value) -> Result<Value, String> {
        self.run_for("multinic", kind, config)
    }

    /// Runs one plugin for a container.
    fn run_for(&self, container: &str, kind: &str, config: &Value) -> Result<Value, String> {
        let binary = self.folder.join(kind);
        if !binary.is_file() {
            return Err(format!("failed to find plugin {kind:?}"));
        }
        let mut child = Command::new(binary)
            .env("CNI_COMMAND", "ADD")
            .env("CNI_CONTAINERID", container)
            .env("CNI_NETNS", "/run/netns/pod")
            .env("CNI_IFNAME", "net1")
            .env("CNI_PATH", &self.folder)
            .env(
                "CNI_ARGS",
                "IgnoreUnknown=true;K8S_POD_NAMESPACE=podns;K8S_POD_NAME=pod",
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(config.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() {
            Ok(said)
        } else {
            Err(format!(
                "{kind}: {} {}",
                said["msg"],
                String::from_utf8_lossy(&output.stderr)
            ))
        }
    }
}

/// A link that is up, one end of a pair.
fn link(name: &str, rest: &[&str]) {
    let mut command = vec!["ip", "link", "add", name, "type", "veth"];
    command.extend(rest);
    expect(&command);
    expect(&["ip", "link", "set", name, "up"]);
}

/// Numbers as they are after `float64`: 1400.0 is written 1400.
fn through_float(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Ok(whole) = number.as_f64().unwrap().to_string().parse::<i64>() {
                *value = json!(whole);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(through_float),
        Value::Object(members) => members.values_mut().for_each(through_float),
        _ => {}
    }
}

fn call(command: &[&str]) -> Result<(), String> {
    let output = Command::new(command[0])
        .args(&command[1..])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn expect(command: &[&str]) {
    if let Err(error) = call(command) {
        panic!("{}: {error}", command.join(" "));
    }
}
