//! Revocation lists from distribution points: fetched once for all who ask, kept while they are of use, and fetched anew before
//! they end. Does network I/O.
//!
//! Whether a list is rightly signed, and what it speaks of, is judged where it is used; here it matters only for which list
//! takes the place of which.

mod location;
mod slot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ldap_map::net::published::ListAttribute;
use tokio::task::spawn_blocking;

use self::location::Location;
pub(crate) use self::location::{Points, points_of};
use self::slot::{Fetched, Slot};
use super::certificate::{name_text, timestamp};
use super::fetch::{FetchError, Fetcher, Limits};
use super::revocation::{Crl, CrlError, CrlSummary, split};
use super::validator::sha256;

/// Most places that are remembered.
const MAX_PLACES: usize = 4096;
/// Most distribution points of delta lists that are followed at a time.
const MAX_DELTA_POINTS: usize = 8;
/// A place nobody wants anything of any more is no longer asked after a day, and forgotten after thirty.
const KEPT_UP: Duration = Duration::from_secs(24 * 3600);
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Bounds of a [`CrlStore`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CrlStoreSettings {
    /// Most octets of one list.
    pub max_list: usize,
    /// Most octets of all lists together, as they were fetched. The least wanted ones make room.
    pub max_total: usize,
    /// Longest time for one question.
    pub timeout: Duration,
    /// How often a place is asked whether there is a newer list, while the one at hand has not ended.
    pub refresh: Duration,
}

impl Default for CrlStoreSettings {
    fn default() -> Self {
        Self {
            max_list: 64 * 1024 * 1024,
            max_total: 512 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            refresh: Duration::from_secs(3600),
        }
    }
}

/// Why a place gave no list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObtainError {
    /// It cannot be asked, or does not answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What it gave is no list.
    #[error("what is there: {0}")]
    Crl(#[from] CrlError),
    /// The lists at hand have ended, and it is not yet time to ask again.
    #[error("it failed a moment ago and is not asked again yet: {0}")]
    Paused(Box<Self>),
    /// No place is named.
    #[error("no distribution point names a place")]
    NoPlace,
}

/// One place, for health pages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CrlPlace {
    /// Its URL.
    pub url: String,
    /// The lists that came from it.
    pub lists: Vec<CrlSummary>,
    /// When it last gave lists.
    pub fetched: Option<SystemTime>,
    /// Why it does not any more.
    pub error: Option<ObtainError>,
}

/// The lists that were fetched. Shared by all logins.
pub struct CrlStore {
    fetcher: Arc<Fetcher>,
    settings: CrlStoreSettings,
    slots: Mutex<HashMap<String, Slot>>,
}

impl CrlStore {
    /// A store without a list.
    #[must_use]
    pub fn new(fetcher: Arc<Fetcher>, settings: CrlStoreSettings) -> Self {
        Self { fetcher, settings, slots: Mutex::default() }
    }

    /// The lists of these points, and the delta lists that they name. Of each point the places are tried in order until one has
    /// a list that has not ended; what is at hand is not fetched again.
    ///
    /// A list that has ended is better than none, since it says what is the matter.
    ///
    /// # Errors
    /// [`ObtainError`], where there is no list at all.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        points: &Points,
        now: SystemTime,
    ) -> Result<Vec<Arc<Crl>>, ObtainError> {
        let (lists, error) = self.all(points, now).await;
        let deltas = deltas_of(&lists);
        let mut lists = lists;
        if !deltas.is_empty() {
            let (found, error) = self.all(&deltas, now).await;
            if let Some(error) = error {
                tracing::debug!(%error, "a delta list is not at hand, the complete one is used alone");
            }
            lists.extend(found);
        }
        if lists.is_empty() { Err(error.unwrap_or(ObtainError::NoPlace)) } else { Ok(lists) }
    }

    /// What is at hand of these points, ended or not. Nothing is asked.
    pub(crate) fn remembered(&self, points: &Points) -> Vec<Arc<Crl>> {
        let lists = |points: &Points| -> Vec<Arc<Crl>> {
            let slots = self.slots();
            let found = points.iter().flatten().filter_map(|place| slots.get(place));
            found.flat_map(Slot::lists).cloned().collect()
        };
        let mut complete = lists(points);
        let deltas = deltas_of(&complete);
        complete.extend(lists(&deltas));
        complete
    }

    /// Asks the places again that are due, so that no login has to wait for it; does not wait for them.
    pub fn tend(self: &Arc<Self>, now: SystemTime) {
        let due: Vec<String> = {
            let mut slots = self.slots();
            slots.retain(|_, slot| !is_older(slot.used, REMEMBERED, now));
            let is_due = |slot: &Slot| {
                !is_older(slot.used, KEPT_UP, now)
                    && slot.fetched.is_some()
                    && slot.is_due(self.settings.refresh, now)
            };
            slots.iter().filter(|(_, slot)| is_due(slot)).map(|(place, _)| place.clone()).collect()
        };
        for place in due {
            let store = Arc::clone(self);
            tokio::spawn(async move { store.ask(&place, now).await });
        }
    }

    /// Every place and its lists.
    #[must_use]
    pub fn places(&self) -> Vec<CrlPlace> {
        let slots = self.slots();
        let mut places: Vec<CrlPlace> = slots
            .iter()
            .map(|(url, slot)| CrlPlace {
                url: url.clone(),
                lists: slot.lists().map(|list| list.summary()).collect(),
                fetched: slot.fetched,
                error: slot.error.clone(),
            })
            .collect();
        places.sort_by(|one, other| one.url.cmp(&other.url));
        places
    }

    async fn all(self: &Arc<Self>, points: &Points, now: SystemTime) -> (Vec<Arc<Crl>>, Option<ObtainError>) {
        let (mut lists, mut error): (Vec<Arc<Crl>>, _) = (Vec::new(), None);
        for point in points {
            match self.point(point, now).await {
                Ok(found) => {
                    for list in found {
                        if !lists.iter().any(|known| Arc::ptr_eq(known, &list)) {
                            lists.push(list);
                        }
                    }
                }
                Err(failed) => error = error.or(Some(failed)),
            }
        }
        (lists, error)
    }

    async fn point(
        self: &Arc<Self>,
        places: &[String],
        now: SystemTime,
    ) -> Result<Vec<Arc<Crl>>, ObtainError> {
        for place in places {
            if let Some((lists, due)) = self.at_hand(place, now) {
                if due {
                    let (store, place) = (Arc::clone(self), place.clone());
                    tokio::spawn(async move { store.ask(&place, now).await });
                }
                return Ok(lists);
            }
        }
        let mut error = None;
        for place in places {
            match self.ask_unless_paused(place, now).await {
                Ok(()) => {
                    if let Some((lists, _)) = self.at_hand(place, now) {
                        return Ok(lists);
                    }
                }
                Err(failed) => error = error.or(Some(failed)),
            }
        }
        let slots = self.slots();
        let ended: Vec<Arc<Crl>> =
            places.iter().filter_map(|place| slots.get(place)).flat_map(Slot::lists).cloned().collect();
        if ended.is_empty() { Err(error.unwrap_or(ObtainError::NoPlace)) } else { Ok(ended) }
    }

    /// The lists of a place if they have not ended, and whether it is time to ask it again.
    fn at_hand(&self, place: &str, now: SystemTime) -> Option<(Vec<Arc<Crl>>, bool)> {
        let mut slots = self.slots();
        let slot = slots.get_mut(place)?;
        slot.used = slot.used.max(now);
        let due = slot.is_due(self.settings.refresh, now);
        slot.is_current(now).then(|| (slot.lists().cloned().collect(), due))
    }

    async fn ask_unless_paused(self: &Arc<Self>, place: &str, now: SystemTime) -> Result<(), ObtainError> {
        {
            let slots = self.slots();
            let paused = slots.get(place).filter(|slot| !slot.is_due(self.settings.refresh, now));
            if let Some(slot) = paused {
                return slot.error.clone().map_or(Ok(()), |error| Err(ObtainError::Paused(Box::new(error))));
            }
        }
        self.ask(place, now).await
    }

    /// Asks a place; whoever comes while it is being asked waits for that answer. It goes on when nobody waits any more.
    async fn ask(self: &Arc<Self>, place: &str, now: SystemTime) -> Result<(), ObtainError> {
        let (turn, rounds) = {
            let mut slots = self.slots();
            let slot = slots.entry(place.to_owned()).or_insert_with(|| Slot::new(now));
            (Arc::clone(&slot.turn), slot.rounds)
        };
        let turn = turn.lock_owned().await;
        if let Some(slot) = self.slots().get(place)
            && slot.rounds != rounds
        {
            return slot.error.clone().map_or(Ok(()), Err);
        }
        let (store, place) = (Arc::clone(self), place.to_owned());
        let asking = tokio::spawn(async move {
            let outcome = store.download(&place).await;
            let outcome = store.settle(&place, outcome, now);
            drop(turn);
            outcome
        });
        asking.await.unwrap_or(Err(ObtainError::Fetch(FetchError::Timeout)))
    }

    async fn download(&self, place: &str) -> Result<Vec<Fetched>, ObtainError> {
        let limits = Limits { octets: self.settings.max_list, time: self.settings.timeout };
        let location: Location = place.parse().map_err(FetchError::Url)?;
        let encoded = match &location {
            Location::Http(url) => split(self.fetcher.get(url, limits).await?),
            Location::Ldap(url) => self.fetcher.lists(url, limits).await?,
        };
        // A list can be large, and takes its time.
        let reading = spawn_blocking(move || read(&encoded));
        reading.await.unwrap_or(Err(ObtainError::Crl(CrlError::Encoding)))
    }

    fn settle(
        &self,
        place: &str,
        outcome: Result<Vec<Fetched>, ObtainError>,
        now: SystemTime,
    ) -> Result<(), ObtainError> {
        let mut slots = self.slots();
        let slot = slots.entry(place.to_owned()).or_insert_with(|| Slot::new(now));
        match outcome {
            Ok(lists) => {
                let failed_before = slot.failures > 0;
                if slot.take(lists, now) || failed_before {
                    for list in slot.lists() {
                        let (issuer, entries) = (name_text(list.issuer()), list.entries());
                        let next_update = list.next_update().map(timestamp).unwrap_or_default();
                        tracing::info!(place, issuer, entries, %next_update, "revocation list fetched");
                    }
                }
                make_room(&mut slots, place, self.settings.max_total);
                Ok(())
            }
            Err(error) => {
                slot.fail(error.clone(), now);
                if slot.failures == 1 {
                    let kept = slot.lists().count();
                    tracing::warn!(place, %error, kept, "no revocation list from here; those at hand stay in use until they end");
                }
                make_room(&mut slots, place, self.settings.max_total);
                Err(error)
            }
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CrlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrlStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Where the delta lists of complete ones are. A list that nobody believes leads nowhere where another one is believed:
/// whoever can forge it could send us to places of his choice.
fn deltas_of(lists: &[Arc<Crl>]) -> Points {
    let any_believed = lists.iter().any(|list| !list.is_delta() && list.has_known_signer());
    let counts = |list: &&Arc<Crl>| !list.is_delta() && (!any_believed || list.has_known_signer());
    let complete = lists.iter().filter(counts);
    let mut points: Points = Vec::new();
    for list in complete {
        let Some(freshest) = list.freshest() else { continue };
        for point in points_of(freshest, list.issuer(), ListAttribute::DeltaRevocationList) {
            if points.len() < MAX_DELTA_POINTS && !points.contains(&point) {
                points.push(point);
            }
        }
    }
    points
}

fn read(encoded: &[Vec<u8>]) -> Result<Vec<Fetched>, ObtainError> {
    if encoded.is_empty() {
        return Err(CrlError::Encoding.into());
    }
    let fetched = |encoded: &Vec<u8>| {
        let list = Arc::new(Crl::parse(encoded)?);
        Ok(Fetched { list, digest: sha256(encoded), octets: encoded.len() })
    };
    encoded.iter().map(fetched).collect()
}

/// Forgets places until the rest is within bounds: first those of which nobody believed a list, then those that were wanted
/// longest ago.
fn make_room(slots: &mut HashMap<String, Slot>, but: &str, octets: usize) {
    let mut by_use: Vec<(bool, SystemTime, String, usize)> = slots
        .iter()
        .filter(|(place, _)| *place != but)
        .map(|(place, slot)| (slot.is_believed(), slot.used, place.clone(), slot.octets()))
        .collect();
    by_use.sort();
    let mut total: usize = slots.values().map(Slot::octets).sum();
    for (_, _, place, size) in by_use {
        if total <= octets && slots.len() <= MAX_PLACES {
            return;
        }
        tracing::warn!(place, "too many revocation lists are at hand, this one is forgotten");
        slots.remove(&place);
        total = total.saturating_sub(size);
    }
}

fn is_older(time: SystemTime, age: Duration, now: SystemTime) -> bool {
    now.duration_since(time).is_ok_and(|since| since > age)
}

#[cfg(test)]
mod tests;
