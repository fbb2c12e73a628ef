//! A file that is read repeatedly, and whose content is published when it changes.

use multinic_core::text::escape;

use crate::error::chain;
use crate::metrics::{Metrics, Reloaded};

/// The last seen content of a file.
#[derive(Debug)]
pub(crate) struct Followed<T> {
    what: Reloaded,
    /// `None` after the file could not be read.
    last: Option<T>,
}

impl<T: Clone + PartialEq> Followed<T> {
    /// Begins with the content that was read and published first.
    pub(crate) fn new(what: Reloaded, first: T) -> Self {
        Self {
            what,
            last: Some(first),
        }
    }

    /// Returns what was read, if it differs from the last time. That the file cannot be read is
    /// returned once.
    pub(crate) fn changed<E>(&mut self, read: Result<T, E>) -> Option<Result<T, E>> {
        match read {
            Ok(now) if self.last.as_ref() == Some(&now) => None,
            Ok(now) => {
                self.last = Some(now.clone());
                Some(Ok(now))
            }
            // Missing in the middle of a swap, or permanently.
            Err(_) if self.last.is_none() => None,
            Err(error) => {
                self.last = None;
                Some(Err(error))
            }
        }
    }

    /// Publishes what was read, if it has changed and is valid; otherwise the old content stays.
    pub(crate) fn publish<E: Into<Box<dyn std::error::Error>>>(
        &mut self,
        read: Result<T, E>,
        metrics: &Metrics,
        publish: impl FnOnce(T) -> Result<(), E>,
    ) {
        if let Some(read) = self.changed(read) {
            self.report(read.and_then(publish), metrics);
        }
    }

    /// Counts and logs whether the content was replaced.
    pub(crate) fn report<E: Into<Box<dyn std::error::Error>>>(
        &self,
        done: Result<(), E>,
        metrics: &Metrics,
    ) {
        metrics.reload(self.what, done.is_ok());
        let what = self.what.described();
        match done {
            Ok(()) => tracing::info!("{what} was replaced"),
            Err(error) => {
                let error = chain(&*error.into());
                tracing::error!(
                    error = &*escape(&error),
                    "{what} is not replaced: the old one stays in force"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_returned_once() {
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
