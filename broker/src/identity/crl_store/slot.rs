//! What is known of one place that lists are fetched from. No I/O.
//!
//! Whoever stands between us and the place can answer with whatever he likes. So a list that somebody believed stays until one
//! of its series that has the same signer, and is newer, takes its place; what nobody has believed yet stands beside it, and
//! makes room for the next.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::revocation::Crl;
use super::ObtainError;

/// Most lists kept of one place, believed or not.
const MAX_LISTS: usize = 8;
/// How soon a place is asked again that failed, or gave what nobody believes. Twice as long after every failure.
const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// How long before its end a list is fetched anew: a tenth of its life, but not less than this.
const SHORTEST_LEAD: Duration = Duration::from_secs(300);

/// A list as it was fetched.
#[derive(Clone)]
pub(super) struct Fetched {
    pub(super) list: Arc<Crl>,
    /// SHA-256 of the encoded list.
    pub(super) digest: [u8; 32],
    /// Size of the encoded list, which bounds what it takes in memory.
    pub(super) octets: usize,
}

/// What is known of one place.
pub(super) struct Slot {
    kept: Vec<Fetched>,
    /// When it last gave lists.
    pub(super) fetched: Option<SystemTime>,
    /// When it was last asked, and how often in vain since it last gave lists.
    asked: Option<SystemTime>,
    pub(super) failures: u32,
    pub(super) error: Option<ObtainError>,
    /// When somebody last wanted its lists.
    pub(super) used: SystemTime,
    /// How often it was asked.
    pub(super) rounds: u64,
    /// Held by whoever asks it.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

impl Slot {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            kept: Vec::new(),
            fetched: None,
            asked: None,
            failures: 0,
            error: None,
            used: now,
            rounds: 0,
            turn: Arc::default(),
        }
    }

    /// All lists at hand, ended or not.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Arc<Crl>> {
        self.kept.iter().map(|fetched| &fetched.list)
    }

    /// The size of all lists together.
    pub(super) fn octets(&self) -> usize {
        self.kept.iter().map(|fetched| fetched.octets).sum()
    }

    /// Whether there is a list that has not ended.
    pub(super) fn is_current(&self, now: SystemTime) -> bool {
        self.ends().is_some_and(|ends| now < ends)
    }

    /// The end of the list that ends first, of those in force.
    fn ends(&self) -> Option<SystemTime> {
        self.in_force().filter_map(|list| end(list)).min()
    }

    /// The lists that somebody believed and no newer one of their series has followed; where nobody believed any, all. After a
    /// change of keys the last list of the old key stands beside its successor.
    fn in_force(&self) -> impl Iterator<Item = &Arc<Crl>> {
        let any_believed = self.is_believed();
        self.lists().filter(move |list| !any_believed || (list.has_known_signer() && !self.is_followed(list)))
    }

    /// Whether somebody believed a newer list of the same series.
    fn is_followed(&self, list: &Crl) -> bool {
        self.lists()
            .any(|newer| newer.has_known_signer() && newer.is_of_series(list) && newer.is_newer_than(list))
    }

    /// Whether the place should be asked again, if it should be asked at least every `refresh`.
    pub(super) fn is_due(&self, refresh: Duration, now: SystemTime) -> bool {
        // What lies ahead was asked before the clock was set back.
        self.asked.is_none_or(|asked| now < asked) || self.due(refresh) <= now
    }

    /// Whether somebody believed one of its lists.
    pub(super) fn is_believed(&self) -> bool {
        self.lists().any(|list| list.has_known_signer())
    }

    fn due(&self, refresh: Duration) -> SystemTime {
        let Some(asked) = self.asked else { return UNIX_EPOCH };
        if self.failures > 0 {
            let doubled = 1_u32.checked_shl(self.failures.saturating_sub(1)).unwrap_or(u32::MAX);
            return asked + SHORTEST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        }
        if !self.is_believed() {
            return asked + SHORTEST_PAUSE;
        }
        let regular = asked + refresh;
        let Some((begins, ends)) =
            self.in_force().filter_map(|list| Some((begin(list), end(list)?))).min_by_key(|(_, end)| *end)
        else {
            return regular;
        };
        let life = ends.duration_since(begins).unwrap_or_default();
        let early = ends.checked_sub((life / 10).max(SHORTEST_LEAD)).unwrap_or(UNIX_EPOCH);
        // Its successor may not be out yet.
        regular.min(early.max(asked + SHORTEST_PAUSE))
    }

    /// Notes that the place gave nothing.
    pub(super) fn fail(&mut self, error: ObtainError, now: SystemTime) {
        self.asked = Some(now);
        self.rounds = self.rounds.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
        self.error = Some(error);
    }

    /// Takes what the place gave. Returns whether any of it is new.
    pub(super) fn take(&mut self, lists: Vec<Fetched>, now: SystemTime) -> bool {
        (self.asked, self.fetched) = (Some(now), Some(now));
        self.rounds = self.rounds.saturating_add(1);
        (self.failures, self.error) = (0, None);
        let is_known = |new: &Fetched| self.kept.iter().any(|old| old.digest == new.digest);
        let (known, unknown): (Vec<_>, Vec<_>) = lists.into_iter().partition(is_known);
        if unknown.is_empty() {
            return false;
        }
        let over: Vec<[u8; 32]> =
            self.kept.iter().filter(|old| self.is_over(&old.list, now)).map(|old| old.digest).collect();
        self.kept.retain(|old| !over.contains(&old.digest));
        // What nobody has believed since it came makes room, unless it came again.
        self.kept
            .retain(|old| old.list.has_known_signer() || known.iter().any(|new| new.digest == old.digest));
        let mut any = false;
        for new in unknown {
            any |= self.succeed(new);
        }
        any
    }

    /// Whether a list has ended and has a successor, so that it says nothing any more.
    fn is_over(&self, list: &Crl, now: SystemTime) -> bool {
        self.is_followed(list) && end(list).is_none_or(|end| end <= now)
    }

    /// Puts a list in its place.
    fn succeed(&mut self, new: Fetched) -> bool {
        let mut of_series = self.kept.iter_mut().filter(|old| new.list.is_of_series(&old.list));
        if let Some(old) = of_series.find(|old| new.list.is_signed_like(&old.list)) {
            let newer = new.list.is_newer_than(&old.list);
            if newer {
                *old = new;
            }
            return newer;
        }
        let room = self.kept.len() < MAX_LISTS;
        if room {
            self.kept.push(new);
        }
        room
    }
}

fn begin(list: &Crl) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(list.this_update())
}

fn end(list: &Crl) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(list.next_update()?))
}
