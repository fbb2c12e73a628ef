//! A file that is read again and again, and what it holds published when it changes.

use std::fmt::Display;

use crate::metrics::{Metrics, Reloaded};
use multinic_core::text::escape;

/// Reloaded was read last.
#[derive(Debug)]
pub(crate) struct Followed<T> {
    what: Reloaded,
    /// `None` after it could not be read.
    last: Option<T>,
}

impl<T: Clone + PartialEq> Followed<T> {
    /// Begins with what was read and published first.
    pub(crate) fn new(what: Reloaded, first: T) -> Self {
        Self {
            what,
            last: Some(first),
        }
    }

    /// Reloaded was read now, if it is new; that it cannot be read is new once.
    pub(crate) fn changed<E>(&mut self, read: Result<T, E>) -> Option<Result<T, E>> {
        match read {
            Ok(now) if self.last.as_ref() == Some(&now) => None,
            Ok(now) => {
                self.last = Some(now.clone());
                Some(Ok(now))
            }
            // Missing in the middle of a swap, or for good.
            Err(_) if self.last.is_none() => None,
            Err(error) => {
                self.last = None;
                Some(Err(error))
            }
        }
    }

    /// Publishes what was read if it is new and good; otherwise the old one stays.
    pub(crate) fn publish<E: Display>(
        &mut self,
        read: Result<T, E>,
        metrics: &Metrics,
        publish: impl FnOnce(T) -> Result<(), E>,
    ) {
        if let Some(read) = self.changed(read) {
            self.report(read.and_then(publish), metrics);
        }
    }

    /// Counts and logs whether it was replaced.
    pub(crate) fn report<E: Display>(&self, done: Result<(), E>, metrics: &Metrics) {
        metrics.reload(self.what, done.is_ok());
        let what = self.what.described();
        match done {
            Ok(()) => tracing::info!("{what} was replaced"),
            Err(error) => {
                let error = error.to_string();
                tracing::error!(
                    error = &*escape(&error),
                    "{what} is not replaced: the old one stays"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_new_once() {
        let mut followed = Followed::new(Reloaded::Config, "a");
        for (read, new) in [
            (Ok("a"), None),
            (Ok("b"), Some(Ok("b"))),
            (Ok("b"), None),
            (Err(1), Some(Err(1))),
            (Err(2), None),
            (Ok("b"), Some(Ok("b"))),
            (Ok("b"), None),
        ] {
            assert_eq!(followed.changed(read), new);
        }
    }
}
