//! A KDC in memory, for tests: it reads what a client sends, checks it as a KDC does, and answers.
//!
//! It knows accounts with service principal names, pre-authentication, S4U2Self by both elements, classic and
//! resource-based constrained delegation, PACs with a server signature, and changing a password. [`Realms`] are several that
//! trust each other, with both delegations across them. It has no replay cache beyond the authenticators of its own life and
//! no renewal.

mod account;
mod answer;
mod as_service;
mod delegation;
mod hooks;
mod kpasswd_service;
mod pac;
mod realms;
mod tgs_service;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use crate::error::ErrorCode;
use crate::key::{Etype, Key};
use crate::principal::{PrincipalName, Realm};
use crate::time::ClockOffset;

pub use account::Account;
pub(crate) use hooks::Hooks;
pub use kpasswd_service::MINIMUM_LENGTH;
pub use realms::Realms;

use trust::Trust;

/// How the KDC treats PA-S4U-X509-USER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum X509User {
    /// Reads it and answers it, as Windows and MIT krb5 do.
    Answered,
    /// Does not know it, as Samba does not.
    Unknown,
}

/// Whose KDC it plays where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// MIT krb5: it lists the realms a ticket has come through, and takes the SIDs of another realm's PAC as they are.
    Mit,
    /// Windows: it lists no realms, and refuses PACs of domains that are not those of the realms it trusts.
    Windows,
}

/// The KDC of one realm.
#[derive(Debug)]
pub struct Kdc {
    realm: Realm,
    krbtgt: Key,
    accounts: Vec<Account>,
    clock: ClockOffset,
    x509_user: X509User,
    implementation: Implementation,
    /// Sub-authorities of the domain's SID.
    domain: [u32; 4],
    trusts: Vec<Trust>,
    /// To which trusted realm to refer for a realm that is not trusted itself.
    routes: BTreeMap<Realm, Realm>,
    authenticators: BTreeSet<Vec<u8>>,
    refuse_next: Option<ErrorCode>,
    refusals: usize,
    pub(crate) hooks: Hooks,
}

impl Kdc {
    /// A KDC without accounts.
    pub fn new<R: CryptoRng + ?Sized>(realm: &Realm, rng: &mut R) -> Self {
        Self {
            realm: realm.clone(),
            krbtgt: Key::random(Etype::Aes256, rng),
            accounts: Vec::new(),
            clock: ClockOffset::NONE,
            x509_user: X509User::Answered,
            implementation: Implementation::Mit,
            domain: pac::DOMAIN,
            trusts: Vec::new(),
            routes: BTreeMap::new(),
            authenticators: BTreeSet::new(),
            refuse_next: None,
            refusals: 0,
            hooks: Hooks::default(),
        }
    }

    /// Adds an account.
    #[must_use]
    pub fn with(mut self, account: Account) -> Self {
        self.accounts.push(account.in_realm(&self.realm));
        self
    }

    /// The realm.
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The account of this name, to change it.
    pub fn account_mut(&mut self, name: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.name() == name)
    }

    /// Sets the KDC's clock so that it is ahead of the one that is given to [`Self::answer`].
    pub fn set_clock_ahead(&mut self, by: Duration) {
        self.clock = ClockOffset::between(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + by);
    }

    /// The same, behind.
    pub fn set_clock_behind(&mut self, by: Duration) {
        self.clock = ClockOffset::between(SystemTime::UNIX_EPOCH + by, SystemTime::UNIX_EPOCH);
    }

    /// Sets how PA-S4U-X509-USER is treated.
    pub const fn set_x509_user(&mut self, x509_user: X509User) {
        self.x509_user = x509_user;
    }

    /// Sets whose KDC it plays.
    pub const fn set_implementation(&mut self, implementation: Implementation) {
        self.implementation = implementation;
    }

    /// Sets the domain's SID: S-1-5 and these. At first it is S-1-5-21-1111-2222-3333.
    pub const fn set_domain(&mut self, sub_authorities: [u32; 4]) {
        self.domain = sub_authorities;
    }

    /// Answers the next request with this error, whatever it is.
    pub const fn refuse_next(&mut self, code: ErrorCode) {
        self.refuse_next = Some(code);
    }

    /// How many requests were answered with an error.
    pub const fn refusals(&self) -> usize {
        self.refusals
    }

    /// Forgets which authenticators came, so that the same request may come again.
    pub fn forget_authenticators(&mut self) {
        self.authenticators.clear();
    }

    /// The reply to a request: an AS-REP, a TGS-REP or a KRB-ERROR. `now` is the client's clock.
    pub fn answer<R: CryptoRng + ?Sized>(&mut self, request: &[u8], now: SystemTime, rng: &mut R) -> Vec<u8> {
        let kdc_time = self.clock.apply(now);
        let answer = match (self.refuse_next.take(), request.first()) {
            (Some(code), _) => Err(code.into()),
            (None, Some(0x6a)) => self.answer_as(request, kdc_time, rng),
            (None, Some(0x6c)) => self.answer_tgs(request, kdc_time, rng),
            (None, _) => Err(ErrorCode::KRB_ERR_GENERIC.into()),
        };
        self.refusals += usize::from(answer.is_err());
        let bytes = answer.unwrap_or_else(|refusal| self.krb_error(&refusal, kdc_time));
        self.hooks.bytes(bytes)
    }

    /// The account with this name, this service principal name, or this user principal name of the realm.
    fn account(&self, name: &PrincipalName) -> Option<&Account> {
        self.accounts.iter().find(|account| account.is_called(name, &self.realm))
    }
}
