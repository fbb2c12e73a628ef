//! Connections that are kept, secrets that stay secret, and what it costs.

use std::{
    fs,
    io::{BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
    thread,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};

use super::{HOLD, OLD, YEAR};
use crate::{
    Scenario,
    cluster::Cluster,
    fleet::{Fleet, configuration, secret},
    http::Message,
    process::eventually,
};

pub(crate) const ALL: &[Scenario] = &[
    ("certificates_kept_connections_go_on", kept_connections),
    ("certificates_keys_stay_secret", keys),
    ("certificates_cost_nothing_while_idle", idle),
    ("certificates_a_caller_that_rejects_us_is_noticed", rejected),
];

fn kept_connections(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD, "--test-leaf-life=12s"]);
    fleet.start_ready(1);
    let replica = &fleet.replicas()[0];
    let trusted = fleet.authorities();
    let mut kept: Vec<_> = (0..100).map(|_| connect(replica.port, &trusted)).collect();
    // A connection on which nothing is ever asked is closed after some seconds.
    kept.iter_mut().for_each(ask);
    let old = replica.chain().expect("a chain");
    eventually("another certificate", || {
        let now = replica.chain().map_err(|e| e.to_string())?;
        (now != old).then_some(()).ok_or("the same".to_owned())
    });
    kept.iter_mut().for_each(ask);
}

/// A connection that is kept.
type Kept = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Asks for what is not there, and reads the whole answer.
fn ask(kept: &mut Kept) {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let stream = kept.get_mut();
    stream
        .write_all(request.as_bytes())
        .expect("a kept connection");
    let answer = Message::read(kept).expect("an answer");
    assert_eq!(answer.expect("an answer").status(), 404);
}

fn connect(port: u16, trusted: &[Vec<u8>]) -> Kept {
    let mut roots = RootCertStore::empty();
    for der in trusted {
        roots
            .add(CertificateDer::from(der.clone()))
            .expect("a root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    let tcp = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    tcp.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    let mut stream = StreamOwned::new(tls, tcp);
    while stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .expect("a handshake");
    }
    BufReader::new(stream)
}

fn keys(c: &Cluster) {
    let mut fleet = Fleet::new(c).with(&[HOLD]);
    fleet.seed(OLD, YEAR);
    fleet.start_traced(2);
    fleet.settled(2);
    fleet.api().change(&secret(), "test", |object| {
        object["data"] = serde_json::Value::Null
    });
    fleet.settled(2);
    let stored = fleet.api().get(&secret());
    let mut needles = vec!["PRIVATE KEY".to_owned()];
    for (name, value) in stored["data"].as_object().expect("data") {
        if name.ends_with(".key") {
            let value = value.as_str().expect("a text");
            let pem = BASE64_STANDARD.decode(value).expect("base64");
            let pem = String::from_utf8(pem).expect("PEM");
            let line = pem.lines().nth(1).expect("a line").to_owned();
            needles.extend([value[..40].to_owned(), line]);
        }
    }
    assert_eq!(needles.len(), 5);
    let managed = stored["metadata"]["managedFields"].to_string();
    let mutating = fleet.api().get(&configuration("mutating")).to_string();
    for replica in fleet.replicas() {
        let log = replica.logged();
        assert!(log.len() > 10_000, "it logs everything");
        let metrics = replica.admin("/metrics").expect("metrics").1;
        for needle in &needles {
            for (what, text) in [
                ("log", &log),
                ("metrics", &metrics),
                ("fields", &managed),
                ("bundle", &mutating),
            ] {
                assert!(!text.contains(needle.as_str()), "{what} holds a key");
            }
        }
    }
}

/// CPU time of a process in seconds, and its resident memory in MiB.
fn cost(id: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("stat");
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: f64 = [11, 12]
        .iter()
        .map(|n| fields[*n].parse::<f64>().expect("ticks"))
        .sum();
    let pages: f64 = fields[21].parse().expect("pages");
    (ticks / 100.0, pages * 4096.0 / 1_048_576.0)
}

fn idle(c: &Cluster) {
    let mut fleet = Fleet::new(c);
    fleet.start_ready(1);
    fleet.settled(1);
    thread::sleep(Duration::from_secs(5));
    let id = fleet.replicas()[0].id();
    let before = cost(id);
    thread::sleep(Duration::from_secs(30));
    let after = cost(id);
    let (used, memory) = (after.0 - before.0, after.1);
    let shared = cost(c.server_id());
    eprintln!(
        "    built-in certificates, 30 s idle: {used:.2} s CPU, {memory:.1} MiB; with files {:.1} MiB",
        shared.1
    );
    assert!(used < 0.6, "{used} s of CPU time in 30 s");
    assert!(memory < 64.0, "{memory} MiB");
}

fn rejected(c: &Cluster) {
    let mut fleet = Fleet::new(c);
    fleet.start_ready(1);
    let replica = &fleet.replicas()[0];
    let count = |result: &str| {
        replica
            .metrics()
            .sum("multinic_tls_handshakes_total", &[("result", result)])
    };
    let before = count("rejected");
    // A client that trusts nobody of ours.
    let other = crate::fleet::Seed::new(0, YEAR);
    let roots = crate::fleet::certificates(other.certificate.as_bytes());
    for _ in 0..5 {
        let mut store = RootCertStore::empty();
        store
            .add(CertificateDer::from(roots[0].clone()))
            .expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(store)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let mut tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut tcp = TcpStream::connect(("127.0.0.1", replica.port)).expect("a connection");
        while tls.is_handshaking() {
            if tls.complete_io(&mut tcp).is_err() {
                break;
            }
        }
        let _ = tls.complete_io(&mut tcp);
    }
    eventually("the rejections to be counted", || {
        let now = count("rejected");
        (now >= before + 5).then_some(()).ok_or(format!("{now}"))
    });
    // What is logged is written by a thread of its own.
    let warnings = eventually("the rejections to be warned of", || {
        let log = replica.logged();
        let lines = log.lines().filter(|line| line.contains("does not trust"));
        let lines = lines.count();
        (lines > 0).then_some(lines).ok_or(log)
    });
    assert_eq!(warnings, 1, "one warning for many: {}", replica.logged());
    replica.chain().expect("a chain");
    eventually("a client that asks for nothing to be counted", || {
        let ok = count("ok");
        (ok > 0).then_some(()).ok_or("none".to_owned())
    });
}
