//! The cluster that the scenarios share: a control plane, three nodes, the chart installed, multinic running.

mod stage;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, Site},
    kubectl::Outcome,
    objects,
    process::{eventually, free_port},
    programs,
    proxy::Proxy,
    server::{Server, Settings},
};

/// The namespace of the release.
pub(crate) const SYSTEM: &str = "multinic-system";

pub(crate) struct Cluster {
    folder: PathBuf,
    settings: Settings,
    // Fields are dropped in this order: multinic before what it watches.
    server: Mutex<Option<Server>>,
    /// Between multinic and the API server, so that a test can cut it off.
    pub(crate) proxy: Proxy,
    plane: Mutex<ControlPlane>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A scenario that failed leaves what it locked as it was.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// Starts everything, in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        let fault = |e: std::io::Error| e.to_string();
        let plane =
            ControlPlane::start(&programs::folder()?, folder, Site::loopback()).map_err(fault)?;
        let leaf = plane
            .pki
            .server("multinic", &["localhost"])
            .map_err(fault)?;
        let cluster = Self {
            settings: Settings {
                kubeconfig: folder.join("multinic.kubeconfig"),
                cert: leaf.cert,
                key: leaf.key,
                client_ca: plane.pki.ca(),
                port: free_port(),
                admin_port: free_port(),
                folder: folder.to_owned(),
            },
            folder: folder.to_owned(),
            server: Mutex::new(None),
            proxy: Proxy::start(&plane.url()).map_err(fault)?,
            plane: Mutex::new(plane),
        };
        cluster.nodes();
        cluster.install(&[]);
        cluster.server_identity();
        cluster.start_server("{}");
        for namespace in ["team-a", "team-b"] {
            cluster.namespace(namespace);
        }
        for network in objects::shared_networks() {
            cluster.create(&network).accepted();
        }
        Ok(cluster)
    }

    // --- commands ---------------------------------------------------------------------------------

    /// Runs kubectl as the administrator.
    pub(crate) fn kubectl(&self, args: &[&str], stdin: Option<&Value>) -> Outcome {
        let mut full = vec![
            "--kubeconfig".to_owned(),
            self.admin().display().to_string(),
        ];
        full.push(format!(
            "--cache-dir={}",
            self.folder.join("kubectl-cache").display()
        ));
        full.extend(args.iter().map(|a| (*a).to_owned()));
        self.run("kubectl", args, &full, stdin)
    }

    /// Runs helm as the administrator.
    pub(crate) fn helm(&self, args: &[&str]) -> Outcome {
        let mut full = vec![
            "--kubeconfig".to_owned(),
            self.admin().display().to_string(),
        ];
        full.extend(args.iter().map(|a| (*a).to_owned()));
        self.run("helm", args, &full, None)
    }

    fn run(
        &self,
        program: &str,
        shown: &[&str],
        args: &[String],
        stdin: Option<&Value>,
    ) -> Outcome {
        let before = self.server().as_ref().map(Server::calls);
        let mut child = Command::new(lock(&self.plane).program(program))
            .args(args)
            .env("HELM_CACHE_HOME", self.folder.join("helm-cache"))
            .env("HELM_CONFIG_HOME", self.folder.join("helm-config"))
            .env("HELM_DATA_HOME", self.folder.join("helm-data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        if let (Some(mut pipe), Some(object)) = (child.stdin.take(), stdin) {
            // A command that refuses its arguments does not read what it is given.
            let _ = pipe.write_all(object.to_string().as_bytes());
        }
        let output = child
            .wait_with_output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        let calls = before.and_then(|before| {
            let after = self.server().as_ref()?.calls();
            Some(after.since(before))
        });
        Outcome {
            command: format!(
                "{program} {}{}",
                shown.join(" "),
                stdin.map(|o| format!(" <<< {o}")).unwrap_or_default()
            ),
            accepted: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            calls,
        }
    }

    pub(crate) fn create(&self, object: &Value) -> Outcome {
        self.kubectl(&["create", "-f", "-"], Some(object))
    }

    pub(crate) fn apply(&self, object: &Value) -> Outcome {
        self.kubectl(&["apply", "-f", "-"], Some(object))
    }

    pub(crate) fn server_side_apply(&self, object: &Value) -> Outcome {
        self.kubectl(&["apply", "--server-side", "-f", "-"], Some(object))
    }

    /// Sends an object to a path of the API.
    pub(crate) fn post(&self, path: &str, object: &Value) -> Outcome {
        self.kubectl(&["create", "--raw", path, "-f", "-"], Some(object))
    }

    pub(crate) fn patch(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        patch: &Value,
        more: &[&str],
    ) -> Outcome {
        let patch = patch.to_string();
        let mut args = vec![
            "-n",
            namespace,
            "patch",
            kind,
            name,
            "--type=merge",
            "-p",
            &patch,
        ];
        args.extend(more);
        self.kubectl(&args, None)
    }

    /// Sets an annotation; none removes it.
    pub(crate) fn annotate(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        key: &str,
        value: Option<&str>,
    ) -> Outcome {
        self.patch(
            namespace,
            kind,
            name,
            &json!({"metadata": {"annotations": {key: value}}}),
            &[],
        )
    }

    pub(crate) fn delete(&self, namespace: &str, kind: &str, name: &str) -> Outcome {
        self.kubectl(
            &[
                "-n",
                namespace,
                "delete",
                kind,
                name,
                "--wait=false",
                "--grace-period=1",
            ],
            None,
        )
    }

    #[track_caller]
    pub(crate) fn get(&self, namespace: &str, kind: &str, name: &str) -> Value {
        self.kubectl(&["-n", namespace, "get", kind, name, "-o", "json"], None)
            .accepted()
            .json()
    }

    pub(crate) fn exists(&self, namespace: &str, kind: &str, name: &str) -> bool {
        !self.found(namespace, kind, name).is_empty()
    }

    /// An object as it is, or nothing.
    fn found(&self, namespace: &str, kind: &str, name: &str) -> String {
        let object = ["-n", namespace, "get", kind, name];
        let args = [&object[..], &["-o", "json", "--ignore-not-found"]].concat();
        let found = self.kubectl(&args, None).accepted().stdout;
        found.trim().to_owned()
    }

    /// The objects of a kind in a namespace.
    #[track_caller]
    pub(crate) fn list(&self, namespace: &str, kind: &str) -> Vec<Value> {
        let mut list = self
            .kubectl(&["-n", namespace, "get", kind, "-o", "json"], None)
            .accepted()
            .json();
        list["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    // --- waiting ----------------------------------------------------------------------------------

    /// The node of a Pod, as soon as it runs there.
    pub(crate) fn scheduled_on(&self, namespace: &str, pod: &str) -> String {
        eventually(&format!("Pod {namespace}/{pod} to run"), || {
            let pod = self.get(namespace, "pod", pod);
            match (
                pod["status"]["phase"].as_str(),
                pod["spec"]["nodeName"].as_str(),
            ) {
                (Some("Running"), Some(node)) => Ok(node.to_owned()),
                _ => Err(pod["status"].to_string()),
            }
        })
    }

    /// Waits until the scheduler has said that it finds no node.
    pub(crate) fn unschedulable(&self, namespace: &str, pod: &str) {
        eventually(&format!("Pod {namespace}/{pod} to find no node"), || {
            let pod = self.get(namespace, "pod", pod);
            let conditions = pod["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if conditions.iter().any(|c| c["reason"] == "Unschedulable") {
                Ok(())
            } else {
                Err(pod["status"].to_string())
            }
        });
    }

    /// Defines a kind that nothing acts on here, and returns the name of its definition.
    pub(crate) fn define(&self, group: &str, plural: &str, kind: &str) -> String {
        self.create(&objects::definition(group, plural, kind))
            .accepted();
        let name = format!("{plural}.{group}");
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            &name,
        ];
        self.kubectl(&wait, None).accepted();
        name
    }

    /// Waits until an object is gone.
    pub(crate) fn gone(&self, namespace: &str, kind: &str, name: &str) {
        eventually(&format!("{kind} {namespace}/{name} to be gone"), || {
            let left = self.found(namespace, kind, name);
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    }

    /// Waits until the watch has told of every network, so that none is looked up any more.
    pub(crate) fn informed(&self) {
        eventually("every network to be known", || {
            let all = ["get", objects::NAD, "--all-namespaces", "-o", "name"];
            let stored = self.kubectl(&all, None).accepted().stdout.lines().count();
            let known = self.metrics().sum("multinic_networks", &[]);
            if u64::try_from(stored).is_ok_and(|stored| stored == known) {
                Ok(())
            } else {
                Err(format!("{known} of {stored} are"))
            }
        });
    }

    /// Waits until a network is known no more: only the watch can say that it is gone.
    pub(crate) fn forgotten(&self, namespace: &str, network: &str) {
        eventually(
            &format!("network {namespace}/{network} to be missed"),
            || {
                let dry = ["create", "--dry-run=server", "-f", "-"];
                let probe = self.kubectl(&dry, Some(&objects::pod(namespace, "probe", network)));
                if probe.stderr.contains("missing-network: ") {
                    Ok(())
                } else {
                    Err(probe.to_string())
                }
            },
        );
    }

    /// The first line of the first event about an object that has this reason.
    pub(crate) fn event(&self, namespace: &str, object: &str, reason: &str) -> String {
        eventually(
            &format!("an event {reason} about {namespace}/{object}"),
            || {
                let events = self.list(namespace, "events");
                let found = events.iter().find(|e| {
                    e["reason"] == reason
                        && e["involvedObject"]["name"]
                            .as_str()
                            .is_some_and(|n| n.starts_with(object))
                });
                let message = found
                    .and_then(|e| e["message"].as_str())
                    .and_then(|m| m.lines().next());
                message
                    .map(str::to_owned)
                    .ok_or_else(|| format!("{} other events", events.len()))
            },
        )
    }

    /// Waits until no controller writes any more: nothing changes for a moment.
    pub(crate) fn settle(&self) {
        let version = || {
            self.kubectl(&["get", "--raw", "/api/v1/pods"], None)
                .accepted()
                .stdout
        };
        eventually("the cluster to come to rest", || {
            let before = version();
            std::thread::sleep(Duration::from_millis(300));
            if pods_of(&before) == pods_of(&version()) {
                Ok(())
            } else {
                Err("Pods still change".to_owned())
            }
        });
    }
}

/// Names and versions of the Pods in a list.
fn pods_of(list: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(list).unwrap_or_default();
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    pods.into_iter()
        .map(|pod| json!([pod["metadata"]["name"], pod["metadata"]["resourceVersion"]]))
        .collect()
}
