//! The program itself, started in a folder of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use multinic::cert::development;
use rustls::ClientConfig;

use super::{Answer, Folder, Tls, answer, bounded, connect, post, trusting};

/// What a busy machine may need for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// `multinic serve`, ended with its value.
pub(super) struct Process {
    child: Child,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    folder: Folder,
    log: Arc<Mutex<String>>,
    /// Nobody reads the log any more.
    deaf: Arc<AtomicBool>,
}

impl Process {
    /// With these arguments beside free ports and the folder `networks`.
    pub(super) fn start(folder: Folder, arguments: &[&str]) -> Self {
        std::fs::create_dir_all(folder.0.join("networks")).unwrap();
        Self::start_with(folder, &[&["--networks=networks"], arguments].concat())
    }

    /// With these arguments beside free ports.
    pub(super) fn start_with(folder: Folder, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_multinic"))
            .arg("serve")
            .args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .current_dir(&folder.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (log, deaf) = (Arc::default(), Arc::default());
        let (lines, stop) = (Arc::clone(&log), Arc::clone(&deaf));
        std::thread::spawn(move || listen(stdout, &lines, &stop));
        let mut process = Self {
            child,
            address: ([0, 0, 0, 0], 0).into(),
            admin: ([0, 0, 0, 0], 0).into(),
            folder,
            log,
            deaf,
        };
        process.hears("ready: serving");
        (process.address, process.admin) = process.addresses();
        process
    }

    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let log = self.log();
        let after = |key: &str| {
            let (_, rest) = log.split_once(key).unwrap();
            let end = |letter: char| !letter.is_ascii_digit() && !".:".contains(letter);
            rest.split(end).next().unwrap().parse().unwrap()
        };
        if log.starts_with('{') {
            (after(r#""listen":""#), after(r#""admin":""#))
        } else {
            (after("listen="), after("admin="))
        }
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has these words.
    pub(super) fn hears(&self, words: &str) {
        self.until(words, || self.log().contains(words));
    }

    pub(super) fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < PATIENCE, "no {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// From here on the log is not read, and the pipe is full soon.
    pub(super) fn turn_deaf(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        trusting(&self.path("certs").join(development::CA))
    }

    pub(super) fn tls(&self) -> Tls {
        connect(self.address, &self.client()).unwrap()
    }

    pub(super) fn ask(&self, body: &[u8]) -> Answer {
        let mut stream = self.tls();
        stream.write_all(&post("/validate", body)).unwrap();
        answer(&mut stream).unwrap()
    }

    pub(super) fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        bounded(&stream);
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        answer(&mut stream).unwrap().body
    }

    pub(super) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string());
        assert!(sent.status().unwrap().success());
    }

    /// Waits for the end of the program. How it ended, and how long that took.
    pub(super) fn ends(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut stdout: impl BufRead, lines: &Mutex<String>, deaf: &AtomicBool) {
    loop {
        if deaf.load(Ordering::Relaxed) {
            // The pipe stays open for as long as the test runs, however slow the machine is: once it is
            // closed, lines are not lost for want of a reader.
            loop {
                std::thread::sleep(PATIENCE);
            }
        }
        let mut line = String::new();
        if !matches!(stdout.read_line(&mut line), Ok(1..)) {
            return;
        }
        lines.lock().unwrap().push_str(&line);
    }
}
