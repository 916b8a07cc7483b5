//! The client: one object that owns the service's ticket-granting ticket and obtains tickets in the name of users.
//! Does network I/O.
//!
//! All futures are cancel-safe: dropping one closes its connection and leaves nothing half-done. The caller bounds the
//! whole of a login with a timeout; here every round with a KDC has its own.

mod across;
mod course;
mod credential;
mod drive;
mod error;
mod own_ticket;
mod password;
mod settings;
mod tend;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use credential::{CredentialSource, Renewal, ReplaceError};
pub use error::{Attempt, AttemptFailure, ClientError, Stage};
pub use password::{ChangeError, KPASSWD_PORT, UnknownCause};
pub use settings::{Credential, Settings, SettingsError};
pub use tend::{KdcState, KdcStatus};

use drive::Kdcs;
use own_ticket::{OwnTicket, OwnTicketHolder};

use crate::error::RequestError;
use crate::exchange::Clock;
use crate::exchange::as_exchange::{AsAsk, AsExchange};
use crate::exchange::s4u2proxy::{Delegated, S4u2Proxy, S4u2ProxyAsk};
use crate::exchange::s4u2self::{Evidence, S4u2Self, S4u2SelfAsk};
use crate::exchange::secret::{Secret, Trials};
use crate::net::locate::Preference;
use crate::net::transport::{Deadlines, Endpoint};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::ServiceTicket;
use crate::ticket_cache::{ServiceKey, TicketCache};
use crate::time::ClockOffset;

/// Lifetime asked for the own ticket-granting ticket; the KDC's policy shortens it.
const TGT_LIFETIME: Duration = Duration::from_secs(10 * 3600);

/// A Kerberos client in the name of one service account.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    credential: credential::Holder,
    kdcs: Kdcs,
    own: OwnTicketHolder,
    cache: Mutex<TicketCache<Evidence, ServiceTicket>>,
}

/// The state of the service's own ticket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TgtStatus {
    /// When it ends, by the KDC's clock.
    pub endtime: SystemTime,
    /// The KDC's clock against ours.
    pub clock_offset: ClockOffset,
    /// The KDC that issued it.
    pub kdc: Endpoint,
}

impl Client {
    /// A client without any ticket yet. No I/O.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for what can be found wrong without asking a KDC.
    pub fn new(settings: Settings, credential: Credential) -> Result<Self, SettingsError> {
        settings.check()?;
        let secret = settings.secret(credential)?;
        let deadlines = Deadlines { connect: settings.connect_timeout, exchange: settings.exchange_timeout };
        Ok(Self {
            credential: credential::Holder::new(secret),
            kdcs: Kdcs::new(settings.kdcs.clone(), deadlines),
            own: OwnTicketHolder::default(),
            cache: Mutex::new(TicketCache::new(settings.s4u_cache)),
            settings,
        })
    }

    /// Sees to it that there is a ticket-granting ticket, with an AS exchange if there is none or it ends soon.
    ///
    /// Of many concurrent callers one does the exchange.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. While the present ticket is valid a failed replacement is no error.
    pub async fn service_tgt(&self) -> Result<TgtStatus, ClientError> {
        let own = self.with_newest_credential(|| self.own_ticket()).await?;
        Ok(TgtStatus {
            endtime: own.authenticated.tgt.ticket().endtime(),
            clock_offset: own.authenticated.clock_offset,
            kdc: own.kdc.clone(),
        })
    }

    /// The KDC's clock against ours, as the present ticket-granting ticket proved it; `None` before the first one.
    #[must_use]
    pub fn clock_offset(&self) -> Option<ClockOffset> {
        self.own.current().map(|own| own.authenticated.clock_offset)
    }

    /// The key versions that the keytab has for our account, each once, the newest first; `None` for a password, whose
    /// versions nobody counts here.
    #[must_use]
    pub fn key_versions(&self) -> Option<Vec<u32>> {
        self.credential.secret().key_versions()
    }

    /// Drops our own ticket-granting ticket if it is not forwardable, with all that rests on it: no evidence that can be
    /// delegated comes from it, and the account may have been mended since.
    pub fn forget_unforwardable_ticket(&self) {
        self.own.forget_if(|own| {
            let forwardable = crate::ticket::TicketFlags::FORWARDABLE;
            let is_of_no_use = !own.authenticated.tgt.ticket().flags().contains(forwardable);
            if is_of_no_use {
                self.cache().clear();
            }
            is_of_no_use
        });
    }

    /// Evidence for `user` by S4U2Self: a ticket to ourselves, opened with our own key, its PAC verified.
    ///
    /// A result younger than [`Settings::s4u_cache`] is used again.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; of the KDC's refusals those about stale tickets only after a new ticket-granting ticket.
    pub async fn s4u2self(&self, user: &Principal) -> Result<Arc<Evidence>, ClientError> {
        self.s4u2self_near(user, &Preference::NONE).await
    }

    /// As [`Self::s4u2self`], asking the preferred domain controller first, and in any case before a refusal that may
    /// come of a change which has not reached another one.
    ///
    /// # Errors
    ///
    /// As [`Self::s4u2self`].
    pub async fn s4u2self_near(
        &self,
        user: &Principal,
        near: &Preference,
    ) -> Result<Arc<Evidence>, ClientError> {
        self.with_newest_credential(|| self.evidence(user, near)).await
    }

    async fn evidence(&self, user: &Principal, near: &Preference) -> Result<Arc<Evidence>, ClientError> {
        let own = self.own_ticket().await?;
        let cached = self.cache().evidence(user, own.kdc_time());
        if let Some(evidence) = cached.filter(|evidence| !own.sees_the_end_of(evidence.ticket())) {
            return Ok(evidence);
        }
        match self.ask_evidence(&own, user, near).await {
            Err(error) if error.is_about_stale_tickets() => {
                let own = self.replace(&own, &error).await?;
                self.ask_evidence(&own, user, near).await
            }
            outcome => outcome,
        }
    }

    /// A ticket for `spn` in the name of the evidence's user by S4U2Proxy, that ends `lifetime` from now at the latest.
    ///
    /// A result from the same evidence for the same lifetime, not older than [`Settings::s4u_cache`], is used again.
    /// Evidence that has ended is obtained anew. If the KDC no longer accepts our tickets, both are obtained anew, once.
    /// New evidence is used only if it says the same of the same account as the one given, which the caller has judged.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; [`RequestError::AccountChanged`] when new evidence was needed and says something else.
    pub async fn s4u2proxy(
        &self,
        evidence: &Evidence,
        spn: &PrincipalName,
        lifetime: Duration,
    ) -> Result<Arc<ServiceTicket>, ClientError> {
        self.s4u2proxy_near(evidence, spn, lifetime, &Preference::NONE).await
    }

    /// As [`Self::s4u2proxy`], asking the preferred domain controller as [`Self::s4u2self_near`] does.
    ///
    /// # Errors
    ///
    /// As [`Self::s4u2proxy`].
    pub async fn s4u2proxy_near(
        &self,
        evidence: &Evidence,
        spn: &PrincipalName,
        lifetime: Duration,
        near: &Preference,
    ) -> Result<Arc<ServiceTicket>, ClientError> {
        self.with_newest_credential(|| self.delegated(evidence, spn, lifetime, near)).await
    }

    async fn delegated(
        &self,
        evidence: &Evidence,
        spn: &PrincipalName,
        lifetime: Duration,
        near: &Preference,
    ) -> Result<Arc<ServiceTicket>, ClientError> {
        let own = self.own_ticket().await?;
        let anew: Arc<Evidence>;
        let evidence = if own.sees_the_end_of(evidence.ticket()) || self.credential.outdates(evidence) {
            tracing::debug!(user = %evidence.user(), "evidence has ended or outlived our key; obtaining it anew");
            anew = self.same_evidence(evidence, near).await?;
            &anew
        } else {
            evidence
        };
        let key = ServiceKey { service: spn.clone(), lifetime };
        let cached =
            self.cache().ticket(evidence.user(), |kept| is_same(kept, evidence), &key, own.kdc_time());
        if let Some(ticket) = cached {
            return Ok(ticket);
        }
        match self.ask_ticket(&own, evidence, &key, near).await {
            Err(error) if error.is_about_stale_tickets() => {
                let own = self.replace(&own, &error).await?;
                let fresh = self.same_evidence(evidence, near).await?;
                self.ask_ticket(&own, &fresh, &key, near).await
            }
            outcome => outcome,
        }
    }

    /// Forgets the evidence of `user`, as the KDC wrote the name, and every ticket made from it: the next call asks anew.
    pub fn forget(&self, user: &Principal) {
        self.cache().forget(user);
    }

    /// Fresh evidence that says what `judged` says.
    async fn same_evidence(
        &self,
        judged: &Evidence,
        near: &Preference,
    ) -> Result<Arc<Evidence>, ClientError> {
        let fresh = self.evidence(judged.user(), near).await?;
        if says_the_same(judged, &fresh) {
            return Ok(fresh);
        }
        tracing::warn!(user = %judged.user(), "the account has changed since its evidence was obtained");
        Err(ClientError::Request(RequestError::AccountChanged))
    }

    async fn own_ticket(&self) -> Result<Arc<OwnTicket>, ClientError> {
        self.own.get(|| self.authenticate()).await
    }

    /// Drops everything that rests on keys which have changed, and authenticates again.
    async fn replace(
        &self,
        stale: &Arc<OwnTicket>,
        error: &ClientError,
    ) -> Result<Arc<OwnTicket>, ClientError> {
        tracing::info!(%error, "kdc no longer accepts our tickets; obtaining new ones");
        self.cache().clear();
        self.own.replace(stale, || self.authenticate()).await
    }

    /// Authenticates with any credential of ours; nothing of what comes is kept here.
    async fn authenticate_with(&self, secret: Secret, trials: Trials) -> Result<OwnTicket, ClientError> {
        let offset = self.clock_offset().unwrap_or(ClockOffset::NONE);
        let exchange = self.kdcs.run(Stage::As, |now, rng| {
            let ask = AsAsk {
                client: self.settings.account(),
                secret: secret.clone(),
                trials,
                etypes: self.settings.etypes(),
                lifetime: TGT_LIFETIME,
                clock: Clock { offset, max_offset: self.settings.max_clock_offset },
            };
            AsExchange::start(ask, now, rng)
        });
        let (authenticated, mut kdcs) = exchange.await?;
        let realm = &self.settings.realm;
        let kdc = kdcs.remove(realm).ok_or_else(|| ClientError::NoKdc { realm: realm.clone() })?;
        let own = OwnTicket::new(authenticated, kdc, self.settings.renew_before);
        let ticket = own.authenticated.tgt.ticket();
        tracing::info!(
            client = %ticket.client(),
            kdc = %own.kdc,
            endtime = %ticket.times().endtime,
            clock_offset = %own.authenticated.clock_offset,
            "obtained the service's ticket-granting ticket"
        );
        Ok(own)
    }

    async fn ask_evidence(
        &self,
        own: &OwnTicket,
        user: &Principal,
        near: &Preference,
    ) -> Result<Arc<Evidence>, ClientError> {
        let tgt = self.tgt_for(own, user.realm()).await?;
        let exchange = self.kdcs.run_near(Stage::S4u2Self, near, |now, rng| {
            let ask = S4u2SelfAsk {
                tgt: tgt.clone(),
                user: user.clone(),
                server: self.settings.s4u2self_name.clone(),
                long_term_keys: own.authenticated.long_term_keys.clone(),
                etypes: self.settings.etypes(),
                clock: own.clock(self.settings.max_clock_offset),
                trusted: self.settings.trusted.clone(),
            };
            S4u2Self::start(ask, now, rng)
        });
        let evidence = Arc::new(exchange.await?.0);
        let (endtime, now) = (evidence.ticket().endtime(), own.kdc_time());
        self.cache().keep_evidence(evidence.user().clone(), Arc::clone(&evidence), endtime, now);
        Ok(evidence)
    }

    async fn ask_ticket(
        &self,
        own: &OwnTicket,
        evidence: &Evidence,
        key: &ServiceKey,
        near: &Preference,
    ) -> Result<Arc<ServiceTicket>, ClientError> {
        let exchange = self.kdcs.run_near(Stage::S4u2Proxy, near, |now, rng| {
            let ask = S4u2ProxyAsk {
                tgt: own.authenticated.tgt.clone(),
                server: key.service.clone(),
                etypes: self.settings.etypes(),
                lifetime: key.lifetime,
                clock: own.clock(self.settings.max_clock_offset),
                trusted: self.settings.trusted.clone(),
            };
            S4u2Proxy::start(ask, evidence, now, rng)
        });
        let ticket = Arc::new(match exchange.await?.0 {
            Delegated::Ticket(ticket) => ticket,
            Delegated::Referred(proxy) => self.ask_across(own, proxy, key).await?,
        });
        let (endtime, now) = (ticket.endtime(), own.kdc_time());
        self.cache().keep_ticket(
            evidence.user(),
            |kept| is_same(kept, evidence),
            key.clone(),
            Arc::clone(&ticket),
            endtime,
            now,
        );
        Ok(ticket)
    }

    fn cache(&self) -> MutexGuard<'_, TicketCache<Evidence, ServiceTicket>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two values are one ticket.
fn is_same(one: &Evidence, other: &Evidence) -> bool {
    one.ticket().bytes() == other.ticket().bytes()
}

/// Whether a judgement about `old` holds for `new`: the same account with the same state in the same groups.
fn says_the_same(old: &Evidence, new: &Evidence) -> bool {
    let (before, after) = (old.pac(), new.pac());
    old.user() == new.user()
        && before.user_sid() == after.user_sid()
        && before.user_account_control() == after.user_account_control()
        && before.groups() == after.groups()
        && old.is_forwardable() == new.is_forwardable()
}

#[cfg(test)]
mod tests;
