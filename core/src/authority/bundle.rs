//! What the bundle of an entry should hold: I4 and I6.

use std::time::Duration;

use super::{Certificate, Configuration, Entry, Memory, Now, Observed, Terms, WriteBundle};

/// Unknown certificates are kept up to so many in a bundle, the known ones included.
const MAX_CERTIFICATES: usize = 4;

impl Memory {
    /// Bundles to write; for each configuration whether it needs nothing; and when an entry in
    /// dispute is looked at again, as uptime.
    pub(super) fn bundles(
        &self,
        observed: &Observed,
        terms: &Terms,
    ) -> (Vec<WriteBundle>, Vec<bool>, Vec<Duration>) {
        let there = |one: &Configuration| matches!(one, Configuration::Present { .. });
        let mut in_sync: Vec<bool> = observed.configurations.iter().map(there).collect();
        let (mut writes, mut again) = (Vec::new(), Vec::new());
        for (configuration, entry) in observed.entries() {
            let wanted = self.wanted(entry, observed.now, terms);
            if wanted == entry.certificates && entry.tidy {
                continue;
            }
            if let Some(state) = in_sync.get_mut(configuration) {
                *state = false;
            }
            if wanted.is_empty() {
                continue; // nothing to publish yet
            }
            let key = (configuration, entry.name.clone());
            let dispute = self.entries.get(&key);
            match dispute.and_then(|dispute| dispute.deferred(observed.now.uptime)) {
                Some(at) => again.push(at),
                None => writes.push(WriteBundle {
                    configuration,
                    entry: key.1,
                    certificates: wanted,
                    repair: dispute.is_some_and(|dispute| dispute.broken),
                }),
            }
        }
        (writes, in_sync, again)
    }

    /// The certificates that an entry should hold, the oldest first. Nothing where no authority is
    /// known.
    pub(super) fn wanted(&self, entry: &Entry, now: Now, terms: &Terms) -> Vec<Certificate> {
        let has = |one: &Certificate| entry.certificates.contains(one);
        // The grace passes between the last moment of adding and the first of removing.
        let stays = |one: &Certificate| {
            !one.expired(now.wall) || (has(one) && !one.expired(now.wall - terms.grace))
        };
        let known = self.known.iter().copied().filter(|one| stays(one));
        let mut wanted: Vec<Certificate> = known.collect();
        if wanted.is_empty() {
            return wanted;
        }
        let life = Duration::from_secs(u64::try_from(terms.leaf_life).unwrap_or(0));
        let mut strangers: Vec<Certificate> = entry.certificates.clone();
        strangers.retain(|one| {
            let since = self.strangers.get(&one.id).copied();
            !self.known.contains(one)
                && stays(one)
                && since.unwrap_or(now.uptime) + life > now.uptime
        });
        strangers.sort_unstable();
        strangers.dedup();
        let room = MAX_CERTIFICATES.saturating_sub(wanted.len());
        wanted.extend(strangers.into_iter().rev().take(room));
        wanted.sort_unstable();
        wanted
    }
}
