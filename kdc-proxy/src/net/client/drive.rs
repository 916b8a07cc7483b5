//! Drives an exchange over the KDCs of the realms it needs. Does network I/O.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use rand_core::{OsRng, UnwrapErr};
use tokio::time::{Instant, sleep_until};

use super::course::{Course, Waiting};
use super::error::{AttemptFailure, ClientError, Stage};
use super::settings::SettingsError;
use crate::error::{ErrorCode, ExchangeError, ReplyError};
use crate::exchange::realms::MAX_REFERRALS;
use crate::exchange::{Exchange, Request, Step};
use crate::net::kdc_list::{KdcList, Turn};
use crate::net::locate::Preference;
use crate::net::system;
use crate::net::transport::{self, Deadlines, Endpoint, TransportError};
use crate::principal::Realm;

/// The KDCs of every realm that may be asked, and how long each may take.
#[derive(Debug)]
pub(super) struct Kdcs {
    realms: Mutex<BTreeMap<Realm, KdcList>>,
    deadlines: Deadlines,
}

/// Which KDC was asked in each realm.
pub(super) type Chosen = BTreeMap<Realm, Endpoint>;

/// Most rounds of one exchange, which ends by itself before: two with each realm, of which two chains are followed at most.
const MAX_ROUNDS: usize = 4 * (MAX_REFERRALS + 2);

/// Most attempts of one exchange, each with other KDCs.
const MAX_ATTEMPTS: usize = 3;

/// How soon an exchange that waits looks again whether another KDC is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One attempt of an exchange, from its first request on.
struct Attempt<'a> {
    kdcs: &'a Kdcs,
    course: &'a Course,
    place: usize,
    stage: Stage,
    /// Whom it asks in each realm: the same KDC for all its requests.
    chosen: Chosen,
    /// The preferred KDC is asked, even if it is passed over.
    near: Near<'a>,
}

/// How much an attempt cares for the preferred domain controller.
#[derive(Clone, Copy)]
enum Near<'a> {
    /// Asks it first, if it is ready.
    First(&'a Preference),
    /// Asks nobody else in the realms where it is a KDC.
    Only(&'a Preference),
}

/// How an attempt ended without a result.
enum Ended {
    /// This KDC gave no answer; an attempt with another one may be made.
    ElseWhere(Endpoint, AttemptFailure),
    /// There is no KDC left to ask.
    Exhausted,
    /// A KDC of this realm refused or sent a reply that failed a check; or, without a realm, nobody was asked.
    Here(Option<Realm>, ClientError),
}

/// A request that waits for its reply. Dropped without one, because somebody else was faster or the caller's own time is
/// over, it tells what that says about the KDC.
struct Asking<'a> {
    attempt: &'a Attempt<'a>,
    realm: &'a Realm,
    kdc: &'a Endpoint,
    sent: Instant,
    has_outcome: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Self { attempt: Attempt { kdcs, course, place, .. }, realm, kdc, sent, has_outcome } = *self;
        course.no_longer_waits(*place);
        let now = system::instant();
        let mut lists = kdcs.lock();
        let Some(list) = lists.get_mut(realm) else { return };
        let was_doubtful = list.doubtful_from(kdc, sent) <= now;
        list.forget(kdc, sent);
        drop(lists);
        if !has_outcome && was_doubtful {
            kdcs.failed(realm, kdc, "no answer in time");
        }
    }
}

impl Kdcs {
    pub(super) fn new(kdcs: BTreeMap<Realm, Vec<Endpoint>>, deadlines: Deadlines) -> Self {
        let now = system::now();
        let realms = kdcs.into_iter().map(|(realm, kdcs)| (realm, KdcList::new(kdcs, now))).collect();
        Self { realms: Mutex::new(realms), deadlines }
    }

    /// Takes other KDCs for a realm that is configured.
    pub(super) fn replace(&self, realm: &Realm, kdcs: Vec<Endpoint>) -> Result<(), SettingsError> {
        match self.lock().get_mut(realm) {
            Some(list) if !kdcs.is_empty() => list.replace(kdcs, system::now()),
            _ => return Err(SettingsError::NoKdcs(realm.clone())),
        }
        Ok(())
    }

    pub(super) const fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// Looks at all lists at once.
    pub(super) fn look<T>(&self, look: impl Fn(&Realm, &KdcList) -> Vec<T>) -> Vec<T> {
        self.lock().iter().flat_map(|(realm, list)| look(realm, list)).collect()
    }

    /// As [`Self::run_near`], without a preference.
    pub(super) async fn run<E: Exchange>(
        &self,
        stage: Stage,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<(E::Output, Chosen), ClientError> {
        self.run_near(stage, &Preference::NONE, start).await
    }

    /// Runs an exchange, each of its requests with a KDC of the realm it is for, and tells which KDCs these were.
    ///
    /// Where a KDC gives no answer the exchange begins anew with the next one in its place. Where one is slow to answer and
    /// another is ready, it is begun with that one beside, and the first result counts; only our own key is shown to one KDC at
    /// a time. `start` is called for each of these attempts: timestamps, nonces and authenticators are never sent twice.
    ///
    /// If another KDC than the preferred one does not know a name or a key, the preferred one has the last word: the
    /// change need not have reached the others.
    pub(super) async fn run_near<E: Exchange>(
        &self,
        stage: Stage,
        near: &Preference,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<(E::Output, Chosen), ClientError> {
        let course = Course::default();
        let attempt = |place, near| {
            let attempt = Attempt { kdcs: self, course: &course, place, stage, chosen: Chosen::new(), near };
            Box::pin(attempt.run(&start))
        };
        let mut begun = 1;
        let mut running = vec![attempt(0, Near::First(near))];
        let mut refusal = None;
        loop {
            let look_again = system::instant() + LOOK_AGAIN;
            let look_again = self.doubtful_from(&course).map_or(look_again, |from| from.max(look_again));
            let outcome = tokio::select! {
                biased;
                outcome = first_of(&mut running) => outcome,
                () = sleep_until(look_again), if begun < MAX_ATTEMPTS => {
                    if self.another_is_worth_asking(&course) {
                        tracing::debug!(%stage, "kdc is slow to answer; another one is asked beside it");
                        running.push(attempt(begun, Near::First(near)));
                        begun += 1;
                    }
                    continue;
                }
            };
            match outcome {
                Ok(done) => return Ok(done),
                Err((Ended::Here(realm, error), chosen)) => {
                    let last_word = self.last_word(near, realm.as_ref(), &error, &chosen, &course);
                    if refusal.is_some() || last_word.is_none() {
                        report(stage, &chosen, &error);
                        return Err(error);
                    }
                    tracing::debug!(%stage, %error, "another kdc does not know yet; the preferred one is asked");
                    if last_word == Some(LastWord::ToBeAsked) {
                        running.push(attempt(begun, Near::Only(near)));
                    }
                    begun = MAX_ATTEMPTS;
                    refusal = Some(error);
                }
                Err((Ended::ElseWhere(kdc, failure), _)) => {
                    tracing::debug!(%stage, %kdc, error = %failure, "kdc gave no answer");
                    course.failed(kdc, failure);
                    if running.is_empty() && begun < MAX_ATTEMPTS {
                        running.push(attempt(begun, Near::First(near)));
                        begun += 1;
                    }
                }
                Err((Ended::Exhausted, _)) => {}
            }
            if running.is_empty() {
                return Err(refusal.unwrap_or_else(|| course.unavailable()));
            }
        }
    }

    /// Whether every attempt waits for a doubtful KDC, and another one of a realm that is waited for is ready.
    fn another_is_worth_asking(&self, course: &Course) -> bool {
        let now = system::instant();
        if course.is_judging_key(now) || self.doubtful_from(course).is_none_or(|from| from > now) {
            return false;
        }
        let lists = self.lock();
        let waited_for = course.waiting().into_iter().filter_map(|waiting| lists.get(&waiting.realm));
        let mut kdcs = waited_for.flat_map(|list| {
            let order = list.in_order(&Preference::NONE, now);
            order.into_iter().filter(move |kdc| list.is_ready(kdc, now))
        });
        kdcs.any(|kdc| !course.is_taken(&kdc))
    }

    /// From when on every attempt waits for a doubtful KDC; `None` while none waits.
    fn doubtful_from(&self, course: &Course) -> Option<Instant> {
        let lists = self.lock();
        let waiting = course.waiting().into_iter();
        waiting
            .filter_map(|Waiting { realm, kdc, sent }| Some(lists.get(&realm)?.doubtful_from(&kdc, sent)))
            .max()
    }

    /// Whether the preferred KDC of the realm is to be heard after another one's refusal.
    fn last_word(
        &self,
        near: &Preference,
        realm: Option<&Realm>,
        error: &ClientError,
        chosen: &Chosen,
        course: &Course,
    ) -> Option<LastWord> {
        if !error.may_be_about_replication() {
            return None;
        }
        let realm = realm?;
        let preferred = self.lock().get(realm)?.preferred(near)?.clone();
        if chosen.get(realm).is_none_or(|kdc| kdc.is_same(&preferred)) || course.has_failed(&preferred) {
            return None;
        }
        Some(if course.is_taken(&preferred) { LastWord::OnItsWay } else { LastWord::ToBeAsked })
    }

    /// The KDC answered.
    pub(super) fn answered(&self, realm: &Realm, kdc: &Endpoint) {
        let turn = self.note(realm, |list| list.answered(kdc, system::instant(), system::now()));
        if turn == Turn::Back {
            tracing::info!(%realm, %kdc, "kdc answers again");
        }
    }

    /// The KDC gave no usable answer.
    pub(super) fn failed(&self, realm: &Realm, kdc: &Endpoint, reason: impl std::fmt::Display) {
        let turn = self.note(realm, |list| list.failed(kdc, system::instant(), system::now()));
        if turn == Turn::Lost {
            tracing::warn!(%realm, %kdc, error = %reason, "kdc does not answer and is passed over");
        }
    }

    fn note(&self, realm: &Realm, note: impl FnOnce(&mut KdcList) -> Turn) -> Turn {
        self.lock().get_mut(realm).map_or(Turn::Same, note)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Realm, KdcList>> {
        self.realms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the preferred KDC comes to speak after another one has refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LastWord {
    /// It has been asked already, and its answer is waited for.
    OnItsWay,
    /// It has not been asked.
    ToBeAsked,
}

impl Attempt<'_> {
    /// Runs the exchange from its start.
    async fn run<E: Exchange>(
        mut self,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<(E::Output, Chosen), (Ended, Chosen)> {
        let outcome = self.rounds(start).await;
        self.course.ended(self.place);
        match outcome {
            Ok(output) => Ok((output, self.chosen)),
            Err(ended) => Err((ended, self.chosen)),
        }
    }

    async fn rounds<E: Exchange>(
        &mut self,
        start: impl Fn(SystemTime, &mut UnwrapErr<OsRng>) -> Result<(E, Request), ExchangeError>,
    ) -> Result<E::Output, Ended> {
        let stage = self.stage;
        let here = |realm, error| Ended::Here(realm, ClientError::new(stage, error));
        let (mut exchange, mut request) =
            start(system::now(), &mut system::random()).map_err(|error| here(None, error))?;
        for round in 0..MAX_ROUNDS {
            // The first request of an AS exchange proves nothing; the others do.
            let shows_key = stage == Stage::As && round > 0;
            if shows_key && !self.course.may_show_key(self.place, system::instant()) {
                return Err(Ended::Exhausted);
            }
            let (reply, kdc) = self.ask(&request).await?;
            match exchange.step(&reply, system::now(), &mut system::random()) {
                Ok(Step::Done(output)) => return Ok(output),
                Ok(Step::Send { request: next, exchange: rest }) => (request, exchange) = (next, rest),
                Err(ExchangeError::Kdc(refusal)) if refusal.code == ErrorCode::KDC_ERR_SVC_UNAVAILABLE => {
                    let failure = AttemptFailure::ServiceUnavailable;
                    self.kdcs.failed(&request.realm, &kdc, failure);
                    return Err(Ended::ElseWhere(kdc, failure));
                }
                Err(error) => return Err(here(Some(request.realm), error)),
            }
        }
        Err(here(Some(request.realm), ReplyError::Malformed.into()))
    }

    /// One request and its reply, with the KDC that gave it.
    async fn ask(&mut self, request: &Request) -> Result<(Vec<u8>, Endpoint), Ended> {
        let Request { realm, bytes } = request;
        let kdc = self.choose(realm)?;
        let sent = system::instant();
        self.kdcs.note(realm, |list| {
            list.asked(&kdc, sent);
            Turn::Same
        });
        self.course.waits(self.place, Waiting { realm: realm.clone(), kdc: kdc.clone(), sent });
        let mut asking = Asking { attempt: self, realm, kdc: &kdc, sent, has_outcome: false };
        let reply = transport::exchange(&kdc, realm, bytes, self.kdcs.deadlines).await;
        asking.has_outcome = true;
        drop(asking);
        match reply {
            Ok(reply) => {
                self.kdcs.answered(realm, &kdc);
                Ok((reply, kdc))
            }
            // Not a KDC's reply, whoever sent it.
            Err(TransportError::FrameLength(_)) => {
                Err(Ended::Here(Some(realm.clone()), ClientError::ReplyRefused(ReplyError::Malformed)))
            }
            Err(error) => {
                self.kdcs.failed(realm, &kdc, error);
                Err(Ended::ElseWhere(kdc, error.into()))
            }
        }
    }

    /// The KDC that this attempt asks in `realm`: one that no other attempt waits for, and that has not failed.
    fn choose(&mut self, realm: &Realm) -> Result<Endpoint, Ended> {
        if let Some(kdc) = self.chosen.get(realm) {
            return Ok(kdc.clone());
        }
        let lists = self.kdcs.lock();
        let unknown = || Ended::Here(None, ClientError::NoKdc { realm: realm.clone() });
        let list = lists.get(realm).ok_or_else(unknown)?;
        let (Near::First(near) | Near::Only(near)) = self.near;
        let order = list.in_order(near, system::instant());
        if order.is_empty() {
            return Err(unknown());
        }
        let only = match self.near {
            Near::First(_) => None,
            Near::Only(near) => list.preferred(near).cloned(),
        };
        let mut free = order.into_iter().filter(|kdc| !self.course.is_taken(kdc));
        let kdc = only.or_else(|| free.next()).ok_or(Ended::Exhausted)?;
        drop(lists);
        self.chosen.insert(realm.clone(), kdc.clone());
        Ok(kdc)
    }
}

/// The output of whichever is ready first; that one is taken out.
async fn first_of<F: Future + Unpin>(running: &mut Vec<F>) -> F::Output {
    poll_fn(|context| {
        let mut outcomes = running.iter_mut().enumerate().filter_map(|(place, future)| {
            match Pin::new(future).poll(context) {
                Poll::Ready(output) => Some((place, output)),
                Poll::Pending => None,
            }
        });
        let Some((place, output)) = outcomes.next() else { return Poll::Pending };
        drop(running.swap_remove(place));
        Poll::Ready(output)
    })
    .await
}

fn report(stage: Stage, chosen: &Chosen, error: &ClientError) {
    let kdcs: Vec<String> = chosen.values().map(ToString::to_string).collect();
    let kdcs = kdcs.join(",");
    if let ClientError::ReplyRefused(error) = error {
        tracing::error!(%stage, kdcs, %error, "a reply in the name of the kdc failed a check");
    } else {
        tracing::debug!(%stage, kdcs, %error, "exchange failed");
    }
}
