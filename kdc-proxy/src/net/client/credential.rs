//! Our own credential, which can change while the client runs: a new one is tried before it is taken over, and everything
//! that rests on the old key is then obtained anew.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::error::ClientError;
use super::own_ticket::OwnTicket;
use super::{Client, Credential, SettingsError};
use crate::error::{EvidenceError, ReplyError};
use crate::exchange::s4u2self::Evidence;
use crate::exchange::secret::{Secret, Trials};
use crate::net::system;

/// How long a credential that a KDC has refused is not shown again: the first time, and at most. The KDC counts it beside the
/// one in use, which has pauses of its own.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(320);

/// Where the newest credential comes from, such as a file that somebody replaces.
pub trait CredentialSource: Send + Sync {
    /// The credential as it is now; `None` while it is still the one that was given out last.
    fn latest(&self) -> Pin<Box<dyn Future<Output = Option<Credential>> + Send + '_>>;
}

/// Why another credential was not taken over.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// It cannot be the service's.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The KDC did not accept it, or none could be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What came of a look at the source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    /// Another credential is in use now.
    Replaced,
    /// There is none other than the one in use.
    Unchanged,
}

/// The credential in use and where the next one comes from.
pub(super) struct Holder {
    state: Mutex<State>,
    source: Option<Arc<dyn CredentialSource>>,
    /// Held while another credential is tried; it holds one that no KDC has accepted yet.
    trial: tokio::sync::Mutex<Option<Candidate>>,
}

/// A credential that no KDC has accepted yet.
struct Candidate {
    credential: Credential,
    refused: Option<Refused>,
}

/// The last refusal of a candidate.
struct Refused {
    error: ClientError,
    until: Instant,
    pause: Duration,
}

/// Why a candidate is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    /// The KDC uses another key of ours than the present one: it has been changed.
    KeyChanged,
    /// There is a candidate, or the KDC refuses the present one.
    Other,
}

impl Candidate {
    /// The refusal that still counts. The first one does not once our key is known to have changed: it came too early.
    fn refusal(&self, reason: Reason) -> Option<&ClientError> {
        let Refused { error, until, pause } = self.refused.as_ref()?;
        let came_too_early = reason == Reason::KeyChanged && *pause == FIRST_PAUSE;
        (!came_too_early && system::instant() < *until).then_some(error)
    }

    fn note(&mut self, error: &ClientError) {
        let before = self.refused.as_ref();
        let pause = before.map_or(FIRST_PAUSE, |refused| (refused.pause * 2).min(LONGEST_PAUSE));
        self.refused = Some(Refused { error: error.clone(), until: system::instant() + pause, pause });
    }
}

#[derive(Debug)]
struct State {
    secret: Secret,
    /// How often it was replaced.
    generation: u64,
    /// When it was replaced last, by the KDC's clock.
    since: Option<SystemTime>,
}

impl Holder {
    pub(super) fn new(secret: Secret) -> Self {
        let state = State { secret, generation: 0, since: None };
        Self { state: Mutex::new(state), source: None, trial: tokio::sync::Mutex::new(None) }
    }

    pub(super) fn secret(&self) -> Secret {
        self.lock().secret.clone()
    }

    fn generation(&self) -> u64 {
        self.lock().generation
    }

    fn install(&self, secret: Secret, now: SystemTime) {
        let mut state = self.lock();
        state.secret = secret;
        state.generation = state.generation.wrapping_add(1);
        state.since = Some(now);
    }

    /// Whether `evidence` was issued under the key before: a KDC no longer takes it.
    pub(super) fn outdates(&self, evidence: &Evidence) -> bool {
        self.lock().since.is_some_and(|since| evidence.ticket().starttime() < since)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Lets the client look for a newer credential at `source` where the KDC no longer accepts its own, and at every
    /// [`Self::renew_credential`].
    #[must_use]
    pub fn with_credential_source(mut self, source: Arc<dyn CredentialSource>) -> Self {
        self.credential.source = Some(source);
        self
    }

    /// Takes over another credential of the same account once a KDC has accepted it; until then the present one stays.
    ///
    /// The ticket-granting ticket and everything issued under the key before are given up.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`]; nothing has changed then.
    pub async fn replace_credential(&self, credential: Credential) -> Result<(), ReplaceError> {
        let mut waiting = self.credential.trial.lock().await;
        self.try_credential(credential, Trials::Two).await?;
        *waiting = None;
        Ok(())
    }

    /// Looks at the source and takes over what is new there.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`]; where no KDC could be asked, the next call tries the same credential again. So it does after a
    /// refusal, which may come of a change that has not reached every KDC; but after a pause, since each may be counted.
    pub async fn renew_credential(&self) -> Result<Renewal, ReplaceError> {
        let mut waiting = self.credential.trial.lock().await;
        self.renew(&mut waiting, Reason::Other).await
    }

    async fn renew(&self, waiting: &mut Option<Candidate>, reason: Reason) -> Result<Renewal, ReplaceError> {
        let Some(source) = &self.credential.source else { return Ok(Renewal::Unchanged) };
        if let Some(credential) = source.latest().await {
            *waiting = Some(Candidate { credential, refused: None });
        }
        let Some(candidate) = waiting else { return Ok(Renewal::Unchanged) };
        if let Some(error) = candidate.refusal(reason) {
            return Err(error.clone().into());
        }
        let trials = if candidate.refused.is_some() { Trials::One } else { Trials::Two };
        // It stays where it is until it is judged: whoever asks here may have no time left and be dropped.
        let outcome = self.try_credential(candidate.credential.clone(), trials).await;
        match &outcome {
            Err(ReplaceError::Client(error)) if error.is_unavailable() => {}
            Err(ReplaceError::Client(error)) => candidate.note(error),
            Ok(()) | Err(ReplaceError::Settings(_)) => *waiting = None,
        }
        outcome.map(|()| Renewal::Replaced)
    }

    async fn try_credential(&self, credential: Credential, trials: Trials) -> Result<(), ReplaceError> {
        let secret = self.settings.secret(credential)?;
        let own = self.authenticate_with(secret.clone(), trials).await?;
        let now = own.kdc_time();
        self.credential.install(secret, now);
        self.own.install(own);
        self.cache().clear();
        tracing::info!("the service's own credential was replaced");
        Ok(())
    }

    /// Asks, and asks once more with a newer credential where ours may have changed and there is one.
    pub(super) async fn with_newest_credential<T, F>(&self, ask: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let (generation, used) = (self.credential.generation(), self.own.current());
        let error = match ask().await {
            Err(error) if may_lie_in_own_secret(&error) => error,
            outcome => return outcome,
        };
        if self.has_newer(generation, &error).await {
            return ask().await;
        }
        // A ticket that our key does not open is somebody else's work, or our password is another one since we authenticated: an
        // AS exchange tells. The keys of a keytab have versions, which tell at once.
        let Some(used) = used.filter(|_| cannot_open(&error) && self.key_versions().is_none()) else {
            return Err(error);
        };
        match self.own.prove_key(&used, || self.authenticate()).await {
            Err(refusal) if refusal.is_about_own_key() => Err(refusal),
            Ok(()) | Err(_) => Err(error),
        }
    }

    /// Whether another credential is in use than at `generation`, perhaps because it has just been taken over here.
    async fn has_newer(&self, generation: u64, error: &ClientError) -> bool {
        let mut waiting = self.credential.trial.lock().await;
        if self.credential.generation() != generation {
            return true;
        }
        tracing::debug!(%error, "looking for a newer credential");
        let reason = if shows_another_key(error) { Reason::KeyChanged } else { Reason::Other };
        match self.renew(&mut waiting, reason).await {
            Ok(renewal) => renewal == Renewal::Replaced,
            Err(refusal) => {
                tracing::warn!(error = %refusal, "the newer credential was not taken over");
                false
            }
        }
    }

    /// Authenticates with the credential in use.
    pub(super) async fn authenticate(&self) -> Result<OwnTicket, ClientError> {
        // The KDC counts every wrong key: of a credential that it refused before, only the newest is tried again.
        let trials = if self.own.key_was_refused() { Trials::One } else { Trials::Two };
        self.authenticate_with(self.credential.secret(), trials).await
    }
}

/// Whether the KDC has another key of ours than we have, as far as an error can tell.
fn may_lie_in_own_secret(error: &ClientError) -> bool {
    shows_another_key(error) || error.is_about_own_key()
}

/// Whether the KDC made a ticket for us with another key than ours.
const fn shows_another_key(error: &ClientError) -> bool {
    let has_no_key = matches!(
        error,
        ClientError::ReplyRefused(ReplyError::Evidence(
            EvidenceError::NoKey(_) | EvidenceError::NoKeyVersion(_)
        ))
    );
    has_no_key || cannot_open(error)
}

/// Whether a ticket for us is in no key of ours.
const fn cannot_open(error: &ClientError) -> bool {
    matches!(error, ClientError::ReplyRefused(ReplyError::Evidence(EvidenceError::TicketDecryption)))
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").field("state", &*self.lock()).finish_non_exhaustive()
    }
}
