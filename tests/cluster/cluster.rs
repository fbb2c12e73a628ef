//! The cluster that the scenarios share: a control plane, three nodes, the chart installed, multinic running.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    kubectl::Outcome,
    objects,
    process::{eventually, free_port, tail},
    programs,
    proxy::Proxy,
    server::{Metrics, Server, Settings},
};

/// The namespace of the release.
pub(crate) const SYSTEM: &str = "multinic-system";

const PATIENCE: Duration = Duration::from_secs(20);

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
        let plane = ControlPlane::start(&programs::folder()?, folder).map_err(fault)?;
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
        cluster.wait_until_registered();
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
        let found = self.kubectl(
            &[
                "-n",
                namespace,
                "get",
                kind,
                name,
                "-o",
                "name",
                "--ignore-not-found",
            ],
            None,
        );
        !found.accepted().stdout.trim().is_empty()
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
        eventually(&format!("Pod {namespace}/{pod} to run"), PATIENCE, || {
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
        eventually(
            &format!("Pod {namespace}/{pod} to find no node"),
            PATIENCE,
            || {
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
            },
        );
    }

    /// Waits until an object is gone.
    pub(crate) fn gone(&self, namespace: &str, kind: &str, name: &str) {
        eventually(
            &format!("{kind} {namespace}/{name} to be gone"),
            Duration::from_mins(1),
            || {
                let args = [
                    "-n",
                    namespace,
                    "get",
                    kind,
                    name,
                    "-o",
                    "json",
                    "--ignore-not-found",
                ];
                let left = self.kubectl(&args, None).accepted().stdout;
                if left.trim().is_empty() {
                    Ok(())
                } else {
                    Err(left)
                }
            },
        );
    }

    /// The first line of the first event about an object that has this reason.
    pub(crate) fn event(&self, namespace: &str, object: &str, reason: &str) -> String {
        eventually(
            &format!("an event {reason} about {namespace}/{object}"),
            PATIENCE,
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
        eventually("the cluster to come to rest", PATIENCE, || {
            let before = version();
            std::thread::sleep(Duration::from_millis(300));
            if pods_of(&before) == pods_of(&version()) {
                Ok(())
            } else {
                Err("Pods still change".to_owned())
            }
        });
    }

    // --- the stage --------------------------------------------------------------------------------

    /// Makes a namespace in which Pods can be made.
    pub(crate) fn namespace(&self, name: &str) {
        self.kubectl(&["create", "namespace", name], None)
            .accepted();
        eventually(
            &format!("the ServiceAccount of namespace {name}"),
            PATIENCE,
            || {
                if self.exists(name, "serviceaccount", "default") {
                    Ok(())
                } else {
                    Err("none".to_owned())
                }
            },
        );
    }

    pub(crate) fn delete_namespace(&self, name: &str) -> Outcome {
        self.kubectl(&["delete", "namespace", name, "--wait=false"], None)
    }

    /// Installs or upgrades the release.
    pub(crate) fn install(&self, values: &[&str]) -> Outcome {
        let chart = programs::chart().display().to_string();
        let url = format!("webhook.url={}", self.url());
        let ca = format!(
            "certificates.caBundle={}",
            self.settings.client_ca.display()
        );
        let mut args = vec![
            "upgrade",
            "--install",
            "multinic",
            &chart,
            "--namespace",
            SYSTEM,
            "--create-namespace",
        ];
        args.extend([
            "--set",
            "crds.install=true",
            "--set",
            &url,
            "--set-file",
            &ca,
        ]);
        args.extend(values.iter().flat_map(|v| ["--set", v]));
        self.helm(&args).accepted()
    }

    pub(crate) fn uninstall(&self) {
        self.helm(&["uninstall", "multinic", "--namespace", SYSTEM, "--wait"])
            .accepted();
        eventually("the API server to call nobody", PATIENCE, || {
            let probe = self.probe();
            if probe.accepted {
                Ok(())
            } else {
                Err(probe.to_string())
            }
        });
    }

    /// Installs the release after it was away, for a multinic that starts anew: the token of a `ServiceAccount` that
    /// was deleted is worth nothing.
    pub(crate) fn reinstall(&self, values: &[&str]) {
        self.install(values);
        self.server_identity();
        self.start_server("{}");
        self.wait_until_registered();
    }

    /// Puts right what a scenario that failed left behind: a foreign release, a dead server, controllers that retry.
    pub(crate) fn restore(&self) {
        for release in self.helm(&["list", "-A", "-q"]).stdout.lines() {
            for namespace in [SYSTEM, "multinic-inside"] {
                self.helm(&["uninstall", release, "--namespace", namespace]);
            }
        }
        let kept = [
            "default",
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "team-a",
            "team-b",
            SYSTEM,
        ];
        for namespace in self.list("default", "namespaces") {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            if !kept.contains(&name) {
                self.delete_namespace(name);
            }
        }
        self.proxy.open();
        self.reinstall(&[]);
    }

    /// Waits until the API server calls multinic, or whatever is registered in its place.
    pub(crate) fn wait_until_registered(&self) {
        eventually("the API server to call the webhooks", PATIENCE, || {
            let probe = self.probe();
            let refused = ["isolated-network", "failed calling webhook"]
                .iter()
                .any(|w| probe.stderr.contains(w));
            if refused {
                Ok(())
            } else {
                Err(probe.to_string())
            }
        });
    }

    /// Asks for what is always refused, without storing it.
    pub(crate) fn probe(&self) -> Outcome {
        let pod = objects::pod("default", "probe", "nobody-s/network");
        self.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&pod))
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.settings.port)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    pub(crate) fn plane(&self) -> MutexGuard<'_, ControlPlane> {
        lock(&self.plane)
    }

    // --- multinic ---------------------------------------------------------------------------------

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        lock(&self.server)
    }

    /// Starts multinic, in place of one that runs, and waits until it is ready.
    pub(crate) fn start_server(&self, config: &str) {
        self.start_server_unready(config);
        if let Some(server) = self.server().as_mut() {
            server.wait_until_ready();
        }
    }

    /// Starts multinic, in place of one that runs.
    pub(crate) fn start_server_unready(&self, config: &str) {
        self.kill_server();
        *self.server() = Some(Server::start(&self.settings, config));
    }

    pub(crate) fn wait_until_ready(&self) {
        self.server()
            .as_mut()
            .expect("multinic was started")
            .wait_until_ready();
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        self.server()
            .as_ref()
            .map_or_else(|| Err("it does not run".to_owned()), Server::ready)
    }

    /// Every replica is dead.
    pub(crate) fn kill_server(&self) {
        if let Some(mut server) = self.server().take() {
            server.kill();
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.server()
            .as_ref()
            .expect("multinic was started")
            .metrics()
    }

    /// What multinic has logged, from a place on.
    pub(crate) fn log(&self, from: u64) -> String {
        tail(&self.folder.join("logs/multinic.log"), from)
    }

    pub(crate) fn log_end(&self) -> u64 {
        fs::metadata(self.folder.join("logs/multinic.log")).map_or(0, |m| m.len())
    }

    /// multinic runs with the rights that the chart gives its `ServiceAccount`, and no others.
    fn server_identity(&self) {
        let token = self
            .kubectl(
                &[
                    "-n",
                    SYSTEM,
                    "create",
                    "token",
                    "multinic",
                    "--duration=24h",
                ],
                None,
            )
            .accepted();
        let user = json!({"token": token.stdout.trim()});
        let plane = self.plane();
        let path = plane
            .write_kubeconfig("multinic", &user)
            .expect("write a kubeconfig");
        let text = fs::read_to_string(&path)
            .expect("read it")
            .replace(&plane.url(), &self.proxy.url());
        fs::write(path, text).expect("write it");
    }

    fn nodes(&self) {
        for node in objects::nodes() {
            self.create(&node).accepted();
        }
        eventually("the nodes to be ready", Duration::from_mins(1), || {
            let nodes = self.list("default", "nodes");
            let ready = |n: &Value| {
                let conditions = n["status"]["conditions"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                conditions
                    .iter()
                    .any(|c| c["type"] == "Ready" && c["status"] == "True")
                    && n["spec"]["taints"].is_null()
            };
            if nodes.iter().all(ready) {
                Ok(())
            } else {
                Err(format!("{nodes:?}"))
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
