//! What waits to be redeemed and what is alive: bounded, found by digest, used once.
//!
//! One lock guards both tables, so that a code becomes a session in one step or not at all. The lock is never held across
//! an await, and only for map operations.

mod by_chain;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use subtle::ConstantTimeEq as _;

use self::by_chain::{ByChain, Place};
use super::code::{Digest, Token};
use super::ending::{EndCause, EndGuard, Ending, SessionEnd};
use super::error::{EndsWith, HandOffError, RedeemError, SessionError};
use super::presented::Watched;

/// How long after its end a code, or a session that ended before its time, is still told apart from one that never was.
const REMEMBERED: Duration = Duration::from_secs(600);

/// How many codes may wait, at all and of one person, and how many sessions may live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) codes: usize,
    pub(super) codes_per_person: usize,
    pub(super) sessions: usize,
}

/// What waits, lives and was swept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Census {
    /// Codes that wait to be redeemed.
    pub codes: usize,
    /// Sessions that are alive.
    pub sessions: usize,
}

/// The tables. `S` is what a session holds; it is dropped, and thereby wiped, as soon as it can no longer be reached.
pub(super) struct Store<S> {
    limits: Limits,
    tables: Mutex<Tables<S>>,
}

struct Tables<S> {
    codes: BTreeMap<[u8; 16], CodeEntry<S>>,
    sessions: BTreeMap<[u8; 16], SessionEntry<S>>,
    /// Where the codes that wait and the sessions of one chain are.
    by_chain: ByChain,
    /// Sessions that ended before their time, for the next call of their gateways.
    ended: BTreeMap<[u8; 16], Tombstone>,
    /// What has ended and was not told yet.
    endings: Vec<Ending>,
    /// How many of `codes` are [`CodeState::Waiting`].
    waiting: usize,
}

struct CodeEntry<S> {
    digest: Digest,
    gateway: String,
    state: CodeState<S>,
}

enum CodeState<S> {
    Waiting {
        expires_at: SystemTime,
        session: Arc<S>,
        session_end: (SystemTime, EndsWith),
        watched: Arc<Watched>,
    },
    Used {
        forget_at: SystemTime,
    },
    Expired {
        forget_at: SystemTime,
    },
    Ended {
        cause: EndCause,
        forget_at: SystemTime,
    },
}

struct SessionEntry<S> {
    digest: Digest,
    expires_at: SystemTime,
    ends_with: EndsWith,
    session: Arc<S>,
    watched: Arc<Watched>,
    /// Tells whoever works on the session for long that it is gone, however it went.
    end: EndGuard,
}

struct Tombstone {
    digest: Digest,
    gateway: String,
    cause: EndCause,
    forget_at: SystemTime,
}

/// A session to be, and its limits.
pub(super) struct Draft<S> {
    pub(super) watched: Watched,
    pub(super) code_expires_at: SystemTime,
    /// When the session ends, and what sets that end.
    pub(super) session_end: (SystemTime, EndsWith),
    pub(super) session: S,
}

impl<S> Store<S> {
    pub(super) const fn new(limits: Limits) -> Self {
        let tables = Tables {
            codes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_chain: ByChain::new(),
            ended: BTreeMap::new(),
            endings: Vec::new(),
            waiting: 0,
        };
        Self { limits, tables: Mutex::new(tables) }
    }

    /// Takes in a session that waits for its code.
    pub(super) fn admit(
        &self,
        code: &Token<32>,
        draft: Draft<S>,
        now: SystemTime,
    ) -> Result<(), HandOffError> {
        let mut tables = self.tables();
        tables.sweep(now);
        if tables.waiting >= self.limits.codes {
            return Err(HandOffError::TooManyCodes { limit: self.limits.codes });
        }
        if tables.waiting_of(&draft.watched.facts.subject.sid) >= self.limits.codes_per_person {
            return Err(HandOffError::TooManyCodesOfPerson { limit: self.limits.codes_per_person });
        }
        let digest = code.digest();
        if tables.codes.contains_key(&digest.locator()) {
            return Err(HandOffError::RandomRepeated);
        }
        tables.bound_memories(self.limits.codes);
        let mut watched = draft.watched;
        // The certificates of one card are kept once, however many sessions it opens.
        if let Some(known) = tables.watched_of(watched.chain.digest()) {
            watched.chain = Arc::clone(&known.chain);
        }
        tables.by_chain.add(&watched, Place::Code(digest.locator()));
        let gateway = watched.gateway.clone();
        let state = CodeState::Waiting {
            expires_at: draft.code_expires_at,
            session: Arc::new(draft.session),
            session_end: draft.session_end,
            watched: Arc::new(watched),
        };
        tables.codes.insert(digest.locator(), CodeEntry { digest, gateway, state });
        tables.waiting += 1;
        Ok(())
    }

    /// Turns a code into a live session, once.
    pub(super) fn redeem(
        &self,
        code: &Token<32>,
        gateway: &str,
        id: &Token<16>,
        now: SystemTime,
    ) -> Result<Arc<S>, RedeemError> {
        let mut tables = self.tables();
        tables.expire_sessions(now);
        let Tables { codes, sessions, waiting, by_chain, .. } = &mut *tables;
        let digest = code.digest();
        let entry = codes
            .get_mut(&digest.locator())
            .filter(|entry| bool::from(entry.digest.ct_eq(&digest)))
            .ok_or(RedeemError::Unknown)?;
        // The gateway is judged before anything changes: a foreign gateway's try must not spend or reveal the code.
        if entry.gateway != gateway {
            return Err(RedeemError::WrongGateway {
                made_for: entry.gateway.clone(),
                tried_by: gateway.to_owned(),
            });
        }
        let (session, (expires_at, ends_with), watched) = match &entry.state {
            CodeState::Used { .. } => return Err(RedeemError::Used { gateway: gateway.to_owned() }),
            CodeState::Expired { .. } => return Err(RedeemError::Expired { gateway: gateway.to_owned() }),
            CodeState::Ended { cause, .. } => return Err(RedeemError::Ended { cause: *cause }),
            CodeState::Waiting { expires_at, session_end: (session_expires_at, _), watched, .. }
                if (*expires_at).min(*session_expires_at) <= now =>
            {
                by_chain.remove(watched, Place::Code(digest.locator()));
                entry.state = CodeState::Expired { forget_at: now + REMEMBERED };
                *waiting -= 1;
                return Err(RedeemError::Expired { gateway: gateway.to_owned() });
            }
            CodeState::Waiting { session, session_end, watched, .. } => {
                (Arc::clone(session), *session_end, Arc::clone(watched))
            }
        };
        if sessions.len() >= self.limits.sessions {
            return Err(RedeemError::TooManySessions { limit: self.limits.sessions });
        }
        let id = id.digest();
        if sessions.contains_key(&id.locator()) {
            return Err(RedeemError::RandomRepeated);
        }
        entry.state = CodeState::Used { forget_at: now + REMEMBERED };
        *waiting -= 1;
        by_chain.remove(&watched, Place::Code(digest.locator()));
        by_chain.add(&watched, Place::Session(id.locator()));
        let live = SessionEntry {
            digest: id,
            expires_at,
            ends_with,
            session: Arc::clone(&session),
            watched,
            end: EndGuard::default(),
        };
        sessions.insert(id.locator(), live);
        Ok(session)
    }

    /// The live session of that identifier, and what tells of its end.
    pub(super) fn session(
        &self,
        id: &Token<16>,
        gateway: &str,
        now: SystemTime,
    ) -> Result<(Arc<S>, SessionEnd), SessionError> {
        self.tables().live(&id.digest(), gateway, now)
    }

    /// Takes the session out. What still works on it holds the last references to its secrets.
    pub(super) fn end(&self, id: &Token<16>, gateway: &str, now: SystemTime) -> Result<Arc<S>, SessionError> {
        let digest = id.digest();
        let mut tables = self.tables();
        let (session, _) = tables.live(&digest, gateway, now)?;
        if let Some(entry) = tables.sessions.remove(&digest.locator()) {
            tables.by_chain.remove(&entry.watched, Place::Session(digest.locator()));
            tables.endings.push(entry.over(EndCause::Gateway, "", now));
        }
        Ok(session)
    }

    /// Ends, for one cause, every session and every code that waits that rest on a chain and of which this is true. Their gateways are
    /// told for a while.
    pub(super) fn end_all(
        &self,
        (cause, detail): (EndCause, &str),
        now: SystemTime,
        chain: &[u8; 32],
        meant: impl Fn(&Watched) -> bool,
    ) {
        let mut tables = self.tables();
        let Tables { codes, sessions, by_chain, ended, endings, waiting } = &mut *tables;
        let forget_at = now + REMEMBERED;
        for place in by_chain.of(chain) {
            match place {
                Place::Code(locator) => {
                    let Some(entry) = codes.get_mut(&locator) else { continue };
                    if let CodeState::Waiting { watched, .. } = &entry.state
                        && meant(watched)
                    {
                        by_chain.remove(watched, place);
                        endings.push(ending(Arc::clone(watched), cause, detail, now, false));
                        entry.state = CodeState::Ended { cause, forget_at };
                        *waiting -= 1;
                    }
                }
                Place::Session(locator) => {
                    if !sessions.get(&locator).is_some_and(|entry| meant(&entry.watched)) {
                        continue;
                    }
                    let Some(entry) = sessions.remove(&locator) else { continue };
                    by_chain.remove(&entry.watched, place);
                    // The memory is bounded: what finds no room in it is only told less.
                    if ended.len() < self.limits.sessions {
                        let (digest, gateway) = (entry.digest, entry.watched.gateway.clone());
                        ended.insert(locator, Tombstone { digest, gateway, cause, forget_at });
                    }
                    endings.push(entry.over(cause, detail, now));
                }
            }
        }
    }

    /// All codes that wait and all sessions that live.
    pub(super) fn watched(&self, now: SystemTime) -> Vec<Arc<Watched>> {
        let mut tables = self.tables();
        tables.sweep(now);
        tables.watched().cloned().collect()
    }

    /// What has ended since this was asked last.
    pub(super) fn take_endings(&self) -> Vec<Ending> {
        std::mem::take(&mut self.tables().endings)
    }

    /// When the next session ends by its time, those included whose code waits.
    pub(super) fn next_end(&self) -> Option<SystemTime> {
        let tables = self.tables();
        let waiting = tables.codes.values().filter_map(|entry| match &entry.state {
            CodeState::Waiting { session_end: (end, _), .. } => Some(*end),
            CodeState::Used { .. } | CodeState::Expired { .. } | CodeState::Ended { .. } => None,
        });
        waiting.chain(tables.sessions.values().map(|entry| entry.expires_at)).min()
    }

    /// Drops what has expired and counts what is left.
    pub(super) fn sweep(&self, now: SystemTime) -> Census {
        let mut tables = self.tables();
        tables.sweep(now);
        Census { codes: tables.waiting, sessions: tables.sessions.len() }
    }

    /// The tables are whole even after a panic elsewhere: every change is a single map operation and its count.
    fn tables(&self) -> MutexGuard<'_, Tables<S>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Tables<S> {
    fn live(
        &mut self,
        id: &Digest,
        gateway: &str,
        now: SystemTime,
    ) -> Result<(Arc<S>, SessionEnd), SessionError> {
        let found = self.sessions.get(&id.locator()).filter(|entry| bool::from(entry.digest.ct_eq(id)));
        let Some(entry) = found else { return Err(self.why_gone(id, gateway)) };
        if entry.watched.gateway != gateway {
            return Err(SessionError::WrongGateway {
                made_for: entry.watched.gateway.clone(),
                tried_by: gateway.to_owned(),
            });
        }
        if entry.expires_at <= now {
            self.expire_sessions(now);
            return Err(SessionError::Unknown);
        }
        Ok((Arc::clone(&entry.session), entry.end.end()))
    }

    /// What a gateway is told of a session that is not there.
    fn why_gone(&self, id: &Digest, gateway: &str) -> SessionError {
        let ended = self.ended.get(&id.locator()).filter(|ended| bool::from(ended.digest.ct_eq(id)));
        match ended {
            Some(ended) if ended.gateway == gateway => SessionError::Ended { cause: ended.cause },
            Some(_) | None => SessionError::Unknown,
        }
    }

    fn watched(&self) -> impl Iterator<Item = &Arc<Watched>> {
        let waiting = self.codes.values().filter_map(|entry| match &entry.state {
            CodeState::Waiting { watched, .. } => Some(watched),
            CodeState::Used { .. } | CodeState::Expired { .. } | CodeState::Ended { .. } => None,
        });
        waiting.chain(self.sessions.values().map(|entry| &entry.watched))
    }

    /// Any code that waits or session that lives that rests on a chain.
    fn watched_of(&self, chain: &[u8; 32]) -> Option<&Arc<Watched>> {
        self.by_chain.of(chain).into_iter().find_map(|place| match place {
            Place::Code(locator) => match &self.codes.get(&locator)?.state {
                CodeState::Waiting { watched, .. } => Some(watched),
                CodeState::Used { .. } | CodeState::Expired { .. } | CodeState::Ended { .. } => None,
            },
            Place::Session(locator) => self.sessions.get(&locator).map(|entry| &entry.watched),
        })
    }

    /// Ends the sessions whose time is over.
    fn expire_sessions(&mut self, now: SystemTime) {
        for (locator, entry) in taken(&mut self.sessions, |entry| entry.expires_at <= now) {
            self.by_chain.remove(&entry.watched, Place::Session(locator));
            let with = entry.ends_with;
            let detail = format!("the session ended with {with}");
            self.endings.push(entry.over(EndCause::of_time(with), &detail, now));
        }
    }

    fn sweep(&mut self, now: SystemTime) {
        self.expire_sessions(now);
        self.ended.retain(|_, entry| now < entry.forget_at);
        self.codes.retain(|locator, entry| {
            match &entry.state {
                CodeState::Waiting { expires_at, watched, .. } if *expires_at <= now => {
                    self.by_chain.remove(watched, Place::Code(*locator));
                    entry.state = CodeState::Expired { forget_at: *expires_at + REMEMBERED };
                    self.waiting -= 1;
                }
                CodeState::Waiting { .. }
                | CodeState::Used { .. }
                | CodeState::Expired { .. }
                | CodeState::Ended { .. } => {}
            }
            match entry.state {
                CodeState::Waiting { .. } => true,
                CodeState::Used { forget_at }
                | CodeState::Expired { forget_at }
                | CodeState::Ended { forget_at, .. } => now < forget_at,
            }
        });
    }

    /// How many codes of one person wait. Looks at all codes, as the sweep before every admission does.
    fn waiting_of(&self, sid: &str) -> usize {
        let is_meant = |entry: &&CodeEntry<S>| matches!(&entry.state, CodeState::Waiting { watched, .. } if watched.facts.subject.sid == sid);
        self.codes.values().filter(is_meant).count()
    }

    /// Forgets all spent codes once there are more of them than codes may wait: the memory stays bounded under load.
    fn bound_memories(&mut self, limit: usize) {
        if self.codes.len() - self.waiting > limit {
            self.codes.retain(|_, entry| matches!(entry.state, CodeState::Waiting { .. }));
        }
    }
}

impl<S> SessionEntry<S> {
    /// Ends it for all who work on it, and makes the record of that.
    fn over(self, cause: EndCause, detail: &str, now: SystemTime) -> Ending {
        let Self { watched, end, .. } = self;
        end.because(cause);
        ending(watched, cause, detail, now, true)
    }
}

/// Takes out the sessions of which this is true.
fn taken<S>(
    sessions: &mut BTreeMap<[u8; 16], SessionEntry<S>>,
    meant: impl Fn(&SessionEntry<S>) -> bool,
) -> Vec<([u8; 16], SessionEntry<S>)> {
    let meant = sessions.iter().filter(|(_, entry)| meant(entry)).map(|(locator, _)| *locator);
    let meant: Vec<_> = meant.collect();
    meant.into_iter().filter_map(|locator| sessions.remove_entry(&locator)).collect()
}

fn ending(watched: Arc<Watched>, cause: EndCause, detail: &str, at: SystemTime, redeemed: bool) -> Ending {
    Ending { watched, cause, detail: detail.into(), redeemed, at }
}

#[cfg(test)]
mod tests;
