//! A machine within the machine: this program runs itself again in network, mount and process
//! namespaces of its own.
//!
//! Whatever is started there ends with the first process of these namespaces, and every mount with
//! it. Control groups alone outlive their processes, so the program outside removes them.

use std::{
    env, fs,
    io::{self, ErrorKind},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, ExitCode, exit, id},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// Names the folder of the run to the program inside.
const INSIDE: &str = "MULTINIC_NODE_FOLDER";

/// What the names of our control groups start with; the number of the process outside follows.
const GROUPS: &str = "multinic-node-";

/// The folder of the run, where this is the program inside.
pub(crate) fn inside() -> Option<PathBuf> {
    env::var_os(INSIDE).map(PathBuf::from)
}

/// Runs this program again, inside; `programs` come first in its `$PATH`.
pub(crate) fn enter(folder: &Path, programs: &[PathBuf]) -> io::Result<ExitCode> {
    sweep();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(programs.iter().cloned().chain(env::split_paths(&path)))
        .map_err(io::Error::other)?;
    // The first process does nothing but reap: bash, since it does not replace itself by the last
    // command but one. When the program outside ends, however it ends, the kernel ends everything
    // inside.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "unshare"])
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "--propagation", "private", "--"])
        .args(["bash", "-c", r#""$@"; exit $?"#, "bash"])
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(INSIDE, folder)
        .env("PATH", path)
        .spawn()?;
    *inner() = Some(Pid::from_child(&child));
    let status = child.wait();
    *inner() = None;
    // What was killed with the namespaces may be there for a moment yet.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !remove_groups(&format!("{GROUPS}{}", id())) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    let success = status?.success();
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The first process of the namespaces, while it runs.
static INNER: Mutex<Option<Pid>> = Mutex::new(None);

fn inner() -> std::sync::MutexGuard<'static, Option<Pid>> {
    INNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the run on SIGINT and SIGTERM: what runs inside is killed, and [`enter`] cleans up as after
/// any other end. Before something runs inside, there is nothing but `folder`.
pub(crate) fn end_on_signals(folder: PathBuf) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        if let Some(process) = *inner() {
            let _ = kill_process(process, Signal::KILL);
            return;
        }
        let _ = fs::remove_dir_all(folder);
        exit(130);
    });
    Ok(())
}

/// Says what is missing on this machine, where something is.
pub(crate) fn check() -> Result<(), String> {
    if !geteuid().is_root() {
        return Err(
            "the node tests make namespaces, mounts and control groups: run them as root"
                .to_owned(),
        );
    }
    for (tool, package) in [
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
        ("setpriv", "util-linux"),
        ("ip", "iproute2"),
        ("mount", "mount"),
        ("bash", "bash"),
        ("cc", "a C compiler"),
    ] {
        match Command::new(tool).arg("--version").output() {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(format!(
                    "the node tests need the program {tool} ({package})"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes the folder of what is written while the cluster runs: in memory, and gone with the
/// namespaces.
pub(crate) fn scratch(folder: &Path) -> io::Result<PathBuf> {
    let scratch = folder.join("run");
    fs::create_dir_all(&scratch)?;
    run(Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&scratch))?;
    for kept in ["images", "logs", "programs"] {
        symlink(folder.join(kept), scratch.join(kept))?;
    }
    Ok(scratch)
}

/// The control group of a run, below which each node has one: named after the folder that
/// [`scratch`] is in, whose name ends with the number of the process outside.
pub(crate) fn group(scratch: &Path) -> String {
    let name = scratch.parent().and_then(Path::file_name);
    let name = name.unwrap_or_default().to_string_lossy();
    let number = name.rsplit('-').next().unwrap_or_default();
    format!("{GROUPS}{number}")
}

/// Every hierarchy of control groups: one in version 2, one for each controller in version 1.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    folders.map(|e| e.path()).collect()
}

/// Removes the control groups of earlier runs that were killed.
fn sweep() {
    for hierarchy in hierarchies() {
        let entries = fs::read_dir(hierarchy).into_iter().flatten().flatten();
        for name in entries.filter_map(|e| e.file_name().into_string().ok()) {
            if let Some(number) = name.strip_prefix(GROUPS)
                && !Path::new("/proc").join(number).exists()
            {
                remove_groups(&name);
            }
        }
    }
}

/// Removes the control groups of a run. Whether none of them is left.
fn remove_groups(name: &str) -> bool {
    let groups: Vec<_> = hierarchies().iter().map(|it| it.join(name)).collect();
    for group in &groups {
        remove_group(group);
    }
    !groups.iter().any(|group| group.exists())
}

/// Removes a control group and those below it. One that still holds a process stays.
fn remove_group(group: &Path) {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        remove_group(&entry.path());
    }
    let _ = fs::remove_dir(group);
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {}", error.trim())))
}

/// Runs `ip` with words that are separated by spaces.
pub(crate) fn ip(words: &str) -> io::Result<String> {
    run(Command::new("ip").args(words.split_whitespace()))
}
