//! An API server of networks and of many Pods, for the watch of those that use networks.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Every tenth Pod asks for two of so many networks.
const NETWORKS: usize = 50;

/// Writes a kubeconfig for the API server, and a configuration that watches the Pods, or does not.
pub(crate) fn write_files(folder: &Path, address: SocketAddr, usage: bool) {
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{server: \"http://{address}\"}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n"
    );
    std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
    std::fs::write(folder.join("config.yaml"), format!("usage: {usage}\n")).unwrap();
}

/// An API server that knows networks and Pods, and of which nothing changes.
pub(crate) fn api_server(count: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || while serve(&stream, count).is_some() {});
        }
    });
    address
}

/// Answers one request; `None` where the connection is over.
fn serve(stream: &TcpStream, count: usize) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let path = request.split(' ').nth(1)?;
    let query = |key: &str| {
        let (_, query) = path.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == key).map(|(_, value)| value)
    };
    let mut stream = stream;
    if query("watch").is_some() {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
        // Nothing happens, for longer than the test.
        std::thread::sleep(Duration::from_mins(10));
        return None;
    }
    let body = if path.starts_with("/api/v1/pods") {
        let from: usize = query("continue").map_or(0, |from| from.parse().unwrap());
        let limit: usize = query("limit").map_or(count, |limit| limit.parse().unwrap());
        pods(from, (from + limit).min(count), count)
    } else {
        let items: Vec<_> = (0..NETWORKS).map(network).collect();
        list(
            "k8s.cni.cncf.io/v1",
            "NetworkAttachmentDefinitionList",
            "",
            &items.join(","),
        )
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

fn list(version: &str, kind: &str, next: &str, items: &str) -> String {
    format!(
        r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{{"resourceVersion":"7","continue":"{next}"}},"items":[{items}]}}"#
    )
}

fn network(index: usize) -> String {
    let plugin = ["macvlan", "ipvlan"][index % 2];
    format!(
        r#"{{"apiVersion":"k8s.cni.cncf.io/v1","kind":"NetworkAttachmentDefinition","metadata":{{"namespace":"default","name":"net-{index}","resourceVersion":"7"}},"spec":{{"config":"{{\"cniVersion\":\"1.0.0\",\"type\":\"{plugin}\",\"master\":\"eth1\"}}"}}}}"#
    )
}

fn pods(from: usize, to: usize, count: usize) -> String {
    // What a Deployment's Pod has of metadata.
    let fields = r#"{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"0\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{".":{},"f:limits":{".":{},"f:cpu":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}},"manager":"kube-controller-manager","operation":"Update","time":"2026-01-01T00:00:00Z"}"#;
    let mut items = String::new();
    for index in from..to {
        let networks = if index.is_multiple_of(10) {
            let (one, other) = (index % NETWORKS, index / 10 % NETWORKS);
            format!(r#""k8s.v1.cni.cncf.io/networks":"default/net-{one},default/net-{other}","#)
        } else {
            String::new()
        };
        let comma = if index > from { "," } else { "" };
        let _ = write!(
            items,
            r#"{comma}{{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{{"name":"web-5d89bdfbf9-{index:05}","generateName":"web-5d89bdfbf9-","namespace":"team-{}","uid":"92babbed-a3ba-40b4-a5fb-c9397350ee60","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"web","pod-template-hash":"5d89bdfbf9"}},"annotations":{{{networks}"example.com/other":"kept by nobody"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-5d89bdfbf9","uid":"0","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{fields},{fields}]}}}}"#,
            index % 100,
        );
    }
    let next = if to < count {
        to.to_string()
    } else {
        String::new()
    };
    list("meta.k8s.io/v1", "PartialObjectMetadataList", &next, &items)
}
