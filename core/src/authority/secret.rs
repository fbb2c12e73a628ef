//! What the Secret should hold: I5.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Certificate, Memory, Observed, Secret, Terms, WriteSecret};

/// No authority is minted beside so many that have not expired.
const MAX_AUTHORITIES: usize = 3;

impl Memory {
    /// What to write into the Secret now, or else when to think of it again, as uptime.
    pub(super) fn secret(
        &self,
        observed: &Observed,
        terms: &Terms,
    ) -> (Option<WriteSecret>, Option<Duration>) {
        let now = observed.now;
        let nothing = BTreeSet::new();
        let stored = match &observed.secret {
            Secret::Absent => &nothing,
            Secret::Present(stored) => stored,
            Secret::Unread => return (None, None),
        };
        let write = |mint| {
            let lasting = |one: &&Certificate| !one.expired(now.wall - terms.grace);
            let authorities = self.known.iter().chain(stored).filter(lasting);
            let authorities = authorities.copied().collect();
            Some(WriteSecret { authorities, mint })
        };
        // What others lost is written back before anything else.
        let usable = || self.known.iter().filter(|one| !one.expired(now.wall));
        if usable().any(|one| !stored.contains(one)) {
            return (write(false), None);
        }
        if let Some(since) = self.lacking {
            let at = since + Self::patience(observed, terms);
            return if at <= now.uptime {
                (write(true), None)
            } else {
                (None, Some(at))
            };
        }
        // One that is not valid yet was made by a clock that is wrong: it succeeds nobody.
        let newest = usable().rev().find(|one| one.valid(now.wall));
        let Some(newest) = newest.filter(|_| usable().count() < MAX_AUTHORITIES) else {
            return (None, None);
        };
        let due = newest.made() + terms.half(newest.not_after - newest.made());
        if due <= now.wall {
            return (write(true), None);
        }
        let left = u64::try_from(due - now.wall).unwrap_or(0);
        (None, Some(now.uptime + Duration::from_secs(left)))
    }

    /// How long a replica that knows no authority waits for others to restore theirs. Where no
    /// bundle holds a certificate nobody is trusted, so not much can be restored.
    fn patience(observed: &Observed, terms: &Terms) -> Duration {
        let published = observed.confirmed().is_none()
            || observed
                .entries()
                .any(|(_, entry)| !entry.certificates.is_empty());
        let wait = if published {
            terms.restore
        } else {
            terms.restore / 5
        };
        wait + terms.restore / 5 * u32::from(terms.jitter) / 256
    }
}
