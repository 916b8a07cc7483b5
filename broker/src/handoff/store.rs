//! What waits to be redeemed and what is alive: bounded, found by digest, used once.
//!
//! One lock guards both tables, so that a code becomes a session in one step or not at all. The lock is never held across
//! an await, and only for map operations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use subtle::ConstantTimeEq as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::code::{Digest, Token};
use super::error::{HandOffError, RedeemError, SessionError};

/// How long after its end a code is still told apart from one that never was.
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
    /// How many of `codes` are [`CodeState::Waiting`].
    waiting: usize,
}

struct CodeEntry<S> {
    digest: Digest,
    gateway: String,
    state: CodeState<S>,
}

enum CodeState<S> {
    Waiting { expires_at: SystemTime, person: String, session: Arc<S>, session_expires_at: SystemTime },
    Used { forget_at: SystemTime },
    Expired { forget_at: SystemTime },
}

struct SessionEntry<S> {
    digest: Digest,
    gateway: String,
    expires_at: SystemTime,
    session: Arc<S>,
    /// Tells whoever works on the session for long that it is gone, however it went.
    end: DropGuard,
}

/// A session to be, and its limits.
pub(super) struct Draft<S> {
    pub(super) gateway: String,
    /// The security identifier of the account.
    pub(super) person: String,
    pub(super) code_expires_at: SystemTime,
    pub(super) session_expires_at: SystemTime,
    pub(super) session: S,
}

impl<S> Store<S> {
    pub(super) const fn new(limits: Limits) -> Self {
        let tables = Tables { codes: BTreeMap::new(), sessions: BTreeMap::new(), waiting: 0 };
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
        if tables.waiting_of(&draft.person) >= self.limits.codes_per_person {
            return Err(HandOffError::TooManyCodesOfPerson { limit: self.limits.codes_per_person });
        }
        let digest = code.digest();
        if tables.codes.contains_key(&digest.locator()) {
            return Err(HandOffError::RandomRepeated);
        }
        tables.bound_memories(self.limits.codes);
        let state = CodeState::Waiting {
            expires_at: draft.code_expires_at,
            person: draft.person,
            session: Arc::new(draft.session),
            session_expires_at: draft.session_expires_at,
        };
        tables.codes.insert(digest.locator(), CodeEntry { digest, gateway: draft.gateway, state });
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
        let Tables { codes, sessions, waiting } = &mut *tables;
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
        let (session, expires_at) = match &entry.state {
            CodeState::Used { .. } => return Err(RedeemError::Used { gateway: gateway.to_owned() }),
            CodeState::Expired { .. } => return Err(RedeemError::Expired { gateway: gateway.to_owned() }),
            CodeState::Waiting { expires_at, session_expires_at, .. }
                if (*expires_at).min(*session_expires_at) <= now =>
            {
                entry.state = CodeState::Expired { forget_at: now + REMEMBERED };
                *waiting -= 1;
                return Err(RedeemError::Expired { gateway: gateway.to_owned() });
            }
            CodeState::Waiting { session, session_expires_at, .. } => {
                (Arc::clone(session), *session_expires_at)
            }
        };
        sessions.retain(|_, live| now < live.expires_at);
        if sessions.len() >= self.limits.sessions {
            return Err(RedeemError::TooManySessions { limit: self.limits.sessions });
        }
        let id = id.digest();
        if sessions.contains_key(&id.locator()) {
            return Err(RedeemError::RandomRepeated);
        }
        entry.state = CodeState::Used { forget_at: now + REMEMBERED };
        *waiting -= 1;
        let live = SessionEntry {
            digest: id,
            gateway: gateway.to_owned(),
            expires_at,
            session: Arc::clone(&session),
            end: CancellationToken::new().drop_guard(),
        };
        sessions.insert(id.locator(), live);
        Ok(session)
    }

    /// The live session of that identifier, and what is cancelled as soon as it is no longer alive.
    pub(super) fn session(
        &self,
        id: &Token<16>,
        gateway: &str,
        now: SystemTime,
    ) -> Result<(Arc<S>, CancellationToken), SessionError> {
        self.tables().live(&id.digest(), gateway, now)
    }

    /// Takes the session out. What still works on it holds the last references to its secrets.
    pub(super) fn end(&self, id: &Token<16>, gateway: &str, now: SystemTime) -> Result<Arc<S>, SessionError> {
        let digest = id.digest();
        let mut tables = self.tables();
        let (session, _) = tables.live(&digest, gateway, now)?;
        tables.sessions.remove(&digest.locator());
        Ok(session)
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
    ) -> Result<(Arc<S>, CancellationToken), SessionError> {
        let entry = self
            .sessions
            .get(&id.locator())
            .filter(|entry| bool::from(entry.digest.ct_eq(id)))
            .ok_or(SessionError::Unknown)?;
        if entry.gateway != gateway {
            return Err(SessionError::WrongGateway {
                made_for: entry.gateway.clone(),
                tried_by: gateway.to_owned(),
            });
        }
        if entry.expires_at <= now {
            self.sessions.remove(&id.locator());
            return Err(SessionError::Unknown);
        }
        Ok((Arc::clone(&entry.session), entry.end.token().clone()))
    }

    fn sweep(&mut self, now: SystemTime) {
        self.sessions.retain(|_, entry| now < entry.expires_at);
        self.codes.retain(|_, entry| {
            match &entry.state {
                CodeState::Waiting { expires_at, .. } if *expires_at <= now => {
                    entry.state = CodeState::Expired { forget_at: *expires_at + REMEMBERED };
                    self.waiting -= 1;
                }
                CodeState::Waiting { .. } | CodeState::Used { .. } | CodeState::Expired { .. } => {}
            }
            match entry.state {
                CodeState::Waiting { .. } => true,
                CodeState::Used { forget_at } | CodeState::Expired { forget_at } => now < forget_at,
            }
        });
    }

    /// How many codes of one person wait. Looks at all codes, as the sweep before every admission does.
    fn waiting_of(&self, sid: &str) -> usize {
        let is_meant = |entry: &&CodeEntry<S>| matches!(&entry.state, CodeState::Waiting { person, .. } if person == sid);
        self.codes.values().filter(is_meant).count()
    }

    /// Forgets all spent codes once there are more of them than codes may wait: the memory stays bounded under load.
    fn bound_memories(&mut self, limit: usize) {
        if self.codes.len() - self.waiting > limit {
            self.codes.retain(|_, entry| matches!(entry.state, CodeState::Waiting { .. }));
        }
    }
}

#[cfg(test)]
mod tests;
