//! Accounts of the KDC in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::key::{Etype, Key};
use crate::principal::{NameType, PrincipalName, Realm};

/// A user, a service or a computer.
#[derive(Clone, Debug)]
pub struct Account {
    name: String,
    secret: String,
    salt: String,
    keys: Vec<Key>,
    kvno: u32,
    rid: u32,
    control_bits: Option<u32>,
    groups: Vec<u32>,
    pub(super) etypes: Vec<Etype>,
    pub(super) spns: Vec<PrincipalName>,
    pub(super) needs_preauth: bool,
    pub(super) is_sensitive: bool,
    pub(super) may_act_for_anyone: bool,
    pub(super) delegates_to: Vec<PrincipalName>,
    pub(super) allows: Vec<String>,
}

/// What a PAC says of an account.
#[derive(Clone, Debug)]
pub(super) struct Described {
    /// The sub-authorities of the account's domain, where it is another than the KDC's.
    pub(super) domain: Option<[u32; 4]>,
    /// `sAMAccountName`, where it is not the ticket's client.
    pub(super) name: Option<String>,
    pub(super) rid: u32,
    pub(super) control_bits: u32,
    /// Relative identifiers; the first is the primary group's.
    pub(super) groups: Vec<u32>,
}

/// Keys that were derived before: thousands of tests have the same few accounts.
static DERIVED: Mutex<BTreeMap<(i32, String, String), Key>> = Mutex::new(BTreeMap::new());

fn derived(etype: Etype, secret: &str, salt: &str) -> Option<Key> {
    let place = (etype.number(), secret.to_owned(), salt.to_owned());
    let known = || DERIVED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = known().get(&place) {
        return Some(key.clone());
    }
    let key = Key::from_password(etype, secret, salt.as_bytes(), None).ok()?;
    known().insert(place, key.clone());
    Some(key)
}

/// The version of every key, until its account's password is changed.
pub(super) const KVNO: u32 = 3;
/// The primary group of every account.
pub(super) const DOMAIN_USERS: u32 = 513;

impl Account {
    /// A person or a service account. `rid` is the last part of its SID.
    pub fn new(name: &str, rid: u32, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            secret: password.to_owned(),
            salt: String::new(),
            keys: Vec::new(),
            kvno: KVNO,
            rid,
            control_bits: None,
            groups: Vec::new(),
            etypes: vec![Etype::Aes256, Etype::Aes128],
            spns: Vec::new(),
            needs_preauth: true,
            is_sensitive: false,
            may_act_for_anyone: false,
            delegates_to: Vec::new(),
            allows: Vec::new(),
        }
    }

    /// Registers a service principal name.
    #[must_use]
    pub fn spn(mut self, spn: PrincipalName) -> Self {
        self.spns.push(spn);
        self
    }

    /// Restricts the encryption types of the account's keys, most preferred first.
    #[must_use]
    pub fn etypes(mut self, etypes: &[Etype]) -> Self {
        self.etypes = etypes.to_vec();
        self
    }

    /// Sets the SAM control bits of the PAC (MS-SAMR section 2.2.1.12) in place of those that follow from the account's name.
    #[must_use]
    pub const fn control_bits(mut self, bits: u32) -> Self {
        self.control_bits = Some(bits);
        self
    }

    /// Adds groups of the domain, by relative identifier, to Domain Users.
    #[must_use]
    pub fn member_of(mut self, groups: &[u32]) -> Self {
        self.groups.extend_from_slice(groups);
        self
    }

    /// DONT_REQUIRE_PREAUTH.
    #[must_use]
    pub const fn without_preauth(mut self) -> Self {
        self.needs_preauth = false;
        self
    }

    /// "Sensitive and cannot be delegated".
    #[must_use]
    pub const fn sensitive(mut self) -> Self {
        self.is_sensitive = true;
        self
    }

    /// Sets or takes away "sensitive and cannot be delegated".
    pub const fn set_sensitive(&mut self, is_sensitive: bool) {
        self.is_sensitive = is_sensitive;
    }

    /// TRUSTED_TO_AUTH_FOR_DELEGATION: tickets from S4U2Self are forwardable.
    #[must_use]
    pub const fn trusted_to_authenticate_for_delegation(mut self) -> Self {
        self.may_act_for_anyone = true;
        self
    }

    /// Adds to msDS-AllowedToDelegateTo.
    #[must_use]
    pub fn delegates_to(mut self, spn: PrincipalName) -> Self {
        self.delegates_to.push(spn);
        self
    }

    /// Adds to msDS-AllowedToActOnBehalfOfOtherIdentity the account of this name.
    #[must_use]
    pub fn allows(mut self, name: &str) -> Self {
        self.allows.push(name.to_owned());
        self
    }

    /// The sAMAccountName.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key of a type, as the password gives it; `None` before the account was added to a KDC, and for a type
    /// the account has not.
    pub fn key(&self, etype: Etype) -> Option<&Key> {
        self.keys.iter().find(|key| key.etype() == etype)
    }

    /// The version of the account's keys.
    pub const fn kvno(&self) -> u32 {
        self.kvno
    }

    /// Changes the password, and with it keys and their version.
    pub fn set_password(&mut self, password: &str, realm: &Realm) {
        password.clone_into(&mut self.secret);
        self.kvno += 1;
        *self = self.clone().in_realm(realm);
    }

    pub(super) fn in_realm(mut self, realm: &Realm) -> Self {
        self.salt = match self.name.strip_suffix('$') {
            Some(host) => {
                format!("{realm}host{}.{}", host.to_lowercase(), realm.as_str().to_lowercase())
            }
            None => format!("{realm}{}", self.name),
        };
        self.keys =
            self.etypes.iter().filter_map(|etype| derived(*etype, &self.secret, &self.salt)).collect();
        self
    }

    pub(super) fn salt(&self) -> &str {
        &self.salt
    }

    /// The key tickets for this account are encrypted in.
    pub(super) fn service_key(&self) -> Option<&Key> {
        self.keys.first()
    }

    pub(super) fn is_called(&self, name: &PrincipalName, realm: &Realm) -> bool {
        let text = name.joined();
        if name.name_type() == NameType::Enterprise {
            let upn = format!("{}@{realm}", self.name);
            return text.eq_ignore_ascii_case(&upn);
        }
        text.eq_ignore_ascii_case(&self.name) || self.spns.iter().any(|spn| spn.eq_ignoring_case(name))
    }

    /// What a PAC says of the account. Unless they were set, its SAM control bits are NORMAL_ACCOUNT or
    /// WORKSTATION_TRUST_ACCOUNT, and NOT_DELEGATED.
    pub(super) fn described(&self) -> Described {
        let kind = if self.name.ends_with('$') { 0x80 } else { 0x10 };
        let sensitive = if self.is_sensitive { 0x4000 } else { 0 };
        Described {
            domain: None,
            name: None,
            rid: self.rid,
            control_bits: self.control_bits.unwrap_or(kind | sensitive),
            groups: [&[DOMAIN_USERS], self.groups.as_slice()].concat(),
        }
    }
}
