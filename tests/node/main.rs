//! multinic in Pods of its chart, on real nodes: kubelet, containerd, runc, Multus, the CNI plugins
//! and whereabouts, with a real control plane. `cargo test --test node [-- NAME]`, as root.
//!
//! Everything runs in namespaces of its own (`machine`), so nothing of it is left on the machine,
//! and no other test sees it. The image is made as the Dockerfile says, from a static release
//! build; `MULTINIC_IMAGE_BINARY` names another program to put into it, with its libraries where it
//! is not static.
//!
//! One cluster serves all scenarios, one after the other.

#![expect(
    clippy::print_stderr,
    reason = "it reports where it is, what it measures, and where to look"
)]

#[expect(dead_code, reason = "the tests without nodes use the rest")]
#[path = "../cluster/control_plane.rs"]
mod control_plane;
#[expect(dead_code, reason = "the tests without nodes use the rest")]
#[path = "../cluster/http.rs"]
mod http;
#[expect(dead_code, reason = "the tests without nodes use the rest")]
#[path = "../cluster/kubectl.rs"]
mod kubectl;
#[path = "../cluster/pki.rs"]
mod pki;
#[path = "../cluster/process.rs"]
mod process;
#[expect(dead_code, reason = "the tests without nodes use the rest")]
#[path = "../cluster/programs.rs"]
mod programs;

mod api;
mod cluster;
mod dockerfile;
mod image;
mod interfaces;
mod kernel;
mod load;
mod machine;
mod node;
mod prepare;
mod scenarios;

use std::{
    cell::RefCell,
    fs,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{ExitCode, id},
    sync::Arc,
    time::Instant,
};

use cluster::Cluster;
use libtest_mimic::{Arguments, Failed, Trial};

/// A name, and what is done.
type Scenario = (&'static str, fn(&Cluster));

thread_local! {
    /// Where and why the last scenario failed; printed with the test, not in the middle of the
    /// others.
    static FAULT: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    if args.list {
        let trials = scenarios::all()
            .into_iter()
            .map(|(name, _)| Trial::test(name, || Ok(())));
        return libtest_mimic::run(&args, trials.collect()).exit_code();
    }
    match machine::inside() {
        Some(folder) => test(&args, &folder),
        None => outside(),
    }
}

/// Makes everything that a cluster needs, and runs this program again in namespaces of its own.
fn outside() -> ExitCode {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("node-{}", id()));
    let run = || -> Result<ExitCode, String> {
        machine::check()?;
        machine::end_on_signals(folder.clone()).map_err(|e| e.to_string())?;
        let programs = prepare::everything(&folder)?;
        machine::enter(&folder, &programs).map_err(|e| e.to_string())
    };
    let code = run().unwrap_or_else(|why| {
        eprintln!("{why}");
        ExitCode::FAILURE
    });
    if code == ExitCode::SUCCESS {
        let _ = fs::remove_dir_all(&folder);
    } else {
        // The logs alone are kept: the images are as large as the program.
        for made in ["images", "run"] {
            let _ = fs::remove_dir_all(folder.join(made));
        }
        for made in ["pause", "programs"] {
            let _ = fs::remove_file(folder.join(made));
        }
        eprintln!("logs of all programs: {}", folder.join("logs").display());
    }
    code
}

fn test(args: &Arguments, folder: &Path) -> ExitCode {
    eprintln!("starting a cluster with two nodes in {}", folder.display());
    let started = machine::scratch(folder)
        .map_err(|e| e.to_string())
        .and_then(|scratch| Cluster::start(&scratch));
    let cluster = match started {
        Ok(cluster) => Arc::new(cluster),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let trial = |scenario| trial(scenario, Arc::clone(&cluster));
    let mut trials: Vec<_> = scenarios::all().into_iter().map(trial).collect();
    for (kind, what) in kernel::missing() {
        let name = format!("kernel_without_{kind}: {what}");
        // Asked for all the same, with `--include-ignored`, it does not pass.
        let cannot = move || Err(Failed::from(format!("this kernel has no {kind}")));
        trials.push(Trial::test(name, cannot).with_ignored_flag(true));
    }
    panic::set_hook(Box::new(|fault| FAULT.set(fault.to_string())));
    libtest_mimic::run(args, trials).exit_code()
}

/// A scenario as a test, which shows what multinic logged where it fails.
fn trial((name, scenario): Scenario, cluster: Arc<Cluster>) -> Trial {
    Trial::test(name, move || {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| scenario(&cluster)));
        eprintln!("  {name}: {}", cluster::seconds(began.elapsed()));
        outcome.map_err(|_| {
            let fault = FAULT.take();
            let log = catch_unwind(AssertUnwindSafe(|| cluster.log())).unwrap_or_default();
            Failed::from(format!(
                "{fault}\n--- multinic's log, its last lines\n{log}"
            ))
        })
    })
}
