//! Drives an exchange over the KDCs of the realms it needs. Does network I/O.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rand_core::{OsRng, UnwrapErr};
use tokio::time::Instant;

use super::error::{Attempt, AttemptFailure, ClientError, Stage};
use crate::error::{ErrorCode, ExchangeError, ReplyError};
use crate::exchange::realms::MAX_REFERRALS;
use crate::exchange::{Exchange, Request, Step};
use crate::net::locate::KdcList;
use crate::net::system;
use crate::net::transport::{self, Deadlines, Endpoint, TransportError};
use crate::principal::Realm;

/// The KDCs of every realm that may be asked, and how long each may take.
#[derive(Debug)]
pub(super) struct Kdcs {
    realms: Mutex<BTreeMap<Realm, KdcList>>,
    deadlines: Deadlines,
}

/// Most rounds of one exchange, which ends by itself before: two with each realm, of which two chains are followed at most.
const MAX_ROUNDS: usize = 4 * (MAX_REFERRALS + 2);

/// A caller that gives up after at least this long does so because of the KDC, not of its own accord.
const PATIENCE: Duration = Duration::from_secs(1);

/// A KDC that is being asked. Dropped without an outcome, because the caller's own time is over, it counts as failed:
/// otherwise a KDC that hangs for longer than callers wait would be the first one for ever.
struct Asked<'a> {
    kdcs: &'a Kdcs,
    realm: &'a Realm,
    kdc: &'a Endpoint,
    since: Instant,
    has_outcome: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let now = system::instant();
        if !self.has_outcome && now.saturating_duration_since(self.since) >= PATIENCE {
            tracing::warn!(realm = %self.realm, kdc = %self.kdc, "kdc gave no answer before the caller gave up");
            self.kdcs.note(self.realm, |list| list.failed(self.kdc, now));
        }
    }
}

/// What one run of an exchange knows of the KDCs: whom it asks in each realm, and who gave no answer.
#[derive(Default)]
struct Course {
    chosen: BTreeMap<Realm, Endpoint>,
    attempts: Vec<Attempt>,
}

/// How an attempt ended without a result.
enum Ended {
    /// Another KDC may be asked in this one's place.
    ElseWhere(Realm, AttemptFailure),
    /// No other KDC is asked.
    Here(ClientError),
}

impl Kdcs {
    pub(super) fn new(kdcs: BTreeMap<Realm, Vec<Endpoint>>, deadlines: Deadlines) -> Self {
        let realms = kdcs.into_iter().map(|(realm, kdcs)| (realm, KdcList::new(kdcs))).collect();
        Self { realms: Mutex::new(realms), deadlines }
    }

    /// Runs an exchange, each of its requests with a KDC of the realm it is for, and tells which KDC of `realm` that was.
    ///
    /// Where a KDC gives no answer the exchange begins anew with the next one in its place. `start` is called for each
    /// of these attempts: timestamps, nonces and authenticators are never sent twice.
    pub(super) async fn run<E: Exchange>(
        &self,
        stage: Stage,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<(E::Output, BTreeMap<Realm, Endpoint>), ClientError> {
        let mut course = Course::default();
        loop {
            match self.attempt(stage, &start, &mut course).await {
                Ok(output) => return Ok((output, course.chosen)),
                Err(Ended::Here(error)) => {
                    report(stage, &course, &error);
                    return Err(error);
                }
                Err(Ended::ElseWhere(realm, failure)) => {
                    let Some(kdc) = course.chosen.remove(&realm) else { continue };
                    tracing::warn!(%stage, %realm, %kdc, error = %failure, "kdc gave no answer");
                    self.note(&realm, |list| list.failed(&kdc, system::instant()));
                    course.attempts.push(Attempt { kdc, failure });
                }
            }
        }
    }

    async fn attempt<E: Exchange>(
        &self,
        stage: Stage,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
        course: &mut Course,
    ) -> Result<E::Output, Ended> {
        let here = |error| Ended::Here(ClientError::new(stage, error));
        let (mut exchange, mut request) = start(system::now(), &mut system::random()).map_err(here)?;
        for _ in 0..MAX_ROUNDS {
            let reply = self.ask(&request, course).await?;
            match exchange.step(&reply, system::now(), &mut system::random()) {
                Ok(Step::Done(output)) => return Ok(output),
                Ok(Step::Send { request: next, exchange: rest }) => (request, exchange) = (next, rest),
                Err(ExchangeError::Kdc(refusal)) if refusal.code == ErrorCode::KDC_ERR_SVC_UNAVAILABLE => {
                    return Err(Ended::ElseWhere(request.realm, AttemptFailure::ServiceUnavailable));
                }
                Err(error) => return Err(here(error)),
            }
        }
        Err(here(ReplyError::Malformed.into()))
    }

    /// One request and its reply.
    async fn ask(&self, request: &Request, course: &mut Course) -> Result<Vec<u8>, Ended> {
        let Request { realm, bytes } = request;
        let kdc = self.choose(realm, course).map_err(Ended::Here)?;
        let mut asked = Asked { kdcs: self, realm, kdc: &kdc, since: system::instant(), has_outcome: false };
        let reply = transport::exchange(&kdc, realm, bytes, self.deadlines).await;
        asked.has_outcome = true;
        drop(asked);
        match reply {
            Ok(reply) => {
                self.note(realm, |list| list.answered(&kdc));
                Ok(reply)
            }
            // Not a KDC's reply, whoever sent it.
            Err(TransportError::FrameLength(_)) => {
                Err(Ended::Here(ClientError::ReplyRefused(ReplyError::Malformed)))
            }
            Err(other) => Err(Ended::ElseWhere(realm.clone(), other.into())),
        }
    }

    /// The KDC that this run asks in `realm`: the same for all its requests, until it fails.
    fn choose(&self, realm: &Realm, course: &mut Course) -> Result<Endpoint, ClientError> {
        if let Some(kdc) = course.chosen.get(realm) {
            return Ok(kdc.clone());
        }
        let order = self.lock().get(realm).map(|list| list.in_order(system::instant())).unwrap_or_default();
        if order.is_empty() {
            return Err(ClientError::NoKdc { realm: realm.clone() });
        }
        let untried = |kdc: &Endpoint| course.attempts.iter().all(|attempt| attempt.kdc != *kdc);
        let Some(kdc) = order.into_iter().find(untried) else {
            return Err(ClientError::KdcUnavailable { attempts: std::mem::take(&mut course.attempts) });
        };
        course.chosen.insert(realm.clone(), kdc.clone());
        Ok(kdc)
    }

    fn note(&self, realm: &Realm, note: impl FnOnce(&mut KdcList)) {
        if let Some(list) = self.lock().get_mut(realm) {
            note(list);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Realm, KdcList>> {
        self.realms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(stage: Stage, course: &Course, error: &ClientError) {
    let kdcs: Vec<String> = course.chosen.values().map(ToString::to_string).collect();
    let kdcs = kdcs.join(",");
    if let ClientError::ReplyRefused(error) = error {
        tracing::error!(%stage, kdcs, %error, "a reply in the name of the kdc failed a check");
    } else {
        tracing::debug!(%stage, kdcs, %error, "exchange failed");
    }
}
