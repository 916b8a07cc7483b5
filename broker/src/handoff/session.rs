//! A session: who logged in, for what, until when, and the tickets it holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kdc_proxy::ticket::ServiceTicket;
use tokio::sync::Mutex;

use crate::identity::RevocationEvidence;
use crate::policy::Obligations;

/// A held ticket that ends sooner than this is not handed out again: a client would hardly get to use it.
const WORTH_HANDING_OUT: Duration = Duration::from_secs(60);

/// Who logged in. None of it is secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// The user principal name in the certificate.
    pub upn: String,
    /// The account's name in its domain.
    pub sam_account_name: String,
    /// The Kerberos realm of the account.
    pub realm: String,
    /// The account's security identifier, `S-1-5-21-...`.
    pub sid: String,
    /// SHA-256 over the DER of the certificate.
    pub certificate_sha256: [u8; 32],
}

/// What a gateway learns about a session. None of it is secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionFacts {
    /// Who logged in.
    pub subject: Subject,
    /// The desktop's DNS name.
    pub target: String,
    /// The services that may be asked for, `class/host`; the first was proven at login.
    pub granted_spns: Vec<String>,
    /// When the session ends.
    pub expires_at: SystemTime,
    /// The ids of the deciding policies, separated by commas.
    pub rule: String,
    /// What these oblige to.
    pub obligations: Obligations,
    /// Joins the session to the log of its login.
    pub login_id: String,
    /// What the login relied on about revocation.
    pub revocation: RevocationEvidence,
}

/// A session with its secrets. `B` is what further tickets are asked for with.
pub(super) struct Session<B> {
    pub(super) facts: Arc<SessionFacts>,
    pub(super) basis: B,
    pub(super) slots: Vec<Slot>,
}

impl<B> Session<B> {
    /// The slot of a granted service and its place; service principal names are compared without regard to ASCII case, as
    /// the domain controllers do.
    pub(super) fn slot(&self, spn: &str) -> Option<(usize, &Slot)> {
        self.slots.iter().enumerate().find(|(_, slot)| slot.spn.eq_ignore_ascii_case(spn))
    }
}

/// The place of one granted service's ticket.
pub(super) struct Slot {
    spn: String,
    held: Mutex<Option<Arc<ServiceTicket>>>,
}

impl Slot {
    pub(super) fn new(spn: String, held: Option<Arc<ServiceTicket>>) -> Self {
        Self { spn, held: Mutex::new(held) }
    }

    pub(super) fn spn(&self) -> &str {
        &self.spn
    }

    /// The held ticket, or a fresh one if there is none or it is about to end. `fresh` is given the time when it is asked.
    ///
    /// The slot is locked meanwhile: callers for the same service wait for one question to the domain controller. A caller
    /// that is dropped lets the next one ask.
    pub(super) async fn ticket<E, F: Future<Output = Result<Arc<ServiceTicket>, E>>>(
        &self,
        clock: impl Fn() -> SystemTime,
        fresh: impl FnOnce(SystemTime) -> F,
    ) -> Result<Arc<ServiceTicket>, E> {
        let mut held = self.held.lock().await;
        let now = clock();
        if let Some(ticket) = held.as_ref().filter(|ticket| now + WORTH_HANDING_OUT < ticket.endtime()) {
            return Ok(Arc::clone(ticket));
        }
        let ticket = fresh(now).await?;
        *held = Some(Arc::clone(&ticket));
        Ok(ticket)
    }
}
