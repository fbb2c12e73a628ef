//! Replicas of multinic with built-in certificates, behind one address, under constant load.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    http::Client,
    pki::Identity,
    process::{Process, eventually, free_port, tail},
    programs,
    server::Metrics,
};

/// The namespace of everything here.
pub(crate) const NAMESPACE: &str = "certificates";
/// The Secret of the authorities.
pub(crate) const SECRET: &str = "authority";
/// The webhook configurations with the names of their entries.
pub(crate) const CONFIGURATIONS: [(&str, &[&str]); 2] = [
    ("mutating", &["one.certificates.test"]),
    (
        "validating",
        &[
            "two.certificates.test",
            "three.certificates.test",
            "four.certificates.test",
        ],
    ),
];
const NAME: &str = "certificates";
/// The field manager of who made the configurations.
pub(crate) const INSTALLER: &str = "installer";

/// A day in seconds.
pub(crate) const DAY: i64 = 86_400;

/// Everything that the scenarios of certificates share.
pub(crate) struct Fleet<'a> {
    cluster: &'a Cluster,
    api: Api,
    balancer: Balancer,
    folder: PathBuf,
    replicas: Vec<Replica>,
    extra: Vec<String>,
    started: usize,
}

/// One multinic.
pub(crate) struct Replica {
    process: Process,
    pub(crate) port: u16,
    admin: u16,
    pub(crate) log: PathBuf,
}

/// The API server, as the administrator uses it.
#[derive(Clone)]
pub(crate) struct Api {
    port: u16,
    ca: PathBuf,
    identity: Identity,
}

/// One address for all replicas that are ready, as a Service is.
struct Balancer {
    port: u16,
    backends: Arc<Mutex<Vec<u16>>>,
    ending: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// Calls that are made all the time, and what went wrong.
pub(crate) struct Load {
    ending: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    faults: Arc<Mutex<Vec<String>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

// --- the API server -------------------------------------------------------------------------------

impl Api {
    pub(crate) fn new(port: u16, ca: PathBuf, identity: Identity) -> Self {
        Self { port, ca, identity }
    }

    pub(crate) fn connect(&self) -> io::Result<Client> {
        Client::connect(self.port, &self.ca, Some(&self.identity))
    }

    /// Sends a request and reads the answer: status and object.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.send(method, path, "application/json", body)
    }

    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        eventually(&format!("{method} {path}"), || {
            let mut client = self.connect().map_err(|e| e.to_string())?;
            let answer = client.ask(method, path, kind, &body);
            let answer = answer.map_err(|e| e.to_string())?;
            let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
            Ok((answer.status(), json))
        })
    }

    #[track_caller]
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, object) = self.call(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {object}");
        object
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.done("GET", path, &Value::Null)
    }

    pub(crate) fn delete(&self, path: &str) {
        let (status, object) = self.call("DELETE", path, &Value::Null);
        assert!([200, 202, 404].contains(&status), "{path}: {object}");
    }

    /// Changes an object as somebody else would, until nobody writes in between.
    pub(crate) fn change(&self, path: &str, manager: &str, change: impl Fn(&mut Value)) {
        eventually(&format!("{path} to be changed"), || {
            let mut object = self.get(path);
            change(&mut object);
            let path = format!("{path}?fieldManager={manager}");
            let (status, answer) = self.call("PUT", &path, &object);
            (status == 200).then_some(()).ok_or(answer.to_string())
        });
    }
}

/// The path of a webhook configuration.
pub(crate) fn configuration(kind: &str) -> String {
    format!("/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/{NAME}")
}

pub(crate) fn secret() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}")
}

/// Rights on the Secret and on the configurations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    pub(crate) secret: &'static [&'static str],
    pub(crate) create: bool,
    pub(crate) mutating: &'static [&'static str],
    pub(crate) validating: &'static [&'static str],
}

impl Rights {
    pub(crate) const ALL: Self = Self {
        secret: &["get", "list", "watch", "update"],
        create: false,
        mutating: &["get", "list", "watch", "patch"],
        validating: &["get", "list", "watch", "patch"],
    };
}

// --- the fleet ------------------------------------------------------------------------------------

impl<'a> Fleet<'a> {
    /// Sets the stage: namespace, configurations without a bundle, an empty Secret, all rights.
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        let plane = cluster.plane();
        let api = Api::new(plane.port(), plane.pki.ca(), plane.pki.identity("admin"));
        let logs = plane.logs();
        drop(plane);
        if !cluster.exists("default", "namespace", NAMESPACE) {
            cluster.namespace(NAMESPACE);
        }
        let fleet = Self {
            cluster,
            api,
            balancer: Balancer::start().expect("a balancer"),
            folder: logs,
            replicas: Vec::new(),
            extra: Vec::new(),
            started: 0,
        };
        fleet.reset();
        fleet
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Further arguments of replicas that are started from now on.
    pub(crate) fn with(mut self, extra: &[&str]) -> Self {
        self.extra = extra.iter().map(|one| (*one).to_owned()).collect();
        self
    }

    pub(crate) fn set(&mut self, extra: &[&str]) {
        self.extra = extra.iter().map(|one| (*one).to_owned()).collect();
    }

    /// As after an installation.
    pub(crate) fn reset(&self) {
        for path in [
            secret(),
            configuration("mutating"),
            configuration("validating"),
        ] {
            self.api.delete(&path);
        }
        self.rights(Rights::ALL);
        self.api.done(
            "POST",
            &format!("/api/v1/namespaces/{NAMESPACE}/secrets"),
            &json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": SECRET, "labels": {"made-by": "installer"}}}),
        );
        for (kind, entries) in CONFIGURATIONS {
            self.register(kind, entries);
        }
    }

    /// Makes a webhook configuration with these entries.
    pub(crate) fn register(&self, kind: &str, entries: &[&str]) {
        let path = configuration(kind);
        let collection = path.rsplit_once('/').expect("a path").0.to_owned();
        let collection = format!("{collection}?fieldManager={INSTALLER}");
        self.api
            .done("POST", &collection, &self.registration(kind, entries));
    }

    pub(crate) fn registration(&self, kind: &str, entries: &[&str]) -> Value {
        let (title, path) = match kind {
            "mutating" => ("MutatingWebhookConfiguration", "mutate"),
            _ => ("ValidatingWebhookConfiguration", "validate"),
        };
        let url = format!("https://127.0.0.1:{}/{path}", self.balancer.port);
        let entry = |name: &&str| {
            json!({
                "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 20, "clientConfig": {"url": url},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
                    "operations": ["CREATE"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            })
        };
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": title,
            "metadata": {"name": NAME}, "webhooks": entries.iter().map(entry).collect::<Vec<_>>()})
    }

    /// Gives the replicas these rights, by name, and no others.
    pub(crate) fn rights(&self, rights: Rights) {
        let api = &self.api;
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let own = format!("{rbac}/namespaces/{NAMESPACE}");
        let rule = |group: &str, resource: &str, name: Option<&str>, verbs: &[&str]| {
            let mut rule = json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
            if let Some(name) = name {
                rule["resourceNames"] = json!([name]);
            }
            rule
        };
        let mut secrets = vec![rule("", "secrets", Some(SECRET), rights.secret)];
        if rights.create {
            secrets.push(rule("", "secrets", None, &["create"]));
        }
        let group = "admissionregistration.k8s.io";
        let of = |kind: &str, verbs: &[&str]| {
            rule(
                group,
                &format!("{kind}webhookconfigurations"),
                Some(NAME),
                verbs,
            )
        };
        let cluster = vec![
            rule(
                "k8s.cni.cncf.io",
                "network-attachment-definitions",
                None,
                &["get", "list", "watch"],
            ),
            of("mutating", rights.mutating),
            of("validating", rights.validating),
        ];
        let keep = |rules: Vec<Value>| -> Vec<Value> {
            let some = |rule: &Value| rule["verbs"].as_array().is_some_and(|all| !all.is_empty());
            rules.into_iter().filter(some).collect()
        };
        let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]);
        let meta = json!({"name": NAME});
        let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta});
        api.call("POST", &accounts, &account);
        let reference = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": NAME});
        for (collection, object) in [
            (
                format!("{own}/roles"),
                json!({"kind": "Role", "rules": keep(secrets)}),
            ),
            (
                format!("{own}/rolebindings"),
                json!({"kind": "RoleBinding", "roleRef": reference("Role"), "subjects": subject}),
            ),
            (
                format!("{rbac}/clusterroles"),
                json!({"kind": "ClusterRole", "rules": keep(cluster)}),
            ),
            (
                format!("{rbac}/clusterrolebindings"),
                json!({"kind": "ClusterRoleBinding", "roleRef": reference("ClusterRole"),
                    "subjects": subject}),
            ),
        ] {
            let mut object = object;
            object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
            object["metadata"] = meta.clone();
            let (status, answer) = api.call("PUT", &format!("{collection}/{NAME}"), &object);
            if status == 404 {
                api.done("POST", &collection, &object);
            } else {
                assert!((200..300).contains(&status), "{answer}");
            }
        }
    }

    /// Stores an authority that is so many seconds old and lasts for so long, and publishes it.
    pub(crate) fn seed(&self, age: i64, life: i64) -> Seed {
        let seed = Seed::new(age, life);
        let data = json!({
            "1.crt": BASE64_STANDARD.encode(&seed.certificate),
            "1.key": BASE64_STANDARD.encode(&seed.key),
        });
        self.api
            .change(&secret(), "test", |object| object["data"] = data.clone());
        for (kind, _) in CONFIGURATIONS {
            self.set_bundles(kind, &seed.certificate);
        }
        seed
    }

    /// Writes a text into the bundle of every entry of a configuration; nothing removes it.
    pub(crate) fn set_bundles(&self, kind: &str, text: &str) {
        self.api.change(&configuration(kind), "test", |object| {
            for entry in object["webhooks"].as_array_mut().into_iter().flatten() {
                set_bundle(entry, text);
            }
        });
    }

    // --- replicas ---------------------------------------------------------------------------------

    /// Starts so many replicas that log everything, and waits until they are ready.
    pub(crate) fn start_traced(&mut self, count: usize) {
        self.launch(count, &["RUST_LOG=trace"]);
        self.ready();
    }

    /// Starts so many replicas.
    pub(crate) fn start(&mut self, count: usize) {
        self.launch(count, &[]);
    }

    fn launch(&mut self, count: usize, environment: &[&str]) {
        let token = self.api.done(
            "POST",
            &format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{NAME}/token"),
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": 86_400}}),
        );
        let user = json!({"token": token["status"]["token"]});
        let kubeconfig = self.cluster.plane().write_kubeconfig(NAME, &user);
        let kubeconfig = kubeconfig.expect("write a kubeconfig");
        for _ in 0..count {
            self.started += 1;
            let (port, admin) = (free_port(), free_port());
            let log = self
                .folder
                .join(format!("certificates-{}.log", self.started));
            let _ = fs::remove_file(&log);
            let mut args = vec![
                "serve".to_owned(),
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--listen=127.0.0.1:{port}"),
                format!("--admin-listen=127.0.0.1:{admin}"),
                format!("--certificates-secret={NAMESPACE}/{SECRET}"),
                "--server-name=127.0.0.1".to_owned(),
                "--log-format=json".to_owned(),
            ];
            for (kind, _) in CONFIGURATIONS {
                args.push(format!("--webhook-configuration={kind}/{NAME}"));
            }
            args.extend(self.extra.iter().cloned());
            let program = programs::multinic().display().to_string();
            let words = environment.iter().map(|one| (*one).to_owned());
            let args: Vec<_> = words.chain([program]).chain(args).collect();
            let process = Process::start(Path::new("env"), &args, &log);
            self.replicas.push(Replica {
                process: process.expect("start multinic"),
                port,
                admin,
                log,
            });
        }
        self.balance();
    }

    /// Starts so many replicas and waits until they are ready; how long that took.
    pub(crate) fn start_ready(&mut self, count: usize) -> Duration {
        let start = Instant::now();
        self.start(count);
        self.ready();
        start.elapsed()
    }

    pub(crate) fn ready(&self) {
        for replica in &self.replicas {
            eventually("a replica to be ready", || {
                replica
                    .ready()
                    .map_err(|why| format!("{why}\n{}", replica.logged()))
            });
        }
        // The balancer sees it a moment later.
        thread::sleep(Duration::from_millis(300));
    }

    /// Every replica crashes.
    pub(crate) fn kill(&mut self) {
        for replica in &mut self.replicas {
            replica.process.kill();
        }
        self.replicas.clear();
        self.balance();
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Cuts every connection of an API server: the next call is made on a fresh one.
    pub(crate) fn cut(&self) {
        let mut open = self
            .balancer
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(open);
        // The API server notices a moment later.
        thread::sleep(Duration::from_millis(200));
    }

    fn balance(&self) {
        let ports = self.replicas.iter().map(|one| (one.port, one.admin));
        self.balancer.serve(ports.collect());
    }

    // --- what is seen -----------------------------------------------------------------------------

    /// The authorities in the Secret, the oldest first.
    pub(crate) fn authorities(&self) -> Vec<Vec<u8>> {
        let (_, object) = self.api.call("GET", &secret(), &Value::Null);
        let data = object["data"].as_object().cloned().unwrap_or_default();
        let certificates = data.iter().filter(|(name, _)| name.ends_with(".crt"));
        let decode = |(_, value): (&String, &Value)| {
            let pem = BASE64_STANDARD.decode(value.as_str().unwrap_or_default());
            CertificateDer::from_pem_slice(&pem.unwrap_or_default())
                .map(|der| der.to_vec())
                .unwrap_or_default()
        };
        certificates.map(decode).collect()
    }

    /// The bundle of each entry.
    pub(crate) fn bundles(&self) -> Vec<(String, Vec<u8>)> {
        bundles(&self.api).unwrap_or_default()
    }

    /// The certificates in each bundle.
    pub(crate) fn trusted(&self) -> Vec<Vec<Vec<u8>>> {
        let bundles = self.bundles();
        bundles.iter().map(|(_, pem)| certificates(pem)).collect()
    }

    /// Waits until every bundle holds exactly the authorities of the Secret, so many; and every
    /// replica serves under the newest of them.
    pub(crate) fn settled(&self, count: usize) {
        eventually(&format!("{count} authorities everywhere"), || {
            let authorities = self.authorities();
            let trusted = self.trusted();
            if authorities.len() != count {
                return Err(format!("{} authorities", authorities.len()));
            }
            let Some(newest) = authorities.last() else {
                return Err("no authority".to_owned());
            };
            if !trusted.iter().all(|one| *one == authorities) {
                let counts: Vec<_> = trusted.iter().map(Vec::len).collect();
                return Err(format!("certificates in the bundles: {counts:?}"));
            }
            for replica in &self.replicas {
                let chain = replica.chain().map_err(|e| e.to_string())?;
                verify(&chain[..1], std::slice::from_ref(newest))
                    .map_err(|why| format!("not under the newest: {why}"))?;
            }
            Ok(())
        });
    }

    /// Calls through the API server, and handshakes with every replica on fresh connections that are
    /// verified as the API server would: with the bundles as they are read.
    pub(crate) fn load(&self) -> Load {
        Load::start(self)
    }

    /// How long it takes until a call works.
    pub(crate) fn answers(&self) -> Duration {
        let start = Instant::now();
        eventually("a call to work", || {
            let mut client = self.api.connect().map_err(|e| e.to_string())?;
            call(&mut client)
        });
        start.elapsed()
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        self.kill();
        self.balancer.ending.store(true, Ordering::Release);
        for (kind, _) in CONFIGURATIONS {
            self.api.delete(&configuration(kind));
        }
    }
}

impl Replica {
    pub(crate) fn ready(&self) -> Result<(), String> {
        match self.admin("/readyz")? {
            (200, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::parse(&self.admin("/metrics").expect("metrics").1)
    }

    pub(crate) fn admin(&self, path: &str) -> Result<(u16, String), String> {
        crate::server::get(self.admin, path)
    }

    pub(crate) fn logged(&self) -> String {
        tail(&self.log, 0)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The chain that it shows.
    pub(crate) fn chain(&self) -> io::Result<Vec<CertificateDer<'static>>> {
        chain(self.port)
    }
}

// --- authorities made by tests --------------------------------------------------------------------

/// An authority in PEM.
pub(crate) struct Seed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Seed {
    pub(crate) fn new(age: i64, life: i64) -> Self {
        let mut params = CertificateParams::default();
        let name = format!("seed {age} {life}");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let now = std::time::SystemTime::now();
        let seconds = |n: i64| Duration::from_secs(n.unsigned_abs());
        // multinic takes it for as old as that: it dates its own back by a day.
        params.not_before = (now - seconds(age + DAY)).into();
        let ends = life - age;
        params.not_after = if ends < 0 {
            (now - seconds(ends)).into()
        } else {
            (now + seconds(ends)).into()
        };
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self {
            certificate,
            key: key.serialize_pem(),
        }
    }
}

// --- certificates ---------------------------------------------------------------------------------

pub(crate) fn set_bundle(entry: &mut Value, text: &str) {
    let config = entry["clientConfig"]
        .as_object_mut()
        .expect("a clientConfig");
    if text.is_empty() {
        config.remove("caBundle");
    } else {
        config.insert("caBundle".to_owned(), BASE64_STANDARD.encode(text).into());
    }
}

fn bundles(api: &Api) -> Option<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for (kind, _) in CONFIGURATIONS {
        let (status, object) = api.call("GET", &configuration(kind), &Value::Null);
        if status != 200 {
            return None;
        }
        for entry in object["webhooks"].as_array().into_iter().flatten() {
            let name = entry["name"].as_str().unwrap_or_default().to_owned();
            let bundle = entry["clientConfig"]["caBundle"]
                .as_str()
                .unwrap_or_default();
            all.push((name, BASE64_STANDARD.decode(bundle).unwrap_or_default()));
        }
    }
    Some(all)
}

pub(crate) fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    let all = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    all.map(|der| der.to_vec()).collect()
}

/// The chain that a server shows to whoever connects.
fn chain(port: u16) -> io::Result<Vec<CertificateDer<'static>>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    let chain = tls.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|one| one.clone().into_owned()).collect())
}

/// Whether a client with these roots trusts the chain for 127.0.0.1.
pub(crate) fn verify(chain: &[CertificateDer<'static>], trusted: &[Vec<u8>]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for der in trusted {
        roots
            .add(CertificateDer::from(der.clone()))
            .map_err(|e| e.to_string())?;
    }
    let (leaf, others) = chain.split_first().ok_or("no certificate")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().map_err(|e| e.to_string())?;
    let name = ServerName::try_from("127.0.0.1").map_err(|e| e.to_string())?;
    let now = rustls::pki_types::UnixTime::now();
    rustls::client::danger::ServerCertVerifier::verify_server_cert(
        &*verifier,
        leaf,
        others,
        &name,
        &[],
        now,
    )
    .map(|_| ())
    .map_err(|e| e.to_string())
}

/// Takes what it is shown, so that it can be looked at.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

// --- load -----------------------------------------------------------------------------------------

/// One Pod that is not stored. Every entry of both configurations is called for it.
fn call(client: &mut Client) -> Result<(), String> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "load-"},
        "spec": {"containers": [{"name": "main", "image": "none"}]}});
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All");
    let answer = client.ask("POST", &path, "application/json", &pod.to_string());
    match answer {
        Ok(answer) if answer.status() == 201 => Ok(()),
        Ok(answer) => Err(answer.text()),
        Err(error) => Err(format!("the API server does not answer: {error}")),
    }
}

impl Load {
    fn start(fleet: &Fleet<'_>) -> Self {
        let mut load = Self {
            ending: Arc::default(),
            calls: Arc::default(),
            faults: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..2 {
            let api = fleet.api.clone();
            load.spawn(move |load| {
                let mut client = api.connect().ok();
                while !load.over() {
                    if let Some(kept) = &mut client {
                        load.count(call(kept));
                    }
                    if client.is_none() || load.broken() {
                        client = api.connect().ok();
                    }
                    thread::sleep(Duration::from_millis(40));
                }
            });
        }
        let api = fleet.api.clone();
        let backends = Arc::clone(&fleet.balancer.backends);
        load.spawn(move |load| {
            while !load.over() {
                let bundles = bundles(&api).unwrap_or_default();
                let ports = backends
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                for port in ports {
                    let Ok(chain) = chain(port) else { continue };
                    for (entry, pem) in &bundles {
                        let trusts = verify(&chain, &certificates(pem));
                        load.count(trusts.map_err(|why| format!("x509: {entry}: {why}")));
                    }
                }
                thread::sleep(Duration::from_millis(40));
            }
        });
        load
    }

    fn spawn(&mut self, run: impl Fn(&Self) + Send + 'static) {
        let of = Self {
            ending: Arc::clone(&self.ending),
            calls: Arc::clone(&self.calls),
            faults: Arc::clone(&self.faults),
            threads: Vec::new(),
        };
        self.threads.push(thread::spawn(move || run(&of)));
    }

    fn over(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    fn broken(&self) -> bool {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults
            .last()
            .is_some_and(|one| one.contains("does not answer"))
    }

    fn count(&self, done: Result<(), String>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let Err(why) = done {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            faults.push(why);
        }
    }

    /// Ends it. How many calls and handshakes there were, and those that failed.
    pub(crate) fn end(mut self) -> (usize, Vec<String>) {
        self.ending.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        (self.calls.load(Ordering::Relaxed), faults.clone())
    }

    /// Ends it; nothing may have failed.
    #[track_caller]
    pub(crate) fn end_without_fault(self) -> usize {
        let (calls, faults) = self.end();
        let shown = faults.iter().take(5).collect::<Vec<_>>();
        assert!(
            faults.is_empty(),
            "{} of {calls} failed: {shown:#?}",
            faults.len()
        );
        assert!(calls > 10, "only {calls} calls");
        calls
    }
}

// --- the balancer ---------------------------------------------------------------------------------

impl Balancer {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let balancer = Self {
            port: listener.local_addr()?.port(),
            backends: Arc::default(),
            ending: Arc::default(),
            open: Arc::default(),
        };
        let open = Arc::clone(&balancer.open);
        let backends = Arc::clone(&balancer.backends);
        let next = AtomicUsize::new(0);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let ready = backends
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if ready.is_empty() {
                    continue; // as without an endpoint
                }
                let port = ready[next.fetch_add(1, Ordering::Relaxed) % ready.len()];
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    let _ = pass(&client, &server);
                    open.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(client);
                }
            }
        });
        Ok(balancer)
    }

    /// From now on these replicas, as long as they are ready.
    fn serve(&self, replicas: Vec<(u16, u16)>) {
        let backends = Arc::clone(&self.backends);
        *backends.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new();
        let ending = Arc::clone(&self.ending);
        let current = Arc::new(AtomicBool::new(true));
        let last = std::mem::replace(
            &mut *CURRENT.lock().unwrap_or_else(PoisonError::into_inner),
            Arc::clone(&current),
        );
        last.store(false, Ordering::Release);
        if replicas.is_empty() {
            return;
        }
        let look = move || {
            let mut known = BTreeMap::new();
            while !ending.load(Ordering::Acquire) && current.load(Ordering::Acquire) {
                for (port, admin) in &replicas {
                    let ready = matches!(crate::server::get(*admin, "/readyz"), Ok((200, _)));
                    known.insert(*port, ready);
                }
                if current.load(Ordering::Acquire) {
                    let ready = known.iter().filter(|(_, ready)| **ready);
                    let ready = ready.map(|(port, _)| *port).collect();
                    *backends.lock().unwrap_or_else(PoisonError::into_inner) = ready;
                }
                thread::sleep(Duration::from_millis(100));
            }
        };
        thread::spawn(look);
    }
}

/// Whether the last list of replicas is still the current one.
static CURRENT: std::sync::LazyLock<Mutex<Arc<AtomicBool>>> =
    std::sync::LazyLock::new(|| Mutex::new(Arc::default()));

fn pass(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    for stream in [client, server] {
        stream.set_nodelay(true)?;
    }
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.flush();
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
