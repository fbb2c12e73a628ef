//! multinic against a real control plane: etcd, kube-apiserver, kube-scheduler, kube-controller-manager, fake nodes,
//! the chart installed by helm, multinic outside the cluster. `cargo test --test cluster [-- NAME]`.
//!
//! On the same stage: `-- measure` times the creation of Pods, `-- record FOLDER` writes down the reviews that the API server
//! sends.
//!
//! One cluster serves all scenarios, one after the other: each proves from multinic's own counters that it was called, or
//! was not, and two at a time would count each other. Those that break the cluster come last.

#![expect(
    clippy::print_stderr,
    reason = "it tells where it is, and where to look"
)]

mod cluster;
mod control_plane;
mod fleet;
mod http;
mod kubectl;
mod measure;
mod objects;
mod pki;
mod process;
mod programs;
mod proxy;
mod record;
mod scenarios;
mod second;
mod server;
mod webhook;

use std::{
    cell::RefCell,
    env, fs,
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
    let words: Vec<_> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure"] => staged(|cluster| {
            measure::run(&cluster);
            ExitCode::SUCCESS
        }),
        ["record", target] => staged(|cluster| {
            record::run(&cluster, Path::new(target));
            ExitCode::SUCCESS
        }),
        _ => test(),
    }
}

fn test() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    if args.list {
        let trials = scenarios::all()
            .into_iter()
            .map(|(name, _)| Trial::test(name, || Ok(())));
        return libtest_mimic::run(&args, trials.collect()).exit_code();
    }
    staged(|cluster| {
        let trial = |scenario| trial(scenario, Arc::clone(&cluster));
        let trials = scenarios::all().into_iter().map(trial).collect();
        panic::set_hook(Box::new(|fault| FAULT.set(fault.to_string())));
        libtest_mimic::run(&args, trials).exit_code()
    })
}

/// Does something with a cluster; its logs stay where that failed.
fn staged(act: impl FnOnce(Arc<Cluster>) -> ExitCode) -> ExitCode {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}", id()));
    eprintln!("starting a control plane in {}", folder.display());
    let code = match Cluster::start(&folder) {
        Ok(cluster) => act(Arc::new(cluster)),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    };
    if code == ExitCode::SUCCESS {
        let _ = fs::remove_dir_all(&folder);
    } else {
        eprintln!("logs of all programs: {}", folder.join("logs").display());
    }
    code
}

/// A scenario as a test, which shows what multinic logged meanwhile where it fails.
fn trial((name, scenario): Scenario, cluster: Arc<Cluster>) -> Trial {
    Trial::test(name, move || {
        let from = cluster.log_end();
        let outcome = catch_unwind(AssertUnwindSafe(|| scenario(&cluster)));
        let log = cluster.log(from);
        outcome.map_err(|_| {
            let fault = FAULT.take();
            let last = log.lines().count().saturating_sub(20);
            let last = log.lines().skip(last).collect::<Vec<_>>().join("\n");
            // The next scenario is not to fail because of this one.
            if catch_unwind(AssertUnwindSafe(|| cluster.restore())).is_err() {
                eprintln!("the cluster could not be put right: {}", FAULT.take());
            }
            Failed::from(format!(
                "{fault}\n--- multinic's log, its last lines\n{last}"
            ))
        })
    })
}
