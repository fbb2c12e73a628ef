//! etcd, kube-apiserver, kube-scheduler, kube-controller-manager and, where there are no real nodes, kwok.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::{
    pki::{Identity, Pki},
    process::{Process, eventually, free_port, tail},
};

/// Where a control plane is reached, and what it has besides.
#[derive(Debug)]
pub(crate) struct Site {
    /// The address on which the API server listens.
    pub(crate) bind: &'static str,
    /// The address at which its clients reach it.
    pub(crate) host: &'static str,
    /// The port on which the API server listens.
    pub(crate) port: u16,
    /// Flags of the API server beside those that every control plane has.
    pub(crate) flags: Vec<String>,
    /// Whether kwok keeps the nodes and their Pods.
    pub(crate) fake_nodes: bool,
}

impl Site {
    /// A control plane on the loopback interface, whose nodes are fake.
    pub(crate) fn loopback() -> Self {
        Self {
            bind: "127.0.0.1",
            host: "127.0.0.1",
            port: free_port(),
            flags: Vec::new(),
            fake_nodes: true,
        }
    }
}

/// A whole control plane; dropping it ends it.
pub(crate) struct ControlPlane {
    programs: PathBuf,
    folder: PathBuf,
    pub(crate) pki: Pki,
    site: Site,
    pub(crate) api_server_args: Vec<String>,
    api_server: Option<Process>,
    // Dropped after the API server, in this order.
    others: Vec<Process>,
    /// The URL of etcd.
    pub(crate) etcd: String,
}

impl ControlPlane {
    /// Starts all of it and waits until it serves.
    pub(crate) fn start(programs: &Path, folder: &Path, site: Site) -> io::Result<Self> {
        fs::create_dir_all(folder.join("logs"))?;
        let mut plane = Self {
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            pki: Pki::new(&folder.join("pki"))?,
            site,
            api_server_args: Vec::new(),
            api_server: None,
            others: Vec::new(),
            etcd: String::new(),
        };
        let etcd = plane.start_etcd()?;
        let accounts = plane.pki.bare_key("service-accounts")?;
        plane.etcd.clone_from(&etcd);
        plane.api_server_args = plane.api_server_args(&etcd, &accounts)?;
        plane.start_api_server()?;
        plane.kubeconfig("admin", "admin", Some("system:masters"))?;
        plane.wait_for_api_server();
        plane.start_controllers(&accounts)?;
        Ok(plane)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.site.host, self.site.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.site.port
    }

    /// How the API server shows itself to webhooks: multinic lets in nobody else.
    pub(crate) fn caller(&self) -> Identity {
        self.pki.identity("webhook-caller")
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The kubeconfig of a user who may do everything.
    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    pub(crate) fn stop_api_server(&mut self) {
        if let Some(mut server) = self.api_server.take() {
            server.stop(Duration::from_secs(20));
        }
    }

    /// Starts the API server, unless it runs.
    pub(crate) fn start_api_server(&mut self) -> io::Result<()> {
        if self.api_server.as_mut().is_some_and(Process::running) {
            return Ok(());
        }
        let server = self.process("kube-apiserver", &self.api_server_args)?;
        self.api_server = Some(server);
        Ok(())
    }

    /// Stops the API server for a while, as a machine that hangs would, and lets it go on.
    pub(crate) fn pause_api_server(&self, time: Duration) {
        if let Some(server) = &self.api_server {
            server.signal("STOP");
            std::thread::sleep(time);
            server.signal("CONT");
        }
    }

    pub(crate) fn wait_for_api_server(&mut self) {
        let (kubectl, admin) = (self.program("kubectl"), self.admin());
        let server = self.api_server.as_mut().expect("it was started");
        eventually("the API server to be ready", || {
            assert!(
                server.running(),
                "the API server ended: {}",
                tail(server.log(), 0)
            );
            let output = Command::new(&kubectl)
                .args(["--kubeconfig".as_ref(), admin.as_os_str()])
                .args(["get", "--raw", "/readyz"])
                .output()
                .map_err(|e| e.to_string())?;
            if output.status.success() {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&output.stderr).into_owned())
            }
        });
    }

    /// Writes a kubeconfig for a user with a certificate.
    pub(crate) fn kubeconfig(
        &self,
        file: &str,
        user: &str,
        group: Option<&str>,
    ) -> io::Result<PathBuf> {
        let Identity { cert, key } = self.pki.client(file, user, group)?;
        self.write_kubeconfig(
            file,
            &json!({"client-certificate": cert, "client-key": key}),
        )
    }

    /// Writes a kubeconfig for a user with these credentials.
    pub(crate) fn write_kubeconfig(
        &self,
        file: &str,
        user: &serde_json::Value,
    ) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("{file}.kubeconfig"));
        let cluster = json!({"server": self.url(), "certificate-authority": self.pki.ca()});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        fs::write(&path, config.to_string())?;
        Ok(path)
    }

    fn process(&self, program: &str, args: &[String]) -> io::Result<Process> {
        let log = self.logs().join(format!("{program}.log"));
        Process::start(&self.program(program), args, &log)
    }

    fn start_etcd(&mut self) -> io::Result<String> {
        let client = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
        let args = [
            format!("--data-dir={}", self.folder.join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--unsafe-no-fsync".to_owned(),
            "--logger=zap".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        let etcd = self.process("etcd", &args)?;
        self.others.push(etcd);
        Ok(client)
    }

    fn api_server_args(&self, etcd: &str, accounts: &Identity) -> io::Result<Vec<String>> {
        let server = self.pki.server(
            "apiserver",
            &["localhost", "kubernetes", "kubernetes.default.svc"],
        )?;
        let caller = self.pki.client("webhook-caller", "kube-apiserver", None)?;
        let user = json!({"client-certificate": caller.cert, "client-key": caller.key});
        let to_webhooks = self.folder.join("webhooks.kubeconfig");
        fs::write(
            &to_webhooks,
            json!({"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]})
                .to_string(),
        )?;
        let admission = self.folder.join("admission.json");
        let plugin = |name: &str| {
            json!({"name": name, "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": to_webhooks,
            }})
        };
        fs::write(
            &admission,
            json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
                "plugins": [plugin("MutatingAdmissionWebhook"), plugin("ValidatingAdmissionWebhook")]})
            .to_string(),
        )?;
        let to_kubelets =
            self.pki
                .client("kubelet-caller", "kube-apiserver", Some("system:masters"))?;
        let mut args = vec![
            format!("--etcd-servers={etcd}"),
            format!("--secure-port={}", self.site.port),
            format!("--bind-address={}", self.site.bind),
            format!("--advertise-address={}", self.site.host),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            format!("--service-account-issuer={}", self.url()),
            format!("--service-account-key-file={}", accounts.cert.display()),
            format!(
                "--service-account-signing-key-file={}",
                accounts.key.display()
            ),
            format!("--client-ca-file={}", self.pki.ca().display()),
            format!("--tls-cert-file={}", server.cert.display()),
            format!("--tls-private-key-file={}", server.key.display()),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
            format!("--admission-control-config-file={}", admission.display()),
            format!(
                "--kubelet-client-certificate={}",
                to_kubelets.cert.display()
            ),
            format!("--kubelet-client-key={}", to_kubelets.key.display()),
        ];
        args.extend(self.site.flags.iter().cloned());
        Ok(args)
    }

    fn start_controllers(&mut self, accounts: &Identity) -> io::Result<()> {
        let manager =
            self.kubeconfig("controller-manager", "system:kube-controller-manager", None)?;
        let scheduler = self.kubeconfig("scheduler", "system:kube-scheduler", None)?;
        let serving = |config: &Path| {
            vec![
                format!("--kubeconfig={}", config.display()),
                format!("--authentication-kubeconfig={}", config.display()),
                format!("--authorization-kubeconfig={}", config.display()),
                "--leader-elect=false".to_owned(),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={}", free_port()),
            ]
        };
        let mut args = serving(&manager);
        args.push(format!(
            "--service-account-private-key-file={}",
            accounts.key.display()
        ));
        args.push(format!("--root-ca-file={}", self.pki.ca().display()));
        args.push("--use-service-account-credentials=true".to_owned());
        let mut started = vec![
            self.process("kube-controller-manager", &args)?,
            self.process("kube-scheduler", &serving(&scheduler))?,
        ];
        if self.site.fake_nodes {
            started.push(self.process(
                "kwok",
                &[
                    format!("--kubeconfig={}", self.admin().display()),
                    "--manage-all-nodes=true".to_owned(),
                    // Without leases the node controller takes the zone for disrupted after a while.
                    "--node-lease-duration-seconds=40".to_owned(),
                    format!("--server-address=127.0.0.1:{}", free_port()),
                ],
            )?);
        }
        self.others.extend(started);
        Ok(())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.stop_api_server();
        // Those that use etcd before etcd.
        while let Some(mut process) = self.others.pop() {
            process.stop(Duration::from_secs(2));
        }
    }
}
