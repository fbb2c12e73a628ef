//! What the real plugins do, as root, with values that the rules refuse: each value is first run, so
//! that what is refused for its effect has that effect, and then judged.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use multinic_core::cni::Config;
use multinic_core::config;
use multinic_core::view::networks::Networks;
use serde_json::{Value, json};

use crate::{FOLDER, INSIDE, Node, call, expect, folder, unshare};

#[test]
fn values_that_are_refused_have_an_effect() {
    if env::var_os(INSIDE).is_some() {
        return run();
    }
    let output = unshare(
        "dangers::values_that_are_refused_have_an_effect",
        0,
        &folder(),
    )
    .output()
    .expect("unshare is needed, of util-linux");
    assert!(
        output.status.success(),
        "{}{}\nthis test needs root, nft and iptables",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run() {
    let node = Node::prepare(env::var_os(FOLDER).unwrap().into());
    // Where the plugins must not write, and what they must not read.
    fs::create_dir_all("/run/victim").unwrap();
    fs::write("/run/victim/secret", "nameserver 192.0.2.53\n").unwrap();
    protocol_is_a_part_of_a_rule(&node);
    host_ip_is_a_part_of_a_rule(&node);
    conditions_are_a_part_of_a_rule(&node);
    conditions_count_for_every_pod(&node);
    iptables_jumps_to_any_chain(&node);
    host_local_writes_into_any_folder(&node);
    host_local_reads_any_file(&node);
    tuning_writes_into_any_folder(&node);
    whereabouts_appends_to_any_file(&node);
    whereabouts_reads_any_configuration(&node);
    whereabouts_runs_the_command_of_a_kubeconfig(&node);
    whereabouts_sleeps_with_the_lease(&node);
    arguments_replace_the_address(&node);
    one_store_for_two_networks(&node);
    a_bridge_of_the_node_loses_its_address(&node);
    the_kernel_accepts_names_that_are_commands();
}

/// A text that ends a rule, adds a table, and begins a rule again, of which the plugin writes the rest.
fn another_table(family: &str) -> String {
    format!(
        "tcp dport 1 accept\nadd table {family} pwned\nadd rule {family} cni_hostport hostports"
    )
}

/// A chain of bridge and portmap with nftables, and the ports as libcni would pass them.
fn ports(subnet: &str, mapping: &Value) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net", "plugins": [
        {"type": "bridge", "bridge": "br0", "ipam": {"type": "host-local", "subnet": subnet}},
        {"type": "portmap", "backend": "nftables", "snat": false,
         "capabilities": {"portMappings": true}, "runtimeConfig": {"portMappings": [mapping]}}
    ]})
}

fn protocol_is_a_part_of_a_rule(node: &Node) {
    let mapping = json!({"hostPort": 80, "containerPort": 80, "protocol": format!("{} tcp", another_table("ip"))});
    let config = ports("10.1.0.0/24", &mapping);
    node.add(&config.to_string()).unwrap();
    assert!(tables().contains("table ip pwned"), "{}", tables());
    // In a network, and in the annotation of a Pod, which needs no rights on networks.
    assert!(is_dangerous(&config));
    assert!(is_dangerous_element(
        &json!([{"name": "net", "portMappings": [mapping]}])
    ));
    let harmless = json!({"hostPort": 80, "containerPort": 80, "protocol": "tcp"});
    assert!(!is_dangerous(&ports("10.1.0.0/24", &harmless)));
    assert!(!is_dangerous_element(
        &json!([{"name": "net", "portMappings": [harmless]}])
    ));
    clean();
}

fn host_ip_is_a_part_of_a_rule(node: &Node) {
    let mapping = json!({"hostPort": 80, "containerPort": 80, "protocol": "tcp",
        "hostIP": format!("fd00::1 {}", another_table("ip6"))});
    let config = ports("fd00:1::/64", &mapping);
    node.add(&config.to_string()).unwrap();
    assert!(tables().contains("table ip6 pwned"), "{}", tables());
    assert!(is_dangerous(&config));
    assert!(is_dangerous_element(
        &json!([{"name": "net", "portMappings": [mapping]}])
    ));
    clean();
}

/// The same chain with conditions.
fn conditions(list: &Value) -> Value {
    let mapping = json!({"hostPort": 80, "containerPort": 80, "protocol": "tcp"});
    let mut config = ports("10.1.0.0/24", &mapping);
    config["plugins"][1]["conditionsV4"] = list.clone();
    config
}

fn conditions_are_a_part_of_a_rule(node: &Node) {
    let config = conditions(&json!([
        "ip daddr 192.0.2.1 accept\nadd table ip pwned\nadd rule ip cni_hostport prerouting"
    ]));
    node.add(&config.to_string()).unwrap();
    assert!(tables().contains("table ip pwned"), "{}", tables());
    assert!(is_dangerous(&config));
    clean();
    let marks = conditions(&json!(["meta", "mark", "set", "0x4000"]));
    node.add(&marks.to_string()).unwrap();
    assert!(rules().contains("meta mark set 0x00004000"), "{}", rules());
    assert!(is_dangerous(&marks));
    clean();
}

/// With nftables there is one rule for all Pods, which each network replaces.
fn conditions_count_for_every_pod(node: &Node) {
    let mapping = json!({"hostPort": 80, "containerPort": 80, "protocol": "tcp"});
    node.add(&ports("10.1.0.0/24", &mapping).to_string())
        .unwrap();
    let other = conditions(&json!(["ip", "daddr", "192.0.2.1"]));
    node.add(&other.to_string()).unwrap();
    let of_all: Vec<_> = rules()
        .lines()
        .filter(|line| line.contains("jump hostports_all"))
        .map(str::trim)
        .map(str::to_owned)
        .collect();
    assert!(
        !of_all.is_empty()
            && of_all
                .iter()
                .all(|line| line.contains("ip daddr 192.0.2.1")),
        "{of_all:?}"
    );
    let read = Config::read("net", &other.to_string());
    assert!(read.dangerous.is_empty());
    let warned = read
        .suspicious
        .iter()
        .any(|fault| fault.message.contains("every Pod"));
    assert!(warned, "{:?}", read.suspicious);
    clean();
}

fn iptables_jumps_to_any_chain(node: &Node) {
    let mapping = json!({"hostPort": 80, "containerPort": 80, "protocol": "tcp"});
    let mut config = ports("10.1.0.0/24", &mapping);
    config["plugins"][1]["backend"] = json!("iptables");
    config["plugins"][1]["snat"] = json!(true);
    config["plugins"][1]["externalSetMarkChain"] = json!("CNI-DN-of-another-Pod");
    expect(&["iptables", "-t", "nat", "-N", "CNI-DN-of-another-Pod"]);
    node.add(&config.to_string()).unwrap();
    let output = Command::new("iptables")
        .args(["-t", "nat", "-S"])
        .output()
        .unwrap();
    let rules = String::from_utf8(output.stdout).unwrap();
    assert!(rules.contains("-j CNI-DN-of-another-Pod"), "{rules}");
    assert!(is_dangerous(&config));
    config["plugins"][1]["externalSetMarkChain"] = json!("KUBE-MARK-MASQ");
    assert!(!is_dangerous(&config));
    clean();
}

fn host_local(ipam: &Value) -> Value {
    let mut ipam = ipam.clone();
    ipam["type"] = json!("host-local");
    ipam["subnet"] = json!("10.1.0.0/24");
    json!({"cniVersion": "1.0.0", "name": "victim", "type": "bridge", "bridge": "br0", "ipam": ipam})
}

fn host_local_writes_into_any_folder(node: &Node) {
    for folder in ["/run", "/run/../run/"] {
        let config = host_local(&json!({"dataDir": folder}));
        node.add(&config.to_string()).unwrap();
        assert!(Path::new("/run/victim/10.1.0.2").is_file(), "{folder}");
        assert_eq!(refused_paths(&config), 1, "{folder}");
        fs::remove_file("/run/victim/10.1.0.2").unwrap();
        fs::remove_file("/run/victim/last_reserved_ip.0").unwrap();
        clean();
    }
    assert_eq!(
        refused_paths(&host_local(&json!({"dataDir": "/run/cni/ipam"}))),
        0
    );
    assert_eq!(
        refused_paths(&host_local(&json!({"dataDir": "run/cni"}))),
        1
    );
}

fn host_local_reads_any_file(node: &Node) {
    let config = host_local(&json!({"resolvConf": "/run/victim/secret"}));
    let result = node.result(&config.to_string()).unwrap();
    assert!(result["dns"].to_string().contains("192.0.2.53"), "{result}");
    assert_eq!(refused_paths(&config), 1);
    assert_eq!(
        refused_paths(&host_local(&json!({"resolvConf": "/etc/resolv.conf"}))),
        0
    );
    clean();
}

fn tuning_writes_into_any_folder(node: &Node) {
    let config = json!({"cniVersion": "1.0.0", "name": "net", "plugins": [
        {"type": "bridge", "bridge": "br0"},
        {"type": "tuning", "mtu": 1400, "dataDir": "/run/victim"}
    ]});
    node.add(&config.to_string()).unwrap();
    assert!(Path::new("/run/victim/multinic_net1.json").is_file());
    assert_eq!(refused_paths(&config), 1);
    clean();
}

fn whereabouts(ipam: &Value) -> Value {
    let mut ipam = ipam.clone();
    ipam["type"] = json!("whereabouts");
    ipam["range"] = json!("10.1.0.0/24");
    json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": ipam})
}

fn whereabouts_appends_to_any_file(node: &Node) {
    let config =
        whereabouts(&json!({"log_file": "/run/victim/authorized_keys", "log_level": "debug"}));
    node.add(&config.to_string()).unwrap();
    let written = fs::read_to_string("/run/victim/authorized_keys").unwrap();
    assert!(!written.is_empty());
    assert_eq!(refused_paths(&config), 1);
    let keys = json!({"reconciler_cron_expression": "x\nssh-ed25519 AAAA attacker"});
    assert!(is_dangerous(&whereabouts(&keys)));
    let log =
        json!({"log_file": "/var/log/whereabouts.log", "reconciler_cron_expression": "1 * * * *"});
    assert_eq!(refused_paths(&whereabouts(&log)), 0);
    assert!(!is_dangerous(&whereabouts(&log)));
    clean();
}

fn whereabouts_reads_any_configuration(node: &Node) {
    let config = whereabouts(&json!({"configuration_path": "/run/victim/secret"}));
    let error = node.add(&config.to_string()).unwrap_err();
    // What it cannot parse is in the error, and so in an event of the Pod.
    assert!(error.contains("nameserver 192.0.2.53"), "{error}");
    assert_eq!(refused_paths(&config), 1);
    clean();
}

fn whereabouts_runs_the_command_of_a_kubeconfig(node: &Node) {
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "users": [{"name": "u", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": "/bin/sh", "args": ["-c", "id -u > /run/victim/uid"]}}}]});
    fs::write("/run/victim/kubeconfig", kubeconfig.to_string()).unwrap();
    let config = whereabouts(&json!({"kubernetes": {"kubeconfig": "/run/victim/kubeconfig"}}));
    node.add(&config.to_string()).unwrap_err();
    assert_eq!(fs::read_to_string("/run/victim/uid").unwrap().trim(), "0");
    assert_eq!(refused_paths(&config), 1);
    clean();
}

fn whereabouts_sleeps_with_the_lease(node: &Node) {
    let config = whereabouts(&json!({"sleep_for_race": 2}));
    let start = Instant::now();
    node.add(&config.to_string()).unwrap();
    assert!(start.elapsed() > Duration::from_secs(2));
    assert!(is_dangerous(&config));
    assert!(is_dangerous(&whereabouts(
        &json!({"leader_lease_duration": 946_080_000_000_i64})
    )));
    assert!(!is_dangerous(&whereabouts(
        &json!({"leader_lease_duration": 15_000})
    )));
    clean();
}

/// What `cni-args` does: Multus merges it into `args.cni`.
fn arguments_replace_the_address(node: &Node) {
    let mut config = json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}});
    config["args"] = json!({"cni": {"ips": ["10.1.0.66/24"]}});
    let result = node.result(&config.to_string()).unwrap();
    assert_eq!(result["ips"][0]["address"], "10.1.0.66/24");
    for (plugin, key, reads) in [
        ("static", "ips", Some(true)),
        ("host-local", "ips", Some(true)),
        ("bridge", "mac", Some(true)),
        ("tuning", "sysctl", Some(true)),
        ("tuning", "promisc", Some(true)),
        ("macvlan", "mac", Some(false)),
        ("whereabouts", "ips", Some(false)),
        ("unknown", "ips", None),
    ] {
        assert_eq!(
            multinic_core::cni::reads_argument(plugin, key),
            reads,
            "{plugin} {key}"
        );
    }
    clean();
}

/// Two networks of one name, as two namespaces may have them: the second finds no address left.
fn one_store_for_two_networks(node: &Node) {
    let network = json!({"cniVersion": "1.0.0", "name": "storage", "type": "bridge",
        "bridge": "br0", "ipam": {"type": "host-local", "subnet": "10.1.0.0/30"}});
    node.run_for("of-team-a", "host-local", &network).unwrap();
    let error = node
        .run_for("of-team-b", "host-local", &network)
        .unwrap_err();
    assert!(error.contains("no IP addresses available"), "{error}");
    let stores = |name: &str, config: &Value| {
        let read = Config::read(name, &config.to_string());
        read.stores().collect::<Vec<_>>()
    };
    assert_eq!(stores("a", &network).len(), 1);
    assert_eq!(stores("a", &network), stores("b", &network));
    // Without a name of its own it has that of the NetworkAttachmentDefinition.
    let mut unnamed = network.clone();
    unnamed.as_object_mut().unwrap().remove("name");
    assert_ne!(stores("a", &network), stores("b", &unnamed));
    assert_eq!(stores("a", &network), stores("storage", &unnamed));
    clean();
}

fn a_bridge_of_the_node_loses_its_address(node: &Node) {
    expect(&["ip", "link", "add", "cni0", "type", "bridge"]);
    expect(&["ip", "addr", "add", "10.244.0.1/24", "dev", "cni0"]);
    let config = json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "isGateway": true,
        "forceAddress": true, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}});
    expect(&["ip", "netns", "add", "pod"]);
    node.chain(&config.to_string()).unwrap();
    let output = Command::new("ip")
        .args(["addr", "show", "dev", "cni0"])
        .output()
        .unwrap();
    let addresses = String::from_utf8(output.stdout).unwrap();
    assert!(
        !addresses.contains("10.244.0.1") && addresses.contains("10.1.0.1"),
        "{addresses}"
    );
    let grants = "nodeInterfaces: [{interfaces: [ens224], namespaces: [\"*\"]}]";
    assert_eq!(refused(&config, grants, "ungranted-node-interface"), 1);
    assert_eq!(refused(&config, "", "ungranted-node-interface"), 0);
    clean();
}

fn the_kernel_accepts_names_that_are_commands() {
    for name in ["\";monitor#", "$(id)", "-j", "all", "default"] {
        // Newer kernels do not accept the two names of settings; older ones do.
        if !["all", "default"].contains(&name) {
            expect(&["ip", "link", "add", "name", name, "type", "bridge"]);
            expect(&["ip", "link", "del", "dev", name]);
        }
        assert!(
            is_dangerous_element(&json!([{"name": "net", "interface": name}])),
            "{name}"
        );
        assert!(is_dangerous(
            &json!({"cniVersion": "1.0.0", "type": "bridge", "bridge": name})
        ));
    }
    assert!(!is_dangerous_element(
        &json!([{"name": "net", "interface": "net_1.5-a"}])
    ));
}

fn is_dangerous(config: &Value) -> bool {
    !Config::read("net", &config.to_string())
        .dangerous
        .is_empty()
}

fn is_dangerous_element(annotation: &Value) -> bool {
    !Networks::parse(&annotation.to_string(), "team-a")
        .dangerous
        .is_empty()
}

/// How many paths of a network the rule on them refuses, under the default configuration.
fn refused_paths(config: &Value) -> usize {
    refused(config, "", "unapproved-node-path")
}

/// How many findings a rule has on a network of the namespace `team-a`.
fn refused(config: &Value, policy: &str, rule: &str) -> usize {
    use multinic_core::network::{Fetched, Network, Snapshot};
    use multinic_core::rules;
    use multinic_core::view::{Define, Subject};
    use multinic_core::world::World;
    let policy = config::parse(policy).unwrap();
    let network = Network::read("net", &config.to_string(), None);
    let subject = Subject::Define(Define::stored("team-a", "net", &network));
    let (snapshot, fetched) = (Snapshot::default(), Fetched::default());
    let world = World {
        snapshot: &snapshot,
        fetched: &fetched,
        policy: &policy,
        usage: None,
    };
    let findings = rules::decide(&subject, &world);
    findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .count()
}

fn tables() -> String {
    let output = Command::new("nft")
        .args(["list", "tables"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn rules() -> String {
    let output = Command::new("nft")
        .args(["list", "ruleset"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Removes what one attack left behind.
fn clean() {
    expect(&["nft", "flush", "ruleset"]);
    for link in ["br0", "br1", "cni0"] {
        let _ = call(&["ip", "link", "del", link]);
    }
    let _ = call(&["ip", "netns", "del", "pod"]);
    let _ = fs::remove_dir_all("/var/lib/cni");
}
