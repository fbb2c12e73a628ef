//! Built-in certificates: what a replica should write and serve next, from what it has read.
//!
//! The authorities (CA certificates with their keys) are kept in one Secret, which all replicas
//! share. Each replica signs a serving certificate ("leaf") of its own, in memory. The CA
//! certificates are published in the `caBundle` of every entry of the webhook configurations. All
//! replicas run the same loop, and none leads: [`Memory::note`] takes in what was read, [`plan`]
//! answers what to do next, and writes are optimistic, so that the loser of a race reads again.
//! Everything here is a function of its arguments; reading, signing and writing are done by the
//! program.
//!
//! # Invariants
//!
//! - **I1, trust before use.** A replica serves a leaf of an authority only after it has read the
//!   authority's certificate back in every entry of every configuration, without a break for
//!   [`Terms::hold`]. Both ends of that time are confirmed by a read. Each API server of a control
//!   plane has a cache of its own, and Kubernetes' own tests allow 30 s until a configuration is in
//!   force everywhere.
//! - **I2, the exception.** A replica that nobody trusts yet (the first installation, a Secret that
//!   was lost, everything expired) waits for one read only: waiting could only prolong the outage.
//!   Of several authorities that are in every entry it takes the oldest, which has been published
//!   for the longest time.
//! - **I3, bridge.** A leaf is served with its authority's certificate signed by the preceding
//!   authority, while that one is valid. So API servers that only know the old authority accept it.
//! - **I4, no removal in use.** A certificate leaves a bundle [`Terms::grace`] after it expired. One that is in
//!   a bundle and whose key nobody here knows stays for the life of a leaf. What is not a
//!   certificate is never kept: the API server stores it, and every call then fails.
//! - **I5, never mint while a usable key is known.** Authorities that this process remembers and the
//!   Secret lacks are written back at once. A replica that knows none waits for others to do so, and
//!   only then mints one.
//! - **I6, bundles are computed, not edited**, and are written only where they differ.
//! - **I9, no fights.** An entry that somebody else changes again and again is put right once a
//!   minute only, and the dispute is reported.
//! - **I10, first readiness is gated**: [`Plan::published`]. Later readiness is not.
//! - **I11, the last good leaf is never taken away.** With nothing better, even an expired one is
//!   served.
//!
//! I7 (JSON patch, never apply), I8 (watch, not poll) and I12 (one writer) are the business of the
//! program, which carries the plan out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod bundle;
mod dispute;
mod secret;
mod serve;

use dispute::Dispute;

/// The SHA-256 digest of a certificate in DER.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

/// A certificate of a CA. Ordered by age, the oldest first, so that all replicas agree on the order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Certificate {
    /// Valid from then on, in seconds since 1970.
    pub not_before: i64,
    /// Valid until then, in seconds since 1970.
    pub not_after: i64,
    /// What tells it from all others.
    pub id: Fingerprint,
}

/// The lives of certificates, and how long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Life of an authority, in seconds. A successor is minted at half of it.
    pub authority_life: i64,
    /// Life of a leaf, in seconds. It is renewed at half of it.
    pub leaf_life: i64,
    /// A certificate stays for so many seconds after it expired, and is not added again meanwhile:
    /// replicas whose clocks differ do not undo each other's removals.
    pub grace: i64,
    /// How long an authority must be seen in every bundle before it is used (I1).
    pub hold: Duration,
    /// How long other replicas have to write back an authority that they remember (I5).
    pub restore: Duration,
    /// Time between two looks at everything, whether or not a watch reports anything.
    pub look: Duration,
    /// What makes this replica a little later than others: 0 is the earliest, 255 the latest.
    pub jitter: u8,
}

/// A moment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Now {
    /// By the wall clock, in seconds since 1970: for what certificates state.
    pub wall: i64,
    /// Since this process started: for waits, which a clock that is set must not shorten.
    pub uptime: Duration,
}

/// What a replica has read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Observed {
    /// The moment of the last read.
    pub now: Now,
    /// The Secret of the authorities.
    pub secret: Secret,
    /// The webhook configurations that this replica is responsible for, always in the same order.
    pub configurations: Vec<Configuration>,
}

/// The Secret of the authorities.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Secret {
    /// It does not exist.
    Absent,
    /// It holds these authorities whose keys are there and can sign for this server's names.
    Present(BTreeSet<Certificate>),
    /// It could not be read yet.
    Unread,
}

/// A webhook configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Configuration {
    /// It does not exist, so nothing is called because of it.
    Absent {
        /// When that was last read, as uptime.
        at: Duration,
    },
    /// It has these entries.
    Present {
        /// When it was last read, as uptime.
        at: Duration,
        /// One for each webhook.
        entries: Vec<Entry>,
    },
    /// It could not be read yet.
    Unread,
}

/// One webhook of a configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Entry {
    /// Its name, which is unique in its configuration.
    pub name: String,
    /// The certificates in its `caBundle`, in their order.
    pub certificates: Vec<Certificate>,
    /// Whether the bundle is, to the byte, what would be written for these certificates.
    pub tidy: bool,
}

/// What a replica remembers of earlier reads.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Memory {
    /// Authorities whose keys this process has read; in other modes than the built-in one, the CA
    /// certificates that were supplied.
    known: BTreeSet<Certificate>,
    /// Since when a certificate has been read in every entry, without a break.
    trusted: BTreeMap<Fingerprint, Duration>,
    /// Since when certificates have been in bundles whose keys nobody here knows.
    strangers: BTreeMap<Fingerprint, Duration>,
    /// Since when no usable authority has been known.
    lacking: Option<Duration>,
    /// The authority of the leaf that is served, once this replica has been ready.
    serving: Option<Certificate>,
    /// What happened to each entry, by the index of its configuration and its name.
    entries: BTreeMap<(usize, String), Dispute>,
}

/// What to do next. Everything is decided anew after each read, so a plan that could not be carried
/// out needs no undoing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// What to write into the Secret.
    pub secret: Option<WriteSecret>,
    /// Bundles to write; those of one configuration belong into one patch.
    pub bundles: Vec<WriteBundle>,
    /// The authority whose leaf is to be served.
    pub serve: Option<Certificate>,
    /// The preceding authority, which signs the certificate of the serving one once more.
    pub bridge: Option<Certificate>,
    /// Whether the serving authority is in every entry of every configuration that exists.
    pub published: bool,
    /// For each configuration whether it needs nothing.
    pub in_sync: Vec<bool>,
    /// Whether an entry is in dispute.
    pub disputed: bool,
    /// When to read everything and plan again at the latest, as uptime.
    pub look: Duration,
}

/// What the Secret is to hold. The write must fail where the Secret is no longer as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WriteSecret {
    /// Authorities that are kept or written back.
    pub authorities: BTreeSet<Certificate>,
    /// Whether a new one is to be minted.
    pub mint: bool,
}

/// What the bundle of an entry is to hold. The write must fail where it is no longer as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WriteBundle {
    /// Index of the configuration.
    pub configuration: usize,
    /// Name of the entry.
    pub entry: String,
    /// The certificates in their order.
    pub certificates: Vec<Certificate>,
    /// Whether this restores what somebody else took away.
    pub repair: bool,
}

/// Certificates are valid from so many seconds before they were made: the clocks of other machines
/// may be behind by hours.
pub const BACKDATE: i64 = 24 * 3600;
/// A certificate that begins this many seconds from now is not valid yet: other clocks may be behind.
pub const MARGIN: i64 = 5 * 60;

impl Terms {
    /// What the program uses.
    pub fn new(jitter: u8) -> Self {
        Self {
            authority_life: 365 * 24 * 3600,
            leaf_life: 14 * 24 * 3600,
            grace: 24 * 3600,
            hold: Duration::from_mins(1),
            restore: Duration::from_secs(10),
            look: Duration::from_mins(1),
            jitter,
        }
    }

    /// When a certificate with this life should be replaced, in seconds after it was made: at half
    /// its life and a little later, another little for each replica.
    fn half(&self, life: i64) -> i64 {
        life / 2 + life / 20 * i64::from(self.jitter) / 256
    }

    /// Whether a leaf that was made and expires then should be made anew, all in seconds since 1970.
    pub fn leaf_is_due(&self, made: i64, not_after: i64, now: i64) -> bool {
        // One that was made in the future was made before the clock was set back.
        now >= made + self.half(not_after - made) || now < made - BACKDATE / 2
    }
}

impl Certificate {
    /// When it was made, if it was made here.
    fn made(&self) -> i64 {
        self.not_before + BACKDATE
    }

    fn expired(&self, now: i64) -> bool {
        self.not_after <= now
    }

    fn valid(&self, now: i64) -> bool {
        self.not_before + MARGIN <= now && !self.expired(now)
    }
}

impl Observed {
    /// The moment until which every configuration is known to have been as it was read; `None`
    /// before all were read.
    fn confirmed(&self) -> Option<Duration> {
        let reads = self.configurations.iter().map(|one| match one {
            Configuration::Absent { at } | Configuration::Present { at, .. } => Some(*at),
            Configuration::Unread => None,
        });
        reads.min().flatten()
    }

    fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let all = self.configurations.iter().enumerate();
        all.flat_map(|(index, configuration)| {
            let entries = match configuration {
                Configuration::Present { entries, .. } => entries.as_slice(),
                Configuration::Absent { .. } | Configuration::Unread => &[],
            };
            entries.iter().map(move |entry| (index, entry))
        })
    }
}

impl Memory {
    /// A replica that publishes these CA certificates and signs nothing itself.
    pub fn supplied(certificates: impl IntoIterator<Item = Certificate>) -> Self {
        Self {
            known: certificates.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Replaces the CA certificates that were supplied. Those of before are strangers from now on,
    /// which stay in the bundles for the life of a leaf.
    pub fn supply(&mut self, certificates: impl IntoIterator<Item = Certificate>) {
        self.known = certificates.into_iter().collect();
    }

    /// The authorities whose keys this process has to keep.
    pub fn known(&self) -> impl Iterator<Item = &Certificate> {
        self.known.iter()
    }

    /// Entries that somebody else changes again and again: index of the configuration, and name.
    pub fn disputed(&self) -> impl Iterator<Item = (usize, &str)> {
        let disputed = self.entries.iter().filter(|(_, dispute)| dispute.is_on());
        disputed.map(|((configuration, entry), _)| (*configuration, &**entry))
    }

    /// Takes in what was read. Must see every read, in their order: a break that it does not see is
    /// none.
    pub fn note(&mut self, observed: &Observed, terms: &Terms) {
        let now = observed.now;
        if let Secret::Present(authorities) = &observed.secret {
            self.known.extend(authorities);
        }
        self.known
            .retain(|one| !one.expired(now.wall - terms.grace));
        let usable = self.known.iter().any(|one| !one.expired(now.wall));
        self.lacking = match (usable, &observed.secret) {
            (false, Secret::Absent | Secret::Present(_)) => self.lacking.or(Some(now.uptime)),
            _ => None,
        };
        self.trust(observed);
        self.meet_strangers(observed);
        for (configuration, entry) in observed.entries() {
            let key = (configuration, entry.name.clone());
            let wanted = self.wanted(entry, now, terms);
            let dispute = self.entries.entry(key).or_default();
            dispute.note(entry, &wanted, now.uptime);
        }
    }

    /// A leaf of this authority is served, by a replica that has been ready: from now on another one
    /// must be better.
    pub fn served(&mut self, authority: Certificate) {
        self.serving = Some(authority);
    }

    fn trust(&mut self, observed: &Observed) {
        let everywhere = match observed.confirmed() {
            Some(_) => self.everywhere(observed),
            None => BTreeSet::new(),
        };
        self.trusted.retain(|id, _| everywhere.contains(id));
        for id in everywhere {
            self.trusted.entry(id).or_insert(observed.now.uptime);
        }
    }

    /// What is in every entry.
    fn everywhere(&self, observed: &Observed) -> BTreeSet<Fingerprint> {
        let mut all: Option<BTreeSet<Fingerprint>> = None;
        for (_, entry) in observed.entries() {
            let here = entry.certificates.iter().map(|one| one.id);
            all = Some(match all {
                None => here.collect(),
                Some(all) => here.filter(|id| all.contains(id)).collect(),
            });
        }
        // Without an entry nothing is called, and nothing distrusts.
        all.unwrap_or_else(|| self.known.iter().map(|one| one.id).collect())
    }

    fn meet_strangers(&mut self, observed: &Observed) {
        let mut there = BTreeSet::new();
        for (_, entry) in observed.entries() {
            let unknown = |one: &&Certificate| !self.known.contains(one);
            there.extend(entry.certificates.iter().filter(unknown).map(|one| one.id));
        }
        self.strangers.retain(|id, _| there.contains(id));
        for id in there {
            self.strangers.entry(id).or_insert(observed.now.uptime);
        }
    }

    /// Whether every entry has held it for long enough (I1).
    fn held(&self, authority: &Certificate, observed: &Observed, terms: &Terms) -> bool {
        let since = self.trusted.get(&authority.id);
        since.is_some_and(|since| {
            let confirmed = observed.confirmed();
            confirmed.is_some_and(|confirmed| confirmed >= *since + terms.hold)
        })
    }
}

/// What to do next. [`Memory::note`] must have seen what was observed.
pub fn plan(observed: &Observed, memory: &Memory, terms: &Terms) -> Plan {
    let now = observed.now;
    let (bundles, in_sync, again) = memory.bundles(observed, terms);
    let serve = memory.serve(observed, terms);
    let (secret, mint_at) = memory.secret(observed, terms);
    let published = serve.is_some_and(|one| memory.trusted.contains_key(&one.id));
    let hold_ends = memory
        .trusted
        .values()
        .map(|since| *since + terms.hold)
        .filter(|end| observed.confirmed().is_some_and(|at| at < *end))
        // A read at the very moment is one that comes a little too early.
        .map(|end| end.max(now.uptime));
    let look = hold_ends
        .chain(again)
        .chain(mint_at)
        .fold(now.uptime + terms.look, Duration::min);
    Plan {
        secret,
        bundles,
        bridge: serve.and_then(|one| memory.predecessor(&one, now.wall)),
        serve,
        published,
        in_sync,
        disputed: memory.entries.values().any(Dispute::is_on),
        look,
    }
}

#[cfg(test)]
mod tests;
