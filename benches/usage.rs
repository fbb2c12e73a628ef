//! What it costs to know the networks in use: the server beside an API server with 100,000 Pods, of
//! which 10,000 ask for networks, once with `usage: true` and once without.
//!
//! `cargo bench --bench usage` prints the memory of both and fails where the difference is above
//! 32 MiB.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints what it measured, and ends where it cannot go on"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

#[path = "../tests/suite/server/pods.rs"]
mod pods;

const PODS: usize = 100_000;
/// In KiB.
const MAX_MORE: u64 = 32 << 10;

/// A server and its log.
struct Server {
    child: Child,
    log: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &Path, usage: bool) -> Self {
        fs::create_dir_all(folder).unwrap();
        pods::write_files(folder, pods::api_server(PODS), usage);
        let mut child = Command::new(env!("CARGO_BIN_EXE_multinic"))
            .args(["serve", "--kubeconfig=kubeconfig", "--config=config.yaml"])
            .args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        Self { child, log }
    }

    /// Waits until the log has these words.
    fn hears(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(
                self.log.read_line(&mut line).unwrap() > 0,
                "the server ended"
            );
        }
    }

    /// What the kernel says that it holds, in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("usage");
    let mut without = Server::start(&folder.join("without"), false);
    without.hears("ready: serving");
    let least = without.resident();
    let mut with = Server::start(&folder.join("with"), true);
    with.hears("Pods that use networks listed");
    let more = with.resident();
    let difference = more.saturating_sub(least);
    println!(
        "usage: false {least} KiB, usage: true {more} KiB: {difference} KiB more for {PODS} Pods"
    );
    drop((without, with));
    let _ = fs::remove_dir_all(folder);
    assert!(difference <= MAX_MORE, "more than {MAX_MORE} KiB");
}
