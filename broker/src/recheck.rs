//! What live sessions rest on is judged again while they live.
//!
//! [`sweep()`] ends sessions at their time. [`run`] ends them sooner where what they rest on no longer holds.
//!
//! Waits, and does the I/O of whoever judges. A [`Ground`] says what of a session is judged, and judges it: today the card's
//! certificates ([`Certificates`]), and the person's account ([`Accounts`]). Sessions that rest on the same are judged once. Each ground is judged once in an interval, or
//! more often where a policy obliges a session to it, at a random moment of it, at once after a reload, and at the moment until which it was said to hold. A ground that no longer holds
//! ends its sessions; one that cannot be judged now ends them only after a grace, counted from when it was last known to hold.

mod accounts;
mod certificates;
mod schedule;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand_core::RngCore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::accounts::{AccountKey, Accounts};
pub use self::certificates::Certificates;
use self::schedule::{Due, Next, Schedule};
pub use self::sweep::sweep;
use crate::handoff::{Desk, EndCause, Further, Watched};
use crate::metrics::sessions::{Outcome, SessionMetrics};

/// When sessions are judged again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Each ground is judged at least once in this time.
    pub interval: Duration,
    /// How long a session lives on a ground that cannot be judged, from when it was last known to hold.
    pub grace: Duration,
}

/// Something that sessions rest on and that may cease to hold while they live.
pub trait Ground: Send + Sync + 'static {
    /// What is judged; sessions of equal keys are judged once.
    type Key: Clone + Ord + Send + Sync;

    /// What of a session is judged.
    fn key(&self, session: &Watched) -> Self::Key;

    /// Whose slowness the judge of a session may have to wait for; of all that of one, unless said otherwise.
    fn lane(&self, _: &Watched) -> Lane {
        Lane(0)
    }

    /// Judges what one of the sessions rests on.
    fn judge(&self, session: &Watched, now: SystemTime) -> impl Future<Output = Verdict> + Send;
}

/// What came of judging a ground.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It holds, at least until then if nothing happens.
    Holds {
        /// The first moment at which it may not.
        until: Option<SystemTime>,
    },
    /// Nobody can say now.
    Undecided {
        /// Why not, for the log.
        detail: Arc<str>,
        /// What the sessions end with when the grace is over.
        cause: EndCause,
    },
    /// It holds no more.
    Refused {
        /// What the sessions end with.
        cause: EndCause,
        /// Why, for the log.
        detail: Arc<str>,
    },
}

/// Grounds that are judged by asking the same: the cards of one issuer, by a digest of its name. A slow responder keeps none of
/// another lane waiting.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Lane(pub u64);

/// How many grounds of a lane are judged at once.
const OF_A_LANE: usize = 8;

/// How many grounds are judged at once: so many lanes may be silent and no other waits for them.
const AT_ONCE: usize = 32 * OF_A_LANE;

/// How long judging one may take.
const LONGEST: Duration = Duration::from_secs(60);

/// How often new sessions are looked for; the interval may be shorter.
const LOOK: Duration = Duration::from_secs(5);

/// Judges the sessions of a desk again and again until `drain`. `changed` says that what a ground is judged by has changed.
///
/// `clock` tells the wall time.
pub async fn run<F, G, C, T>(
    recheck: Recheck<F, G, C>,
    mut changed: watch::Receiver<T>,
    mut rng: impl RngCore + Send,
    drain: CancellationToken,
) where
    F: Further + 'static,
    G: Ground,
    C: Fn() -> SystemTime + Send + Sync,
{
    let Recheck { settings, clock, .. } = &recheck;
    let mut schedule = Schedule::new(*settings);
    let mut checks = JoinSet::new();
    let mut look = interval(LOOK.min(settings.interval));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut alive = BTreeMap::new();
    loop {
        while let Some(due) = schedule.take_due(clock()) {
            if let Some(Alive { newest, .. }) = alive.get(&due.key) {
                let (ground, session) = (Arc::clone(&recheck.ground), Arc::clone(newest));
                checks.spawn(check(ground, session, due, clock()));
            } else {
                // It is forgotten at the next look.
                schedule.pass_over(&due);
            }
        }
        let wait = schedule.next_due().map(|next| next.duration_since(clock()).unwrap_or_default());
        tokio::select! {
            biased;
            () = drain.cancelled() => return,
            gone = changed.changed() => {
                if gone.is_err() {
                    return;
                }
                schedule.hurry(clock());
                look.reset_immediately();
            }
            Some(done) = checks.join_next() => match done {
                Ok(done) => recheck.settle(&mut schedule, &alive, &done, &mut rng),
                Err(_) => schedule.requeue(clock()),
            },
            _ = look.tick() => alive = recheck.look(&mut schedule, &mut rng),
            () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// Whose sessions are judged, by whom, and how.
pub struct Recheck<F: Further, G, C> {
    /// The sessions.
    pub desk: Arc<Desk<F>>,
    /// What they rest on.
    pub ground: Arc<G>,
    /// When.
    pub settings: Settings,
    /// What is counted.
    pub metrics: SessionMetrics,
    /// The wall clock.
    pub clock: C,
}

/// The sessions of a ground, as they were found at the last look.
struct Alive {
    /// The one whose login judged it last.
    newest: Arc<Watched>,
    /// The digests of all their chains.
    chains: BTreeSet<[u8; 32]>,
}

/// A ground that was judged.
struct Checked<K> {
    due: Due<K>,
    verdict: Verdict,
    begun: SystemTime,
}

/// Judges one ground.
async fn check<G: Ground>(
    ground: Arc<G>,
    session: Arc<Watched>,
    due: Due<G::Key>,
    now: SystemTime,
) -> Checked<G::Key> {
    let judged = timeout(LONGEST, ground.judge(&session, now)).await;
    let slow =
        |_| Verdict::Undecided { detail: "it took too long".into(), cause: EndCause::RevocationUnknown };
    let verdict = judged.unwrap_or_else(slow);
    Checked { due, verdict, begun: now }
}

impl<F, G, C> Recheck<F, G, C>
where
    F: Further,
    G: Ground,
    C: Fn() -> SystemTime,
{
    /// Takes notice of sessions that came or went. Returns those of each ground.
    fn look(&self, schedule: &mut Schedule<G::Key>, rng: &mut impl RngCore) -> BTreeMap<G::Key, Alive> {
        let now = (self.clock)();
        let mut alive: BTreeMap<G::Key, Alive> = BTreeMap::new();
        let mut obliged: BTreeMap<G::Key, Duration> = BTreeMap::new();
        for session in self.desk.watched(now) {
            let key = self.ground.key(&session);
            if let Some(interval) = session.facts.obligations.recheck {
                let shortest = obliged.entry(key.clone()).or_insert(interval);
                *shortest = interval.min(*shortest);
            }
            let new = || Alive { newest: Arc::clone(&session), chains: BTreeSet::new() };
            let known = alive.entry(key).or_insert_with(new);
            known.chains.insert(*session.chain.digest());
            if known.newest.checked_at < session.checked_at {
                known.newest = session;
            }
        }
        schedule.oblige(obliged);
        let grounds = alive.iter().map(|(key, known)| (key, known.newest.checked_at));
        let lane = |key: &G::Key| alive.get(key).map_or(Lane(0), |known| self.ground.lane(&known.newest));
        schedule.sync(grounds, lane, now, rng);
        self.metrics.overdue(schedule.overdue(now));
        self.metrics.undecided(schedule.undecided());
        alive
    }

    /// Acts on a verdict.
    fn settle(
        &self,
        schedule: &mut Schedule<G::Key>,
        alive: &BTreeMap<G::Key, Alive>,
        checked: &Checked<G::Key>,
        rng: &mut impl RngCore,
    ) {
        let Checked { due, verdict, begun } = checked;
        let (cause, detail, outcome) = match verdict {
            Verdict::Holds { .. } => (None, None, Outcome::Held),
            Verdict::Undecided { cause, detail } => (Some(*cause), Some(detail), Outcome::Undecided),
            Verdict::Refused { cause, detail } => (Some(*cause), Some(detail), Outcome::Refused),
        };
        self.metrics.rechecked(outcome);
        let now = (self.clock)();
        let next = schedule.settle(due, *begun, verdict, now, rng);
        self.metrics.undecided(schedule.undecided());
        let (Some(cause), Some(detail)) = (cause, detail) else { return };
        match next {
            Next::Later => {}
            Next::FirstUndecided { ends_at } => {
                let ends_at = jiff::Timestamp::try_from(ends_at).unwrap_or_default().to_string();
                let detail = &**detail;
                tracing::warn!(
                    event = "session_undecided",
                    cause = cause.as_str(),
                    ends_at,
                    detail,
                    "it cannot be judged whether sessions may live on"
                );
            }
            Next::End => {
                // What has come since the last look is noticed at the next, and judged at once.
                for chain in alive.get(&due.key).into_iter().flat_map(|known| &known.chains) {
                    self.desk
                        .end_all(cause, detail, now, chain, |session| self.ground.key(session) == due.key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
