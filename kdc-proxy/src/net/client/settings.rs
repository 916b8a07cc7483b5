//! What the client is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::exchange::realms::{TrustedRealm, TrustedRealms};
use crate::exchange::secret::{LongTermKeys, Secret};
use crate::key::EtypeList;
use crate::keytab::Keytab;
use crate::net::transport::Endpoint;
use crate::principal::{Principal, PrincipalName, Realm};

/// Who the service is, where the KDCs are, and what is tolerated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The realm of the service and of the users.
    pub realm: Realm,
    /// The service's own account: `svc-broker` or `BROKER01$`.
    pub service: PrincipalName,
    /// The service's own SPN, to which S4U2Self asks for tickets.
    pub s4u2self_name: PrincipalName,
    /// The KDCs of every realm that may be asked, nearest first; [`Self::realm`] must be among the realms. A realm whose
    /// list is empty has none until [`Client::set_kdcs`](super::Client::set_kdcs) names them.
    pub kdcs: BTreeMap<Realm, Vec<Endpoint>>,
    /// The other realms whose users are served and whose services are reached.
    pub trusted: TrustedRealms,
    /// Longest time to connect to one KDC.
    pub connect_timeout: Duration,
    /// Longest time for a request and its reply with one KDC.
    pub exchange_timeout: Duration,
    /// Whether rc4-hmac is used where a KDC has no AES key.
    pub allow_rc4: bool,
    /// How long before its end the own ticket-granting ticket is replaced, at most seven eighths of its life. Tickets
    /// of users end no later than it does: [`Self::renew_before_for`] gives the value that leaves them room.
    pub renew_before: Duration,
    /// Largest difference of the clocks.
    pub max_clock_offset: Duration,
    /// Longest time a result of S4U2Self or S4U2Proxy is used again; zero means never.
    pub s4u_cache: Duration,
}

/// What the service authenticates with.
#[derive(Clone)]
pub enum Credential {
    /// Keys of the account, under its own name or its SPN.
    Keytab(Keytab),
    /// The account's password.
    Password(Zeroizing<String>),
    /// While the password is being changed: the one of the two that the KDC accepts serves.
    Changing {
        /// What was in force so far.
        present: Box<Self>,
        /// The password that comes next.
        next: Zeroizing<String>,
    },
}

/// Why a client could not be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No KDC of a realm is configured.
    #[error("no kdc of realm {0} is configured")]
    NoKdcs(Realm),
    /// A realm is trusted twice, or is our own.
    #[error("realm {0} is there twice")]
    RealmTwice(Realm),
    /// A realm has the domain SID of an earlier one.
    #[error("realm {0} has the domain sid of another realm")]
    DomainTwice(Realm),
    /// A timeout of zero.
    #[error("a timeout is zero")]
    ZeroTimeout,
    /// The service's account or SPN is a krbtgt.
    #[error("a ticket-granting service is no service account")]
    TicketGranting,
    /// The password is empty.
    #[error("the password is empty")]
    EmptyPassword,
    /// The keytab has no key of an allowed type for the account or its SPN.
    #[error("keytab has no {etypes} key for {names}; it has keys for {found}")]
    NoKey {
        /// The etypes that are allowed.
        etypes: &'static str,
        /// The account and its SPN.
        names: String,
        /// Principals the keytab has keys for.
        found: String,
    },
}

/// Beyond what tickets of users need: for a KDC that is away when the own ticket is due.
const RENEWAL_SLACK: Duration = Duration::from_secs(600);

impl Settings {
    /// The `renew_before` under which tickets of users can live for `longest`, even when they are made from evidence
    /// that was kept for `s4u_cache`.
    #[must_use]
    pub const fn renew_before_for(longest: Duration, s4u_cache: Duration) -> Duration {
        longest.saturating_add(s4u_cache).saturating_add(RENEWAL_SLACK)
    }

    /// Ourselves.
    pub(super) fn account(&self) -> Principal {
        Principal::new(self.service.clone(), self.realm.clone())
    }

    pub(super) const fn etypes(&self) -> EtypeList {
        if self.allow_rc4 { EtypeList::AES_AND_RC4 } else { EtypeList::AES }
    }

    /// Checks what can be checked without a KDC.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !self.kdcs.contains_key(&self.realm) {
            return Err(SettingsError::NoKdcs(self.realm.clone()));
        }
        let (mut known, mut domains) = (vec![&self.realm], Vec::new());
        for TrustedRealm { realm, domain_sid } in self.trusted.iter() {
            if domain_sid.as_ref().is_some_and(|sid| domains.contains(&sid)) {
                return Err(SettingsError::DomainTwice(realm.clone()));
            }
            domains.extend(domain_sid);
            if known.iter().any(|known| known.eq_ignoring_case(realm)) {
                return Err(SettingsError::RealmTwice(realm.clone()));
            }
            if !self.kdcs.contains_key(realm) {
                return Err(SettingsError::NoKdcs(realm.clone()));
            }
            known.push(realm);
        }
        if self.connect_timeout.is_zero() || self.exchange_timeout.is_zero() {
            return Err(SettingsError::ZeroTimeout);
        }
        if self.service.is_krbtgt() || self.s4u2self_name.is_krbtgt() {
            return Err(SettingsError::TicketGranting);
        }
        Ok(())
    }

    /// The secret of a credential. The keys of an account serve under each of its names.
    pub(super) fn secret(&self, credential: Credential) -> Result<Secret, SettingsError> {
        let keytab = match credential {
            Credential::Password(password) if password.is_empty() => {
                return Err(SettingsError::EmptyPassword);
            }
            Credential::Password(password) => return Ok(Secret::Password(password)),
            Credential::Changing { next, .. } if next.is_empty() => return Err(SettingsError::EmptyPassword),
            Credential::Changing { present, next } => {
                return Ok(Secret::Changing { present: Box::new(self.secret(*present)?), next });
            }
            Credential::Keytab(keytab) => keytab,
        };
        let service = self.account();
        let spn = Principal::new(self.s4u2self_name.clone(), self.realm.clone());
        let keytab = Arc::new(keytab);
        let keys = LongTermKeys::from_keytab(Arc::clone(&keytab), vec![service.clone(), spn.clone()]);
        if self.etypes().as_slice().iter().any(|etype| keys.newest(*etype).is_some()) {
            return Ok(Secret::Keys(keys));
        }
        let etypes = if self.allow_rc4 { "aes or rc4" } else { "aes" };
        let names = format!("{service} or {spn}");
        Err(SettingsError::NoKey { etypes, names, found: principals_of(&keytab) })
    }
}

/// The principals of a keytab as a person reads them.
fn principals_of(keytab: &Keytab) -> String {
    let principals: Vec<String> = keytab.principals().into_iter().map(ToString::to_string).collect();
    if principals.is_empty() { "none".to_owned() } else { principals.join(", ") }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keytab(_) => "Credential::Keytab",
            Self::Password(_) => "Credential::Password",
            Self::Changing { .. } => "Credential::Changing",
        })
    }
}
