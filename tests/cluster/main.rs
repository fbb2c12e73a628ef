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
mod kubectl;
mod objects;
mod pki;
mod process;
mod programs;
mod proxy;
mod scenarios;
mod server;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{ExitCode, id},
    sync::Arc,
};

use cluster::Cluster;
use libtest_mimic::{Arguments, Failed, Trial};

/// A scenario, and what it leaves behind to be put right.
type Scenario = (&'static str, fn(&Cluster));

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
        catch_unwind(AssertUnwindSafe(|| scenario(&cluster))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text
                .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_default();
            let log = cluster.log(from);
            let last: Vec<_> = log.lines().rev().take(20).collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            Failed::from(format!(
                "{text}\n--- multinic's log, its last lines\n{}",
                last.join("\n")
            ))
        })
    })
}
