//! Our own long-term secret: with it we authenticate, and with it we open the tickets made for us.

use std::cmp::Reverse;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{CredentialError, EvidenceError};
use crate::key::{Etype, EtypeList, Key, KeyUsage};
use crate::keytab::{Entry, Keytab};
use crate::message::padata::EtypeInfo2Entry;
use crate::message::types::{Ticket, decode};
use crate::principal::Principal;
use crate::ticket::ServiceTicket;

/// What an AS exchange authenticates with.
#[derive(Clone)]
pub enum Secret {
    /// Keys from a keytab.
    Keys(LongTermKeys),
    /// A password; the KDC names the salt.
    Password(Zeroizing<String>),
    /// While it is being changed: the one in force so far, and the password that comes next.
    Changing {
        /// Tried first.
        present: Box<Self>,
        /// Tried when the KDC does not accept the first.
        next: Zeroizing<String>,
    },
}

/// How many keys an AS exchange may try. The KDC counts each that fails, and locks the account after some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trials {
    /// The newest only.
    One,
    /// The newest and, when the KDC does not accept that one, the next older once: a change of the key may not have
    /// reached this KDC yet.
    Two,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keys(_) => "Secret::Keys",
            Self::Password(_) => "Secret::Password",
            Self::Changing { .. } => "Secret::Changing",
        })
    }
}

/// The keys of our own account, from a keytab, derived from its password, or both.
#[derive(Clone, Debug)]
pub struct LongTermKeys {
    keytab: Option<(Arc<Keytab>, Vec<Principal>)>,
    derived: Vec<Key>,
}

/// What an AS exchange does with a secret once the KDC has named etypes and salts.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// What to authenticate with.
    pub(super) first: Key,
    /// What to authenticate with when the KDC does not accept the first.
    pub(super) second: Option<Key>,
    /// Everything that may open a ticket for us.
    pub(super) keys: LongTermKeys,
}

impl LongTermKeys {
    /// The keys that `keytab` has for any of `principals`, which are names of one account. The first name that has a
    /// key is preferred.
    pub const fn from_keytab(keytab: Arc<Keytab>, principals: Vec<Principal>) -> Self {
        Self { keytab: Some((keytab, principals)), derived: Vec::new() }
    }

    /// Keys as such, one of each encryption type.
    pub const fn from_keys(keys: Vec<Key>) -> Self {
        Self { keytab: None, derived: keys }
    }

    /// The newest key of a type.
    pub fn newest(&self, etype: Etype) -> Option<&Key> {
        let of_keytab = self.names().find_map(|(keytab, principal)| keytab.key(principal, etype, None));
        of_keytab.or_else(|| self.derived_of(etype).next())
    }

    /// The newest key of a type that differs from [`Self::newest`], of the same name.
    fn older(&self, etype: Etype) -> Option<&Key> {
        let newest = self.newest(etype)?;
        let mut lists = self.names().map(|(keytab, name)| keytab.decryption_keys(name, etype, None));
        let keys = lists.find(|keys| keys.iter().any(|key| key.is_same(newest)))?;
        keys.into_iter().find(|key| !key.is_same(newest))
    }

    /// The keys of a type that may have encrypted something under `kvno`, the most likely first.
    pub fn candidates(&self, etype: Etype, kvno: Option<u32>) -> Vec<&Key> {
        let of_keytab =
            self.names().flat_map(|(keytab, principal)| keytab.decryption_keys(principal, etype, kvno));
        of_keytab.chain(self.derived_of(etype)).collect()
    }

    /// Whether there is a key of this type and version; of derived keys, whose version nobody knows, every one counts.
    pub(super) fn has_version(&self, etype: Etype, kvno: u32) -> bool {
        self.derived_of(etype).next().is_some()
            || self.names().any(|(keytab, principal)| keytab.key(principal, etype, Some(kvno)).is_some())
    }

    /// In which version of our key `ticket`, which is for ourselves, is encrypted, as its outside says; one of these keys
    /// must open it.
    ///
    /// # Errors
    /// [`EvidenceError::TicketMalformed`], [`EvidenceError::NoKey`], [`EvidenceError::TicketDecryption`].
    pub fn version_in(&self, ticket: &ServiceTicket) -> Result<Option<u32>, EvidenceError> {
        let ticket: Ticket = decode(ticket.bytes()).map_err(|_| EvidenceError::TicketMalformed)?;
        let sealed = ticket.enc_part;
        let etype = Etype::from_number(sealed.etype).map_err(|_| EvidenceError::NoKey(sealed.etype))?;
        let kvno = sealed.kvno.map(|kvno| kvno.0);
        let opens = |key: &&Key| key.decrypt(KeyUsage::TICKET, &sealed.cipher).is_ok();
        let is_ours = self.candidates(etype, kvno).iter().any(opens);
        if is_ours { Ok(kvno) } else { Err(EvidenceError::TicketDecryption) }
    }

    /// The keys that were derived from a password; none of a keytab's.
    pub fn derived(&self) -> &[Key] {
        &self.derived
    }

    /// The versions of the keytab's keys, each once, the newest first; none where there is no keytab.
    fn versions(&self) -> Option<Vec<u32>> {
        let (keytab, names) = self.keytab.as_ref()?;
        let is_ours = |principal: &Principal| names.iter().any(|name| name.eq_ignoring_case(principal));
        let ours = keytab.entries().iter().filter(|entry| is_ours(entry.principal()));
        let mut versions: Vec<u32> = ours.map(Entry::kvno).collect();
        versions.sort_unstable_by_key(|version| Reverse(*version));
        versions.dedup();
        Some(versions)
    }

    fn names(&self) -> impl Iterator<Item = (&Keytab, &Principal)> {
        self.keytab.iter().flat_map(|(keytab, principals)| {
            principals.iter().map(move |principal| (keytab.as_ref(), principal))
        })
    }

    fn derived_of(&self, etype: Etype) -> impl Iterator<Item = &Key> {
        self.derived.iter().filter(move |key| key.etype() == etype)
    }
}

impl Secret {
    /// The key versions of a keytab, each once, the newest first; `None` for a password.
    pub fn key_versions(&self) -> Option<Vec<u32>> {
        match self {
            Self::Keys(keys) => keys.versions(),
            Self::Password(_) => None,
            Self::Changing { present, .. } => present.key_versions(),
        }
    }

    /// The types of `allowed` that this secret has a key for.
    pub(super) fn etypes(&self, allowed: EtypeList) -> Vec<Etype> {
        let has = |etype: &Etype| match self {
            Self::Keys(keys) => keys.newest(*etype).is_some(),
            Self::Password(_) | Self::Changing { .. } => true,
        };
        allowed.as_slice().iter().copied().filter(has).collect()
    }

    /// The keys for what the KDC offers in `offered`, in its order, restricted to `asked`.
    ///
    /// A key of a password is made only for types that are asked for: the list is not authenticated, and each entry
    /// costs a derivation.
    pub(super) fn prepare(
        &self,
        offered: &[EtypeInfo2Entry],
        asked: &[Etype],
        trials: Trials,
    ) -> Result<Prepared, CredentialError> {
        let mut prepared = self.both(offered, asked)?;
        if trials == Trials::One {
            prepared.second = None;
        }
        Ok(prepared)
    }

    fn both(&self, offered: &[EtypeInfo2Entry], asked: &[Etype]) -> Result<Prepared, CredentialError> {
        let common: Vec<(Etype, &EtypeInfo2Entry)> = offered
            .iter()
            .filter_map(|entry| Some((Etype::from_number(entry.etype).ok()?, entry)))
            .filter(|(etype, _)| asked.contains(etype))
            .collect();
        match self {
            Self::Keys(keys) => {
                // A KDC may leave the list out for a client that needs no salt.
                let all = if offered.is_empty() { asked } else { &[] };
                let mut etypes = common.iter().map(|(etype, _)| etype).chain(all);
                let chosen = etypes.find_map(|etype| Some((*etype, keys.newest(*etype)?)));
                let (etype, first) = chosen.ok_or(CredentialError::NoCommonEtype)?;
                let second = keys.older(etype).cloned();
                Ok(Prepared { first: first.clone(), second, keys: keys.clone() })
            }
            Self::Password(_) if offered.is_empty() => Err(CredentialError::NoSalt),
            Self::Password(password) => {
                let derived = derive(password, &common)?;
                let first = derived.first().ok_or(CredentialError::NoCommonEtype)?.clone();
                Ok(Prepared { first, second: None, keys: LongTermKeys::from_keys(derived) })
            }
            Self::Changing { present, next } => {
                let next = derive(next, &common)?;
                let Prepared { first, keys: LongTermKeys { keytab, mut derived }, .. } =
                    present.both(offered, asked)?;
                derived.extend(next.iter().cloned());
                Ok(Prepared {
                    first,
                    second: next.into_iter().next(),
                    keys: LongTermKeys { keytab, derived },
                })
            }
        }
    }
}

/// The keys of a password, one of each type, the KDC's preferred one first.
fn derive(password: &str, common: &[(Etype, &EtypeInfo2Entry)]) -> Result<Vec<Key>, CredentialError> {
    let mut keys: Vec<Key> = Vec::new();
    for (etype, entry) in common {
        if keys.iter().any(|key| key.etype() == *etype) {
            continue;
        }
        let salt = match (&entry.salt, etype) {
            (Some(salt), _) => &*salt.0,
            (None, Etype::Rc4) => &[],
            (None, Etype::Aes256 | Etype::Aes128) => return Err(CredentialError::NoSalt),
        };
        keys.push(Key::from_password(*etype, password, salt, entry.s2kparams.as_deref())?);
    }
    Ok(keys)
}
