//! For tests: tickets that nobody issued and a source that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kdc_proxy::key::{Etype, Key};
use kdc_proxy::principal::{Principal, PrincipalName, Realm};
use kdc_proxy::ticket::{ServiceTicket, TicketFlags, TicketTimes};
use kdc_proxy::time::KerberosTime;
use tokio::sync::Semaphore;

use super::desk::{Desk, Further, Handoff, Opening, Settings};
use super::error::EndsWith;
use super::presented::PresentedChain;
use super::session::{SessionFacts, Subject};
use crate::identity::{PeerCertificates, RevocationEvidence};
use crate::policy::Obligations;

/// The session key of every ticket here.
pub(crate) const UNSAFE_KEY: [u8; 32] = [0xA5; 32];

pub(crate) const TERMSRV: &str = "TERMSRV/desk1.corp.example";
pub(crate) const HTTP: &str = "HTTP/desk1.corp.example";

/// 1 800 000 000 and some seconds after 1970.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// A ticket of alice to `spn` that ends at `end`.
pub(crate) fn ticket(spn: &str, end: SystemTime) -> Arc<ServiceTicket> {
    let realm = Realm::new("CORP.EXAMPLE").expect("a realm");
    let alice = Principal::new(PrincipalName::principal("alice").expect("a name"), realm.clone());
    let server = Principal::new(spn.parse().expect("a service"), realm);
    let time = |time| KerberosTime::from_system(time).expect("a time of this century");
    let times =
        TicketTimes { authtime: time(at(0)), starttime: time(at(0)), endtime: time(end), renew_till: None };
    let key = Key::new(Etype::Aes256, &UNSAFE_KEY).expect("a key of the right length");
    Arc::new(ServiceTicket::new(alice, server, key, TicketFlags::FORWARDABLE, times, vec![0x61, 0x00]))
}

/// Why [`Source`] gives no ticket.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("the source is told to refuse")]
pub(crate) struct Told;

/// Counts its questions; answers each when it is given a permit.
pub(crate) struct Source {
    pub(crate) asked: AtomicUsize,
    pub(crate) permits: Semaphore,
    pub(crate) refuses: bool,
    pub(crate) lifetime: Duration,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            asked: AtomicUsize::new(0),
            permits: Semaphore::new(1000),
            refuses: false,
            lifetime: Duration::from_secs(3600),
        }
    }
}

impl Further for Source {
    type Basis = Vec<&'static str>;
    type Error = Told;

    async fn further(
        &self,
        basis: &Self::Basis,
        place: usize,
        lifetime: Duration,
        _answer_by: Instant,
    ) -> Result<Arc<ServiceTicket>, Told> {
        let count = self.asked.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.expect("the semaphore is never closed").forget();
        if self.refuses {
            return Err(Told);
        }
        // Every answer ends at another second, so that they can be told apart.
        let unique = Duration::from_secs(u64::try_from(count).expect("few questions"));
        Ok(ticket(basis[place], at(0) + lifetime.min(self.lifetime) - unique))
    }

    fn kdc_time(&self, now: SystemTime) -> SystemTime {
        now
    }
}

pub(crate) const SETTINGS: Settings = Settings {
    code_lifetime: Duration::from_secs(60),
    session_lifetime: Duration::from_secs(1000),
    max_codes: 4,
    max_codes_per_person: 2,
    max_sessions: 4,
};

/// Opens a session of alice for `gw1`, with TERMSRV at hand and HTTP on demand.
pub(crate) fn open(desk: &Desk<Source>, end: SystemTime, now: SystemTime) -> Handoff {
    desk.open(opening(end), now, &mut crate::entropy::system()).expect("the desk has room")
}

pub(crate) fn opening(end: SystemTime) -> Opening<Vec<&'static str>> {
    let facts = SessionFacts {
        subject: Subject {
            upn: "alice@corp.example".to_owned(),
            sam_account_name: "alice".to_owned(),
            realm: "CORP.EXAMPLE".to_owned(),
            sid: "S-1-5-21-1-2-3-1103".to_owned(),
            certificate_sha256: [0x0F; 32],
        },
        target: "desk1.corp.example".to_owned(),
        granted_spns: vec![TERMSRV.to_owned(), HTTP.to_owned()],
        expires_at: end,
        rule: "desktop-users".to_owned(),
        obligations: Obligations::default(),
        login_id: "0123456789abcdef".to_owned(),
        revocation: RevocationEvidence::SWITCHED_OFF,
    };
    let first = ticket(TERMSRV, end);
    let chain = chain("card");
    Opening {
        gateway: "gw1".to_owned(),
        facts,
        ends_with: EndsWith::Evidence,
        first,
        basis: vec![TERMSRV, HTTP],
        chain,
        checked_at: at(0),
    }
}

/// A chain that is told from others, and that nobody could validate.
pub(crate) fn chain(card: &'static str) -> Arc<PresentedChain> {
    let chain = PeerCertificates::new(vec![card.as_bytes().into()]).expect("a short chain");
    Arc::new(PresentedChain::new(chain))
}
