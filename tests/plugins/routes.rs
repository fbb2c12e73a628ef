//! The tables that `docs/routes.md` shows, read in a Pod that the real plugins made.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::{FOLDER, INSIDE, Node, expect, folder, unshare};

/// The examples, the text of the page that shows a table of each, and the command that prints it.
const TABLES: [(&str, usize, &str); 8] = [
    ("static-routes", 0, "route show"),
    ("whereabouts-routes", 0, "route show"),
    ("sbr-static", 1, "rule show"),
    ("sbr-static", 1, "route show table 100"),
    ("sbr-static", 1, "route show"),
    ("sbr-whereabouts", 1, "rule show"),
    ("on-link-gateway", 2, "route show"),
    ("default-route", 3, "route show"),
];

#[test]
fn the_tables_are_as_documented() {
    if env::var_os(INSIDE).is_some() {
        return compare();
    }
    let status = unshare("routes::the_tables_are_as_documented", 0, &folder())
        .status()
        .expect("unshare is needed, of util-linux");
    assert!(status.success(), "this test needs root");
}

fn compare() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/routes.md")).unwrap();
    let shown: Vec<_> = page
        .split("```text\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let node = Node::prepare(env::var_os(FOLDER).unwrap().into());
    for (name, text, command) in TABLES {
        let path = root.join(format!("examples/routes/{name}.yaml"));
        let object: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let printed = print(&node, object["spec"]["config"].as_str().unwrap(), command);
        let printed: Vec<_> = printed.lines().map(plain).collect();
        assert!(printed.len() > 1, "{name}: {command} printed {printed:?}");
        let documented: Vec<_> = shown[text].lines().map(plain).collect();
        // Of what belongs to the cluster network the page shows the first table only.
        let is_shown =
            |line: &String| documented.contains(line) || (text == 2 && line.contains("eth0"));
        let missing: Vec<_> = printed.iter().filter(|line| !is_shown(line)).collect();
        assert!(
            missing.is_empty(),
            "{name}: {command} printed {missing:?}, the page has {documented:?}"
        );
        if command == "route show" && text != 1 {
            let rest: Vec<_> = documented
                .iter()
                .filter(|line| !printed.contains(line))
                .collect();
            assert!(
                rest.is_empty(),
                "{name}: the page has {rest:?}, {command} printed {printed:?}"
            );
        }
    }
}

/// A line without what differs from machine to machine, and from example to example.
fn plain(line: &str) -> String {
    let words: Vec<_> = line
        .split_whitespace()
        .filter(|word| *word != "linkdown")
        .collect();
    // whereabouts spares 10.1.0.1 and gives the next.
    words.join(" ").replace("10.1.0.2", "10.1.0.5")
}

/// Makes a Pod with the network beside that of a cluster, and asks it.
fn print(node: &Node, config: &str, command: &str) -> String {
    for command in [
        "ip netns add pod",
        "ip link add host0 type veth peer name eth0 netns pod",
        "ip link set host0 up",
        "ip -n pod link set lo up",
        "ip -n pod link set eth0 up",
        "ip -n pod addr add 172.30.0.5/24 dev eth0",
        "ip -n pod route add default via 172.30.0.1",
    ] {
        expect(&command.split(' ').collect::<Vec<_>>());
    }
    // Every interface plugin adds addresses and routes by the same code, and every kernel has bridges.
    let mut config: Value = serde_json::from_str(config).unwrap();
    let interface = match config.get_mut("plugins") {
        Some(plugins) => &mut plugins[0],
        None => &mut config,
    };
    interface["type"] = json!("bridge");
    node.chain(&config.to_string()).unwrap();
    let output = Command::new("ip")
        .args(["-n", "pod"])
        .args(command.split(' '))
        .output()
        .unwrap();
    expect(&["ip", "netns", "del", "pod"]);
    for link in ["cni0", "host0"] {
        let _ = crate::call(&["ip", "link", "del", link]);
    }
    let _ = fs::remove_dir_all("/var/lib/cni");
    String::from_utf8(output.stdout).unwrap()
}
