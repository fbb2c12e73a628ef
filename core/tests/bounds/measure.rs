//! The measurement of one review.

use std::time::Duration;

use multinic_core::answer;
use multinic_core::network::{Fetched, Snapshot};
use multinic_core::policy::Policy;
use multinic_core::review::{self, Request, Webhook};
use multinic_core::world::World;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The bounds of a review: 100 ms of CPU on a quiet machine, and half as much again for one that is
/// not.
const CPU: Duration = Duration::from_millis(150);
const MEMORY: u64 = 48 << 20;
/// Another attempt is made where one took too long: the caches may have been others'.
const ATTEMPTS: usize = 5;

/// Reviews to be measured, with a name for each.
pub(crate) struct Case<'a> {
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) snapshot: &'a Snapshot,
}

/// What a review took.
struct Cost {
    cpu: Duration,
    memory: u64,
    answer: usize,
}

/// Asserts that each case is within the bounds at both webhooks.
pub(crate) fn bounded(cases: &[Case<'_>]) {
    let mut broken = Vec::new();
    for case in cases {
        for webhook in [Webhook::Mutate, Webhook::Validate] {
            let mut cost = review(case, webhook);
            for _ in 1..ATTEMPTS {
                if cost.cpu <= CPU {
                    break;
                }
                cost.cpu = cost.cpu.min(review(case, webhook).cpu);
            }
            let line = format!(
                "{:52} {:8} {:>8} B {:>9.1?} {:>6.1} MiB, answer {} B",
                case.name,
                webhook.name(),
                case.body.len(),
                cost.cpu,
                mib(cost.memory),
                cost.answer,
            );
            println!("{line}");
            if cost.cpu > CPU || cost.memory > MEMORY {
                broken.push(line);
            }
        }
    }
    assert!(!cases.is_empty());
    assert!(broken.is_empty(), "{broken:#?}");
}

fn review(case: &Case<'_>, webhook: Webhook) -> Cost {
    let body = case.body.clone().into_bytes();
    let mut answer = 0;
    let start = time_of_this_thread();
    let allocated = allocation_counter::measure(|| answer = decide(&body, case.snapshot, webhook));
    let cpu = time_of_this_thread().saturating_sub(start);
    Cost {
        cpu,
        memory: allocated.bytes_max + body.len() as u64,
        answer,
    }
}

/// The way of a review through the server; the bytes of its answer.
fn decide(body: &[u8], snapshot: &Snapshot, webhook: Webhook) -> usize {
    let document = match review::read(body) {
        Ok(document) => document,
        Err(error) => return error.to_string().len(),
    };
    let request = match Request::of(&document) {
        Ok(request) => request,
        Err(error) => return error.to_string().len(),
    };
    let policy = Policy::default();
    let fetched = Fetched::default();
    let world = World {
        snapshot,
        fetched: &fetched,
        policy: &policy,
        usage: None,
    };
    let case = answer::Case::of(&request, &policy);
    let unknown = case.unknown(&policy, snapshot).len();
    unknown.min(1) + case.answer(webhook, &world).body.len()
}

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

/// How long this thread has run, without the time in which others did.
fn time_of_this_thread() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec.unsigned_abs(), u32::try_from(tv_nsec).unwrap())
}
