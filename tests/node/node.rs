//! A node: a network, mounts and control groups of its own, in which containerd and a kubelet run.
//!
//! | network | |
//! |---|---|
//! | `lan` | 10.77.0.1/24 is the control plane and 10.77.0.10+N node N, whose Pods have 10.88.N.0/24 |
//! | `fabric` | joins the interfaces of the nodes that additional networks use |

use std::{
    collections::BTreeMap,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    machine::{group, hierarchies, ip, run},
    process::{Process, eventually},
};

/// The address of the control plane in the network of the nodes.
pub(crate) const GATEWAY: &str = "10.77.0.1";

/// The image of every sandbox, and of the containers of the tests' own Pods.
pub(crate) const PAUSE: &str = "multinic.test/pause:1";

/// What a node is to be.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Counted from 1.
    pub(crate) number: u8,
    /// The network interfaces that it has for additional networks.
    pub(crate) interfaces: &'static [&'static str],
    /// Labels that it has, as the flag of the kubelet writes them.
    pub(crate) labels: &'static str,
}

/// The files that a node needs.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    /// What is written while the cluster runs, with the folder of logs.
    pub(crate) folder: &'a Path,
    /// The programs of a node.
    pub(crate) programs: &'a Path,
    /// The certificate of the authority that signed the clients.
    pub(crate) ca: &'a Path,
    /// The kubeconfig of this node.
    pub(crate) kubelet: &'a Path,
    /// The kubeconfig of Multus.
    pub(crate) multus: &'a Path,
    /// The kubeconfig of whereabouts.
    pub(crate) whereabouts: &'a Path,
}

/// A running node; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    folder: PathBuf,
    address: Ipv4Addr,
    plan: Plan,
    // Dropped in this order.
    kubelet: Option<Process>,
    containerd: Option<Process>,
    /// Keeps the namespaces.
    holder: Process,
}

/// Makes the two networks and the address of the Service `kubernetes`, which nodes and Pods reach
/// without kube-proxy.
pub(crate) fn networks(service: &str) -> io::Result<()> {
    for words in [
        "link set lo up",
        "link add lan type bridge",
        &format!("address add {GATEWAY}/24 dev lan"),
        &format!("address add {service}/32 dev lan"),
        "link set lan up",
        "link add fabric type bridge",
        "link set fabric up",
        "route add default dev lan",
    ] {
        ip(words)?;
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")
}

impl Node {
    /// Starts the node up to containerd.
    pub(crate) fn start(plan: Plan, files: &Files<'_>) -> io::Result<Self> {
        let name = format!("node-{}", plan.number);
        let folder = files.folder.join(&name);
        fs::create_dir_all(&folder)?;
        let logs = files.folder.join("logs");
        let holder = Process::start(
            Path::new("unshare"),
            &[
                "--net",
                "--mount",
                "--propagation",
                "private",
                "sleep",
                "infinity",
            ]
            .map(str::to_owned),
            &logs.join(format!("{name}.log")),
        )?;
        let mut node = Self {
            name,
            folder,
            address: Ipv4Addr::new(10, 77, 0, 10 + plan.number),
            plan,
            kubelet: None,
            containerd: None,
            holder,
        };
        node.wait_for_namespaces();
        node.connect()?;
        node.groups(&group(files.folder))?;
        node.configure(files)?;
        node.mount(files.programs)?;
        let config = node.folder.join("containerd.toml");
        let containerd = node.process(
            files,
            "containerd",
            &["--config".to_owned(), config.display().to_string()],
        )?;
        node.containerd = Some(containerd);
        Ok(node)
    }

    /// Waits for containerd and gives it the images.
    pub(crate) fn import(&self, images: &[PathBuf]) -> io::Result<()> {
        eventually(&format!("containerd of {} to serve", self.name), || {
            run(self.command("ctr").arg("version")).map_err(|e| e.to_string())
        });
        for image in images {
            let import = ["--namespace", "k8s.io", "images", "import", "--local"];
            run(self.command("ctr").args(import).arg(image))?;
        }
        Ok(())
    }

    /// Starts the kubelet.
    pub(crate) fn join(&mut self, files: &Files<'_>) -> io::Result<()> {
        let args = [
            format!("--config={}", self.folder.join("kubelet.json").display()),
            format!("--kubeconfig={}", files.kubelet.display()),
            format!("--hostname-override={}", self.name),
            format!("--node-ip={}", self.address),
            format!("--node-labels={}", self.plan.labels),
            format!("--cert-dir={}", self.folder.display()),
            "--v=2".to_owned(),
        ];
        self.kubelet = Some(self.process(files, "kubelet", &args)?);
        Ok(())
    }

    /// A command that runs where the node is.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.enter()).arg(program);
        command
    }

    fn enter(&self) -> [String; 4] {
        let target = format!("--target={}", self.holder.id());
        [
            target,
            "--net".to_owned(),
            "--mount".to_owned(),
            "--".to_owned(),
        ]
    }

    fn process(&self, files: &Files<'_>, program: &str, args: &[String]) -> io::Result<Process> {
        let log = format!("{program}-{}.log", self.name);
        let all = [&self.enter()[..], &[program.to_owned()], args].concat();
        Process::start(
            Path::new("nsenter"),
            &all,
            &files.folder.join("logs").join(log),
        )
    }

    fn wait_for_namespaces(&self) {
        let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt"));
        let (holder, own) = (self.holder.id().to_string(), of("self"));
        eventually(&format!("the namespaces of {}", self.name), || {
            match (of(&holder), &own) {
                (Ok(its), Ok(ours)) if its != *ours => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    fn connect(&self) -> io::Result<()> {
        let Plan {
            number, interfaces, ..
        } = self.plan;
        let holder = self.holder.id();
        for (interface, bridge) in interfaces
            .iter()
            .map(|i| (*i, "fabric"))
            .chain([("node0", "lan")])
        {
            let outside = format!("{interface}-{number}");
            ip(&format!(
                "link add {outside} type veth peer name {interface} netns {holder}"
            ))?;
            ip(&format!("link set {outside} master {bridge} up"))?;
            self.ip(&format!("link set {interface} up"))?;
        }
        let address = self.address;
        // Whoever wants to reach a Pod asks its node.
        ip(&format!("route add 10.88.{number}.0/24 via {address}"))?;
        self.ip("link set lo up")?;
        self.ip(&format!("address add {address}/24 dev node0"))?;
        self.ip(&format!("route add default via {GATEWAY}"))?;
        run(self
            .command("sysctl")
            .args(["-qw", "net.ipv4.ip_forward=1"]))?;
        Ok(())
    }

    /// Runs `ip` on the node, with words that are separated by spaces.
    fn ip(&self, words: &str) -> io::Result<String> {
        run(self.command("ip").args(words.split_whitespace()))
    }

    /// Makes the control group below which the kubelet makes those of the Pods.
    fn groups(&self, run: &str) -> io::Result<()> {
        for hierarchy in hierarchies() {
            let group = hierarchy.join(run).join(&self.name);
            fs::create_dir_all(&group)?;
            // In version 1 a group has no processors and no memory until it is given some.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let of_all = hierarchy.join(file);
                if of_all.exists() && hierarchy.ends_with("cpuset") {
                    for group in [&hierarchy.join(run), &group] {
                        fs::write(group.join(file), fs::read(&of_all)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives the node the folders that kubelet, containerd and plugins use by default.
    fn mount(&self, programs: &Path) -> io::Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/mounts");
        run(self
            .command("bash")
            .arg(script)
            .arg(self.folder.join("root"))
            .arg(programs.join("cni"))
            .arg(self.folder.join("net.d")))?;
        Ok(())
    }

    fn configure(&self, files: &Files<'_>) -> io::Result<()> {
        let net = self.folder.join("net.d");
        fs::create_dir_all(net.join("whereabouts.d"))?;
        let configs: BTreeMap<PathBuf, Value> = BTreeMap::from([
            (self.folder.join("kubelet.json"), self.kubelet_config(files)),
            (net.join("00-multus.conf"), self.multus_config(files)),
            (
                net.join("whereabouts.d/whereabouts.conf"),
                json!({"datastore": "kubernetes", "kubernetes": {"kubeconfig": files.whereabouts}}),
            ),
        ]);
        for (path, config) in configs {
            fs::write(path, config.to_string())?;
        }
        let toml = format!(
            include_str!("containerd.toml"),
            pause = PAUSE,
            runc = files.programs.join("runc").display()
        );
        fs::write(self.folder.join("containerd.toml"), toml)
    }

    fn kubelet_config(&self, files: &Files<'_>) -> Value {
        let never = "0%";
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": self.address.to_string(),
            "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": false},
                "x509": {"clientCAFile": files.ca}},
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "resolvConf": "/dev/null",
            // Nobody answers there: multinic needs no DNS.
            "clusterDNS": ["10.0.0.10"], "clusterDomain": "cluster.local",
            "cgroupRoot": format!("/{}/{}", group(files.folder), self.name),
            "cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false,
            "enforceNodeAllocatable": ["none"], "localStorageCapacityIsolation": false,
            "evictionHard": {"memory.available": never, "nodefs.available": never, "nodefs.inodesFree": never,
                "imagefs.available": never, "imagefs.inodesFree": never},
            "imageGCHighThresholdPercent": 100,
            "nodeStatusUpdateFrequency": "5s",
            "maxPods": 200,
        })
    }

    /// Multus is the only network of the node; the cluster's network is its delegate.
    fn multus_config(&self, files: &Files<'_>) -> Value {
        let subnet = format!("10.88.{}.0/24", self.plan.number);
        json!({
            "cniVersion": "1.0.0", "name": "multus-cni-network", "type": "multus", "kubeconfig": files.multus,
            "logFile": files.folder.join("logs").join(format!("multus-{}.log", self.name)), "logLevel": "verbose",
            "capabilities": {"portMappings": true},
            "delegates": [{"cniVersion": "1.0.0", "name": "cluster", "plugins": [
                {"type": "bridge", "bridge": "cni0", "isGateway": true, "isDefaultGateway": true, "hairpinMode": true,
                 "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]}}
            ]}],
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for process in [&mut self.kubelet, &mut self.containerd] {
            if let Some(mut process) = process.take() {
                process.stop(Duration::from_secs(2));
            }
        }
    }
}
