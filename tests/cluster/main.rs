//! multinic against a real control plane: etcd, kube-apiserver, kube-scheduler, kube-controller-manager, fake nodes,
//! the chart installed by helm, multinic outside the cluster. `cargo test --test cluster [NAME]`.
//!
//! One cluster serves all scenarios, one after the other: each proves from multinic's own counters that it was called, or
//! was not, and two at a time would count each other. Those that break the cluster come last.

#![expect(
    clippy::print_stderr,
    reason = "it tells where it is, and where to look"
)]

mod cluster;
mod control_plane;
mod http;
mod kubectl;
mod objects;
mod pki;
mod process;
mod programs;
mod proxy;
mod scenarios;
mod server;
mod webhook;

use std::{
    cell::RefCell,
    fs,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{ExitCode, id},
    sync::Arc,
};

use cluster::Cluster;
use libtest_mimic::{Arguments, Failed, Trial};

/// A name, and what is done.
type Scenario = (&'static str, fn(&Cluster));

thread_local! {
    /// Where and why the last scenario failed; printed with the test, not in the middle of the others.
    static FAULT: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    if args.list {
        let trials = scenarios::all()
            .into_iter()
            .map(|(name, _)| Trial::test(name, || Ok(())))
            .collect();
        return libtest_mimic::run(&args, trials).exit_code();
    }

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}", id()));
    eprintln!("starting a control plane in {}", folder.display());
    let cluster = match Cluster::start(&folder) {
        Ok(cluster) => Arc::new(cluster),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let trials = scenarios::all()
        .into_iter()
        .map(|scenario| trial(scenario, Arc::clone(&cluster)))
        .collect();
    panic::set_hook(Box::new(|fault| FAULT.set(fault.to_string())));
    let conclusion = libtest_mimic::run(&args, trials);
    drop(cluster);
    if conclusion.has_failed() {
        eprintln!("logs of all programs: {}", folder.join("logs").display());
    } else {
        let _ = fs::remove_dir_all(&folder);
    }
    conclusion.exit_code()
}

/// A scenario as a test, which shows what multinic logged meanwhile where it fails.
fn trial((name, scenario): Scenario, cluster: Arc<Cluster>) -> Trial {
    Trial::test(name, move || {
        let from = cluster.log_end();
        catch_unwind(AssertUnwindSafe(|| scenario(&cluster))).map_err(|_| {
            let log = cluster.log(from);
            let last = log.lines().count().saturating_sub(20);
            let last = log.lines().skip(last).collect::<Vec<_>>().join("\n");
            Failed::from(format!(
                "{}\n--- multinic's log, its last lines\n{last}",
                FAULT.take()
            ))
        })
    })
}
