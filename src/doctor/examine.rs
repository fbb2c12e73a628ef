//! Reads what is needed, and asks the other modules what it means.

use axum::http::{Request, header};
use multinic_core::config;
use multinic_core::policy::Policy;
use multinic_core::selector::{self, NODE_SELECTOR};
use serde_json::Value;

use super::registration::{self, Callee, Entry};
use super::{Check, Outcome, cause, certificate, dial, multus, probe, replicas};
use crate::cert::now;
use crate::cluster::reader::{Reader, Unread, Wanted};

/// The oldest API server with everything that the registration uses.
const OLDEST: (u64, u64) = (1, 30);
const DEPLOYMENTS: &str = "app.kubernetes.io/name=multinic";
const NETWORKS: &str = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";

/// Makes every check, and goes on after one that fails. `namespace` is where dry runs are sent;
/// `policy` is the configuration in force, where the caller knows better than the Deployment.
pub async fn examine(
    reader: &Reader,
    url: &str,
    namespace: &str,
    policy: Option<Policy>,
) -> Vec<Check> {
    let (mut checks, answers) = api_server(reader, url).await;
    if !answers {
        return checks;
    }
    let defined = definition(reader).await;
    let is_defined = defined.outcome == Outcome::Ok;
    checks.push(defined);
    let found = entries(reader).await;
    let (registered, entries) = match found {
        Ok(entries) => (registration::judge(&entries), entries),
        Err(error) => (
            unread("registration", "webhook configurations", &error),
            Vec::new(),
        ),
    };
    checks.push(registered);
    let (running, config) = running(reader, &entries).await;
    checks.push(running);
    checks.push(served(&entries).await);
    let policy = policy.or_else(|| config.as_deref().and_then(|text| config::parse(text).ok()));
    checks.extend(multus(reader, policy.as_ref()).await);
    checks.push(refused(reader, &probe::POD, "pods", "/api/v1", namespace).await);
    if is_defined {
        let (kind, api) = ("network-attachment-definitions", "/apis/k8s.cni.cncf.io/v1");
        checks.push(refused(reader, &probe::NETWORK, kind, api, namespace).await);
        checks.push(placed(reader, namespace, &policy.unwrap_or_default()).await);
    }
    checks
}

/// Whether the API server answers, its version, and its clock.
async fn api_server(reader: &Reader, url: &str) -> (Vec<Check>, bool) {
    const CHECK: &str = "api-server";
    let request = Request::get("/version").body(Vec::new());
    let answer = match request {
        Ok(request) => reader.send(request).await,
        Err(error) => Err(Unread::Unreachable(error.to_string())),
    };
    let answer = match answer.and_then(crate::cluster::reader::Answer::success) {
        Ok(answer) => answer,
        Err(Unread::Unreachable(error)) => {
            let failed = |what: &str| {
                Check::new(
                    CHECK,
                    Outcome::Failed,
                    format!("{url} does not answer: {what}{error}"),
                )
            };
            let check = match cause::of_connection(&error) {
                Some(cause) => failed(&format!("{}: ", cause.what)).remedy(cause.remedy),
                None => failed(""),
            };
            return (vec![check], false);
        }
        Err(error) => {
            let message = format!("{url}: {error}");
            let remedy = "renew the credentials in the kubeconfig";
            return (
                vec![Check::new(CHECK, Outcome::Failed, message).remedy(remedy)],
                false,
            );
        }
    };
    let version: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let number = |key: &str| {
        let text = version[key].as_str().unwrap_or_default();
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    let name = version["gitVersion"].as_str().unwrap_or_default();
    let message = format!("{url} runs Kubernetes {name}");
    let check = if (number("major"), number("minor")) < OLDEST {
        let (major, minor) = OLDEST;
        Check::new(CHECK, Outcome::Failed, message).remedy(format!(
            "multinic needs Kubernetes {major}.{minor} or newer"
        ))
    } else {
        Check::new(CHECK, Outcome::Ok, message)
    };
    let mut checks = vec![check];
    let date = answer
        .headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok());
    let there = date.and_then(|date| {
        jiff::fmt::rfc2822::parse(date)
            .ok()
            .map(|time| time.timestamp().as_second())
    });
    checks.extend(there.map(|there| certificate::clock(now(), there)));
    (checks, true)
}

/// Whether the cluster has networks: by discovery, which everybody may read.
async fn definition(reader: &Reader) -> Check {
    const CHECK: &str = "networks";
    const NAME: &str = "network-attachment-definitions";
    let absent = || {
        let message =
            format!("the cluster has no {NAME}.k8s.cni.cncf.io: there can be no networks");
        Check::new(CHECK, Outcome::Failed, message)
            .remedy("install Multus, which brings it, or set crds.install=true in the chart")
    };
    match reader.get("/apis/k8s.cni.cncf.io/v1").await {
        Ok(group) => {
            let mut names = group["resources"].as_array().into_iter().flatten();
            if names.any(|resource| resource["name"] == NAME) {
                let message = format!("the cluster has {NAME}.k8s.cni.cncf.io");
                Check::new(CHECK, Outcome::Ok, message)
            } else {
                absent()
            }
        }
        Err(Unread::Absent(_)) => absent(),
        Err(error) => unread(CHECK, NAME, &error),
    }
}

async fn entries(reader: &Reader) -> Result<Vec<Entry>, Unread> {
    let mut entries = Vec::new();
    for kind in [
        "mutatingwebhookconfiguration",
        "validatingwebhookconfiguration",
    ] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}s");
        let configurations = reader.all(&wanted(&path)).await?;
        entries.extend(registration::entries(kind, &configurations));
    }
    Ok(entries)
}

/// The replicas, and the configuration with which they run.
async fn running(reader: &Reader, entries: &[Entry]) -> (Check, Option<String>) {
    const CHECK: &str = "replicas";
    let service = entries.iter().find_map(|entry| match &entry.callee {
        Callee::Service { namespace, .. } => Some(namespace),
        Callee::Url(_) => None,
    });
    let Some(namespace) = service else {
        let message = match entries.first() {
            Some(entry) => format!("multinic runs outside the cluster, at {}", entry.callee),
            None => "no registration says where multinic runs".to_owned(),
        };
        return (Check::new(CHECK, Outcome::Skipped, message), None);
    };
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let labelled = Wanted {
        labels: DEPLOYMENTS,
        ..wanted(&path)
    };
    match reader.all(&labelled).await {
        Ok(deployments) => {
            let config = deployments.first().and_then(replicas::config);
            let config = config.map(str::to_owned);
            (replicas::judge(namespace, &deployments), config)
        }
        Err(error) => (
            unread(
                CHECK,
                &format!("Deployments of namespace {namespace}"),
                &error,
            ),
            None,
        ),
    }
}

/// The certificate that is served, where this machine reaches it.
async fn served(entries: &[Entry]) -> Check {
    const CHECK: &str = "certificate";
    let host = entries.iter().find_map(|entry| entry.callee.host());
    let Some((host, port)) = host else {
        let message = "no registration says where multinic runs";
        return Check::new(CHECK, Outcome::Skipped, message);
    };
    match dial::chain(&host, port).await {
        Ok(chain) => certificate::judge(&chain, &host, entries, now()),
        Err(error) => {
            let message = format!(
                "{host}:{port} is not reached from here ({error}); whether the API server accepts the \
                 certificate is proven by the refusals below"
            );
            Check::new(CHECK, Outcome::Skipped, message)
                .remedy("run multinic doctor in the cluster to see how long the certificate lasts")
        }
    }
}

async fn multus(reader: &Reader, policy: Option<&Policy>) -> Vec<Check> {
    const CHECK: &str = "multus-isolation";
    let daemon_sets = match reader.all(&wanted("/apis/apps/v1/daemonsets")).await {
        Ok(daemon_sets) => daemon_sets,
        Err(error) => return vec![unread("multus", "DaemonSets", &error)],
    };
    let found = multus::find(&daemon_sets);
    let mut checks = vec![multus::presence(&found)];
    let Some(one) = found.first() else {
        return checks;
    };
    let mut config_maps = Vec::new();
    for name in &one.config_maps {
        let path = format!("/api/v1/namespaces/{}/configmaps/{name}", one.namespace);
        match reader.get(&path).await {
            Ok(config_map) => config_maps.push(config_map),
            Err(Unread::Absent(_)) => {}
            Err(error) => {
                let what = format!("ConfigMap {}/{name} of Multus", one.namespace);
                checks.push(unread(CHECK, &what, &error));
                return checks;
            }
        }
    }
    let isolation = one.isolation(&config_maps);
    checks.push(match policy {
        Some(policy) => multus::isolation(&isolation, policy),
        None => Check::new(
            CHECK,
            Outcome::NotChecked,
            "the configuration of multinic is not known, so that Multus' isolation cannot be compared \
             with it",
        )
        .remedy("name its file with --config"),
    });
    checks
}

async fn refused(
    reader: &Reader,
    probe: &probe::Probe,
    kind: &str,
    api: &str,
    namespace: &str,
) -> Check {
    let path = format!("{api}/namespaces/{namespace}/{kind}");
    match reader.create_dry(&path, &probe.object(namespace)).await {
        Ok(answer) => probe.judge(&answer, namespace),
        Err(error) => unread(probe.check, kind, &error),
    }
}

/// Asks for a Pod with a network that has a node selector, if there is one that the namespace may use.
async fn placed(reader: &Reader, namespace: &str, policy: &Policy) -> Check {
    const CHECK: &str = "placement";
    let mut usable: Option<(String, String)> = None;
    let metadata = Wanted {
        metadata_only: true,
        ..wanted(NETWORKS)
    };
    let listed = reader.list(&metadata, |item, _| {
        if usable.is_some() {
            return;
        }
        let object: Value = serde_json::from_str(item.get()).unwrap_or_default();
        let metadata = &object["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default();
        let annotation = metadata["annotations"][NODE_SELECTOR]
            .as_str()
            .unwrap_or_default();
        let selects = selector::parse(annotation).is_ok_and(|selector| !selector.is_empty());
        let (home, name) = (text("namespace"), text("name"));
        if selects && policy.isolation_allows(namespace, home, name, false) {
            usable = Some((format!("{home}/{name}"), annotation.to_owned()));
        }
    });
    if let Err(error) = listed.await {
        return unread(CHECK, "networks", &error);
    }
    let Some((network, selector)) = usable else {
        let message = format!(
            "no network that Pods of namespace \"{namespace}\" may use has a node selector"
        );
        return Check::new(CHECK, Outcome::Skipped, message);
    };
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    match reader
        .create_dry(&path, &probe::pod(namespace, &network))
        .await
    {
        Ok(answer) => probe::placed(&answer, &network, &selector),
        Err(error) => unread(CHECK, "pods", &error),
    }
}

/// What it means that something could not be read.
fn unread(check: &'static str, what: &str, error: &Unread) -> Check {
    let message = format!("{what} cannot be read: {error}");
    match error {
        Unread::Forbidden(_) => Check::new(check, Outcome::NotChecked, message)
            .remedy("grant the right, or ask somebody who has it"),
        Unread::Absent(_) | Unread::Refused(..) => Check::new(check, Outcome::NotChecked, message),
        Unread::Unreachable(_) => Check::new(check, Outcome::Failed, message),
    }
}

fn wanted(path: &str) -> Wanted<'_> {
    Wanted {
        path,
        ..Wanted::default()
    }
}
