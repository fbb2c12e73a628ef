//! Several replicas, several API servers whose knowledge lags, crashes and lost Secrets: at no
//! moment does an API server reject a replica that serves.
//!
//! Time passes in ticks. What a replica does is cut into its smallest parts: it reads one object,
//! perhaps from a cache that lags; it takes in what it read; it carries out one write, which fails
//! where the object is no longer as it was read. Between any two parts anything else may happen.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use proptest::prelude::*;

use super::super::*;
use super::{HOUR, START, YEAR, authority};

/// Seconds in a tick.
const TICK: u64 = 30;
/// An API server knows of a change at the latest after so many ticks: less than [`Terms::hold`].
const LAG: u32 = 1;
const CONFIGURATIONS: usize = 2;

/// What the model leaves out, to show that the rest holds without it.
#[derive(Clone, Copy, Debug)]
struct Without {
    bridge: bool,
    hold: bool,
}

/// An object with its version.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Versioned<T> {
    version: u32,
    value: T,
}

type Bundle = Vec<Certificate>;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Stored {
    /// The authorities of the Secret; `None` where there is no Secret.
    secret: Versioned<Option<BTreeSet<Certificate>>>,
    /// Each configuration has one entry.
    bundles: Vec<Versioned<Bundle>>,
}

/// An API server: what it calls the webhooks with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct View {
    stored: Stored,
    /// For how many ticks it has not known the newest state.
    behind: u32,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Replica {
    memory: Memory,
    secret: Option<Versioned<Option<BTreeSet<Certificate>>>>,
    bundles: Vec<Option<(u32, Versioned<Bundle>)>>,
    started: u32,
    ready: bool,
    /// The authority of its leaf, and the one that signed the bridge.
    leaf: Option<(Certificate, Option<Certificate>)>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct World {
    tick: u32,
    /// Seconds that the wall clock is ahead of the ticks.
    wall: i64,
    stored: Stored,
    views: [View; 2],
    replicas: Vec<Replica>,
    minted: u8,
    /// Whether every view has accepted every replica since keys were last lost.
    converged: bool,
    /// The first replica that was rejected after that, and by which API server.
    rejected: Option<(usize, usize)>,
}

/// One step of something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// A replica reads the Secret.
    ReadSecret(usize),
    /// A replica reads a configuration.
    ReadBundle(usize, usize),
    /// A replica reads everything as an API server knows it, if that is newer.
    ReadView(usize, usize),
    /// A replica reads everything and acts.
    Go(usize),
    /// A replica plans, serves what is planned and carries out one write.
    Act(usize),
    /// A replica crashes and starts anew.
    Crash(usize),
    /// An API server learns the newest state.
    Learn(usize),
    /// The Secret is deleted, or emptied; or what it holds is replaced.
    Delete,
    Empty,
    Tick,
}

impl World {
    /// One authority, known and trusted everywhere, made so long ago.
    fn settled(replicas: usize, age: i64) -> Self {
        let one = authority(1, 0);
        let stored = Stored {
            secret: Versioned {
                version: 1,
                value: Some([one].into()),
            },
            bundles: vec![
                Versioned {
                    version: 1,
                    value: vec![one],
                };
                CONFIGURATIONS
            ],
        };
        let view = View {
            stored: stored.clone(),
            behind: 0,
        };
        let mut world = Self {
            tick: 0,
            wall: START + age,
            stored,
            views: [view.clone(), view],
            replicas: (0..replicas).map(|_| Replica::new(0)).collect(),
            minted: 1,
            converged: false,
            rejected: None,
        };
        for index in 0..replicas {
            world.step(Step::Go(index), Without::nothing());
        }
        world.converged = true;
        world
    }

    /// Nothing is there but empty configurations.
    fn new(replicas: usize) -> Self {
        let mut world = Self::settled(0, 0);
        for stored in [&mut world.stored]
            .into_iter()
            .chain(world.views.iter_mut().map(|view| &mut view.stored))
        {
            stored.secret.value = Some(BTreeSet::new());
            for bundle in &mut stored.bundles {
                bundle.value.clear();
            }
        }
        world.replicas = (0..replicas).map(|_| Replica::new(0)).collect();
        world.converged = false;
        world
    }

    fn now(&self, replica: &Replica) -> Now {
        let uptime = Duration::from_secs(u64::from(self.tick - replica.started) * TICK);
        let ticks = i64::from(self.tick) * i64::try_from(TICK).unwrap();
        Now {
            wall: self.wall + ticks,
            uptime,
        }
    }

    fn terms(without: Without) -> Terms {
        Terms {
            // More than the lag, and no more than that.
            hold: Duration::from_secs(if without.hold {
                0
            } else {
                u64::from(LAG + 1) * TICK
            }),
            ..Terms::new(0)
        }
    }

    /// Takes a step; none that changes nothing.
    fn step(&mut self, step: Step, without: Without) {
        match step {
            Step::ReadSecret(index) => {
                let stored = self.stored.secret.clone();
                self.replicas[index].see_secret(stored);
                self.note(index, without);
            }
            Step::ReadBundle(index, configuration) => {
                let stored = self.stored.bundles[configuration].clone();
                self.see_bundle(index, configuration, stored);
                self.note(index, without);
            }
            Step::ReadView(index, view) => {
                let stored = self.views[view].stored.clone();
                self.replicas[index].see_secret(stored.secret);
                for (configuration, bundle) in stored.bundles.into_iter().enumerate() {
                    self.see_bundle(index, configuration, bundle);
                }
                self.note(index, without);
            }
            Step::Go(index) => {
                self.read_all(index, without);
                self.act(index, without);
            }
            Step::Act(index) => self.act(index, without),
            Step::Crash(index) => self.replicas[index] = Replica::new(self.tick),
            Step::Learn(view) => {
                self.views[view].stored = self.stored.clone();
                self.views[view].behind = 0;
            }
            Step::Delete => self.write_secret(None),
            Step::Empty => self.write_secret(Some(BTreeSet::new())),
            Step::Tick => {
                self.restore(without);
                for view in &mut self.views {
                    if view.stored == self.stored {
                        view.behind = 0;
                    } else if view.behind == LAG {
                        view.stored = self.stored.clone();
                        view.behind = 0;
                    } else {
                        view.behind += 1;
                    }
                }
                self.tick += 1;
            }
        }
        self.judge(without);
    }

    /// What I5 takes for granted: a replica that is alive writes back what the Secret lost before
    /// others give up waiting for it, and their watches report it in time.
    fn restore(&mut self, without: Without) {
        for index in 0..self.replicas.len() {
            let stored = self.stored.secret.value.iter().flatten();
            let stored: BTreeSet<_> = stored.copied().collect();
            let now = self.now(&self.replicas[index]).wall;
            let mut known = self.replicas[index].memory.known();
            let lost = known.any(|one| !one.expired(now) && !stored.contains(one));
            drop(known);
            if lost {
                self.step(Step::ReadSecret(index), without);
                self.step(Step::Act(index), without);
            }
        }
        for index in 0..self.replicas.len() {
            self.step(Step::ReadSecret(index), without);
        }
    }

    fn see_bundle(&mut self, index: usize, configuration: usize, seen: Versioned<Bundle>) {
        let at = self.tick - self.replicas[index].started;
        let last = &mut self.replicas[index].bundles[configuration];
        if last
            .as_ref()
            .is_none_or(|(_, last)| last.version <= seen.version)
        {
            *last = Some((at, seen));
        }
    }

    fn read_all(&mut self, index: usize, without: Without) {
        for configuration in 0..CONFIGURATIONS {
            self.step(Step::ReadBundle(index, configuration), without);
        }
        self.step(Step::ReadSecret(index), without);
    }

    fn observed(&self, index: usize) -> Observed {
        let replica = &self.replicas[index];
        let bundles = replica.bundles.iter();
        let configurations = bundles.map(|seen| match seen {
            None => Configuration::Unread,
            Some((at, seen)) => Configuration::Present {
                at: Duration::from_secs(u64::from(*at) * TICK),
                entries: vec![Entry {
                    name: "entry".to_owned(),
                    certificates: seen.value.clone(),
                    tidy: true,
                }],
            },
        });
        Observed {
            now: self.now(replica),
            configurations: configurations.collect(),
            secret: match &replica.secret {
                None => Secret::Unread,
                Some(Versioned { value: None, .. }) => Secret::Absent,
                Some(Versioned {
                    value: Some(value), ..
                }) => Secret::Present(value.clone()),
            },
        }
    }

    fn note(&mut self, index: usize, without: Without) {
        let observed = self.observed(index);
        let memory = &mut self.replicas[index].memory;
        memory.note(&observed, &Self::terms(without));
    }

    fn act(&mut self, index: usize, without: Without) {
        self.note(index, without);
        let terms = Self::terms(without);
        let observed = self.observed(index);
        let replica = &mut self.replicas[index];
        let plan = plan(&observed, &replica.memory, &terms);
        if let Some(serve) = plan.serve {
            replica.leaf = Some((serve, plan.bridge));
            replica.ready |= plan.published;
            if replica.ready {
                replica.memory.served(serve);
            }
        }
        if let Some(write) = plan.secret {
            let seen = replica.secret.as_ref().expect("it was read");
            if seen.version == self.stored.secret.version {
                let mut authorities = write.authorities;
                if write.mint {
                    self.minted += 1;
                    let made = observed.now.wall - START;
                    authorities.insert(authority(self.minted, made));
                }
                self.write_secret(Some(authorities));
            }
            let stored = self.stored.secret.clone();
            self.replicas[index].see_secret(stored);
        } else if let Some(write) = plan.bundles.into_iter().next() {
            let seen = replica.bundles[write.configuration].as_ref();
            let stored = &mut self.stored.bundles[write.configuration];
            if seen.is_some_and(|(_, seen)| seen.value == stored.value) {
                stored.value = write.certificates;
                stored.version += 1;
            }
            let stored = stored.clone();
            self.see_bundle(index, write.configuration, stored);
        }
        self.note(index, without);
    }

    fn write_secret(&mut self, value: Option<BTreeSet<Certificate>>) {
        self.stored.secret.version += 1;
        self.stored.secret.value = value;
    }

    /// Whether a replica that serves is rejected by an API server.
    fn find_rejected(&self, without: Without) -> Option<(usize, usize)> {
        for (index, replica) in self.replicas.iter().enumerate() {
            let Some((authority, bridge)) = replica.leaf.filter(|_| replica.ready) else {
                continue;
            };
            let bridge = bridge.filter(|_| !without.bridge);
            let now = self.now(replica).wall;
            for (number, view) in self.views.iter().enumerate() {
                let accepts = |bundle: &Versioned<Bundle>| {
                    let trusts = |one: &Certificate| {
                        let chained = *one == authority || Some(*one) == bridge;
                        chained && !one.expired(now)
                    };
                    bundle.value.iter().any(trusts)
                };
                if !view.stored.bundles.iter().all(accepts) {
                    return Some((index, number));
                }
            }
        }
        None
    }

    fn judge(&mut self, without: Without) {
        // Keys that nobody knows any more can only be replaced: I2.
        let now = self.wall + i64::from(self.tick) * i64::try_from(TICK).unwrap();
        let mut known = self.stored.secret.value.iter().flatten();
        let stored = known.any(|one| !one.expired(now));
        let mut replicas = self.replicas.iter();
        if !stored && !replicas.any(|replica| replica.memory.known().any(|one| !one.expired(now))) {
            self.converged = false;
        }
        let rejected = self.find_rejected(without);
        if self.converged {
            self.rejected = self.rejected.or(rejected);
        } else if rejected.is_none() && self.replicas.iter().all(|one| one.ready) {
            self.converged = true;
        }
    }

    /// The world in a few lines.
    fn show(&self) -> String {
        let ids = |all: &mut dyn Iterator<Item = &Certificate>| -> Vec<u8> {
            all.map(|one| one.id.0[0]).collect()
        };
        let bundles = |stored: &Stored| -> Vec<Vec<u8>> {
            let bundles = stored.bundles.iter();
            bundles.map(|one| ids(&mut one.value.iter())).collect()
        };
        let mut text = format!(
            "tick {}: Secret {:?}, bundles {:?}",
            self.tick,
            self.stored
                .secret
                .value
                .as_ref()
                .map(|all| ids(&mut all.iter())),
            bundles(&self.stored),
        );
        for view in &self.views {
            text += &format!("\nAPI server: {:?}", bundles(&view.stored));
        }
        for one in &self.replicas {
            let leaf = one
                .leaf
                .map(|(by, bridge)| (by.id.0[0], bridge.map(|one| one.id.0[0])));
            let knows = ids(&mut one.memory.known());
            let seen: Vec<_> = one
                .bundles
                .iter()
                .flatten()
                .map(|(at, seen)| (*at, ids(&mut seen.value.iter())))
                .collect();
            text += &format!(
                "\nreplica of tick {}: ready {}, leaf {leaf:?}, knows {knows:?}, saw {seen:?}",
                one.started, one.ready,
            );
        }
        text
    }

    /// Everybody does what he has to, in turn, for so many ticks.
    fn fairly(&mut self, ticks: u32, without: Without) {
        for _ in 0..ticks {
            for index in 0..self.replicas.len() {
                for _ in 0..4 {
                    self.step(Step::Go(index), without);
                }
            }
            self.step(Step::Tick, without);
        }
    }

    fn assert_accepted(&self) {
        assert_eq!(self.rejected, None, "replica, API server: {}", self.show());
    }

    /// All serve the same authority, the newest one, and are ready.
    fn assert_settled(&self) {
        let newest = self.stored.secret.value.as_ref().and_then(BTreeSet::last);
        let newest = newest.expect("an authority");
        for replica in &self.replicas {
            assert!(replica.ready, "{}", self.show());
            let serving = replica.leaf.map(|leaf| leaf.0);
            assert_eq!(serving, Some(*newest), "{}", self.show());
        }
        self.assert_accepted();
        assert!(self.converged);
        let authorities = self.stored.secret.value.iter().flatten().count();
        assert!(authorities <= 3, "{authorities} authorities");
    }
}

impl Without {
    fn nothing() -> Self {
        Self {
            bridge: false,
            hold: false,
        }
    }
}

impl Replica {
    fn new(started: u32) -> Self {
        Self {
            memory: Memory::default(),
            secret: None,
            bundles: vec![None; CONFIGURATIONS],
            started,
            ready: false,
            leaf: None,
        }
    }

    fn see_secret(&mut self, seen: Versioned<Option<BTreeSet<Certificate>>>) {
        let last = &self.secret;
        if last
            .as_ref()
            .is_none_or(|last| last.version <= seen.version)
        {
            self.secret = Some(seen);
        }
    }
}

/// Every order of these steps, up to so many states and ticks; how many states there were, or the
/// first in which a replica is rejected.
fn explore(
    start: World,
    steps: &[Step],
    without: Without,
    (states, ticks): (usize, u32),
) -> Result<usize, String> {
    let mut seen = HashSet::from([digest(&start)]);
    let mut layer = vec![start];
    while !layer.is_empty() && seen.len() < states {
        let mut next = Vec::new();
        for world in &layer {
            for step in steps {
                if *step == Step::Tick && world.tick >= ticks {
                    continue;
                }
                let mut after = world.clone();
                after.step(*step, without);
                if after.rejected.is_some() {
                    return Err(after.show());
                }
                // Which replica is which makes no difference.
                after.replicas.sort_by_cached_key(digest);
                if seen.insert(digest(&after)) {
                    next.push(after);
                }
            }
        }
        layer = next;
    }
    Ok(seen.len())
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

const HALF: i64 = YEAR / 2;
const NO_BRIDGE: Without = Without {
    bridge: true,
    hold: false,
};
const NO_HOLD: Without = Without {
    bridge: false,
    hold: true,
};

/// The steps of three replicas, in small parts or in one piece.
fn steps(small: bool) -> Vec<Step> {
    let mut steps = vec![Step::Tick, Step::Learn(0)];
    for index in 0..3 {
        steps.push(Step::Crash(index));
        if small {
            steps.extend([Step::ReadSecret(index), Step::Act(index)]);
            steps.extend((0..CONFIGURATIONS).map(|one| Step::ReadBundle(index, one)));
        } else {
            steps.push(Step::Go(index));
        }
    }
    steps
}

#[test]
fn every_order_of_a_replacement() {
    let start = || World::settled(3, HALF);
    let states = explore(start(), &steps(false), NO_BRIDGE, (40_000, 6));
    assert!(states.unwrap() >= 40_000);
    let states = explore(start(), &steps(true), NO_BRIDGE, (20_000, 6));
    assert!(states.unwrap() >= 20_000);
}

#[test]
fn every_order_of_a_lost_secret() {
    let mut start = World::settled(3, 600);
    start.step(Step::Delete, NO_BRIDGE);
    let states = explore(start, &steps(true), NO_BRIDGE, (20_000, 6));
    assert!(states.unwrap() >= 20_000);
}

/// The bridge is the second of two safeguards: either suffices while a replacement goes its way, and
/// without both of them a replica is rejected.
#[test]
fn the_bridge_alone_carries_a_replacement() {
    let start = || World::settled(3, HALF);
    explore(start(), &steps(false), NO_HOLD, (40_000, 6)).unwrap();
    let without = Without {
        bridge: true,
        hold: true,
    };
    explore(start(), &steps(false), without, (40_000, 6)).unwrap_err();
}

#[test]
fn a_replica_dies_after_each_write() {
    for start in [World::new(1), World::settled(1, HALF), {
        let mut world = World::settled(1, 600);
        world.step(Step::Empty, Without::nothing());
        world
    }] {
        for deaths in 0..12 {
            let mut world = start.clone();
            let mut left = deaths;
            for _ in 0..60 {
                let before = world.stored.clone();
                world.step(Step::Go(0), Without::nothing());
                if world.stored != before && left > 0 {
                    left -= 1;
                    world.step(Step::Crash(0), Without::nothing());
                }
                world.step(Step::Tick, Without::nothing());
            }
            world.fairly(10, Without::nothing());
            world.assert_settled();
        }
    }
}

#[test]
fn five_replicas_start_on_nothing() {
    let mut world = World::new(5);
    world.fairly(10, Without::nothing());
    world.assert_settled();
    assert_eq!(world.stored.secret.value.iter().flatten().count(), 1);
    assert_eq!(world.stored.bundles[0].value.len(), 1);
}

#[test]
fn three_years_of_replacements() {
    let mut world = World::settled(3, 0);
    let mut newest = None;
    let mut changes = 0;
    for day in 0..3 * 365 {
        world.wall = START + day * 24 * 3600 - i64::from(world.tick) * i64::try_from(TICK).unwrap();
        world.fairly(4, Without::nothing());
        world.assert_settled();
        let last = world.stored.secret.value.iter().flatten().last().copied();
        changes += u32::from(last != newest);
        newest = last;
        for bundle in &world.stored.bundles {
            assert!(bundle.value.len() <= 3, "{bundle:?}");
        }
    }
    assert_eq!(changes, 6);
}

fn any_step() -> impl Strategy<Value = Step> {
    let replica = 0..3_usize;
    prop_oneof![
        4 => replica.clone().prop_map(Step::ReadSecret),
        8 => (replica.clone(), 0..CONFIGURATIONS).prop_map(|(one, two)| Step::ReadBundle(one, two)),
        2 => (replica.clone(), 0..2_usize).prop_map(|(one, two)| Step::ReadView(one, two)),
        12 => replica.clone().prop_map(Step::Act),
        1 => replica.prop_map(Step::Crash),
        3 => (0..2_usize).prop_map(Step::Learn),
        1 => Just(Step::Delete),
        1 => Just(Step::Empty),
        6 => Just(Step::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_api_server_rejects_a_replica(
        steps in prop::collection::vec(any_step(), 0..400),
        age in prop_oneof![Just(600), HALF - 300..HALF + 10, Just(YEAR - HOUR)],
        bridge: bool,
    ) {
        let without = Without { bridge, hold: false };
        let mut world = World::settled(3, age);
        for step in steps {
            world.step(step, without);
        }
        // Whatever happened, it comes to rest, also where half of the life of an authority is over
        // only now.
        world.fairly(24, without);
        world.assert_settled();
    }

    #[test]
    fn from_nothing_it_comes_to_rest(steps in prop::collection::vec(any_step(), 0..200)) {
        let without = NO_BRIDGE;
        let mut world = World::new(3);
        for step in steps {
            world.step(step, without);
        }
        world.fairly(12, without);
        world.assert_settled();
    }
}
