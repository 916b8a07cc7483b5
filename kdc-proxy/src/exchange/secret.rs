//! Our own long-term secret: with it we authenticate, and with it we open the tickets made for us.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::CredentialError;
use crate::key::{Etype, EtypeList, Key};
use crate::keytab::Keytab;
use crate::message::padata::EtypeInfo2Entry;
use crate::principal::Principal;

/// What an AS exchange authenticates with.
#[derive(Clone)]
pub enum Secret {
    /// Keys from a keytab.
    Keys(LongTermKeys),
    /// A password; the KDC names the salt.
    Password(Zeroizing<String>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keys(_) => "Secret::Keys",
            Self::Password(_) => "Secret::Password",
        })
    }
}

/// The keys of our own account, from a keytab or derived from its password.
#[derive(Clone, Debug)]
pub struct LongTermKeys(Source);

#[derive(Clone, Debug)]
enum Source {
    Keytab { keytab: Arc<Keytab>, principals: Vec<Principal> },
    Derived(Vec<Key>),
}

impl LongTermKeys {
    /// The keys that `keytab` has for any of `principals`, which are names of one account. The first name that has a
    /// key is preferred.
    pub const fn from_keytab(keytab: Arc<Keytab>, principals: Vec<Principal>) -> Self {
        Self(Source::Keytab { keytab, principals })
    }

    /// Keys as such, one of each encryption type.
    pub const fn from_keys(keys: Vec<Key>) -> Self {
        Self(Source::Derived(keys))
    }

    /// The newest key of a type.
    pub fn newest(&self, etype: Etype) -> Option<&Key> {
        match &self.0 {
            Source::Keytab { keytab, principals } => {
                principals.iter().find_map(|principal| keytab.key(principal, etype, None))
            }
            Source::Derived(keys) => keys.iter().find(|key| key.etype() == etype),
        }
    }

    /// The keys of a type that may have encrypted something under `kvno`, the most likely first.
    pub fn candidates(&self, etype: Etype, kvno: Option<u32>) -> Vec<&Key> {
        match &self.0 {
            Source::Keytab { keytab, principals } => principals
                .iter()
                .flat_map(|principal| keytab.decryption_keys(principal, etype, kvno))
                .collect(),
            Source::Derived(keys) => keys.iter().filter(|key| key.etype() == etype).collect(),
        }
    }

    /// Whether there is a key of this type and version; of derived keys, whose version nobody knows, every one counts.
    pub(super) fn has_version(&self, etype: Etype, kvno: u32) -> bool {
        match &self.0 {
            Source::Keytab { keytab, principals } => {
                principals.iter().any(|principal| keytab.key(principal, etype, Some(kvno)).is_some())
            }
            Source::Derived(_) => true,
        }
    }
}

impl Secret {
    /// The types of `allowed` that this secret has a key for.
    pub(super) fn etypes(&self, allowed: EtypeList) -> Vec<Etype> {
        let has = |etype: &Etype| match self {
            Self::Keys(keys) => keys.newest(*etype).is_some(),
            Self::Password(_) => true,
        };
        allowed.as_slice().iter().copied().filter(has).collect()
    }

    /// The keys for what the KDC offers in `offered`, in its order, restricted to `asked`.
    ///
    /// A key of a password is made only for types that are asked for: the list is not authenticated, and each entry
    /// costs a derivation.
    pub(super) fn keys_for(
        &self,
        offered: &[EtypeInfo2Entry],
        asked: &[Etype],
    ) -> Result<(Etype, LongTermKeys), CredentialError> {
        let common: Vec<(Etype, &EtypeInfo2Entry)> = offered
            .iter()
            .filter_map(|entry| Some((Etype::from_number(entry.etype).ok()?, entry)))
            .filter(|(etype, _)| asked.contains(etype))
            .collect();
        match self {
            Self::Keys(keys) => {
                // A KDC may leave the list out for a client that needs no salt.
                let chosen = match common.first() {
                    Some((etype, _)) => Some(*etype),
                    None if offered.is_empty() => asked.first().copied(),
                    None => None,
                };
                chosen.map(|etype| (etype, keys.clone())).ok_or(CredentialError::NoCommonEtype)
            }
            Self::Password(_) if offered.is_empty() => Err(CredentialError::NoSalt),
            Self::Password(password) => derive(password, &common),
        }
    }
}

fn derive(
    password: &str,
    common: &[(Etype, &EtypeInfo2Entry)],
) -> Result<(Etype, LongTermKeys), CredentialError> {
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
    let preferred = keys.first().map(Key::etype).ok_or(CredentialError::NoCommonEtype)?;
    Ok((preferred, LongTermKeys::from_keys(keys)))
}
