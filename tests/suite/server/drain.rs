//! The end, under load.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use multinic::cert::development;
use multinic::listen::Phase;

use super::{Folder, REVIEW, Running, answer, connect, limits, post, trusting};

#[test]
fn draining_says_so_and_serves_on() {
    let server = Running::start(limits());
    server.phase.send_replace(Phase::Drain);
    assert_eq!(server.admin("/readyz").status, 503);
    let mut stream = server.tls();
    stream.write_all(&post("/validate", REVIEW)).unwrap();
    let answer = answer(&mut stream).unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close"), "{answer:?}");
}

#[test]
fn sigterm_under_load_loses_no_request() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("networks")).unwrap();
    let address = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let mut server = Command::new(env!("CARGO_BIN_EXE_multinic"))
        .args(["serve", "--networks=networks", "--admin-listen=127.0.0.1:0"])
        .arg(format!("--listen={address}"))
        .arg("--drain-delay=500ms")
        .current_dir(&folder.0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let client = trusting(&folder.0.join("certs").join(development::CA));
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // A connection that is refused is no request lost: another replica gets it.
                while let Ok(mut stream) = connect(address, &client) {
                    loop {
                        stream.write_all(&post("/validate", REVIEW)).unwrap();
                        let answer = answer(&mut stream).expect("a request was lost");
                        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.head.contains("connection: close") {
                            break;
                        }
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let killed = Command::new("kill").arg(server.id().to_string()).status();
        assert!(killed.unwrap().success());
    });
    assert!(server.wait().unwrap().success());
    assert!(answered.load(Ordering::Relaxed) > 10);
}
