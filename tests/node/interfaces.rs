//! The network interfaces of a Pod: as the kernel shows them, and as Multus reports them.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::machine::run;

/// An interface of a Pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    /// What makes it: `macvlan`, `veth`, …
    pub(crate) kind: String,
    pub(crate) mac: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) up: bool,
}

/// What Multus reports about an attachment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Attachment {
    pub(crate) network: String,
    pub(crate) interface: String,
    pub(crate) mac: String,
    pub(crate) addresses: Vec<String>,
}

/// The interfaces of a running Pod, as `ip -j addr` lists them in its network namespace.
pub(crate) fn interfaces(pod: &Value) -> Vec<Interface> {
    let list = ip(pod, &["-json", "-details", "address"]);
    let items = list.as_array().cloned().unwrap_or_default();
    items.iter().map(interface).collect()
}

fn interface(item: &Value) -> Interface {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let global = item["addr_info"].as_array().into_iter().flatten();
    let global = global.filter(|a| a["scope"] == "global");
    let flags = item["flags"].as_array().cloned().unwrap_or_default();
    Interface {
        name: text(&item["ifname"]),
        kind: text(&item["linkinfo"]["info_kind"]),
        mac: text(&item["address"]),
        addresses: global.map(|a| text(&a["local"])).collect(),
        up: flags.contains(&Value::from("UP")),
    }
}

/// What Multus wrote into the network-status annotation of a Pod.
pub(crate) fn attachments(pod: &Value) -> Vec<Attachment> {
    let annotation = &pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list: Vec<Value> = serde_json::from_str(&text(annotation)).unwrap_or_default();
    let attachment = |item: &Value| Attachment {
        network: text(&item["name"]),
        interface: text(&item["interface"]),
        mac: text(&item["mac"]),
        addresses: item["ips"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
    };
    list.iter().map(attachment).collect()
}

/// Runs `ip` in the network namespace of a Pod.
pub(crate) fn ip(pod: &Value, args: &[&str]) -> Value {
    let process =
        process(pod).unwrap_or_else(|| panic!("no process of {}", pod["metadata"]["name"]));
    let target = format!("--target={process}");
    let output = run(Command::new("nsenter")
        .args([&target, "--net", "--", "ip"])
        .args(args));
    let output = output.expect("ip runs in the network namespace of a Pod");
    serde_json::from_str(&output).expect("JSON from ip")
}

/// The file of the network namespace of a Pod.
pub(crate) fn namespace(pod: &Value) -> PathBuf {
    let process =
        process(pod).unwrap_or_else(|| panic!("no process of {}", pod["metadata"]["name"]));
    PathBuf::from(format!("/proc/{process}/ns/net"))
}

/// A process of a Pod: found by its control group, whose name has the UID of the Pod in it.
fn process(pod: &Value) -> Option<u32> {
    processes(pod).into_iter().next()
}

/// The processes of a Pod.
pub(crate) fn processes(pod: &Value) -> Vec<u32> {
    let uid = pod["metadata"]["uid"].as_str().expect("a UID");
    let group = format!("/pod{uid}/");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|e| e.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number: &u32| {
            let groups = fs::read_to_string(format!("/proc/{number}/cgroup"));
            groups.is_ok_and(|groups| groups.contains(&group))
        })
        .collect()
}
