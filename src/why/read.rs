//! Fetches an object, and what belongs to it.

use multinic_core::policy::Policy;
use serde_json::Value;

use super::{Event, Facts};
use crate::cluster::inventory::{self, Networks};
use crate::cluster::reader::{Reader, Unread, Wanted};
use crate::stored::{Kind, POD, WORKLOADS};

/// How many Pods of a workload are named.
const PODS: usize = 20;

/// The kind that somebody names: `pod`, `pods`, `po`, `deployment`, `deploy`, ….
pub fn kind(name: &str) -> Option<&'static Kind> {
    const SHORT: [(&str, &str); 7] = [
        ("po", "pods"),
        ("deploy", "deployments"),
        ("sts", "statefulsets"),
        ("ds", "daemonsets"),
        ("rs", "replicasets"),
        ("cj", "cronjobs"),
        ("rc", "replicationcontrollers"),
    ];
    let name = name.to_lowercase();
    // kubectl prints kinds as `deployment.apps`.
    let name = name.split('.').next().unwrap_or(&name);
    let long = SHORT.iter().find(|(short, _)| *short == name);
    let name = long.map_or(name, |(_, long)| long);
    let mut kinds = [&POD].into_iter().chain(&WORKLOADS);
    kinds.find(|kind| kind.resource == name || kind.kind.to_lowercase() == name)
}

/// Reads everything about an object. What may not be read is noted.
///
/// # Errors
/// If the object itself cannot be read.
pub async fn read(
    reader: &Reader,
    kind: &'static Kind,
    namespace: &str,
    name: &str,
    policy: Policy,
) -> Result<Facts, Unread> {
    let object = reader
        .get(&format!("{}/{name}", kind.path(Some(namespace))))
        .await?;
    let mut unread = Vec::new();
    let mut namespaces = vec![namespace, &*policy.multus_namespace];
    namespaces.extend(policy.global_namespaces.iter().map(String::as_str));
    let networks = match inventory::networks(reader, &namespaces).await {
        Ok(networks) => networks,
        Err(error) => {
            unread.push(format!("networks: {error}"));
            let unread = namespaces.iter().map(|own| (*own).to_owned()).collect();
            Networks {
                unread,
                ..Networks::default()
            }
        }
    };
    let nodes = match inventory::nodes(reader).await {
        Ok(nodes) => Some(nodes),
        Err(error) => {
            unread.push(format!("the labels of nodes: {error}"));
            None
        }
    };
    let mut involved = vec![(kind.kind.to_owned(), name.to_owned())];
    let mut pods = Vec::new();
    if *kind != POD {
        let made = made(reader, namespace, &object, &mut unread).await;
        involved.extend(made);
        pods = pods_of(reader, namespace, &object, &mut unread).await;
    }
    let events = events(reader, namespace, &involved, &mut unread).await;
    unread.extend(networks.unread.iter().map(|namespace| {
        format!("networks of namespace {namespace}: the right to list them is missing")
    }));
    Ok(Facts {
        kind,
        object: object.to_string(),
        policy,
        networks,
        nodes,
        events,
        pods,
        unread,
    })
}

/// What a workload made that makes Pods: the `ReplicaSets` of a Deployment, the Jobs of a CronJob.
async fn made(
    reader: &Reader,
    namespace: &str,
    object: &Value,
    unread: &mut Vec<String>,
) -> Vec<(String, String)> {
    let maker = match object["kind"].as_str() {
        Some("Deployment") => "ReplicaSet",
        Some("CronJob") => "Job",
        _ => return Vec::new(),
    };
    let Some(kind) = WORKLOADS.iter().find(|kind| kind.kind == maker) else {
        return Vec::new();
    };
    let path = kind.path(Some(namespace));
    let wanted = Wanted {
        path: &path,
        metadata_only: true,
        ..Wanted::default()
    };
    let mut made = Vec::new();
    let uid = &object["metadata"]["uid"];
    let listed = reader.list(&wanted, |item, _| {
        let item: Value = serde_json::from_str(item.get()).unwrap_or_default();
        let owners = item["metadata"]["ownerReferences"].as_array();
        let mut owners = owners.into_iter().flatten();
        if owners.any(|owner| owner["uid"] == *uid) {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            made.push((maker.to_owned(), name.to_owned()));
        }
    });
    if let Err(error) = listed.await {
        unread.push(format!("{}: {error}", kind.resource));
    }
    made
}

/// The first Pods of a workload, by its selector.
async fn pods_of(
    reader: &Reader,
    namespace: &str,
    object: &Value,
    unread: &mut Vec<String>,
) -> Vec<[String; 3]> {
    let selector = &object["spec"]["selector"];
    let labels = selector["matchLabels"].as_object().or_else(|| {
        // A ReplicationController has the labels themselves.
        selector
            .as_object()
            .filter(|_| object["kind"] == "ReplicationController")
    });
    let Some(labels) = labels else {
        return Vec::new();
    };
    let pair =
        |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    let labels: Vec<_> = labels.iter().map(pair).collect();
    let (path, labels) = (POD.path(Some(namespace)), labels.join(","));
    let wanted = Wanted {
        path: &path,
        labels: &labels,
        ..Wanted::default()
    };
    let mut pods = Vec::new();
    let listed = reader.list(&wanted, |item, _| {
        if pods.len() == PODS {
            return;
        }
        let item: Value = serde_json::from_str(item.get()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        pods.push([
            text(&item["metadata"]["name"]),
            text(&item["status"]["phase"]),
            text(&item["spec"]["nodeName"]),
        ]);
    });
    if let Err(error) = listed.await {
        unread.push(format!("pods: {error}"));
    }
    pods
}

/// The events about some objects, given as kind and name, the oldest first.
async fn events(
    reader: &Reader,
    namespace: &str,
    involved: &[(String, String)],
    unread: &mut Vec<String>,
) -> Vec<Event> {
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let fields = match involved {
        [(kind, name)] => format!("involvedObject.kind={kind},involvedObject.name={name}"),
        _ => String::new(),
    };
    let wanted = Wanted {
        path: &path,
        fields: &fields,
        ..Wanted::default()
    };
    let mut events = Vec::new();
    let listed = reader.list(&wanted, |item, _| {
        let item: Value = serde_json::from_str(item.get()).unwrap_or_default();
        let object = &item["involvedObject"];
        let at = involved
            .iter()
            .position(|(kind, name)| object["kind"] == **kind && object["name"] == **name);
        if let Some(at) = at {
            events.push(event(&item, (at > 0).then(|| involved.get(at)).flatten()));
        }
    });
    if let Err(error) = listed.await {
        unread.push(format!("events: {error}"));
    }
    events.sort_by(|one, other| one.last.cmp(&other.last));
    events
}

fn event(item: &Value, about: Option<&(String, String)>) -> Event {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let times = [
        &item["series"]["lastObservedTime"],
        &item["lastTimestamp"],
        &item["eventTime"],
        &item["metadata"]["creationTimestamp"],
    ];
    let counts = [&item["series"]["count"], &item["count"]];
    Event {
        reason: text(&item["reason"]),
        message: text(&item["message"]),
        is_warning: item["type"] == "Warning",
        count: counts.iter().find_map(|count| count.as_u64()).unwrap_or(1),
        last: times
            .iter()
            .find_map(|time| time.as_str())
            .unwrap_or_default()
            .to_owned(),
        about: about.map(|(kind, name)| format!("{kind} {name}")),
    }
}
