//! Child processes that cannot outlive the test.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A running program whose output goes to a file. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; its output is appended to `log`.
    ///
    /// The kernel kills it when the thread that started it ends, however that ends: so start from the main thread.
    pub(crate) fn start(program: &Path, args: &[String], log: &Path) -> io::Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Its number, which is also that of the program: what starts it makes way for it.
    pub(crate) fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by the name that `kill` knows.
    pub(crate) fn signal(&self, name: &str) {
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Asks it to end, and ends it where it does not within `patience`. Whether it ended by itself.
    pub(crate) fn stop(&mut self, patience: Duration) -> bool {
        let _ = Command::new("kill")
            .arg(self.id().to_string())
            .stderr(Stdio::null())
            .status();
        let deadline = Instant::now() + patience;
        while self.running() {
            if Instant::now() > deadline {
                self.kill();
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What was appended to a file since `from`.
pub(crate) fn tail(path: &Path, from: u64) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let _ = file
            .seek(SeekFrom::Start(from))
            .and_then(|_| file.read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A port of the loopback interface on which nothing listens.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|l| l.local_addr())
        .expect("a loopback port")
        .port()
}

/// How long anything may take that the tests wait for. Far more than it takes: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_mins(4);

/// Asks until there is an answer; at the end of all patience the last refusal is the failure.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if Instant::now() > deadline => {
                panic!("expected within {PATIENCE:?}: {what}\nlast seen: {why}")
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
