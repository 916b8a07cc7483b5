//! Accounts that were looked up a moment ago. Does I/O: asks the directory where nothing is remembered.
//!
//! The key is the question as it goes to the directory, so that no two questions share an answer; and what is remembered is held
//! against the question again, by the comparison that is stricter than the directory's. Equal questions that meet wait for one
//! answer. Only accounts are remembered, and that there is none: never an error, nor that there are several.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::wanted::Wanted;
use super::{Answer, Directory};
use crate::account::Account;
use crate::cache::{self, Begun, Cache, Counts, Polling, Seen, Settings};
use crate::guid::Guid;
use crate::net::clock;
use crate::net::error::DirectoryError;
use crate::net::server::LdapServer;

/// An account with more groups and certificates than this is not remembered: it would take the room of hundreds.
const LARGEST: usize = 1024;

/// An account that was asked for, and where the answer comes from.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The account.
    pub account: Account,
    /// The server that said so.
    pub server: LdapServer,
    /// Whether it was remembered.
    pub remembered: bool,
}

/// Whether what is remembered will do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// It will, where something is.
    MayBeRemembered,
    /// The directory is asked.
    Asked,
}

/// What is known of the memory.
#[derive(Clone, Debug)]
pub struct CacheStatus {
    /// What was counted since the start.
    pub counts: Counts,
    /// How many accounts are remembered.
    pub accounts: usize,
    /// How many names of none are.
    pub absences: usize,
    /// The servers that are looked at for changes.
    pub polls: Vec<PollStatus>,
}

/// How looking at one server for changes goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PollStatus {
    /// Its name.
    pub server: String,
    /// How long ago the last look began that succeeded; nothing before the first.
    pub age: Option<Duration>,
}

/// The memory of one directory.
#[derive(Debug)]
pub(super) struct Memory {
    settings: Settings,
    began: Instant,
    cache: Mutex<Cache<Key, Arc<Answer>>>,
    flights: Mutex<BTreeMap<Key, Weak<Flight>>>,
    polls: Mutex<BTreeMap<String, Polled>>,
}

/// A server that answered lately, or was to be asked first.
#[derive(Clone, Debug)]
pub(super) struct Polled {
    pub(super) server: LdapServer,
    pub(super) used: Duration,
    pub(super) looked_at: Option<Duration>,
    pub(super) is_failing: bool,
}

/// SHA-256 over a question.
type Key = [u8; 32];

/// A question that is being asked. Whoever holds the lock asks it.
type Flight = tokio::sync::Mutex<Option<Result<Arc<Answer>, DirectoryError>>>;

/// A place in a flight; the last one to leave it takes it away, also where the question was given up.
struct Seat<'a> {
    memory: &'a Memory,
    key: Key,
    flight: Arc<Flight>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = self.memory.flights();
        let is_last = Arc::strong_count(&self.flight) == 1;
        if is_last
            && flights.get(&self.key).is_some_and(|flight| flight.ptr_eq(&Arc::downgrade(&self.flight)))
        {
            flights.remove(&self.key);
        }
    }
}

impl Seat<'_> {
    /// Nobody boards any more: who comes now asks again.
    fn close(&self) {
        self.memory.flights().remove(&self.key);
    }
}

impl Directory {
    /// The same directory, which remembers its answers to [`Self::recall`].
    #[must_use]
    pub fn remembering(mut self, settings: Settings) -> Self {
        self.memory = Some(Memory {
            settings,
            began: clock::now(),
            cache: Mutex::new(Cache::new(settings)),
            flights: Mutex::default(),
            polls: Mutex::default(),
        });
        self
    }

    /// The one account that is wanted, out of memory where that will do.
    ///
    /// # Errors
    /// As [`Self::account_sought`].
    pub async fn recall(
        &self,
        wanted: &Wanted<'_>,
        freshness: Freshness,
    ) -> Result<Recalled, DirectoryError> {
        let Some(memory) = &self.memory else {
            let Answer { account, server, .. } = self.account(wanted).await?;
            return Ok(Recalled { account, server, remembered: false });
        };
        let key = self.key(wanted);
        if freshness == Freshness::MayBeRemembered
            && let Some(known) = memory.recall(&key, wanted)
        {
            return known.map(|answer| recalled(&answer, true));
        }
        let seat = memory.board(key);
        let mut outcome = seat.flight.lock().await;
        if let Some(outcome) = &*outcome {
            memory.cache().count_shared();
            return outcome.clone().map(|answer| recalled(&answer, false));
        }
        let begun = memory.cache().begin(memory.now());
        let answer = self.account(wanted).await.map(Arc::new);
        if freshness == Freshness::Asked {
            memory.hold_against(wanted, &answer);
        }
        memory.keep(key, begun, &answer);
        seat.close();
        *outcome = Some(answer.clone());
        answer.map(|answer| recalled(&answer, false))
    }

    /// Forgets an account, so that the next login asks for it.
    pub fn forget(&self, object: &Guid) {
        if let Some(memory) = &self.memory {
            memory.cache().forget_object(object);
        }
    }

    /// How much is remembered, and for how long; nothing where nothing is.
    #[must_use]
    pub fn cache_settings(&self) -> Option<Settings> {
        self.memory.as_ref().map(|memory| memory.settings)
    }

    /// What is known of the memory; nothing where there is none.
    #[must_use]
    pub fn cache_status(&self) -> Option<CacheStatus> {
        let memory = self.memory.as_ref()?;
        let now = memory.now();
        let age = |at: Duration| now.saturating_sub(at);
        let status = |polled: &Polled| PollStatus {
            server: polled.server.name().to_owned(),
            age: polled.looked_at.map(age),
        };
        let polls = memory.polls().values().map(status).collect();
        let cache = memory.cache();
        let (accounts, absences) = cache.sizes();
        Some(CacheStatus { counts: cache.counts().clone(), accounts, absences, polls })
    }

    /// The question as it goes to the directory, in as many octets as all others.
    fn key(&self, wanted: &Wanted<'_>) -> Key {
        let base = wanted.base().map_or("", |base| base.as_str());
        let mut digest = Sha256::new();
        digest.update([wanted.kind()]);
        // With its length, so that no two questions are the same octets.
        digest.update(u64::try_from(base.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(base.as_bytes());
        digest.update(&*wanted.filter(&self.dns_domain).encode());
        digest.finalize().into()
    }
}

fn recalled(answer: &Answer, remembered: bool) -> Recalled {
    let Answer { account, server, .. } = answer;
    Recalled { account: account.clone(), server: server.clone(), remembered }
}

impl Memory {
    /// Whether servers are looked at for changes.
    pub(super) const fn is_polled(&self) -> bool {
        self.settings.polling.is_some()
    }

    pub(super) const fn polling(&self) -> Option<Polling> {
        self.settings.polling
    }

    pub(super) fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.began)
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache<Key, Arc<Answer>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn polls(&self) -> MutexGuard<'_, BTreeMap<String, Polled>> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flights(&self) -> MutexGuard<'_, BTreeMap<Key, Weak<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self, key: Key) -> Seat<'_> {
        let mut flights = self.flights();
        let flight = flights.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let flight = Arc::default();
            flights.insert(key, Arc::downgrade(&flight));
            flight
        });
        Seat { memory: self, key, flight }
    }

    /// What is remembered of a question, where it is held against it and meets it.
    fn recall(&self, key: &Key, wanted: &Wanted<'_>) -> Option<Result<Arc<Answer>, DirectoryError>> {
        let mut cache = self.cache();
        match cache.recall(key, self.now()) {
            cache::Recalled::Found(answer) if wanted.is(&answer.account, &answer.entry) => Some(Ok(answer)),
            cache::Recalled::Found(_) => {
                cache.forget(key);
                None
            }
            cache::Recalled::Absent => Some(Err(DirectoryError::NotFound)),
            cache::Recalled::Nothing => None,
        }
    }

    fn keep(&self, key: Key, begun: Begun, answer: &Result<Arc<Answer>, DirectoryError>) {
        let mut cache = self.cache();
        match answer {
            Ok(answer) => {
                let Answer { account, replica, server, .. } = &**answer;
                self.used(server);
                if account.groups.len() + account.alt_security_identities.len() > LARGEST {
                    return cache.forget(&key);
                }
                let seen = replica.zip(account.usn_changed).map(|(replica, usn)| Seen { replica, usn });
                cache.keep(key, begun, Arc::clone(answer), account.object_guid, seen);
            }
            Err(DirectoryError::NotFound) => cache.keep_absence(key, begun),
            Err(_) => cache.forget(&key),
        }
    }

    /// Forgets what is remembered of an account by its other names, where it is not as it was, or is gone: nobody may log in by
    /// what has just been found to have ended a session.
    fn hold_against(&self, wanted: &Wanted<'_>, answer: &Result<Arc<Answer>, DirectoryError>) {
        match (answer, wanted) {
            (Ok(now), _) => self.cache().forget_outdated(|known| {
                known.account.object_guid == now.account.object_guid && known.entry != now.entry
            }),
            (Err(DirectoryError::NotFound), Wanted::Sid(sid)) => {
                self.cache().forget_outdated(|known| known.account.object_sid == **sid);
            }
            (Err(_), _) => {}
        }
    }

    /// A server that answers is looked at for changes from now on.
    pub(super) fn used(&self, server: &LdapServer) {
        if !self.is_polled() {
            return;
        }
        let used = self.now();
        let unknown = || Polled { server: server.clone(), used, looked_at: None, is_failing: false };
        let mut polls = self.polls();
        let polled = polls.entry(server.name().to_ascii_lowercase()).or_insert_with(unknown);
        (polled.server, polled.used) = (server.clone(), used);
    }
}
