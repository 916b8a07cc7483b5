//! When which ground is judged next, and what follows from a verdict. Without I/O; time and randomness are arguments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use rand_core::RngCore;

use super::{AT_ONCE, Lane, OF_A_LANE, Settings, Verdict};

/// The grounds of all live sessions.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    settings: Settings,
    known: BTreeMap<K, Known>,
    /// Those that are not being judged, of each lane by when they are due. None is empty.
    queues: HashMap<Lane, BTreeSet<(SystemTime, K)>>,
    /// How many of each lane are being judged. None is 0.
    under_way: HashMap<Lane, usize>,
    /// How often, and when last, what they are judged by has changed.
    generation: u64,
    changed_at: Option<SystemTime>,
    /// Those that ended lately, and when.
    ended: BTreeMap<K, SystemTime>,
    undecided: usize,
    /// Those whose sessions want to be judged more often than the settings say.
    shorter: BTreeMap<K, Duration>,
}

/// How long after its moment a ground that waits for its lane counts as overdue.
const OVERDUE: Duration = Duration::from_secs(1);

/// How long an end is remembered: longer than any login takes.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Known {
    lane: Lane,
    /// When it is due, unless it is being judged.
    due: Option<SystemTime>,
    /// When it was last known to hold.
    held_at: SystemTime,
    undecided: bool,
}

/// A ground that is to be judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Due<K> {
    pub(super) key: K,
    lane: Lane,
    /// Of what it is judged by.
    generation: u64,
}

/// What follows from a verdict.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// It is judged again later.
    Later,
    /// The same; it could not be decided for the first time since it held, and its sessions end then unless it can.
    FirstUndecided { ends_at: SystemTime },
    /// Its sessions end.
    End,
}

impl<K: Clone + Ord> Schedule<K> {
    pub(super) fn new(settings: Settings) -> Self {
        let (known, queues, under_way, ended, shorter) = Default::default();
        let (generation, changed_at, undecided) = (0, None, 0);
        Self { settings, known, queues, under_way, generation, changed_at, ended, undecided, shorter }
    }

    /// Takes notice of the intervals that sessions oblige to, where that is not the one of the settings.
    pub(super) fn oblige(&mut self, intervals: BTreeMap<K, Duration>) {
        self.shorter = intervals;
    }

    fn interval_of(&self, key: &K) -> Duration {
        let obliged = self.shorter.get(key).copied().unwrap_or(self.settings.interval);
        obliged.min(self.settings.interval)
    }

    /// Takes notice of the grounds of all live sessions, each with the newest time at which a login found it to hold.
    pub(super) fn sync<'k>(
        &mut self,
        alive: impl Iterator<Item = (&'k K, SystemTime)>,
        lane: impl Fn(&K) -> Lane,
        now: SystemTime,
        rng: &mut impl RngCore,
    ) where
        K: 'k,
    {
        let mut before = std::mem::take(&mut self.known);
        self.queues.clear();
        self.ended.retain(|_, ended_at| now < *ended_at + REMEMBERED);
        for (key, held_at) in alive {
            let interval = self.interval_of(key);
            let latest = now + interval;
            let mut known = before.remove(key).unwrap_or_else(|| {
                // A login that was judged by what has changed since then, or before its ground was found not to hold, is
                // judged anew.
                let since = self.changed_at.max(self.ended.get(key).copied());
                let outdated = since.is_some_and(|since| held_at <= since);
                let wait = if outdated { Duration::ZERO } else { part(interval, rng) };
                Known { lane: lane(key), due: Some(now + wait), held_at, undecided: false }
            });
            if known.held_at < held_at {
                known.held_at = held_at;
                known.undecided = false;
            }
            // The clock may have been set back.
            known.due = known.due.map(|due| due.min(latest));
            if let Some(due) = known.due {
                queue(&mut self.queues, known.lane, due, key);
            }
            self.known.insert(key.clone(), known);
        }
        self.undecided = self.known.values().filter(|known| known.undecided).count();
    }

    /// What grounds are judged by has changed: all are due.
    pub(super) fn hurry(&mut self, now: SystemTime) {
        self.generation = self.generation.wrapping_add(1);
        self.changed_at = Some(now);
        self.queues.clear();
        for (key, known) in &mut self.known {
            if known.due.is_some() {
                known.due = Some(now);
                queue(&mut self.queues, known.lane, now, key);
            }
        }
    }

    /// The verdict of one that is being judged is lost, nobody knows of which: all of them are due again, and their lanes free.
    pub(super) fn requeue(&mut self, now: SystemTime) {
        self.under_way.clear();
        for (key, known) in self.known.iter_mut().filter(|(_, known)| known.due.is_none()) {
            let due = now + self.settings.interval;
            known.due = Some(due);
            queue(&mut self.queues, known.lane, due, key);
        }
    }

    /// One that is due, of all whose lane is free the one that has been due for longest; it is being judged from now on, until it is
    /// settled.
    pub(super) fn take_due(&mut self, now: SystemTime) -> Option<Due<K>> {
        let (due, lane) = self.first_of_free_lanes()?;
        if due > now {
            return None;
        }
        let queue = self.queues.get_mut(&lane)?;
        let (_, key) = queue.pop_first()?;
        if queue.is_empty() {
            self.queues.remove(&lane);
        }
        if let Some(known) = self.known.get_mut(&key) {
            known.due = None;
        }
        *self.under_way.entry(lane).or_default() += 1;
        Some(Due { key, lane, generation: self.generation })
    }

    /// When the next one is due of those whose lane is free.
    pub(super) fn next_due(&self) -> Option<SystemTime> {
        self.first_of_free_lanes().map(|(due, _)| due)
    }

    fn first_of_free_lanes(&self) -> Option<(SystemTime, Lane)> {
        if self.under_way.values().sum::<usize>() >= AT_ONCE {
            return None;
        }
        let is_free = |lane: &Lane| self.under_way.get(lane).is_none_or(|under_way| *under_way < OF_A_LANE);
        let free = self.queues.iter().filter(|(lane, _)| is_free(lane));
        free.filter_map(|(lane, queue)| Some((queue.first()?.0, *lane))).min()
    }

    /// How many should have been judged by now and wait for their lane.
    pub(super) fn overdue(&self, now: SystemTime) -> usize {
        let of = |queue: &BTreeSet<(SystemTime, K)>| {
            queue.iter().take_while(|(due, _)| *due + OVERDUE <= now).count()
        };
        self.queues.values().map(of).sum()
    }

    /// How many could not be decided when they were judged last.
    pub(super) const fn undecided(&self) -> usize {
        self.undecided
    }

    /// What follows from a verdict on what was asked at `begun`.
    pub(super) fn settle(
        &mut self,
        due: &Due<K>,
        begun: SystemTime,
        verdict: &Verdict,
        now: SystemTime,
        rng: &mut impl RngCore,
    ) -> Next {
        let (interval, grace) = (self.interval_of(&due.key), self.settings.grace);
        self.leave(due.lane);
        let Some(known) = self.known.get_mut(&due.key) else { return Next::Later };
        if let Some(queued) = known.due.take()
            && let Some(queue) = self.queues.get_mut(&known.lane)
        {
            queue.remove(&(queued, due.key.clone()));
            if queue.is_empty() {
                self.queues.remove(&known.lane);
            }
        }
        // Where it was judged by what has changed meanwhile, the verdict is worth nothing.
        let outdated = due.generation != self.generation;
        let later = now + interval.saturating_sub(part(interval / 2, rng));
        let was_undecided = known.undecided;
        let ends_at = known.held_at + grace;
        let (next, at) = match verdict {
            _ if outdated => (Next::Later, now),
            Verdict::Holds { until } => {
                known.held_at = known.held_at.max(begun);
                known.undecided = false;
                (Next::Later, until.map_or(later, |until| later.min(until)))
            }
            Verdict::Undecided { .. } if ends_at <= now => (Next::End, now),
            Verdict::Undecided { .. } => {
                known.undecided = true;
                let next = if was_undecided { Next::Later } else { Next::FirstUndecided { ends_at } };
                (next, later.min(ends_at))
            }
            Verdict::Refused { .. } => (Next::End, now),
        };
        let is_undecided = known.undecided && next != Next::End;
        if next == Next::End {
            self.known.remove(&due.key);
            self.ended.insert(due.key.clone(), now);
        } else {
            known.due = Some(at);
            queue(&mut self.queues, known.lane, at, &due.key);
        }
        self.undecided = self.undecided + usize::from(is_undecided) - usize::from(was_undecided);
        next
    }

    /// One that was due is not judged, since nothing rests on it any more.
    pub(super) fn pass_over(&mut self, due: &Due<K>) {
        self.leave(due.lane);
    }

    /// One of a lane is no longer being judged.
    fn leave(&mut self, lane: Lane) {
        if let Some(under_way) = self.under_way.get_mut(&lane) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                self.under_way.remove(&lane);
            }
        }
    }
}

fn queue<K: Clone + Ord>(
    queues: &mut HashMap<Lane, BTreeSet<(SystemTime, K)>>,
    lane: Lane,
    due: SystemTime,
    key: &K,
) {
    queues.entry(lane).or_default().insert((due, key.clone()));
}

/// A random part of a time.
fn part(whole: Duration, rng: &mut impl RngCore) -> Duration {
    whole.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use crate::handoff::EndCause;
    use crate::handoff::testing::at;

    const SETTINGS: Settings =
        Settings { interval: Duration::from_secs(300), grace: Duration::from_secs(1000) };
    const HOLDS: Verdict = Verdict::Holds { until: None };

    struct Bench {
        schedule: Schedule<u32>,
        rng: ChaCha20Rng,
    }

    impl Bench {
        /// Knows these grounds, all found to hold at second 0.
        fn new(grounds: u32) -> Self {
            let mut bench = Self { schedule: Schedule::new(SETTINGS), rng: ChaCha20Rng::seed_from_u64(5) };
            bench.sync(grounds, 0);
            bench
        }

        fn sync(&mut self, grounds: u32, second: u64) {
            let keys: Vec<u32> = (0..grounds).collect();
            // Each in a lane of its own.
            let alive = keys.iter().map(|key| (key, at(0)));
            self.schedule.sync(alive, own_lane, at(second), &mut self.rng);
        }

        fn due(&mut self, second: u64) -> Vec<u32> {
            let due: Vec<_> = std::iter::from_fn(|| self.schedule.take_due(at(second))).collect();
            due.iter().for_each(|due| self.schedule.leave(due.lane));
            due.into_iter().map(|due| due.key).collect()
        }

        fn settle(&mut self, due: &Due<u32>, verdict: &Verdict, second: u64) -> Next {
            self.schedule.settle(due, at(second), verdict, at(second), &mut self.rng)
        }

        /// Judges all that are due.
        fn judge(&mut self, verdict: &Verdict, second: u64) -> Vec<Next> {
            let due: Vec<_> = std::iter::from_fn(|| self.schedule.take_due(at(second))).collect();
            due.iter().map(|due| self.settle(due, verdict, second)).collect()
        }
    }

    fn own_lane(key: &u32) -> Lane {
        Lane(u64::from(*key))
    }

    fn undecided() -> Verdict {
        Verdict::Undecided { detail: "silence".into(), cause: EndCause::RevocationUnknown }
    }

    fn refused() -> Verdict {
        Verdict::Refused { detail: "revoked".into(), cause: EndCause::CertificateRevoked }
    }

    #[test]
    fn grounds_are_judged_once_in_an_interval_and_not_all_at_once() {
        let mut bench = Bench::new(300);
        let mut judged = 0;
        for second in 0..=300 {
            let now = bench.due(second).len();
            assert!(now < 12, "{now} of 300 in one second");
            judged += now;
        }
        assert_eq!(judged, 300);
    }

    #[test]
    fn a_ground_that_holds_is_judged_again_within_the_interval() {
        let mut bench = Bench::new(100);
        bench.schedule.hurry(at(0));
        assert_eq!(bench.judge(&HOLDS, 0), [Next::Later; 100]);
        assert!(bench.due(149).is_empty());
        assert_eq!(bench.due(300).len(), 100);
    }

    #[test]
    fn a_ground_that_is_to_be_judged_more_often_is_and_the_others_are_not() {
        let mut bench = Bench::new(2);
        bench.schedule.oblige(BTreeMap::from([(1, Duration::from_secs(20)), (0, Duration::from_secs(900))]));
        bench.sync(2, 0);
        assert!(bench.due(20).contains(&1), "at once, also where it was known before");
        let mut bench = Bench::new(2);
        bench.schedule.oblige(BTreeMap::from([(1, Duration::from_secs(20))]));
        bench.schedule.hurry(at(0));
        bench.judge(&HOLDS, 0);
        assert_eq!(bench.due(20), [1]);
        assert_eq!(bench.due(300), [0], "within the interval of the settings");
    }

    #[test]
    fn a_ground_is_judged_at_the_moment_until_which_it_holds() {
        let mut bench = Bench::new(1);
        bench.schedule.hurry(at(0));
        bench.judge(&Verdict::Holds { until: Some(at(7)) }, 0);
        assert_eq!(bench.schedule.next_due(), Some(at(7)));
    }

    #[test]
    fn what_cannot_be_decided_ends_when_the_grace_is_over_and_not_before() {
        let mut bench = Bench::new(1);
        bench.schedule.hurry(at(0));
        assert_eq!(bench.judge(&undecided(), 0), [Next::FirstUndecided { ends_at: at(1000) }]);
        let mut second = 0;
        while second < 999 {
            second += 1;
            assert!(bench.judge(&undecided(), second).iter().all(|next| *next == Next::Later), "{second}");
            assert_eq!(bench.schedule.undecided(), 1);
        }
        assert_eq!(bench.judge(&undecided(), 1000), [Next::End], "exactly then");
        assert_eq!((bench.schedule.undecided(), bench.schedule.next_due()), (0, None));
    }

    #[test]
    fn a_decision_or_a_login_begins_the_grace_anew() {
        let mut bench = Bench::new(1);
        bench.schedule.hurry(at(0));
        bench.judge(&undecided(), 0);
        bench.judge(&HOLDS, 300);
        assert_eq!(bench.schedule.undecided(), 0);
        assert_eq!(bench.judge(&undecided(), 600), [Next::FirstUndecided { ends_at: at(1300) }]);
        bench.schedule.sync([(&0, at(700))].into_iter(), own_lane, at(700), &mut bench.rng);
        assert_eq!(bench.judge(&undecided(), 900), [Next::FirstUndecided { ends_at: at(1700) }]);
    }

    #[test]
    fn after_a_reload_all_are_due_at_once_and_verdicts_by_the_old_one_are_worth_nothing() {
        let mut bench = Bench::new(2);
        let first = bench.schedule.take_due(at(300)).unwrap();
        bench.schedule.hurry(at(300));
        assert_eq!(bench.due(300).len(), 1, "the other one is being judged");
        for outdated in [HOLDS, refused()] {
            assert_eq!(bench.settle(&first, &outdated, 301), Next::Later);
            let again = bench.schedule.take_due(at(301)).unwrap();
            assert_eq!(again.key, first.key);
        }
    }

    #[test]
    fn a_login_judged_by_the_old_configuration_is_judged_at_once_by_the_new_one() {
        let mut bench = Bench::new(0);
        bench.schedule.hurry(at(10));
        bench.schedule.sync([(&1, at(10)), (&2, at(11))].into_iter(), own_lane, at(12), &mut bench.rng);
        assert_eq!(bench.due(12), [1]);
    }

    #[test]
    fn a_login_that_was_on_its_way_when_its_card_was_refused_is_judged_at_once() {
        let mut bench = Bench::new(2);
        bench.schedule.hurry(at(10));
        assert_eq!(bench.judge(&refused(), 10), [Next::End, Next::End]);
        // Judged before that, and handed off after it; and the other one by a login that began later.
        bench.schedule.sync([(&0, at(9)), (&1, at(11))].into_iter(), own_lane, at(12), &mut bench.rng);
        assert_eq!(bench.due(12), [0]);
        bench.sync(0, 10 + REMEMBERED.as_secs());
        assert!(bench.schedule.ended.is_empty());
    }

    #[test]
    fn a_ground_without_sessions_is_forgotten_also_while_it_is_judged() {
        let mut bench = Bench::new(1);
        let due = bench.schedule.take_due(at(300)).unwrap();
        bench.sync(0, 301);
        assert_eq!(bench.settle(&due, &refused(), 302), Next::Later);
        assert_eq!(bench.schedule.next_due(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_nothing_beyond_the_interval() {
        let mut bench = Bench::new(1);
        bench.schedule.hurry(at(100_000));
        bench.judge(&HOLDS, 100_000);
        bench.sync(1, 10);
        assert_eq!(bench.due(310), [0]);
    }

    #[test]
    fn of_one_lane_few_are_judged_at_once_and_the_others_wait_for_them_alone() {
        let mut bench = Bench::new(0);
        let (slow, quick) = (Lane(1), Lane(2));
        let keys: Vec<u32> = (0..110).collect();
        let lane = |key: &u32| if *key < 100 { slow } else { quick };
        bench.schedule.sync(keys.iter().map(|key| (key, at(0))), lane, at(0), &mut bench.rng);
        bench.schedule.hurry(at(1));
        let due: Vec<_> = std::iter::from_fn(|| bench.schedule.take_due(at(1))).collect();
        let of = |lane: Lane| due.iter().filter(|due| due.lane == lane).count();
        assert_eq!((of(slow), of(quick)), (OF_A_LANE, OF_A_LANE));
        assert_eq!((bench.schedule.overdue(at(1)), bench.schedule.overdue(at(2))), (0, 94));
        assert_eq!(bench.schedule.next_due(), None, "none of a free lane");
        let first = due.iter().find(|due| due.lane == slow).unwrap();
        bench.settle(first, &HOLDS, 2);
        assert_eq!(bench.schedule.take_due(at(2)).map(|due| due.lane), Some(slow));
        assert_eq!(bench.schedule.take_due(at(2)), None);
    }

    #[test]
    fn a_verdict_that_was_lost_is_asked_for_again() {
        let mut bench = Bench::new(1);
        bench.schedule.take_due(at(300)).unwrap();
        bench.schedule.requeue(at(301));
        assert_eq!((bench.due(600), bench.due(601)), (vec![], vec![0]));
    }
}
