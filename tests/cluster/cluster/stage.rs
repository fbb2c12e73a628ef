//! Setting the stage: nodes, namespaces, the release, multinic itself.

use std::{fs, path::PathBuf, sync::MutexGuard};

use serde_json::{Value, json};

use super::{Cluster, SYSTEM, lock};
use crate::{
    control_plane::ControlPlane,
    kubectl::{Calls, Outcome},
    objects,
    process::{eventually, tail},
    programs,
    server::{Metrics, Server, Settings},
};

impl Cluster {
    /// Makes a namespace in which Pods can be made.
    pub(crate) fn namespace(&self, name: &str) {
        self.kubectl(&["create", "namespace", name], None)
            .accepted();
        eventually(&format!("the ServiceAccount of namespace {name}"), || {
            if self.exists(name, "serviceaccount", "default") {
                Ok(())
            } else {
                Err("none".to_owned())
            }
        });
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
            // A scenario changes the definition by hand.
            "--force-conflicts",
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
        eventually("the API server to call nobody", || {
            let probe = self.probe();
            if probe.accepted && probe.calls.unwrap_or_default() == Calls::default() {
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
    }

    /// Puts right what a scenario that failed left behind: a foreign release, a dead server, controllers that retry.
    pub(crate) fn restore(&self) {
        self.plane()
            .start_api_server()
            .expect("start the API server");
        self.plane().wait_for_api_server();
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
                self.gone("default", "namespace", name);
            }
        }
        self.proxy.open();
        self.reinstall(&[]);
    }

    /// Waits until the API server calls both webhooks. It reads their configurations one by one, and what it calls
    /// may have been another multinic a moment ago.
    pub(crate) fn wait_until_registered(&self) {
        eventually("the API server to call the webhooks", || {
            let probe = self.probe();
            let both = probe
                .calls
                .is_some_and(|calls| calls.mutate > 0 && calls.validate > 0);
            if both && probe.stderr.contains("isolated-network") {
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

    pub(super) fn server(&self) -> MutexGuard<'_, Option<Server>> {
        lock(&self.server)
    }

    /// Starts multinic, in place of one that runs, and waits until it is ready and called.
    pub(crate) fn start_server(&self, config: &str) {
        self.kill_server();
        let mut server = Server::start(&self.settings, config);
        server.wait_until_ready();
        *self.server() = Some(server);
        self.wait_until_registered();
    }

    pub(crate) fn ready(&self) -> Result<(), String> {
        self.server()
            .as_ref()
            .map_or_else(|| Err("it does not run".to_owned()), Server::ready)
    }

    /// The process of multinic.
    pub(crate) fn server_id(&self) -> u32 {
        self.server().as_ref().expect("multinic was started").id()
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
    pub(super) fn server_identity(&self) {
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

    pub(super) fn nodes(&self) {
        for node in objects::nodes() {
            self.create(&node).accepted();
        }
        eventually("the nodes to be ready", || {
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
