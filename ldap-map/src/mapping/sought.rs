//! By what an account is looked up: every name that the card carries, in one search, so that names which point at different
//! accounts show.

use super::{Card, EnterpriseIssuers, MappingError, Rules};
use crate::account::Account;
use crate::alt_security_identities::AltSecurityIdentity;
use crate::certificate::CertificateFacts;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::schema::Attribute;
use crate::upn::{Upn, same_ignoring_case};

/// What the one account must have: one of these at least, and no other account any of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sought {
    upn: Option<Upn>,
    identities: Vec<AltSecurityIdentity>,
}

/// More than one account is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Several {
    /// By one and the same name.
    Ambiguous,
    /// All of them name the certificate in `altSecurityIdentities`: its holder has several accounts.
    Accounts,
    /// The card's name is one account's, and another one names the card in `altSecurityIdentities`.
    Disagree {
        /// The account of the name.
        one: String,
        /// The other.
        other: String,
    },
}

impl Sought {
    /// What a card is looked up by: its user principal name, and the values of `altSecurityIdentities` that would name it. A
    /// SID confirms an account and finds none, as at a domain controller.
    ///
    /// # Errors
    /// [`MappingError`] when the card has several user principal names (even equal ones) or SIDs, or nothing at all.
    pub fn by_card(card: &Card<'_>, rules: &Rules) -> Result<Self, MappingError> {
        refuse_several_sids(card.facts)?;
        let upn = match card.facts.upns() {
            [] => None,
            [upn] => Some(upn.clone()),
            several => return Err(MappingError::SeveralUpns { count: several.len() }),
        };
        let identities = rules.accepted_identities(card);
        if upn.is_none() && identities.is_empty() {
            return Err(MappingError::UpnMissing);
        }
        Ok(Self { upn, identities })
    }

    /// The values of `altSecurityIdentities` that would name a card alone; `None` where there are none.
    #[must_use]
    pub fn by_values(card: &Card<'_>, rules: &Rules) -> Option<Self> {
        let identities = rules.accepted_identities(card);
        (!identities.is_empty()).then_some(Self { upn: None, identities })
    }

    /// The account of a name alone.
    #[must_use]
    pub const fn by_name(upn: Upn) -> Self {
        Self { upn: Some(upn), identities: Vec::new() }
    }

    /// The user principal name.
    #[must_use]
    pub const fn upn(&self) -> Option<&Upn> {
        self.upn.as_ref()
    }

    /// Whether an account is one of those sought, by a comparison that is stricter than the directory's.
    #[must_use]
    pub fn is_met_by(&self, account: &Account) -> bool {
        self.upn.as_ref().is_some_and(|upn| account.answers_to(upn))
            || account.alt_security_identities.iter().any(|value| self.names(value))
    }

    /// Finds such accounts in the domain of this DNS name.
    pub(crate) fn filter(&self, dns_domain: &str) -> Filter {
        let mut names = Vec::new();
        if let Some(upn) = &self.upn {
            names.push(Filter::equals(Attribute::USER_PRINCIPAL_NAME, upn.as_str().as_bytes()));
            if same_ignoring_case(upn.suffix(), dns_domain) {
                names.push(Filter::equals(Attribute::SAM_ACCOUNT_NAME, upn.user().as_bytes()));
            }
        }
        let value = |identity: &AltSecurityIdentity| {
            Filter::equals(Attribute::ALT_SECURITY_IDENTITIES, identity.to_string().as_bytes())
        };
        names.extend(self.identities.iter().map(value));
        Filter::any_of(names)
    }

    /// The attributes that [`Self::several`] reads.
    pub(crate) const fn attributes(&self) -> &'static [Attribute] {
        if self.identities.is_empty() {
            &[Attribute::OBJECT_GUID]
        } else {
            &[
                Attribute::OBJECT_GUID,
                Attribute::SAM_ACCOUNT_NAME,
                Attribute::USER_PRINCIPAL_NAME,
                Attribute::ALT_SECURITY_IDENTITIES,
            ]
        }
    }

    /// Why the objects found are more than one: at least two.
    pub(crate) fn several(&self, found: &[Entry], dns_domain: &str) -> Several {
        let by_name = |entry: &&Entry| self.is_of_name(entry, dns_domain) || !self.is_named_by(entry);
        let named: Vec<&Entry> = found.iter().filter(by_name).collect();
        match named.as_slice() {
            [] => Several::Accounts,
            [one] if self.is_named_by(one) => Several::Accounts,
            [one] => match found.iter().find(|entry| self.is_named_by(entry)) {
                Some(other) => Several::Disagree { one: one.dn().to_owned(), other: other.dn().to_owned() },
                None => Several::Ambiguous,
            },
            _ => Several::Ambiguous,
        }
    }

    /// Whether a value means the card as a domain controller would take it.
    fn names(&self, value: &str) -> bool {
        AltSecurityIdentity::parse(value).is_ok_and(|value| self.identities.contains(&value))
    }

    fn is_of_name(&self, entry: &Entry, dns_domain: &str) -> bool {
        let Some(upn) = &self.upn else { return false };
        let text = |attribute| entry.optional_text(attribute).ok().flatten();
        let explicit = text(Attribute::USER_PRINCIPAL_NAME).and_then(|text| Upn::parse(text).ok());
        let implicit = text(Attribute::SAM_ACCOUNT_NAME);
        explicit.is_some_and(|own| own.matches(upn))
            || (same_ignoring_case(upn.suffix(), dns_domain)
                && implicit.is_some_and(|own| same_ignoring_case(own, upn.user())))
    }

    /// Whether the object names the card in `altSecurityIdentities`.
    fn is_named_by(&self, entry: &Entry) -> bool {
        let values = entry.values(Attribute::ALT_SECURITY_IDENTITIES).unwrap_or_default();
        values.iter().filter_map(|value| str::from_utf8(value).ok()).any(|value| self.names(value))
    }
}

/// Whether what the card says of SIDs counts.
pub(super) fn believes(issuers: &EnterpriseIssuers, card: &Card<'_>) -> bool {
    issuers.include(card.facts)
}

pub(super) fn refuse_several_sids(facts: &CertificateFacts) -> Result<(), MappingError> {
    match facts.sids().len() {
        0 | 1 => Ok(()),
        count => Err(MappingError::SeveralSids { count }),
    }
}
