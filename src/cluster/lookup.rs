//! Networks that the snapshot lacks, looked up one by one.

use std::time::Instant;

use super::Fetched;

/// Where networks are looked up.
#[derive(Debug)]
pub enum Lookup {
    /// Nowhere: the snapshot is the whole truth, as that of a folder is.
    Nowhere,
}

/// Why a look-up has no answer. That a network is not there is an answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot look up network {network}: {problem}")]
pub struct LookupError {
    /// The network, `namespace/name`.
    pub network: String,
    /// Why, in one line.
    pub problem: String,
}

impl Lookup {
    /// Looks up networks, given as namespace and name.
    ///
    /// # Errors
    /// Where one of them has no answer at the deadline.
    #[expect(clippy::unused_async, reason = "a look-up in a cluster waits")]
    pub async fn fetch(
        &self,
        _wanted: &[(&str, &str)],
        _deadline: Instant,
    ) -> Result<Fetched, LookupError> {
        match self {
            Self::Nowhere => Ok(Fetched::default()),
        }
    }
}
