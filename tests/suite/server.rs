//! The server over real sockets, with deadlines that a test can wait for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use multinic::cert::{Certificate, development};
use multinic::cluster::lookup::Lookup;
use multinic::crypto;
use multinic::http::{self, Known};
use multinic::listen::Limits;
use multinic::metrics::Metrics;
use multinic::serve::{self, Parts};
use multinic_core::network::Snapshot;
use multinic_core::policy::Policy;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

mod abuse;
mod callers;
mod drain;
mod follow;
mod logs;
mod pods;
mod process;
mod protocol;
mod reload;
mod usage;
mod supplied;

/// A review that is refused: an isolated network.
const REVIEW: &[u8] =
    include_bytes!("../reviews/recorded/pod-foreign-network.create-pods.validate.json");

/// A server in this process.
#[expect(
    clippy::struct_field_names,
    reason = "one of the fields is the server that runs"
)]
struct Running {
    address: SocketAddr,
    admin: SocketAddr,
    client: Arc<ClientConfig>,
    running: serve::Running,
    networks: watch::Sender<Option<Arc<Snapshot>>>,
    config: watch::Sender<Arc<Policy>>,
    certificate: watch::Sender<Option<Arc<Certificate>>>,
    folder: Folder,
    runtime: Runtime,
}

/// A folder that goes with its value.
struct Folder(PathBuf);

/// An answer, as far as tests look at it.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn limits() -> Limits {
    Limits {
        handshake: Duration::from_millis(400),
        head: Duration::from_millis(400),
        idle: Duration::from_millis(1500),
        ..Limits::default()
    }
}

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("multinic-{}-{next}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Running {
    fn start(limits: Limits) -> Self {
        Self::with(limits, http::MEMORY)
    }

    /// With so many bytes for bodies.
    fn with(limits: Limits, memory: usize) -> Self {
        let folder = Folder::new();
        development::ensure(&folder.0).unwrap();
        let path = |name| folder.0.join(name);
        let pair = Certificate::read(&path(development::CERT), &path(development::KEY)).unwrap();
        let config = watch::channel(Arc::new(Policy::default())).0;
        let networks = watch::channel(Some(Arc::new(Snapshot::default()))).0;
        let certificate = watch::channel(Some(Arc::new(pair))).0;
        let tls = multinic::tls::server(certificate.subscribe(), None).unwrap();
        let tls = watch::channel(tls).1;
        let runtime = Runtime::new().unwrap();
        let known = known(&config, &networks, &certificate);
        let (running, address, admin) = serve(&runtime, known, tls, limits, memory);
        Self {
            address,
            admin,
            client: trusting(&folder.0.join(development::CA)),
            running,
            networks,
            config,
            certificate,
            folder,
            runtime,
        }
    }

    /// What the server knows, for another one.
    fn known(&self) -> Known {
        known(&self.config, &self.networks, &self.certificate)
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        bounded(&stream);
        stream
    }

    fn tls(&self) -> Tls {
        connect(self.address, &self.client).unwrap()
    }

    /// One good review on a connection of its own.
    fn proves_alive(&self) {
        let mut stream = self.tls();
        stream.write_all(&post("/validate", REVIEW)).unwrap();
        let answer = answer(&mut stream).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains(r#""allowed":false"#), "{answer:?}");
    }

    fn admin(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        bounded(&stream);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        answer(&mut stream).unwrap()
    }
}

fn known(
    config: &watch::Sender<Arc<Policy>>,
    networks: &watch::Sender<Option<Arc<Snapshot>>>,
    certificate: &watch::Sender<Option<Arc<Certificate>>>,
) -> Known {
    Known {
        config: config.subscribe(),
        networks: networks.subscribe(),
        usage: watch::channel(None).1,
        lookup: Lookup::Nowhere,
        certificate: certificate.subscribe(),
        distrusted: watch::channel(None).1,
    }
}

/// Starts a server on free ports. Returns it with the addresses of the webhooks and of the metrics.
fn serve(
    runtime: &Runtime,
    known: Known,
    tls: watch::Receiver<Arc<ServerConfig>>,
    limits: Limits,
    memory: usize,
) -> (serve::Running, SocketAddr, SocketAddr) {
    let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (webhooks, admin) = (bind(), bind());
    let addresses = (webhooks.local_addr().unwrap(), admin.local_addr().unwrap());
    let parts = Parts {
        webhooks,
        admin,
        known,
        tls,
        limits,
        memory,
        metrics: Arc::new(Metrics::new()),
    };
    let _inside = runtime.enter();
    (parts.start().unwrap(), addresses.0, addresses.1)
}

/// No test waits for ever.
fn bounded(stream: &TcpStream) {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
}

fn trusting(ca: &std::path::Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> std::io::Result<Tls> {
    secure(TcpStream::connect(address)?, client)
}

fn secure(tcp: TcpStream, client: &Arc<ClientConfig>) -> std::io::Result<Tls> {
    bounded(&tcp);
    tcp.set_nodelay(true)?; // as Go's clients do
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Reads one answer, and nothing of the next; `None` where the connection ends first.
fn answer(stream: &mut impl Read) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(Answer {
        status: head[9..12].parse().unwrap(),
        body: String::from_utf8(body).unwrap(),
        head,
    })
}

/// Waits for the end of a connection.
fn ended(stream: &mut impl Read) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
    }
}
