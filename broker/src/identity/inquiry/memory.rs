//! What is remembered of answers, and who is waiting for which. Bounded, and shared by all logins and all configurations of a
//! process: what is taken from it is judged anew each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio::sync::watch;

use super::super::peer_certificates::PeerCertificates;
use super::super::revocation::{
    CertificateKey, Gathered, OcspKey, OcspResponse, RememberedAnswer, SourceFault,
};
use super::super::validated_identity::ValidatedIdentity;
use super::responders::{ResponderStatus, Responders};
use super::{Flight, Freshness};

/// Most answers that are kept, and most octets of all of them.
const MAX_ANSWERS: usize = 8192;
const MAX_OCTETS: usize = 32 * 1024 * 1024;
/// Most cards whose answers are renewed before they end.
const MAX_CARDS: usize = 1024;
/// For how long after a login its card's answers are renewed.
const SEEN_LATELY: Duration = Duration::from_secs(3600);

/// How long an answer that a certificate is unknown is used again at most: a card that was just issued is unknown until its
/// responder learns of it, and its person tries again.
const UNKNOWN_REUSED: Duration = Duration::from_secs(30);

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InquiryCounts {
    /// Answers that were taken from memory.
    pub reused: u64,
    /// Cards whose answers were renewed before they ended.
    pub renewed: u64,
    /// Validations that relied on a source that is not the first of its issuer's order.
    pub degraded: u64,
    /// Validations that accepted a certificate of which nothing was known.
    pub accepted_unknown: u64,
    /// How old the oldest thing was that the last validation relied on, in seconds.
    pub evidence_age: Option<u64>,
}

/// What was learnt from responders.
#[derive(Default)]
pub struct Memory {
    answers: Mutex<Answers>,
    cards: Mutex<HashMap<[u8; 32], Card>>,
    counts: Mutex<InquiryCounts>,
    pub(super) responders: Responders,
    pub(super) answers_under_way: UnderWay<OcspKey, Arc<OcspResponse>>,
}

#[derive(Default)]
struct Answers {
    kept: HashMap<OcspKey, Kept>,
    octets: usize,
}

/// The last answer of a responder about a certificate, rightly signed.
struct Kept {
    response: Arc<OcspResponse>,
    at: SystemTime,
    /// Until then it is used again without asking.
    until: SystemTime,
    used: SystemTime,
}

impl Kept {
    fn is_usable(&self, now: SystemTime, freshness: Freshness) -> bool {
        // What lies ahead was kept before the clock was set back.
        let end = match freshness {
            Freshness::Usable => self.until,
            Freshness::Renewed => self.renewed_at(),
        };
        self.at <= now && now < end
    }

    /// In the last quarter of its time it is renewed.
    fn renewed_at(&self) -> SystemTime {
        self.until - self.until.duration_since(self.at).unwrap_or_default() / 4
    }
}

/// A card that logged in, and what was asked for it.
struct Card {
    peer: PeerCertificates,
    seen: SystemTime,
    asked: Vec<OcspKey>,
}

impl Memory {
    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> InquiryCounts {
        *locked(&self.counts)
    }

    /// The responders that were asked, by host and port.
    #[must_use]
    pub fn responders(&self) -> Vec<(String, ResponderStatus)> {
        self.responders.all()
    }

    /// How many answers are kept.
    #[must_use]
    pub fn answers(&self) -> usize {
        locked(&self.answers).kept.len()
    }

    /// Puts the answers that a card led to before at hand, so that a decision over them takes one round.
    pub(super) fn recall(&self, fingerprint: &[u8; 32], gathered: &mut Gathered, now: SystemTime) {
        let asked = locked(&self.cards).get(fingerprint).map(|card| card.asked.clone());
        for key in asked.into_iter().flatten() {
            if let Some(response) = self.answer(&key, now, Freshness::Usable) {
                gathered.answer(key, Ok(response));
            }
        }
    }

    /// An answer that need not be asked for.
    pub(super) fn answer(
        &self,
        key: &OcspKey,
        now: SystemTime,
        freshness: Freshness,
    ) -> Option<Arc<OcspResponse>> {
        let mut answers = locked(&self.answers);
        let kept = answers.kept.get_mut(key).filter(|kept| kept.is_usable(now, freshness))?;
        kept.used = now;
        let response = Arc::clone(&kept.response);
        drop(answers);
        self.count(|counts| counts.reused = counts.reused.saturating_add(1));
        Some(response)
    }

    /// What any responder said last about a certificate, ended or not, where that was a revocation: who said so need not be the one
    /// that is asked now.
    pub(super) fn revocations(&self, certificate: &CertificateKey) -> Vec<RememberedAnswer> {
        let mut said = self.remembered(certificate);
        said.retain(|one| one.response.says_revoked());
        said
    }

    /// The last answers about a certificate, ended or not.
    pub(super) fn remembered(&self, certificate: &CertificateKey) -> Vec<RememberedAnswer> {
        let answers = locked(&self.answers);
        let about_it = answers.kept.iter().filter(|(key, _)| key.certificate == *certificate);
        let answer = |(key, kept): (&OcspKey, &Kept)| RememberedAnswer {
            key: key.clone(),
            response: Arc::clone(&kept.response),
        };
        about_it.map(answer).collect()
    }

    /// Keeps answers that a decision has found rightly signed and current. An older one never replaces a newer one.
    pub(super) fn keep(&self, settled: &[OcspKey], gathered: &Gathered, now: SystemTime, reuse: Duration) {
        let mut answers = locked(&self.answers);
        for key in settled {
            let Some(response) = gathered.answered(key) else { continue };
            let known = answers.kept.get(key);
            let is_new = known.is_none_or(|kept| {
                kept.response.this_update() <= response.this_update()
                    && !Arc::ptr_eq(&kept.response, response)
            });
            if is_new {
                let reuse = if response.says_unknown() { reuse.min(UNKNOWN_REUSED) } else { reuse };
                let until = system_time(response.ends()).min(now + reuse);
                let kept = Kept { response: Arc::clone(response), at: now, until, used: now };
                answers.insert(key.clone(), kept);
            }
        }
    }

    /// Notes what an accepted card relied on, and the card itself where somebody has logged in with it.
    pub(super) fn accepted(
        &self,
        fingerprint: &[u8; 32],
        seen: Option<&PeerCertificates>,
        identity: &ValidatedIdentity,
        gathered: &Gathered,
        now: SystemTime,
    ) {
        let evidence = identity.revocation();
        let age = Timestamp::try_from(now).ok().and_then(|now| evidence.oldest_age(now));
        self.count(|counts| {
            counts.degraded = counts.degraded.saturating_add(evidence.is_degraded().into());
            let unknown = evidence.is_something_unknown();
            counts.accepted_unknown = counts.accepted_unknown.saturating_add(unknown.into());
            counts.renewed = counts.renewed.saturating_add(seen.is_none().into());
            counts.evidence_age = age.map(|age| age.as_secs());
        });
        let (Some(peer), asked) = (seen, gathered.asked()) else { return };
        if asked.is_empty() {
            return;
        }
        let mut cards = locked(&self.cards);
        if cards.len() >= MAX_CARDS && !cards.contains_key(fingerprint) {
            let oldest = cards.iter().min_by_key(|(_, card)| card.seen).map(|(fingerprint, _)| *fingerprint);
            oldest.and_then(|oldest| cards.remove(&oldest));
        }
        cards.insert(*fingerprint, Card { peer: peer.clone().without_stapled(), seen: now, asked });
    }

    /// The cards that were seen lately and of whose answers one is about to end. Forgets the others.
    pub(super) fn due(&self, now: SystemTime) -> Vec<PeerCertificates> {
        let mut cards = locked(&self.cards);
        cards.retain(|_, card| now.duration_since(card.seen).is_ok_and(|ago| ago <= SEEN_LATELY));
        let answers = locked(&self.answers);
        // What has ended is left to the next login.
        let ends = |key: &OcspKey| {
            answers.kept.get(key).is_some_and(|kept| kept.renewed_at() <= now && now < kept.until)
        };
        cards.values().filter(|card| card.asked.iter().any(ends)).map(|card| card.peer.clone()).collect()
    }

    fn count(&self, change: impl FnOnce(&mut InquiryCounts)) {
        change(&mut locked(&self.counts));
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("answers", &self.answers()).finish_non_exhaustive()
    }
}

impl Answers {
    fn insert(&mut self, key: OcspKey, kept: Kept) {
        self.octets = self.octets.saturating_add(kept.response.octets());
        if let Some(old) = self.kept.insert(key, kept) {
            self.octets = self.octets.saturating_sub(old.response.octets());
        }
        while self.kept.len() > MAX_ANSWERS || self.octets > MAX_OCTETS {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            let Some(left) = oldest.and_then(|oldest| self.kept.remove(&oldest)) else { return };
            self.octets = self.octets.saturating_sub(left.response.octets());
        }
    }
}

/// The questions that are under way.
pub(super) struct UnderWay<K, T>(Arc<Mutex<HashMap<K, Flight<T>>>>);

impl<K, T> Default for UnderWay<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> UnderWay<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Asks a question unless it is being asked. It is asked to its end even if nobody waits any more: others may come.
    pub(super) fn join<F>(&self, key: K, ask: impl FnOnce() -> F) -> Flight<T>
    where
        F: Future<Output = Result<T, SourceFault>> + Send + 'static,
    {
        let mut flights = locked(&self.0);
        if let Some(flight) = flights.get(&key) {
            return flight.clone();
        }
        let (tell, told) = watch::channel(None);
        flights.insert(key.clone(), told.clone());
        drop(flights);
        let landing = Landing { key, flights: Arc::clone(&self.0) };
        let asked = ask();
        tokio::spawn(async move {
            let reply = asked.await;
            drop(landing);
            tell.send_replace(Some(reply));
        });
        told
    }
}

/// Takes a question off the list of those that are under way, however it ends.
struct Landing<K: Eq + Hash, T> {
    key: K,
    flights: Arc<Mutex<HashMap<K, Flight<T>>>>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        locked(&self.flights).remove(&self.key);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970 as a time of the system; what it cannot say is its beginning.
fn system_time(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}
