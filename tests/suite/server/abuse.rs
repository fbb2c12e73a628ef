//! Clients that stall, flood or speak something else: each is got rid of in time.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use multinic::listen::Limits;

use super::{REVIEW, Running, answer, ended, limits, post};

/// The deadline of a stage, and what a busy machine may add.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn silence_at_any_stage_ends_the_connection() {
    let server = Running::start(limits());
    let start = Instant::now();
    let mut connected = server.tcp();
    let mut greeted = server.tcp();
    greeted.write_all(&[0x16, 3, 1, 0, 200, 1]).unwrap();
    let mut secure = server.tls();
    let mut heading = server.tls();
    heading
        .write_all(b"POST /validate HTTP/1.1\r\nHost:")
        .unwrap();
    let mut stalled = server.tls();
    let request = post("/validate?timeout=1s", REVIEW);
    stalled.write_all(&request[..request.len() - 10]).unwrap();
    assert!(ended(&mut connected));
    assert!(ended(&mut greeted));
    assert!(ended(&mut secure));
    assert!(ended(&mut heading));
    assert_eq!(answer(&mut stalled).unwrap().status, 408);
    assert!(ended(&mut stalled));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    server.proves_alive();
}

#[test]
fn an_idle_connection_is_kept_and_then_closed() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    for _ in 0..2 {
        stream.write_all(&post("/validate", REVIEW)).unwrap();
        assert_eq!(answer(&mut stream).unwrap().status, 200);
        // Longer than for a head, shorter than idle.
        std::thread::sleep(Duration::from_millis(800));
    }
    let start = Instant::now();
    assert!(ended(&mut stream));
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_body_that_breaks_off_harms_nobody() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    let request = post("/validate", REVIEW);
    stream.write_all(&request[..request.len() / 2]).unwrap();
    stream.sock.shutdown(Shutdown::Both).unwrap();
    server.proves_alive();
}

#[test]
fn more_connections_than_the_cap_wait() {
    let server = Running::start(Limits {
        connections: 100,
        ..limits()
    });
    let silent: Vec<_> = (0..1000).map(|_| server.tcp()).collect();
    server.proves_alive();
    drop(silent);
    server.proves_alive();
}

#[test]
fn plain_http_and_old_tls_are_refused() {
    let server = Running::start(limits());
    let mut plain = server.tcp();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(ended(&mut plain));
    // A ClientHello that knows TLS 1.2 only: no supported_versions.
    let mut hello = vec![0x16, 3, 1, 0, 49, 1, 0, 0, 45, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2f, 0xc0, 0x2b, 1, 0, 0, 0]);
    let mut old = server.tcp();
    old.write_all(&hello).unwrap();
    let mut alert = [0; 7];
    std::io::Read::read_exact(&mut old, &mut alert).unwrap();
    assert_eq!(alert[..1], [0x15], "an alert: {alert:?}");
    assert_eq!(alert[5], 2, "fatal: {alert:?}");
    server.proves_alive();
}
