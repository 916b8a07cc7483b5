//! Drives an exchange over the list of KDCs. Does network I/O.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand_core::{OsRng, UnwrapErr};
use tokio::time::Instant;

use super::error::{Attempt, AttemptFailure, ClientError, Stage};
use crate::error::{ErrorCode, ExchangeError, ReplyError};
use crate::exchange::{Exchange, Request, Step};
use crate::net::locate::{KdcAddress, KdcList};
use crate::net::system;
use crate::net::tcp::{self, Deadlines, TransportError};

/// The KDCs and how long each may take.
#[derive(Debug)]
pub(super) struct Kdcs {
    list: Mutex<KdcList>,
    deadlines: Deadlines,
}

/// Most rounds of one exchange with one KDC. Three are needed at worst: asked, proved, proved with another clock.
const MAX_ROUNDS: usize = 4;

/// A caller that gives up after at least this long does so because of the KDC, not of its own accord.
const PATIENCE: Duration = Duration::from_secs(1);

/// A KDC that is being asked. Dropped without an outcome, because the caller's own time is over, it counts as failed:
/// otherwise a KDC that hangs for longer than callers wait would be the first one for ever.
struct Asked<'a> {
    kdcs: &'a Kdcs,
    kdc: &'a KdcAddress,
    since: Instant,
    has_outcome: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let now = system::instant();
        if !self.has_outcome && now.saturating_duration_since(self.since) >= PATIENCE {
            tracing::warn!(kdc = %self.kdc, "kdc gave no answer before the caller gave up");
            self.kdcs.lock().failed(self.kdc, now);
        }
    }
}

/// How an attempt with one KDC ended without a result.
enum Ended {
    /// The next KDC may be asked.
    ElseWhere(AttemptFailure),
    /// No other KDC is asked.
    Here(ClientError),
}

impl Kdcs {
    pub(super) fn new(addresses: Vec<KdcAddress>, deadlines: Deadlines) -> Self {
        Self { list: Mutex::new(KdcList::new(addresses)), deadlines }
    }

    /// Runs an exchange with the first KDC that answers, and tells which one that was.
    ///
    /// `start` is called anew for each KDC: timestamps, nonces and authenticators are never sent twice.
    pub(super) async fn run<E: Exchange>(
        &self,
        stage: Stage,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<(E::Output, KdcAddress), ClientError> {
        let order = self.lock().in_order(system::instant());
        let mut attempts = Vec::new();
        for kdc in order {
            let mut asked = Asked { kdcs: self, kdc: &kdc, since: system::instant(), has_outcome: false };
            let outcome = self.run_with(&kdc, stage, &start).await;
            asked.has_outcome = true;
            drop(asked);
            match outcome {
                Ok(output) => {
                    self.lock().answered(&kdc);
                    return Ok((output, kdc));
                }
                Err(Ended::Here(error)) => {
                    if !matches!(error, ClientError::Request(_)) {
                        self.lock().answered(&kdc);
                    }
                    report(stage, &kdc, &error);
                    return Err(error);
                }
                Err(Ended::ElseWhere(failure)) => {
                    tracing::warn!(%stage, %kdc, error = %failure, "kdc gave no answer");
                    self.lock().failed(&kdc, system::instant());
                    attempts.push(Attempt { kdc, failure });
                }
            }
        }
        Err(ClientError::KdcUnavailable { attempts })
    }

    async fn run_with<E: Exchange>(
        &self,
        kdc: &KdcAddress,
        stage: Stage,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<E::Output, Ended> {
        let here = |error| Ended::Here(ClientError::new(stage, error));
        let (mut exchange, mut request) = start(system::now(), &mut system::random()).map_err(here)?;
        for _ in 0..MAX_ROUNDS {
            let reply =
                tcp::exchange(kdc, &request.bytes, self.deadlines).await.map_err(|error| match error {
                    // Not a KDC's reply, whoever sent it.
                    TransportError::FrameLength(_) => here(ReplyError::Malformed.into()),
                    other => Ended::ElseWhere(other.into()),
                })?;
            match exchange.step(&reply, system::now(), &mut system::random()) {
                Ok(Step::Done(output)) => return Ok(output),
                Ok(Step::Send { request: next, exchange: rest }) => (request, exchange) = (next, rest),
                Err(ExchangeError::Kdc(refusal)) if refusal.code == ErrorCode::KDC_ERR_SVC_UNAVAILABLE => {
                    return Err(Ended::ElseWhere(AttemptFailure::ServiceUnavailable));
                }
                Err(error) => return Err(here(error)),
            }
        }
        Err(here(ReplyError::Malformed.into()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KdcList> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(stage: Stage, kdc: &KdcAddress, error: &ClientError) {
    if let ClientError::ReplyRefused(error) = error {
        tracing::error!(%stage, %kdc, %error, "a reply in the name of the kdc failed a check");
    } else {
        tracing::debug!(%stage, %kdc, %error, "exchange failed");
    }
}
