//! The invariants one by one; the model of several replicas is in `model`.

use super::*;

mod model;

const HOUR: i64 = 3600;
const START: i64 = 1_800_000_000;
const YEAR: i64 = 365 * 24 * HOUR;

fn terms() -> Terms {
    Terms::new(0)
}

/// An authority that was made so many seconds after [`START`].
fn authority(number: u8, made: i64) -> Certificate {
    Certificate {
        not_before: START + made - BACKDATE,
        not_after: START + made + YEAR,
        id: Fingerprint([number; 32]),
    }
}

fn entry(name: &str, certificates: &[Certificate]) -> Entry {
    Entry {
        name: name.to_owned(),
        certificates: certificates.to_vec(),
        tidy: true,
    }
}

/// A replica with what it reads: two configurations, the first with one entry, the second with two.
struct Replica {
    memory: Memory,
    observed: Observed,
    terms: Terms,
}

impl Replica {
    fn new(secret: Secret, bundle: &[Certificate]) -> Self {
        let at = Duration::ZERO;
        let configuration = |names: &[&str]| Configuration::Present {
            at,
            entries: names.iter().map(|name| entry(name, bundle)).collect(),
        };
        Self {
            memory: Memory::default(),
            observed: Observed {
                now: Now {
                    wall: START,
                    uptime: at,
                },
                secret,
                configurations: vec![configuration(&["one"]), configuration(&["two", "three"])],
            },
            terms: terms(),
        }
    }

    fn knowing(authorities: &[Certificate], bundle: &[Certificate]) -> Self {
        let secret = Secret::Present(authorities.iter().copied().collect());
        Self::new(secret, bundle)
    }

    /// Reads everything as it is after so many seconds, and plans.
    fn after(&mut self, seconds: i64) -> Plan {
        let passed = Duration::from_secs(seconds.unsigned_abs());
        self.observed.now.wall += seconds;
        self.observed.now.uptime += passed;
        for configuration in &mut self.observed.configurations {
            match configuration {
                Configuration::Absent { at } | Configuration::Present { at, .. } => {
                    *at = self.observed.now.uptime;
                }
                Configuration::Unread => {}
            }
        }
        self.plan()
    }

    fn plan(&mut self) -> Plan {
        self.memory.note(&self.observed, &self.terms);
        plan(&self.observed, &self.memory, &self.terms)
    }

    /// What is in an entry of the second configuration from now on.
    fn put(&mut self, index: usize, certificates: &[Certificate]) {
        let entries = self.entries();
        entries[index].certificates = certificates.to_vec();
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        match &mut self.observed.configurations[1] {
            Configuration::Present { entries, .. } => entries,
            other => panic!("{other:?}"),
        }
    }

    /// Carries out what is planned for the bundles.
    fn publish(&mut self, plan: &Plan) {
        for write in &plan.bundles {
            let Configuration::Present { entries, .. } =
                &mut self.observed.configurations[write.configuration]
            else {
                panic!("{write:?}");
            };
            let entry = entries.iter_mut().find(|one| one.name == write.entry);
            let entry = entry.expect("an entry");
            entry.certificates.clone_from(&write.certificates);
            entry.tidy = true;
        }
    }
}

#[test]
fn the_first_installation() {
    let mut replica = Replica::new(Secret::Present(BTreeSet::new()), &[]);
    let plan = replica.after(0);
    assert_eq!(plan.secret, None);
    assert_eq!((plan.serve, plan.published), (None, false));
    // Nobody is trusted, so nobody else can have much to restore.
    assert_eq!(plan.look, Duration::from_secs(2));
    let plan = replica.after(2);
    let minted = plan.secret.expect("it mints");
    assert!(minted.mint && minted.authorities.is_empty());
    // Another replica was faster: its authority is adopted.
    let one = authority(1, 2);
    replica.observed.secret = Secret::Present([one].into());
    let plan = replica.after(0);
    assert_eq!(plan.secret, None);
    assert_eq!(plan.bundles.len(), 3);
    assert!(plan.bundles.iter().all(|write| write.certificates == [one]));
    // It is shown, to nobody who would trust it: the replica is not ready.
    assert_eq!((plan.serve, plan.published), (Some(one), false));
    replica.publish(&plan);
    let plan = replica.after(0);
    assert_eq!((plan.serve, plan.published), (Some(one), true));
    assert_eq!(plan.in_sync, [true, true]);
    assert!(plan.bundles.is_empty());
}

#[test]
fn i1_an_authority_is_trusted_everywhere_for_a_while_before_it_is_used() {
    let (old, new) = (authority(1, 0), authority(2, 10));
    let mut replica = Replica::knowing(&[old], &[old]);
    replica.after(0);
    let plan = replica.after(600);
    assert_eq!((plan.serve, plan.published), (Some(old), true));
    replica.memory.served(old);
    replica.observed.secret = Secret::Present([old, new].into());
    let plan = replica.after(0);
    assert!(
        plan.bundles
            .iter()
            .all(|one| one.certificates == [old, new])
    );
    replica.publish(&plan);
    let plan = replica.after(1);
    assert_eq!((plan.serve, plan.bridge), (Some(old), None));
    // It is looked at when the time is over, and both ends are confirmed by a read.
    assert_eq!(plan.look, replica.observed.now.uptime + replica.terms.hold);
    assert_eq!(replica.after(59).serve, Some(old));
    replica.observed.now.uptime += Duration::from_secs(5);
    assert_eq!(replica.plan().serve, Some(old), "nothing was read since");
    let plan = replica.after(0);
    assert_eq!((plan.serve, plan.bridge), (Some(new), Some(old)));
}

#[test]
fn i1_a_break_in_one_entry_begins_the_time_anew() {
    let (old, new) = (authority(1, 0), authority(2, 10));
    let mut replica = Replica::knowing(&[old, new], &[old]);
    replica.after(600);
    replica.memory.served(old);
    let plan = replica.after(0);
    replica.publish(&plan);
    replica.after(0);
    replica.after(50);
    replica.put(1, &[old]);
    let plan = replica.after(1);
    replica.publish(&plan);
    replica.after(1);
    assert_eq!(replica.after(50).serve, Some(old));
    assert_eq!(replica.after(10).serve, Some(new));
}

#[test]
fn i1_what_was_not_read_is_not_trusted() {
    let one = authority(1, 0);
    let mut replica = Replica::knowing(&[one], &[one]);
    replica.observed.configurations.push(Configuration::Unread);
    let plan = replica.after(600);
    assert_eq!((plan.serve, plan.published), (Some(one), false));
    // One that does not exist is no obstacle.
    replica.observed.configurations[2] = Configuration::Absent {
        at: replica.observed.now.uptime,
    };
    let plan = replica.after(1);
    assert_eq!((plan.serve, plan.published), (Some(one), true));
    assert_eq!(plan.in_sync, [true, true, false]);
}

#[test]
fn i2_a_new_replica_takes_the_oldest_that_is_everywhere() {
    let (old, new) = (authority(1, 0), authority(2, 10));
    let mut replica = Replica::knowing(&[old, new], &[old, new]);
    let plan = replica.after(600);
    assert_eq!((plan.serve, plan.published), (Some(old), true));
    replica.memory.served(old);
    assert_eq!(replica.after(60).serve, Some(new));
}

#[test]
fn i2_what_nobody_trusts_is_left_for_what_everybody_trusts() {
    let (old, new) = (authority(1, 0), authority(2, 10));
    let mut replica = Replica::knowing(&[old, new], &[old, new]);
    replica.after(600);
    replica.memory.served(new);
    for configuration in &mut replica.observed.configurations {
        if let Configuration::Present { entries, .. } = configuration {
            for entry in entries {
                entry.certificates = vec![old];
            }
        }
    }
    assert_eq!(replica.after(1).serve, Some(old));
}

#[test]
fn i4_a_certificate_leaves_a_day_after_it_expired() {
    let (old, new) = (authority(1, 0), authority(2, 200 * 24 * HOUR));
    let mut replica = Replica::knowing(&[old, new], &[old, new]);
    let plan = replica.after(YEAR - 1);
    assert!(plan.bundles.is_empty());
    replica.memory.served(new);
    let plan = replica.after(HOUR);
    assert!(plan.bundles.is_empty(), "not removed at once");
    assert_eq!(plan.serve, Some(new));
    // And not added again: clocks differ.
    replica.put(0, &[new]);
    assert!(replica.after(1).bundles.is_empty());
    let plan = replica.after(terms().grace);
    assert_eq!(plan.bundles.len(), 2);
    assert!(plan.bundles.iter().all(|one| one.certificates == [new]));
}

#[test]
fn i4_strangers_stay_for_the_life_of_a_leaf() {
    let (own, stranger) = (authority(1, 10), authority(9, 0));
    let mut replica = Replica::knowing(&[own], &[stranger]);
    let plan = replica.after(0);
    assert!(
        plan.bundles
            .iter()
            .all(|one| one.certificates == [stranger, own])
    );
    replica.publish(&plan);
    let life = replica.terms.leaf_life;
    assert!(replica.after(life - 1).bundles.is_empty());
    let plan = replica.after(1);
    assert_eq!(plan.bundles.len(), 3);
    assert!(plan.bundles.iter().all(|one| one.certificates == [own]));
}

#[test]
fn i4_there_are_never_many_strangers_and_text_is_never_kept() {
    let own = authority(1, 10);
    let strangers: Vec<_> = (10..20).map(|n| authority(n, i64::from(n))).collect();
    let mut replica = Replica::knowing(&[own], &strangers);
    let plan = replica.after(100);
    let expected = [own, strangers[7], strangers[8], strangers[9]];
    assert!(plan.bundles.iter().all(|one| one.certificates == expected));
    let mut replica = Replica::knowing(&[own], &[own]);
    assert!(replica.after(0).bundles.is_empty());
    replica.entries()[1].tidy = false;
    let plan = replica.after(1);
    assert_eq!(plan.bundles.len(), 1);
    assert_eq!(plan.bundles[0].entry, "three");
    assert_eq!(plan.bundles[0].certificates, [own]);
    assert!(plan.bundles[0].repair);
}

#[test]
fn i5_what_is_remembered_is_written_back() {
    let (old, new) = (authority(1, 0), authority(2, 10));
    for (lost, left) in [
        (Secret::Absent, vec![]),
        (Secret::Present(BTreeSet::new()), vec![]),
        (Secret::Present([new].into()), vec![new]),
        (
            Secret::Present([authority(7, 20)].into()),
            vec![authority(7, 20)],
        ),
    ] {
        let mut replica = Replica::knowing(&[old, new], &[old, new]);
        replica.after(600);
        replica.observed.secret = lost;
        let write = replica.after(0).secret.expect("it writes back");
        let expected: BTreeSet<_> = [old, new].into_iter().chain(left).collect();
        assert_eq!((write.authorities, write.mint), (expected, false));
    }
}

#[test]
fn i5_a_replica_that_knows_none_waits_for_others() {
    let stranger = authority(9, 0);
    for secret in [Secret::Absent, Secret::Present(BTreeSet::new())] {
        let mut replica = Replica::new(secret, &[stranger]);
        let plan = replica.after(0);
        assert_eq!((plan.secret, plan.look), (None, Duration::from_secs(10)));
        assert_eq!(replica.after(9).secret, None);
        assert!(replica.after(1).secret.expect("it mints").mint);
        // Restored in the last moment.
        replica.observed.secret = Secret::Present([stranger].into());
        assert_eq!(replica.after(0).secret, None);
    }
    let mut replica = Replica::new(Secret::Unread, &[]);
    assert_eq!(
        replica.after(600).secret,
        None,
        "what is there is not known"
    );
}

#[test]
fn i5_the_last_of_the_jitter_waits_longest() {
    let mut replica = Replica::new(Secret::Absent, &[authority(9, 0)]);
    replica.terms.jitter = 255;
    replica.after(0);
    assert_eq!(replica.after(11).secret, None);
    assert!(replica.after(1).secret.expect("it mints").mint);
}

#[test]
fn a_successor_is_minted_at_half_life_and_never_a_fourth_one() {
    let one = authority(1, 0);
    let mut replica = Replica::knowing(&[one], &[one]);
    assert_eq!(replica.after(YEAR / 2 - 30).secret, None);
    assert_eq!(
        replica.plan().look,
        replica.observed.now.uptime + Duration::from_secs(30)
    );
    let write = replica.after(30).secret.expect("it mints");
    assert_eq!((write.authorities, write.mint), ([one].into(), true));
    let three: Vec<_> = (1..4).map(|n| authority(n, i64::from(n))).collect();
    let mut replica = Replica::knowing(&three, &three);
    assert_eq!(replica.after(YEAR / 2 + HOUR).secret, None);
}

#[test]
fn an_authority_from_the_future_is_neither_used_nor_succeeded() {
    let (one, odd) = (authority(1, 0), authority(2, YEAR));
    let mut replica = Replica::knowing(&[one, odd], &[one, odd]);
    let plan = replica.after(600);
    assert_eq!(plan.serve, Some(one));
    assert_eq!(plan.secret, None);
    let plan = replica.after(YEAR / 2 - 600);
    assert_eq!(plan.serve, Some(one));
    assert!(plan.secret.expect("a successor of the first").mint);
}

#[test]
fn i9_an_entry_in_dispute_is_put_right_once_a_minute() {
    let one = authority(1, 0);
    let mut replica = Replica::knowing(&[one], &[one]);
    replica.after(600);
    let mut repairs = 0;
    for _ in 0..100 {
        replica.put(0, &[]);
        let plan = replica.after(3);
        assert!(plan.bundles.iter().all(|write| write.repair));
        repairs += plan.bundles.len();
        replica.publish(&plan);
        replica.after(0);
    }
    // Five at once, and one in each minute of the five that this lasted.
    assert!((9..=11).contains(&repairs), "{repairs} repairs");
    let plan = replica.plan();
    assert!(plan.disputed);
    // The others are not concerned.
    replica.put(1, &[]);
    let plan = replica.after(1);
    assert!(plan.bundles.iter().any(|write| write.entry == "three"));
    // And it ends.
    let plan = replica.after(60);
    replica.publish(&plan);
    replica.after(0);
    assert!(!replica.after(120).disputed);
    replica.put(0, &[]);
    assert_eq!(replica.after(1).bundles.len(), 1);
}

#[test]
fn i9_publishing_is_not_a_dispute() {
    let mut all = vec![authority(1, 0)];
    let mut replica = Replica::knowing(&all, &all);
    replica.after(0);
    for number in 2..12 {
        all.push(authority(number, i64::from(number)));
        replica.observed.secret = Secret::Present(all.iter().copied().collect());
        let plan = replica.after(1);
        assert!(!plan.disputed && plan.bundles.len() == 3);
        assert!(plan.bundles.iter().all(|write| !write.repair));
        replica.publish(&plan);
    }
}

#[test]
fn i10_not_ready_before_every_entry_trusts_it() {
    let one = authority(1, 0);
    let mut replica = Replica::knowing(&[one], &[one]);
    replica.put(1, &[authority(9, 0)]);
    let plan = replica.after(600);
    assert!(!plan.published);
    assert_eq!(plan.in_sync, [true, false]);
    replica.publish(&plan);
    assert!(replica.after(0).published);
}

#[test]
fn i11_with_nothing_better_an_expired_one_is_served() {
    let one = authority(1, 0);
    let mut replica = Replica::knowing(&[one], &[one]);
    replica.after(600);
    replica.memory.served(one);
    // A suspended machine: the wall clock goes on, and the uptime does not.
    replica.observed.now.wall += YEAR;
    let plan = replica.after(1);
    assert_eq!(plan.serve, Some(one));
    assert_eq!(plan.secret, None, "others may have one that lasts");
    let plan = replica.after(10);
    assert!(plan.secret.expect("it mints").mint);
    let two = authority(2, YEAR);
    replica.observed.secret = Secret::Present([one, two].into());
    let plan = replica.after(1);
    assert_eq!(plan.serve, Some(two));
    replica.publish(&plan);
    let plan = replica.after(1);
    assert!(plan.published);
}

#[test]
fn leaves_are_renewed_at_half_life() {
    let mut terms = terms();
    let life = terms.leaf_life;
    let due = |terms: &Terms, now| terms.leaf_is_due(START, START + life, START + now);
    assert!(!due(&terms, life / 2 - 1));
    assert!(due(&terms, life / 2));
    terms.jitter = 255;
    assert!(!due(&terms, life / 2 + life / 21));
    assert!(due(&terms, life / 2 + life / 20));
    // The clock was set back by less than the certificate allows for, and by more.
    assert!(!due(&terms, -2 * HOUR));
    assert!(due(&terms, -13 * HOUR));
}

#[test]
fn supplied_certificates_are_published_and_replaced() {
    let (old, new) = (authority(1, 0), authority(2, 10));
    let mut replica = Replica::new(Secret::Unread, &[]);
    replica.memory = Memory::supplied([old]);
    let plan = replica.after(0);
    assert!(plan.bundles.iter().all(|one| one.certificates == [old]));
    assert_eq!((plan.bundles.len(), plan.secret.clone()), (3, None));
    replica.publish(&plan);
    replica.after(0);
    replica.memory.supply([new]);
    let plan = replica.after(1);
    assert!(
        plan.bundles
            .iter()
            .all(|one| one.certificates == [old, new])
    );
    replica.publish(&plan);
    let plan = replica.after(replica.terms.leaf_life);
    assert!(plan.bundles.iter().all(|one| one.certificates == [new]));
}
