//! Asks what a decision has to know, and has it decided again. Does network I/O.
//!
//! The decision itself stands in [`super::validator`] and asks nobody: it says what is missing. Here that is looked for in
//! memory, then asked for, all of one round at once, and each question once for all logins that wait for its answer. Rounds
//! and time are bounded, so that silence ends as the issuer's order says.

mod memory;
mod responders;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

pub use self::memory::{InquiryCounts, Memory};
pub use self::responders::ResponderStatus;
use super::crl_store::{CrlStore, CrlStoreSettings, Points};
use super::error::IdentityError;
use super::fetch::{FetchError, Fetcher, Limits, Url};
use super::peer_certificates::PeerCertificates;
use super::revocation::{
    Crl, Gathered, OcspQuestion, OcspRequest, OcspResponse, Question, Remembered, SourceFault,
};
use super::validated_identity::ValidatedIdentity;
use super::validator::{Validator, sha256};

/// Most rounds of questions for one decision: each asks a further source for every certificate of the path.
const MAX_ROUNDS: usize = 32;
/// Most octets of an OCSP response.
const MAX_RESPONSE: usize = 64 * 1024;
const OCSP_REQUEST: &str = "application/ocsp-request";

/// The bounds of what is asked over the network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InquirySettings {
    /// The longest time for one question.
    pub question_timeout: Duration,
    /// The longest time for all that is asked for one validation: certificates of issuers, and about revocation.
    pub time_limit: Duration,
    /// For how long an answer is used again without asking, if it does not end before.
    pub reuse_answers: Duration,
}

impl Default for InquirySettings {
    fn default() -> Self {
        Self {
            question_timeout: Duration::from_secs(3),
            time_limit: Duration::from_secs(8),
            reuse_answers: Duration::from_secs(600),
        }
    }
}

/// What is asked, and by whom it is remembered.
pub(super) struct Inquiry {
    settings: InquirySettings,
    fetcher: Arc<Fetcher>,
    store: Arc<CrlStore>,
    memory: Arc<Memory>,
}

/// The reply to a question that is under way; `None` until there is one.
type Flight<T> = watch::Receiver<Option<Result<T, SourceFault>>>;

/// Lists that are being fetched.
type Fetching = JoinHandle<Result<Vec<Arc<Crl>>, SourceFault>>;

/// A question of this round.
enum Open {
    Ocsp(OcspQuestion, Flight<Arc<OcspResponse>>),
    Lists(Points, Fetching),
}

/// Whether answers that are about to end count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Freshness {
    /// They do: a login takes what is there.
    Usable,
    /// They do not: they are to be replaced before they end.
    Renewed,
}

impl Inquiry {
    pub(super) fn new(settings: InquirySettings, fetcher: Arc<Fetcher>, lists: CrlStoreSettings) -> Self {
        let store = Arc::new(CrlStore::new(Arc::clone(&fetcher), lists));
        Self { settings, fetcher, store, memory: Arc::default() }
    }

    /// The same, with the memory of another one, and with its lists unless it may ask others than this one.
    pub(super) fn remembering(&self, other: &Self) -> Self {
        let same = self.fetcher.settings() == other.fetcher.settings();
        let of_lists = if same { other } else { self };
        Self {
            settings: self.settings,
            fetcher: Arc::clone(&of_lists.fetcher),
            store: Arc::clone(&of_lists.store),
            memory: Arc::clone(&other.memory),
        }
    }

    /// The lists that were fetched.
    pub(super) fn store(&self) -> &Arc<CrlStore> {
        &self.store
    }

    pub(super) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }

    /// The time for all that is asked for one validation, from now on.
    pub(super) fn time(&self) -> Sleep {
        sleep(self.settings.time_limit)
    }

    /// Decides, asking until nothing is open or the time is `over`.
    pub(super) async fn settle(
        &self,
        validator: &Validator,
        peer: &PeerCertificates,
        now: SystemTime,
        rng: &mut (impl CryptoRng + Send),
        over: Pin<&mut Sleep>,
    ) -> Result<ValidatedIdentity, IdentityError> {
        self.decide(validator, peer, now, rng, Freshness::Usable, over).await
    }

    /// See [`Validator::refresh`].
    pub(super) async fn refresh(
        &self,
        validator: &Validator,
        now: SystemTime,
        rng: &mut (impl CryptoRng + Send),
    ) -> usize {
        self.store.tend(now);
        let due = self.memory.due(now);
        for peer in &due {
            // Whatever comes of it is for the memory; the next login is told.
            let over = pin!(self.time());
            drop(self.decide(validator, peer, now, rng, Freshness::Renewed, over).await);
        }
        due.len()
    }

    async fn decide(
        &self,
        validator: &Validator,
        peer: &PeerCertificates,
        now: SystemTime,
        rng: &mut (impl CryptoRng + Send),
        freshness: Freshness,
        mut over: Pin<&mut Sleep>,
    ) -> Result<ValidatedIdentity, IdentityError> {
        let fingerprint = sha256(peer.card());
        let mut gathered = Gathered::default();
        if freshness == Freshness::Usable {
            self.memory.recall(&fingerprint, &mut gathered, now);
        }
        for _ in 0..MAX_ROUNDS {
            let mut decision = validator.decide(peer, now, &gathered, &mut Vec::new());
            self.memory.keep(&decision.inquest.settled, &gathered, now, self.settings.reuse_answers);
            let questions = decision.open_questions();
            if questions.is_empty() {
                if let Ok(identity) = &decision.outcome {
                    let seen = (freshness == Freshness::Usable).then_some(peer);
                    self.memory.accepted(&fingerprint, seen, identity, &gathered, now);
                }
                return decision.outcome;
            }
            self.ask(questions, &mut gathered, now, rng, freshness, over.as_mut()).await;
        }
        let mut decision = validator.decide(peer, now, &gathered, &mut Vec::new());
        while let questions = decision.open_questions()
            && !questions.is_empty()
        {
            gathered.fail(questions, &SourceFault::NoTime);
            decision = validator.decide(peer, now, &gathered, &mut Vec::new());
        }
        decision.outcome
    }

    /// Answers the questions of one round.
    async fn ask(
        &self,
        questions: Vec<Question>,
        gathered: &mut Gathered,
        now: SystemTime,
        rng: &mut (impl CryptoRng + Send),
        freshness: Freshness,
        mut over: Pin<&mut Sleep>,
    ) {
        let mut open = Vec::new();
        for question in questions {
            match question {
                Question::Remembered(certificate, points) => {
                    let answers = self.memory.remembered(&certificate);
                    let remembered = Remembered { answers, lists: self.store.remembered(&points) };
                    gathered.remembered(certificate, remembered);
                }
                Question::Ocsp(question) => match self.memory.answer(&question.key, now, freshness) {
                    Some(response) => gathered.answer(question.key, Ok(response)),
                    None => {
                        for before in self.memory.revocations(&question.key.certificate) {
                            gathered.said_before(before.key, before.response);
                        }
                        if over.is_elapsed() {
                            gathered.answer(question.key, Err(SourceFault::NoTime));
                        } else {
                            let flight = self.begin(&question, now, rng);
                            open.push(Open::Ocsp(question, flight));
                        }
                    }
                },
                Question::Lists(points) if over.is_elapsed() => {
                    gathered.lists(points, Err(SourceFault::NoTime));
                }
                Question::Lists(points) => {
                    let flight = self.begin_lists(&points, now);
                    open.push(Open::Lists(points, flight));
                }
            }
        }
        // All are under way by now; to wait for one after another takes as long as the slowest.
        for question in open {
            match question {
                Open::Ocsp(question, flight) => {
                    gathered.answer(question.key, landed(flight, over.as_mut()).await);
                }
                Open::Lists(points, flight) => {
                    let lists = tokio::select! {
                        biased;
                        fetched = flight => fetched.unwrap_or(Err(SourceFault::NoTime)),
                        () = over.as_mut() => Err(SourceFault::NoTime),
                    };
                    gathered.lists(points, lists);
                }
            }
        }
    }

    /// Asks a responder, or joins those who are asking it the same.
    fn begin(
        &self,
        question: &OcspQuestion,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Flight<Arc<OcspResponse>> {
        let mut nonce = vec![0; question.nonce_octets()];
        rng.fill_bytes(&mut nonce);
        let (fetcher, memory, question) = (Arc::clone(&self.fetcher), self.memory(), question.clone());
        let limits = Limits { octets: MAX_RESPONSE, time: self.settings.question_timeout };
        self.memory.answers_under_way.join(question.key.clone(), || async move {
            let url: Url = question.key.url.parse().map_err(FetchError::Url)?;
            let host = format!("{}:{}", url.host(), url.port());
            if !memory.responders.may_be_asked(&host, now) {
                return Err(SourceFault::Paused);
            }
            let reply = asked(&fetcher, &question, url, &nonce, limits).await;
            memory.responders.note(&host, &reply, now);
            reply.map(Arc::new)
        })
    }

    /// Fetches the lists of some distribution points; the store joins those who are fetching them.
    fn begin_lists(&self, points: &Points, now: SystemTime) -> Fetching {
        let (store, points, time) = (Arc::clone(&self.store), points.clone(), self.settings.question_timeout);
        tokio::spawn(async move {
            let obtained = timeout(time, store.obtain(&points, now)).await;
            Ok(obtained.map_err(|_| SourceFault::Fetch(FetchError::Timeout))??)
        })
    }
}

async fn asked(
    fetcher: &Fetcher,
    question: &OcspQuestion,
    url: Url,
    nonce: &[u8],
    limits: Limits,
) -> Result<OcspResponse, SourceFault> {
    let reply = match question.request(nonce) {
        OcspRequest::Post { body } => fetcher.post(&url, OCSP_REQUEST, body, limits).await?,
        OcspRequest::Get { url } => {
            let url: Url = url.parse().map_err(FetchError::Url)?;
            fetcher.get(&url, limits).await?
        }
    };
    question.read(&reply, nonce)
}

/// Waits for a reply, until the time for the whole decision is over.
async fn landed<T: Clone>(mut flight: Flight<T>, over: Pin<&mut Sleep>) -> Result<T, SourceFault> {
    tokio::select! {
        biased;
        told = flight.wait_for(Option::is_some) => match told.as_deref() {
            Ok(Some(reply)) => reply.clone(),
            Ok(None) | Err(_) => Err(SourceFault::NoTime),
        },
        () = over => Err(SourceFault::NoTime),
    }
}

#[cfg(test)]
mod tests;
