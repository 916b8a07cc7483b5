//! Answers of a directory, remembered for a short time. Without I/O: time is an argument, measured from any one moment.
//!
//! An answer is used until it is too old, counted from before it was asked for. Where replicas are looked at for changes
//! ([`Polling`]), it is used only while the last look at the replica that gave it is recent, and until a look shows that its object
//! or any group has changed there. Update sequence numbers are compared within one replica alone, which is known by its
//! `invocationId` (MS-ADTS 3.1.1.1.9): those of another one mean nothing.

mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use self::table::Table;
use crate::guid::Guid;

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How long the account that was found is used.
    pub maximum_age: Duration,
    /// How long it is remembered that there is none.
    pub maximum_negative_age: Duration,
    /// Most accounts remembered, and as many names of none.
    pub entries: usize,
    /// Whether changes are looked for.
    pub polling: Option<Polling>,
}

/// How changes are looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Polling {
    /// How often.
    pub interval: Duration,
    /// How long ago the last look may have begun for answers to be used.
    pub maximum_age: Duration,
}

/// The state of a replica that an answer shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    /// The `invocationId` of the domain controller.
    pub replica: Guid,
    /// The object's `uSNChanged` there.
    pub usn: i64,
}

/// Why an answer is not used any more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// It was too old.
    Aged,
    /// Its replica was not looked at for too long.
    Unpolled,
    /// Its object has changed, or is gone.
    Changed,
    /// A group has changed at its replica: it may be a member of it by way of others.
    GroupChanged,
    /// Its replica was not looked at before it was asked, or has been restored since.
    ReplicaChanged,
    /// A login was refused by it, or later.
    Refused,
    /// It gave way to newer ones.
    Evicted,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::Aged,
        Self::Unpolled,
        Self::Changed,
        Self::GroupChanged,
        Self::ReplicaChanged,
        Self::Refused,
        Self::Evicted,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aged => "aged",
            Self::Unpolled => "unpolled",
            Self::Changed => "changed",
            Self::GroupChanged => "group_changed",
            Self::ReplicaChanged => "replica_changed",
            Self::Refused => "refused",
            Self::Evicted => "evicted",
        }
    }
}

/// How often which came about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Accounts that were taken from memory.
    pub hits: u64,
    /// Absences that were.
    pub negative_hits: u64,
    /// Neither.
    pub misses: u64,
    /// Questions that waited for the answer to an equal one.
    pub shared: u64,
    /// Answers that were dropped.
    pub dropped: BTreeMap<Cause, u64>,
}

/// What is remembered of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recalled<V> {
    /// The answer.
    Found(V),
    /// That there is none.
    Absent,
    /// Nothing that may be used.
    Nothing,
}

/// When a question was asked: before its answer was read.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    at: Duration,
    generation: u64,
}

/// What a look at a replica has shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its `invocationId`.
    pub replica: Guid,
    /// Its `highestCommittedUSN`, read before all else.
    pub highest: i64,
    /// Whether any group has changed since the look before.
    pub groups_changed: bool,
    /// The `uSNChanged` of the objects that were asked for; nothing for those that were not found.
    pub objects: BTreeMap<Guid, Option<i64>>,
}

#[derive(Debug)]
struct Row<V> {
    value: V,
    object: Guid,
    asked_at: Duration,
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Replica {
    highest: i64,
    looked_at: Duration,
}

/// The answers, each by its question.
#[derive(Debug)]
pub struct Cache<K, V> {
    settings: Settings,
    found: Table<K, Row<V>>,
    /// When it was asked.
    absent: Table<K, Duration>,
    replicas: BTreeMap<Guid, Replica>,
    /// Raised whenever answers are dropped that nobody can tell from those on their way.
    generation: u64,
    counts: Counts,
}

impl<K: Clone + Ord, V: Clone> Cache<K, V> {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (found, absent) = (Table::new(settings.entries), Table::new(settings.entries));
        let counts = Counts::default();
        Self { settings, found, absent, replicas: BTreeMap::new(), generation: 0, counts }
    }

    /// What is remembered and may be used.
    pub fn recall(&mut self, question: &K, now: Duration) -> Recalled<V> {
        if let Some(row) = self.found.get(question) {
            match self.why_not(row, now) {
                None => {
                    self.counts.hits += 1;
                    return Recalled::Found(row.value.clone());
                }
                Some(cause) => {
                    self.found.remove(question);
                    self.count(cause, 1);
                }
            }
        }
        if let Some(asked_at) = self.absent.get(question) {
            if now.saturating_sub(*asked_at) < self.settings.maximum_negative_age {
                self.counts.negative_hits += 1;
                return Recalled::Absent;
            }
            self.absent.remove(question);
            self.count(Cause::Aged, 1);
        }
        self.counts.misses += 1;
        Recalled::Nothing
    }

    /// To be called before a question is asked.
    #[must_use]
    pub const fn begin(&self, now: Duration) -> Begun {
        Begun { at: now, generation: self.generation }
    }

    /// Remembers an account. Where changes are looked for, only one that shows the state of a replica that was looked at before
    /// the question: nobody would notice a change between the answer and a first look.
    pub fn keep(&mut self, question: K, begun: Begun, value: V, object: Guid, seen: Option<Seen>) {
        self.absent.remove(&question);
        let is_watched = seen.is_some_and(|seen| self.replicas.contains_key(&seen.replica));
        let outdated = begun.generation != self.generation;
        if outdated || (self.settings.polling.is_some() && !is_watched) {
            self.found.remove(&question);
            return;
        }
        if self.found.insert(question, Row { value, object, asked_at: begun.at, seen }) {
            self.count(Cause::Evicted, 1);
        }
    }

    /// Remembers that there is no such account.
    pub fn keep_absence(&mut self, question: K, begun: Begun) {
        self.found.remove(&question);
        if self.absent.insert(question, begun.at) {
            self.count(Cause::Evicted, 1);
        }
    }

    /// Forgets what was remembered of a question: its answer was of another kind.
    pub fn forget(&mut self, question: &K) {
        self.found.remove(question);
        self.absent.remove(question);
    }

    /// Forgets what has turned out to have changed since.
    pub fn forget_outdated(&mut self, is_outdated: impl Fn(&V) -> bool) {
        let dropped = self.found.retain(|row| !is_outdated(&row.value));
        self.count(Cause::Changed, dropped);
    }

    /// Forgets an account, by whatever it was asked for.
    pub fn forget_object(&mut self, object: &Guid) {
        let dropped = self.found.retain(|row| row.object != *object);
        self.count(Cause::Refused, dropped);
    }

    /// A question waited for the answer to an equal one.
    pub const fn count_shared(&mut self) {
        self.counts.shared += 1;
    }

    /// The `highestCommittedUSN` that a replica had at the last look.
    #[must_use]
    pub fn baseline(&self, replica: &Guid) -> Option<i64> {
        self.replicas.get(replica).map(|known| known.highest)
    }

    /// The objects that are remembered from a replica.
    #[must_use]
    pub fn objects_of(&self, replica: &Guid) -> Vec<Guid> {
        let of_it = |row: &&Row<V>| row.seen.is_some_and(|seen| seen.replica == *replica);
        let mut objects: Vec<Guid> = self.found.rows().filter(of_it).map(|row| row.object).collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    /// Acts on a look that began at `began`.
    pub fn settle(&mut self, look: &Look, began: Duration) {
        let Look { replica, highest, groups_changed, objects } = look;
        let baseline = self.baseline(replica);
        let of_it = |row: &Row<V>| row.seen.is_some_and(|seen| seen.replica == *replica);
        // Without a look before, nobody knows what has changed; numbers never fall but in a replica that was restored.
        let is_other = baseline.is_none_or(|baseline| *highest < baseline);
        if is_other || *groups_changed {
            self.generation += 1;
            let dropped = self.found.retain(|row| !of_it(row));
            self.count(if is_other { Cause::ReplicaChanged } else { Cause::GroupChanged }, dropped);
        } else if baseline.is_some_and(|baseline| baseline < *highest) {
            // What came while it was looked, or is on its way, was not asked about, and the next look begins behind this one.
            self.generation += 1;
            let is_same = |row: &Row<V>| {
                let now = objects.get(&row.object);
                now.is_some_and(|usn| *usn == row.seen.map(|seen| seen.usn))
            };
            let dropped = self.found.retain(|row| !of_it(row) || is_same(row));
            self.count(Cause::Changed, dropped);
        }
        self.replicas.insert(*replica, Replica { highest: *highest, looked_at: began });
    }

    /// Drops what is too old, and replicas that nobody looks at any more.
    pub fn sweep(&mut self, now: Duration) {
        let Settings { maximum_age, maximum_negative_age, polling, .. } = self.settings;
        let aged = self.found.drop_first_while(|row| now.saturating_sub(row.asked_at) >= maximum_age)
            + self.absent.drop_first_while(|asked_at| now.saturating_sub(*asked_at) >= maximum_negative_age);
        self.count(Cause::Aged, aged);
        // No answer that was given before such a look could still be used.
        let longest = polling.map_or(Duration::ZERO, |polling| polling.maximum_age.max(maximum_age));
        self.replicas.retain(|_, replica| now.saturating_sub(replica.looked_at) <= longest);
    }

    /// How many accounts and how many absences are remembered.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.found.len(), self.absent.len())
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Why a row may not be used now, if it may not.
    fn why_not(&self, row: &Row<V>, now: Duration) -> Option<Cause> {
        if now.saturating_sub(row.asked_at) >= self.settings.maximum_age {
            return Some(Cause::Aged);
        }
        let polling = self.settings.polling?;
        let replica = row.seen.and_then(|seen| self.replicas.get(&seen.replica));
        let is_recent =
            replica.is_some_and(|known| now.saturating_sub(known.looked_at) <= polling.maximum_age);
        if is_recent { None } else { Some(Cause::Unpolled) }
    }

    fn count(&mut self, cause: Cause, dropped: u64) {
        if dropped > 0 {
            *self.counts.dropped.entry(cause).or_default() += dropped;
        }
    }
}
