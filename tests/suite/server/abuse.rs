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
fn a_client_that_reads_no_answers_is_closed() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    let request = post("/validate", REVIEW);
    let start = Instant::now();
    // Until neither side's buffers take more, and then until the server has had enough.
    stream
        .sock
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut written = 0;
    loop {
        match stream.write(&request) {
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        assert!(written < 256 << 20, "the server takes everything");
        assert!(start.elapsed() < 4 * SOON, "it is not closed");
    }
    server.proves_alive();
    let metrics = server.admin("/metrics").body;
    assert!(
        metrics.contains("multinic_reviews_in_flight 0"),
        "{metrics}"
    );
}

#[test]
fn silent_connections_keep_nobody_out() {
    let server = Running::start(Limits {
        connections: 100,
        // Waiting for a deadline would be too late for anybody.
        handshake: Duration::from_mins(1),
        head: Duration::from_mins(1),
        ..limits()
    });
    let mut known = server.tls();
    known.write_all(&post("/validate", REVIEW)).unwrap();
    assert_eq!(answer(&mut known).unwrap().status, 200);
    let silent: Vec<_> = (0..1000).map(|_| server.tcp()).collect();
    let start = Instant::now();
    server.proves_alive();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    // It had asked before: it is not the one that has to go.
    known.write_all(&post("/validate", REVIEW)).unwrap();
    assert_eq!(answer(&mut known).unwrap().status, 200);
    drop(silent);
    server.proves_alive();
}

#[test]
fn beyond_the_cap_of_busy_connections_one_waits() {
    let server = Running::start(Limits {
        connections: 3,
        ..limits()
    });
    let mut busy: Vec<_> = (0..3).map(|_| server.tls()).collect();
    for stream in &mut busy {
        stream.write_all(&post("/validate", REVIEW)).unwrap();
        assert_eq!(answer(stream).unwrap().status, 200);
    }
    let start = Instant::now();
    // They are idle after `idle`, and then there is room.
    server.proves_alive();
    assert!(start.elapsed() > Duration::from_secs(1), "no cap at all");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn bodies_share_a_bounded_memory() {
    let server = Running::with(limits(), REVIEW.len() + 1000);
    let mut large = REVIEW.to_vec();
    large.resize(2 * REVIEW.len(), b' ');
    let mut stream = server.tls();
    stream.write_all(&post("/validate", &large)).unwrap();
    let busy = answer(&mut stream).unwrap();
    assert_eq!(busy.status, 503, "{busy:?}");
    assert!(busy.head.contains("retry-after: 1"), "{busy:?}");
    server.proves_alive();
    // Who waits in the middle of a body holds what he sent, and no longer than his deadline.
    let mut half = server.tls();
    let request = post("/validate?timeout=1s", REVIEW);
    half.write_all(&request[..request.len() - 1]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let mut other = server.tls();
    other.write_all(&post("/validate", REVIEW)).unwrap();
    assert_eq!(answer(&mut other).unwrap().status, 503);
    assert_eq!(answer(&mut half).unwrap().status, 408);
    server.proves_alive();
}

#[test]
fn a_body_in_the_smallest_chunks_is_read() {
    let server = Running::start(limits());
    let mut request = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for byte in REVIEW {
        request.extend([b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
    }
    request.extend(b"0\r\n\r\n");
    let mut stream = server.tls();
    stream.write_all(&request).unwrap();
    assert_eq!(answer(&mut stream).unwrap().status, 200);
}

#[test]
fn a_head_without_end_is_refused() {
    let server = Running::start(limits());
    let mut stream = server.tls();
    let mut head = b"POST /validate HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    head.resize(200_000, b'x');
    let _ = stream.write_all(&head);
    let refused = answer(&mut stream);
    assert!(
        refused.as_ref().is_none_or(|answer| answer.status == 431),
        "{refused:?}"
    );
    assert!(ended(&mut stream));
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

/// No review holds health, readiness and metrics: they have a thread of their own.
#[test]
fn health_is_served_while_every_thread_of_the_webhooks_is_busy() {
    let server = Running::start(limits());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = Duration::from_secs(10);
    for _ in 0..threads {
        server
            .runtime
            .spawn(async move { std::thread::sleep(busy) });
    }
    let start = Instant::now();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.admin(path).status, 200, "{path}");
    }
    assert!(start.elapsed() < busy / 2, "{:?}", start.elapsed());
}
