//! The challenges that wait for a card's answer: each for one gateway, for a while, and good for one answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use thiserror::Error;

use crate::handoff::Token;
use crate::identity::Challenge;

/// How long after its end a challenge is still told apart from one that never was.
const REMEMBERED: Duration = Duration::from_secs(60);

/// All challenges of all gateways.
#[derive(Debug)]
pub struct Challenges {
    limit: usize,
    lifetime: Duration,
    known: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    gateway: String,
    expires_at: SystemTime,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Box<Waiting>),
    Used,
    Expired,
}

/// A challenge, and the login that goes on once it is answered.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) challenge: Challenge,
    pub(super) target: String,
    pub(super) user: Option<String>,
    pub(super) client_address: IpAddr,
    pub(super) login_id: String,
}

/// Why there is no challenge.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(super) enum NoChallenge {
    /// As many as may wait do.
    #[error("{limit} challenges of this gateway wait for an answer: the limit of gateway_api.max_challenges")]
    TooMany { limit: usize },
    /// Never made, or long gone.
    #[error("there is no such challenge")]
    Unknown,
    /// Answered before, rightly or wrongly.
    #[error("the challenge has been answered before")]
    Used,
    /// Too late.
    #[error("the challenge has expired")]
    Expired,
    /// Another gateway's.
    #[error("the challenge was made for gateway {made_for}, and answered by {answered_by}")]
    WrongGateway { made_for: String, answered_by: String },
}

impl Challenges {
    /// None yet. `limit` is how many may wait for one gateway.
    #[must_use]
    pub const fn new(limit: usize, lifetime: Duration) -> Self {
        Self { limit, lifetime, known: Mutex::new(BTreeMap::new()) }
    }

    /// When a challenge that is made now ends; a whole second, as its message says it.
    pub(super) fn end(&self, now: SystemTime) -> SystemTime {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()) + self.lifetime
    }

    /// Keeps a challenge for a gateway until `expires_at`; gives the name by which it will be answered, 22 characters of base64url.
    pub(super) fn keep(
        &self,
        gateway: &str,
        waiting: Waiting,
        expires_at: SystemTime,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<String, NoChallenge> {
        let mut known = self.known();
        sweep(&mut known, now);
        let of_gateway = || known.values().filter(|entry| entry.gateway == gateway);
        if of_gateway().filter(|entry| matches!(entry.state, State::Waiting(_))).count() >= self.limit {
            return Err(NoChallenge::TooMany { limit: self.limit });
        }
        // The memory of what is over stays bounded too.
        if of_gateway().count() > self.limit.saturating_mul(4) {
            known.retain(|_, entry| entry.gateway != gateway || matches!(entry.state, State::Waiting(_)));
        }
        let id = Token::<16>::draw(rng).text().as_str().to_owned();
        let state = State::Waiting(Box::new(waiting));
        known.insert(id.clone(), Entry { gateway: gateway.to_owned(), expires_at, state });
        Ok(id)
    }

    /// Takes a challenge out: whatever its answer turns out to be, there is no other.
    ///
    /// A foreign gateway's try does not spend it.
    pub(super) fn take(&self, id: &str, gateway: &str, now: SystemTime) -> Result<Waiting, NoChallenge> {
        let mut known = self.known();
        sweep(&mut known, now);
        let entry = known.get_mut(id).ok_or(NoChallenge::Unknown)?;
        if entry.gateway != gateway {
            let made_for = entry.gateway.clone();
            return Err(NoChallenge::WrongGateway { made_for, answered_by: gateway.to_owned() });
        }
        match std::mem::replace(&mut entry.state, State::Used) {
            State::Waiting(waiting) => Ok(*waiting),
            State::Used => Err(NoChallenge::Used),
            State::Expired => {
                entry.state = State::Expired;
                Err(NoChallenge::Expired)
            }
        }
    }

    /// Drops what has expired, and counts what waits. To be called every few seconds: nothing else wipes a challenge that nobody
    /// answers.
    pub fn sweep(&self, now: SystemTime) -> usize {
        let mut known = self.known();
        sweep(&mut known, now);
        known.values().filter(|entry| matches!(entry.state, State::Waiting(_))).count()
    }

    /// The table is whole even after a panic elsewhere: every change is a single map operation.
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sweep(known: &mut BTreeMap<String, Entry>, now: SystemTime) {
    known.retain(|_, entry| {
        if entry.expires_at <= now && matches!(entry.state, State::Waiting(_)) {
            entry.state = State::Expired;
        }
        now < entry.expires_at + REMEMBERED
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;
    use crate::identity::Purpose;
    use crate::identity::testing::{Authority, now, peer};

    const LIFETIME: Duration = Duration::from_secs(60);

    fn waiting() -> Waiting {
        let card = peer(&[&Authority::root("Root").card()]);
        let purpose = Purpose { gateway: "gw1", target: "desk1.corp.example", user: None, expires_at: now() };
        Waiting {
            challenge: Challenge::new(card, purpose, &mut entropy::system()).unwrap(),
            target: "desk1.corp.example".to_owned(),
            user: None,
            client_address: IpAddr::from([192, 0, 2, 1]),
            login_id: "0123456789abcdef".to_owned(),
        }
    }

    fn kept(challenges: &Challenges, gateway: &str, at: SystemTime) -> Result<String, NoChallenge> {
        challenges.keep(gateway, waiting(), challenges.end(at), at, &mut entropy::system())
    }

    #[test]
    fn a_challenge_is_taken_once_and_by_its_gateway() {
        let challenges = Challenges::new(4, LIFETIME);
        let id = kept(&challenges, "gw1", now()).unwrap();
        let foreign = challenges.take(&id, "gw2", now()).map(drop);
        assert!(matches!(foreign, Err(NoChallenge::WrongGateway { .. })), "{foreign:?}");
        assert_eq!(challenges.take(&id, "gw1", now()).unwrap().login_id, "0123456789abcdef");
        assert_eq!(challenges.take(&id, "gw1", now()).map(drop), Err(NoChallenge::Used));
        assert_eq!(challenges.take("x", "gw1", now()).map(drop), Err(NoChallenge::Unknown));
    }

    #[test]
    fn a_challenge_expires_and_is_forgotten() {
        let challenges = Challenges::new(4, LIFETIME);
        let id = kept(&challenges, "gw1", now()).unwrap();
        assert_eq!(challenges.sweep(now() + LIFETIME - Duration::from_secs(1)), 1);
        let late = now() + LIFETIME;
        assert_eq!(challenges.sweep(late), 0);
        assert_eq!(challenges.take(&id, "gw1", late).map(drop), Err(NoChallenge::Expired));
        assert_eq!(challenges.take(&id, "gw1", late).map(drop), Err(NoChallenge::Expired));
        assert_eq!(challenges.take(&id, "gw1", late + REMEMBERED).map(drop), Err(NoChallenge::Unknown));
    }

    #[test]
    fn a_gateway_has_as_many_as_it_may_and_takes_no_other_gateways_place() {
        let challenges = Challenges::new(2, LIFETIME);
        let first = kept(&challenges, "gw1", now()).unwrap();
        kept(&challenges, "gw1", now()).unwrap();
        assert_eq!(kept(&challenges, "gw1", now()), Err(NoChallenge::TooMany { limit: 2 }));
        kept(&challenges, "gw2", now()).unwrap();
        challenges.take(&first, "gw1", now()).unwrap();
        kept(&challenges, "gw1", now()).unwrap();
    }

    #[test]
    fn the_memory_of_answered_challenges_is_bounded() {
        let challenges = Challenges::new(2, LIFETIME);
        for _ in 0..40 {
            let id = kept(&challenges, "gw1", now()).unwrap();
            challenges.take(&id, "gw1", now()).unwrap();
            assert!(challenges.known().len() <= 9);
        }
    }
}
