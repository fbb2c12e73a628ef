//! The examples as real Pods: their interfaces, as `ip` lists them and as Multus reports them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{SocketAddr, UdpSocket},
    os::fd::AsFd,
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::{
    Scenario,
    api::{networks, pods},
    cluster::Cluster,
    interfaces::{Attachment, Interface, attachments, interfaces, ip, namespace},
    kernel,
    node::PAUSE,
    process::eventually,
    programs,
};

pub(crate) const ALL: &[Scenario] = &[
    ("one_network_for_two_pods", one_network),
    ("two_networks_on_one_pod", two_networks),
    ("two_networks_on_one_node_interface", one_interface),
    ("the_same_network_twice", twice),
    ("placed_where_the_network_is", placed),
    ("default_network_of_another_kind", default_network),
];

/// What is expected of one attachment: the network, the interface, the first bytes of its address.
type Row<'a> = (&'a str, &'a str, &'a str);

fn one_network(c: &Cluster) {
    let running = run(c, "one-network-two-pods");
    let addresses: BTreeSet<_> = running
        .iter()
        .map(|pod| attached(pod, &[("default/ens224-a", "net1", "172.120.0.")])[0].clone())
        .collect();
    assert_eq!(
        addresses.len(),
        2,
        "each has an address of its own: {addresses:?}"
    );
    let addresses: Vec<_> = addresses.into_iter().collect();
    let by_address = |address: &String| {
        let pod = running
            .iter()
            .find(|pod| attachments(pod)[1].addresses.contains(address));
        pod.expect("the Pod of an address")
    };
    reach(
        by_address(&addresses[0]),
        by_address(&addresses[1]),
        &addresses[1],
    );
    done(c, &running);
}

fn two_networks(c: &Cluster) {
    let running = run(c, "two-networks");
    attached(
        &running[0],
        &[
            ("team-a/private", "net1", "10.9.0."),
            ("default/ens224-a", "net2", "172.120.0."),
        ],
    );
    done(c, &running);
}

fn one_interface(c: &Cluster) {
    let running = run(c, "one-node-interface");
    let addresses = attached(
        &running[0],
        &[
            ("default/ens224-a", "net1", "172.120.0."),
            ("default/ens224-b", "net2", "172.121.0."),
        ],
    );
    // What sbr is chained for: a routing table for what is sent from its address.
    let rules = ip(&running[0], &["-json", "rule"]);
    let sources: Vec<_> = rules
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| &r["src"])
        .collect();
    assert!(sources.contains(&&json!(addresses[1])), "{rules}");
    done(c, &running);
}

fn twice(c: &Cluster) {
    let running = run(c, "same-network-twice");
    let addresses = attached(
        &running[0],
        &[
            ("default/ens224-a", "data", "172.120.0."),
            ("default/ens224-a", "control", "172.120.0."),
        ],
    );
    assert_ne!(addresses[0], addresses[1]);
    done(c, &running);
}

fn placed(c: &Cluster) {
    // More than one, so that it is no accident.
    for _ in 0..3 {
        let running = run(c, "placed");
        assert_eq!(
            running[0]["spec"]["nodeName"], "node-2",
            "the node with nic=ens256"
        );
        attached(&running[0], &[("default/fast", "net1", "10.8.0.")]);
        done(c, &running);
    }
}

/// The default-network annotation: `eth0` comes from a network of `kube-system`.
fn default_network(c: &Cluster) {
    c.ensure_installed();
    let config = json!({"cniVersion": "1.0.0", "name": "quiet", "type": "macvlan", "master": "ens192", "mode": "bridge",
        "ipam": {"type": "host-local", "subnet": "10.40.0.0/24"}});
    let quiet = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "quiet"}, "spec": {"config": config.to_string()}});
    c.create(&networks("kube-system"), &quiet);
    let mut pod = crate::load::pod("quiet", "");
    pod["metadata"]["annotations"] = json!({"v1.multus-cni.io/default-network": "quiet"});
    c.create(&pods("team-a"), &pod);
    let pod = c.running("team-a", "quiet");
    let found = interfaces(&pod);
    let eth0 = found.iter().find(|i| i.name == "eth0");
    let eth0 = eth0.unwrap_or_else(|| panic!("no eth0: {found:?}"));
    assert!(
        eth0.kind == "macvlan" && eth0.addresses[0].starts_with("10.40.0."),
        "{eth0:?}"
    );
    done(c, &[pod]);
}

/// Creates the Pods of an example, and returns them as soon as they run.
fn run(c: &Cluster, example: &str) -> Vec<Value> {
    c.ensure_installed();
    define(c);
    let created: Vec<_> = manifests(&format!("pods/{example}.yaml"))
        .into_iter()
        .map(|mut pod| {
            // The image is the only thing that the nodes here do not have.
            for container in pod["spec"]["containers"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                container["image"] = json!(PAUSE);
            }
            pod["spec"]["terminationGracePeriodSeconds"] = json!(1);
            c.create(&pods(text(&pod["metadata"]["namespace"])), &pod);
            pod
        })
        .collect();
    let metadata = created.iter().map(|pod| &pod["metadata"]);
    metadata
        .map(|it| c.running(text(&it["namespace"]), text(&it["name"])))
        .collect()
}

/// Deletes Pods and waits until they are gone: whoever comes next may have their names.
fn done(c: &Cluster, all: &[Value]) {
    let path = |pod: &Value| {
        let metadata = &pod["metadata"];
        format!(
            "{}/{}",
            pods(text(&metadata["namespace"])),
            text(&metadata["name"])
        )
    };
    for pod in all {
        c.api.delete(&path(pod)).expect("delete a Pod");
    }
    for pod in all {
        let path = path(pod);
        eventually("a deleted Pod to be gone", || match c.api.get(&path) {
            Ok(answer) if answer.status == 404 => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
}

/// Makes the networks of the examples, unless they are there.
fn define(c: &Cluster) {
    for file in ["ens224", "fast", "private"] {
        for mut network in manifests(&format!("networks/{file}.yaml")) {
            if !kernel::has("ipvlan") {
                let config = without_ipvlan(text(&network["spec"]["config"]));
                network["spec"]["config"] = json!(config);
            }
            let path = networks(text(&network["metadata"]["namespace"]));
            let answer = c.post(&path, &network);
            assert!(
                answer.is_success() || answer.status == 409,
                "{}",
                answer.message()
            );
        }
    }
}

/// The configuration with macvlan in the place of ipvlan: the mode that joins Pods is called
/// otherwise.
fn without_ipvlan(config: &str) -> String {
    let macvlan = config.replace(r#""type": "ipvlan""#, r#""type": "macvlan""#);
    macvlan.replace(r#""mode": "l2""#, r#""mode": "bridge""#)
}

fn manifests(path: &str) -> Vec<Value> {
    let path = programs::root().join("examples").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Checks the interfaces of a Pod beside `eth0` and `lo`, and returns their addresses.
#[track_caller]
fn attached(pod: &Value, expected: &[Row<'_>]) -> Vec<String> {
    let (real, reported) = (interfaces(pod), attachments(pod));
    assert_eq!(real.len(), expected.len() + 2, "{real:?}");
    assert_eq!(reported.len(), expected.len() + 1, "{reported:?}");
    let eth0 = find(&real, "eth0");
    assert!(
        eth0.kind == "veth" && eth0.addresses[0].starts_with("10.88."),
        "{eth0:?}"
    );
    let rows = expected.iter().zip(&reported[1..]);
    rows.map(|((network, interface, prefix), said)| {
        let Interface { mac, addresses, .. } = find(&real, interface);
        let as_seen = Attachment {
            network: (*network).to_owned(),
            interface: (*interface).to_owned(),
            mac: mac.clone(),
            addresses: addresses.clone(),
        };
        assert_eq!(said, &as_seen, "what Multus reports is what the kernel has");
        assert!(
            addresses.len() == 1 && addresses[0].starts_with(prefix),
            "{addresses:?}"
        );
        addresses[0].clone()
    })
    .collect()
}

#[track_caller]
fn find<'a>(all: &'a [Interface], name: &str) -> &'a Interface {
    let found = all.iter().find(|i| i.name == name);
    let found = found.unwrap_or_else(|| panic!("no interface {name}: {all:?}"));
    assert!(found.up, "{found:?}");
    found
}

/// What one Pod sends to an address of the other arrives there.
fn reach(from: &Value, to: &Value, address: &str) {
    let within = |pod: &Value, act: Box<dyn FnOnce() + Send>| {
        let file = File::open(namespace(pod)).expect("the network namespace of a Pod");
        thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), kind).expect("enter it");
            act();
        })
    };
    let to_address: SocketAddr = format!("{address}:5353").parse().expect("an address");
    let (bound, wait) = std::sync::mpsc::channel();
    let receiver = within(
        to,
        Box::new(move || {
            let socket = UdpSocket::bind(to_address).expect("bind the address of the Pod");
            let patience = Some(Duration::from_secs(20));
            socket.set_read_timeout(patience).expect("a deadline");
            bound.send(()).expect("the other end");
            let mut buffer = [0; 16];
            let (length, _) = socket.recv_from(&mut buffer).expect("a datagram");
            assert_eq!(&buffer[..length], b"hello");
        }),
    );
    wait.recv().expect("a socket in the second Pod");
    let sender = within(
        from,
        Box::new(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket in the first Pod");
            // The first ones may be lost while the neighbour is asked for.
            for _ in 0..5 {
                let _ = socket.send_to(b"hello", to_address);
                thread::sleep(Duration::from_millis(200));
            }
        }),
    );
    sender.join().expect("the sender");
    receiver
        .join()
        .unwrap_or_else(|_| panic!("{address} cannot be reached"));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
