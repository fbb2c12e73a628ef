//! The end, under load.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use multinic::listen::Phase;

use super::process::Process;
use super::{Folder, REVIEW, Running, answer, connect, limits, post, secure};

#[test]
fn draining_says_so_and_serves_on() {
    let server = Running::start(limits());
    server.running.phase.send_replace(Phase::Drain);
    assert_eq!(server.admin("/readyz").status, 503);
    let mut stream = server.tls();
    stream.write_all(&post("/validate", REVIEW)).unwrap();
    let answer = answer(&mut stream).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close"), "{answer:?}");
}

#[test]
fn sigterm_under_load_loses_no_request() {
    let mut server = Process::start(Folder::new(), &["--drain-delay=500ms"]);
    let client = server.client();
    let (sent, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A connection that is refused is no request lost: another replica gets it.
                while let Ok(mut stream) = connect(server.address, &client) {
                    loop {
                        sent.fetch_add(1, Ordering::Relaxed);
                        if stream.write_all(&post("/validate", REVIEW)).is_err() {
                            return;
                        }
                        let Some(answer) = answer(&mut stream) else {
                            return;
                        };
                        assert_eq!(answer.status, 200, "{answer:?}");
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.head.contains("connection: close") {
                            break;
                        }
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        server.signal("TERM");
    });
    assert!(server.ends().0.success());
    let (sent, answered) = (sent.into_inner(), answered.into_inner());
    assert!(answered > 10);
    assert_eq!(sent, answered, "requests were lost");
    assert!(server.log().contains("cut=0"), "{}", server.log());
}

#[test]
fn what_was_begun_before_sigterm_is_finished() {
    let mut server = Process::start(Folder::new(), &[]);
    let request = post("/validate", REVIEW);
    let (begun, rest) = request.split_at(request.len() / 2);
    let tcp = TcpStream::connect(server.address).unwrap();
    let mut idle = server.tls();
    let mut halfway = server.tls();
    halfway.write_all(begun).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    server.signal("TERM");
    server.hears("shutting down");
    // New ones are turned away by now or soon; those that were there are not.
    idle.write_all(&request).unwrap();
    assert_eq!(answer(&mut idle).unwrap().status, 200);
    let mut secure = secure(tcp, &server.client()).unwrap();
    secure.write_all(&request).unwrap();
    assert_eq!(answer(&mut secure).unwrap().status, 200);
    halfway.write_all(rest).unwrap();
    let answer = answer(&mut halfway).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    assert!(server.ends().0.success());
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn a_second_sigterm_and_sigint_end_at_once() {
    // A request that is not over keeps a drain from its end.
    let begin = |server: &Process| {
        let mut stream = server.tls();
        let request = post("/validate", REVIEW);
        stream.write_all(&request[..request.len() - 1]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        stream
    };
    for signals in [&["TERM", "TERM"][..], &["TERM", "INT"], &["INT"]] {
        let mut server = Process::start(Folder::new(), &["--drain-delay=1m"]);
        let held = begin(&server);
        for (sent, signal) in signals.iter().enumerate() {
            if sent > 0 {
                server.hears("shutting down");
            }
            server.signal(signal);
        }
        let (status, took) = server.ends();
        assert!(took < Duration::from_secs(2), "{signals:?}: {took:?}");
        // A drain that was cut short is no success.
        assert_eq!(status.success(), signals.len() == 1, "{signals:?}");
        drop(held);
    }
}
