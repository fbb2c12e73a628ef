//! The networks in use: the program beside an API server that holds Pods.

use super::Folder;
use super::pods::{api_server, write_files};
use super::process::Process;

const PODS: usize = 1_000;
const LISTED: &str = "Pods that use networks listed";

fn start(usage: bool) -> Process {
    let folder = Folder::new();
    write_files(&folder.0, api_server(PODS), usage);
    Process::start_with(folder, &["--kubeconfig=kubeconfig", "--config=config.yaml"])
}

#[test]
fn networks_in_use_are_counted_by_their_plugins() {
    let server = start(true);
    server.hears(LISTED);
    let metrics = server.metrics();
    let value = |series: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        let line = line.unwrap_or_else(|| panic!("no {series} in {metrics}"));
        line.trim().parse::<usize>().unwrap()
    };
    let using = |networks: &str| {
        value(&format!(
            "network_attachment_definition_instances{{networks=\"{networks}\"}}"
        ))
    };
    // Every tenth Pod asks; of those, the second network is an ipvlan one every other time.
    assert_eq!(using("any"), PODS / 10);
    assert_eq!(using("macvlan"), PODS / 10);
    assert_eq!(
        (using("ipvlan"), using("ipvlan,macvlan")),
        (PODS / 20, PODS / 20)
    );
    let up = |networks: &str| {
        value(&format!(
            "network_attachment_definition_enabled_instance_up{{networks=\"{networks}\"}}"
        ))
    };
    assert_eq!((up("any"), up("sriov")), (1, 0));
}

#[test]
fn nothing_is_watched_that_nobody_asked_for() {
    let server = start(false);
    server.until("networks", || {
        server.metrics().contains("multinic_networks 50")
    });
    assert!(!server.metrics().contains("network_attachment_definition_"));
    assert!(!server.log().contains(LISTED));
}

#[test]
fn the_watch_follows_the_configuration() {
    let server = start(false);
    std::fs::write(server.path("config.yaml"), "usage: true\n").unwrap();
    server.hears(LISTED);
    std::fs::write(server.path("config.yaml"), "usage: false\n").unwrap();
    server.until("no metrics of use", || {
        !server.metrics().contains("network_attachment_definition_")
    });
}
