//! Where and when reviews are decided: small ones where they arrive, larger ones on other threads,
//! one at a time of each size.
//!
//! A review takes some eight times its size in memory and up to 100 ms of CPU while it is decided
//! (core/tests/bounds). So a thread that also reads from connections decides small ones only, and
//! what is decided at one moment holds no more than one large review, one of middle size, and a
//! small one for each thread. A turn ends with the decision: it is not kept while networks are
//! looked up.

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use std::sync::Arc;

use super::body;

/// Bodies up to this size are decided where they arrive: in less than three milliseconds.
const SMALL: usize = 64 << 10;

/// The turns of the sizes.
#[derive(Debug)]
pub(super) struct Turns {
    middle: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Why a review has no turn: its deadline is over.
#[derive(Debug)]
pub(super) struct TooLate;

impl Turns {
    /// Runs `decide`, in its turn, for a body of so many bytes. `None` if it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        deadline: Instant,
        decide: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, TooLate> {
        if bytes <= SMALL {
            // Panics are caught inside the job.
            return Ok(Some(decide()));
        }
        let size = if bytes > body::LARGE {
            &self.large
        } else {
            &self.middle
        };
        let turn = timeout_at(deadline, Arc::clone(size).acquire_owned()).await;
        let turn: Option<OwnedSemaphorePermit> = turn.map_err(|_| TooLate)?.ok();
        let decided = tokio::task::spawn_blocking(move || {
            let decided = decide();
            // Even if the caller has gone: the next one begins when this one ends.
            drop(turn);
            decided
        });
        match timeout_at(deadline, decided).await {
            Ok(decided) => Ok(decided.ok()),
            Err(_) => Err(TooLate),
        }
    }
}

impl Default for Turns {
    fn default() -> Self {
        let one = || Arc::new(Semaphore::new(1));
        Self {
            middle: one(),
            large: one(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[tokio::test]
    async fn large_ones_leave_the_thread_and_come_one_at_a_time() {
        let turns = Turns::default();
        let here = std::thread::current().id();
        let thread = || std::thread::current().id();
        assert_eq!(turns.run(SMALL, soon(), thread).await.unwrap(), Some(here));
        for bytes in [SMALL + 1, body::LARGE + 1] {
            assert_ne!(turns.run(bytes, soon(), thread).await.unwrap(), Some(here));
        }
        // While a large one is decided, another waits; one of middle size does not.
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let busy = turns.run(body::LARGE + 1, soon(), move || wait.recv().is_ok());
        let others = async {
            let now = Instant::now() + Duration::from_millis(50);
            assert!(turns.run(body::LARGE + 1, now, || ()).await.is_err());
            assert_eq!(turns.run(body::LARGE, soon(), || 7).await.unwrap(), Some(7));
            go_on.send(()).unwrap();
        };
        let (busy, ()) = tokio::join!(biased; busy, others);
        assert_eq!(busy.unwrap(), Some(true));
        assert_eq!(
            turns.run(body::LARGE + 1, soon(), || 8).await.unwrap(),
            Some(8)
        );
    }

    #[tokio::test]
    async fn a_panic_and_a_caller_who_gives_up_free_the_turn() {
        let turns = Turns::default();
        let panics = || -> u8 { panic!("a rule") };
        assert_eq!(turns.run(SMALL + 1, soon(), panics).await.unwrap(), None);
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let now = Instant::now() + Duration::from_millis(50);
        let slow = turns.run(SMALL + 1, now, move || wait.recv().is_ok());
        assert!(slow.await.is_err());
        go_on.send(()).unwrap();
        assert_eq!(turns.run(SMALL + 1, soon(), || 9).await.unwrap(), Some(9));
    }
}
