//! The cluster that the scenarios share: a real control plane, two real nodes, and multinic in Pods
//! of its chart.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    api::{Access, Answer, Api, pods},
    control_plane::{ControlPlane, Site},
    kubectl::Outcome,
    node::{self, Files, Node, Plan},
    process::eventually,
    programs,
};

/// The namespace of the release.
pub(crate) const SYSTEM: &str = "multinic-system";

/// The repository of the image that the nodes hold.
pub(crate) const REPOSITORY: &str = "multinic.test/multinic";

/// The `ClusterIP` of the Service `kubernetes`.
const SERVICE: &str = "10.0.0.1";

pub(crate) struct Cluster {
    folder: PathBuf,
    pub(crate) api: Api,
    access: Access,
    installed: AtomicBool,
    // Dropped in this order: the nodes before the control plane.
    pub(crate) nodes: Vec<Node>,
    pub(crate) plane: ControlPlane,
}

impl Cluster {
    /// Starts everything but multinic in `folder`, and says how long each step took.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        Self::try_start(folder).map_err(|e| format!("the cluster does not start: {e}"))
    }

    fn try_start(folder: &Path) -> io::Result<Self> {
        let mut clock = Clock::start();
        node::networks(SERVICE)?;
        let site = Site {
            bind: "0.0.0.0",
            host: SERVICE,
            port: 443,
            // Webhooks behind a Service are called at the addresses of its Pods, without
            // kube-proxy.
            flags: vec![
                "--enable-aggregator-routing=true".to_owned(),
                "--enable-admission-plugins=NodeRestriction".to_owned(),
                // There is no DNS that knows the names of the nodes: logs are read by address.
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ],
            fake_nodes: false,
        };
        let plane =
            ControlPlane::start(&programs::folder().map_err(io::Error::other)?, folder, site)?;
        clock.step("control plane");
        let access = Access {
            port: plane.port(),
            ca: plane.pki.ca(),
            identity: plane.pki.identity("admin"),
        };
        let mut cluster = Self {
            folder: folder.to_owned(),
            api: Api::new(&access),
            access,
            installed: AtomicBool::new(false),
            nodes: Vec::new(),
            plane,
        };
        let nodes = folder.join("programs");
        for manifest in [
            programs::root().join("tests/node/cluster.yaml"),
            nodes.join("whereabouts.yaml"),
        ] {
            let manifest = manifest.display().to_string();
            cluster.kubectl(&["apply", "-f", &manifest]).accepted();
        }
        clock.step("definitions");
        cluster.start_nodes(&nodes)?;
        clock.step("containerd and images");
        eventually("both nodes to be ready", || cluster.nodes_ready());
        clock.step("nodes ready");
        for namespace in ["team-a", "team-b"] {
            cluster.namespace(namespace);
        }
        Ok(cluster)
    }

    fn start_nodes(&mut self, programs: &Path) -> io::Result<()> {
        let plane = &self.plane;
        let multus = plane.kubeconfig("multus", "multus", None)?;
        let whereabouts = plane.kubeconfig("whereabouts", "whereabouts", None)?;
        let ca = plane.pki.ca();
        let images = fs::read_dir(self.folder.join("images"))?;
        let images: Vec<_> = images.flatten().map(|entry| entry.path()).collect();
        for plan in [
            Plan {
                number: 1,
                interfaces: &["ens160", "ens192", "ens224"],
                labels: "nic=ens224,zone=a",
            },
            Plan {
                number: 2,
                interfaces: &["ens192", "ens224", "ens256"],
                labels: "nic=ens256,zone=b",
            },
        ] {
            let name = format!("node-{}", plan.number);
            let user = format!("system:node:{name}");
            let kubelet = plane.kubeconfig(&name, &user, Some("system:nodes"))?;
            let files = Files {
                folder: &self.folder,
                programs,
                ca: &ca,
                kubelet: &kubelet,
                multus: &multus,
                whereabouts: &whereabouts,
            };
            let mut node = Node::start(plan, &files)?;
            node.import(&images)?;
            node.join(&files)?;
            self.nodes.push(node);
        }
        Ok(())
    }

    fn nodes_ready(&self) -> Result<(), String> {
        let nodes = self.items("/api/v1/nodes");
        let ready = nodes.iter().filter(|n| condition(n, "Ready")).count();
        if ready == self.nodes.len() {
            Ok(())
        } else {
            Err(format!("{ready} are ready"))
        }
    }

    // --- commands
    // ---------------------------------------------------------------------------------

    /// Runs kubectl as the administrator.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Outcome {
        self.run("kubectl", args)
    }

    /// Runs helm as the administrator.
    pub(crate) fn helm(&self, args: &[impl AsRef<str>]) -> Outcome {
        let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
        self.run("helm", &args)
    }

    fn run(&self, program: &str, args: &[&str]) -> Outcome {
        let output = Command::new(self.plane.program(program))
            .args(args)
            .env("KUBECONFIG", self.plane.admin())
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .env("HELM_CACHE_HOME", self.folder.join("helm-cache"))
            .env("HELM_CONFIG_HOME", self.folder.join("helm-config"))
            .env("HELM_DATA_HOME", self.folder.join("helm-data"))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        Outcome {
            command: format!("{program} {}", args.join(" ")),
            accepted: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            calls: None,
        }
    }

    // --- objects
    // ----------------------------------------------------------------------------------

    /// Another client, with a connection of its own.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// A file of this run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self
            .api
            .get(path)
            .unwrap_or_else(|e| panic!("GET {path}: {e}"));
        assert!(answer.is_success(), "GET {path}: {}", answer.message());
        answer.body
    }

    #[track_caller]
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let mut list = self.get(path);
        let items = list["items"].as_array_mut().map(std::mem::take);
        items.unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, object: &Value) -> Answer {
        let answer = self.api.post(path, object);
        answer.unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }

    /// Creates an object, which has to be admitted.
    #[track_caller]
    pub(crate) fn create(&self, path: &str, object: &Value) {
        let answer = self.post(path, object);
        assert!(
            answer.is_success(),
            "POST {path}: {}\n{object}",
            answer.message()
        );
    }

    /// Makes a namespace in which Pods can be made.
    pub(crate) fn namespace(&self, name: &str) {
        self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        eventually(&format!("the ServiceAccount of namespace {name}"), || {
            let answer = self.api.get(&account).map_err(|e| e.to_string())?;
            if answer.is_success() {
                Ok(())
            } else {
                Err(answer.message())
            }
        });
    }

    /// Deletes a namespace and waits until its Pods are gone: CNI has to take back their interfaces
    /// first.
    pub(crate) fn delete_namespace(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{name}");
        let answer = self.api.delete(&path);
        let answer = answer.unwrap_or_else(|e| panic!("DELETE {path}: {e}"));
        assert!(answer.is_success(), "DELETE {path}: {}", answer.message());
        eventually(&format!("namespace {name} to be gone"), || {
            match self.api.get(&path) {
                Ok(answer) if answer.status == 404 => Ok(()),
                Ok(answer) => Err(answer.body["status"].to_string()),
                Err(e) => Err(e.to_string()),
            }
        });
    }

    /// Waits until a Pod runs, and returns it.
    pub(crate) fn running(&self, namespace: &str, name: &str) -> Value {
        eventually(&format!("Pod {namespace}/{name} to be ready"), || {
            let pod = self.get(&format!("{}/{name}", pods(namespace)));
            if condition(&pod, "Ready") {
                Ok(pod)
            } else {
                Err(format!(
                    "{}\n{}",
                    pod["status"],
                    self.events(namespace, name)
                ))
            }
        })
    }

    /// What the events about a Pod say.
    pub(crate) fn events(&self, namespace: &str, pod: &str) -> String {
        let about = format!(
            "/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name={pod}"
        );
        let events = self.items(&about);
        let text = |e: &Value| {
            let field = |name: &str| e[name].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", field("reason"), field("message"))
        };
        events.iter().map(text).collect::<Vec<_>>().join("\n")
    }

    // --- multinic
    // ---------------------------------------------------------------------------------

    /// Whether the chart is installed, by a scenario or by [`Self::installed`].
    pub(crate) fn is_installed(&self) -> bool {
        self.installed.load(Ordering::Acquire)
    }

    pub(crate) fn set_installed(&self, installed: bool) {
        self.installed.store(installed, Ordering::Release);
    }

    /// The running replicas that are not about to end.
    pub(crate) fn replicas(&self) -> Vec<Value> {
        let selector = "labelSelector=app.kubernetes.io/name=multinic";
        let mut replicas = self.items(&format!("{}?{selector}", pods(SYSTEM)));
        replicas.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        replicas
    }

    /// Waits until the roll of the Deployment has ended.
    pub(crate) fn rolled_out(&self) {
        let status = ["-n", SYSTEM, "rollout", "status", "deployment/multinic"];
        self.kubectl(&[&status[..], &["--timeout=120s"]].concat())
            .accepted();
    }

    /// Waits until the API server calls multinic, which refuses.
    pub(crate) fn wait_until_refusing(&self) {
        let pod = crate::load::pod("probe", "team-b/nothing");
        let path = format!("{}?dryRun=All", pods("team-a"));
        eventually("multinic to refuse an isolated network", || {
            let answer = self.api.post(&path, &pod).map_err(|e| e.to_string())?;
            match answer.message() {
                said if said.contains("isolated-network: ") => Ok(()),
                other => Err(other),
            }
        });
    }

    /// The last lines of every replica's log.
    pub(crate) fn log(&self) -> String {
        let selector = "--selector=app.kubernetes.io/name=multinic";
        let args = ["-n", SYSTEM, "logs", selector, "--prefix", "--tail=15"];
        let outcome = self.kubectl(&args);
        format!("{}{}", outcome.stdout, outcome.stderr)
    }
}

/// Whether a condition of an object is true.
pub(crate) fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|c| c["type"] == kind && c["status"] == "True")
}

/// Says how long the steps of the start take.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn step(&mut self, what: &str) {
        eprintln!("  {what}: {}", seconds(self.0.elapsed()));
        self.0 = Instant::now();
    }
}

/// A duration as people read it.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
