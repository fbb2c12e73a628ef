//! Which authority's leaf is served: I1, I2, I3 and I11.

use super::{Certificate, Memory, Observed, Terms};

impl Memory {
    /// The authority whose leaf should be served now.
    pub(super) fn serve(&self, observed: &Observed, terms: &Terms) -> Option<Certificate> {
        let now = observed.now.wall;
        let usable = || self.known.iter().rev().filter(|one| !one.expired(now));
        let valid = || usable().filter(|one| one.valid(now));
        // The newest that everybody has trusted for long enough.
        let mut held = valid().filter(|one| self.held(one, observed, terms));
        if let Some(held) = held.next() {
            return Some(*held);
        }
        let everywhere = |one: &&Certificate| self.trusted.contains_key(&one.id);
        let lasting = |one: &&Certificate| !one.expired(now + lasting_for(terms));
        let oldest_trusted = || {
            let lasts = valid().rev().filter(everywhere).find(lasting);
            lasts.or_else(|| valid().find(everywhere))
        };
        if let Some(serving) = self.serving.filter(|one| !one.expired(now)) {
            // Where nobody trusts it, what everybody trusts is better at once.
            let somewhere = observed.entries().any(|(_, entry)| {
                let mut there = entry.certificates.iter();
                there.any(|one| one.id == serving.id)
            });
            return match oldest_trusted() {
                Some(trusted) if !somewhere => Some(*trusted),
                _ => Some(serving),
            };
        }
        let shown = oldest_trusted().or_else(|| valid().next());
        shown.or_else(|| usable().next()).copied().or(self.serving)
    }

    /// The authority before this one, with which its certificate is signed once more (I3).
    pub(super) fn predecessor(&self, serving: &Certificate, now: i64) -> Option<Certificate> {
        let older = self.known.range(..*serving).rev();
        older.copied().find(|one| one.valid(now))
    }
}

/// An authority should last for so many seconds to be worth a change.
fn lasting_for(terms: &Terms) -> i64 {
    i64::try_from(2 * terms.hold.as_secs()).unwrap_or(i64::MAX)
}
