//! How strongly a card and the account found belong together.

use std::fmt;

use super::rules::{Enforcement, Rules};
use super::sought::{believes, refuse_several_sids};
use super::source::AttributeQuery;
use super::{Card, MappingError};
use crate::account::Account;
use crate::alt_security_identities::{AltSecurityIdentity, Fit, Form, Misspelling};

/// The strength of a mapping in the sense of KB5014754.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Strength {
    /// By the name alone, which whoever can rename accounts or order certificates can move to another account.
    Weak,
    /// By what another certificate or another account cannot have.
    Strong,
}

impl Strength {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Strong => "strong",
        }
    }
}

/// One reason why a card is the account's.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ground {
    /// The account has the card's user principal name.
    UserPrincipalName,
    /// The same, and a name rule of the configuration covers card and name.
    TrustedUserPrincipalName,
    /// Attributes of the account have values of the card that the configuration chose; the word for these, and how strong they
    /// were declared.
    Attributes(&'static str, Strength),
    /// The card names the account's `objectSid`, in an issuer's words that count.
    Sid,
    /// The card names the account's `objectSid`, but its issuer is no enterprise certification authority.
    SidOfOther,
    /// The account names the card in `altSecurityIdentities`.
    AltSecurityIdentity(AltSecurityIdentity),
    /// The same by issuer and subject, and a name rule of the configuration covers the card.
    TrustedIssuerSubject(AltSecurityIdentity),
}

impl Ground {
    /// How firmly this alone ties card and account.
    #[must_use]
    pub const fn strength(&self) -> Strength {
        match self {
            Self::UserPrincipalName | Self::SidOfOther => Strength::Weak,
            Self::TrustedUserPrincipalName | Self::Sid | Self::TrustedIssuerSubject(_) => Strength::Strong,
            Self::Attributes(_, declared) => *declared,
            Self::AltSecurityIdentity(identity) => identity.form().strength(),
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserPrincipalName => f.write_str("user principal name"),
            Self::TrustedUserPrincipalName => f.write_str("user principal name under a name rule"),
            Self::Attributes(source, _) => f.write_str(source),
            Self::Sid => f.write_str("SID"),
            Self::SidOfOther => f.write_str("SID of an issuer that is no enterprise authority"),
            Self::AltSecurityIdentity(identity) => {
                write!(f, "altSecurityIdentities {}", identity.form().tags())
            }
            Self::TrustedIssuerSubject(identity) => {
                write!(f, "altSecurityIdentities {} under a name rule", identity.form().tags())
            }
        }
    }
}

/// A value of `altSecurityIdentities` that means the card and is ignored by domain controllers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IgnoredValue {
    /// As it stands in the directory.
    pub value: String,
    /// What is wrong with it.
    pub misspellings: Vec<Misspelling>,
}

impl fmt::Display for IgnoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.misspellings.iter().map(ToString::to_string).collect();
        write!(f, "{:?} is ignored: {}", self.value, reasons.join("; "))
    }
}

/// All that ties a card to an account. Nothing contradicts it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Mapping {
    grounds: Vec<Ground>,
    ignored: Vec<IgnoredValue>,
}

impl Mapping {
    /// The strength of the strongest ground.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.grounds.iter().map(Ground::strength).max().unwrap_or(Strength::Weak)
    }

    /// Every ground.
    #[must_use]
    pub fn grounds(&self) -> &[Ground] {
        &self.grounds
    }

    /// The account's values that mean the card, but that domain controllers do not recognise.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredValue] {
        &self.ignored
    }
}

/// Who named the account.
#[derive(Clone, Copy, Debug)]
pub enum NamedBy<'a> {
    /// The card alone, by its user principal name, or the account by a value that names the card.
    Card,
    /// The card, by values of it that attributes of the account have.
    Attributes(&'a AttributeQuery),
    /// The person, who may have several accounts for one card.
    Person,
}

/// Compares the card with the account that was found.
///
/// Every name that the card carries must be the account's: a SID in any case, the user principal name unless the person
/// named another account.
///
/// # Errors
/// [`MappingError`] when a name is another account's, when the card has two of a kind, or when nothing ties it to the account.
pub fn confirm(
    card: &Card<'_>,
    account: &Account,
    rules: &Rules,
    named_by: NamedBy<'_>,
) -> Result<Mapping, MappingError> {
    refuse_several_sids(card.facts)?;
    let mut mapping = Mapping::default();
    confirm_upn(card, account, rules, named_by, &mut mapping)?;
    match card.facts.sid() {
        None => {}
        Some(sid) if *sid == account.object_sid => {
            let counts = believes(&rules.enterprise_issuers, card);
            mapping.grounds.push(if counts { Ground::Sid } else { Ground::SidOfOther });
        }
        Some(sid) => {
            return Err(MappingError::SidDiffers {
                certificate: sid.clone(),
                account: account.object_sid.clone(),
            });
        }
    }
    for value in &account.alt_security_identities {
        // What is about no certificate, or cannot be read, says nothing of this card.
        let Ok(identity) = AltSecurityIdentity::parse(value) else { continue };
        match identity.fit(card.facts, &rules.sha1_readings) {
            Fit::Fits if identity.form() == Form::IssuerSubject && rules.issuer_subject_is_strong(card) => {
                mapping.grounds.push(Ground::TrustedIssuerSubject(identity));
            }
            Fit::Fits => mapping.grounds.push(Ground::AltSecurityIdentity(identity)),
            Fit::Ignored(misspellings) => {
                mapping.ignored.push(IgnoredValue { value: value.clone(), misspellings });
            }
            Fit::Other => {}
        }
    }
    if mapping.grounds.is_empty() { Err(MappingError::NotMapped) } else { Ok(mapping) }
}

fn confirm_upn(
    card: &Card<'_>,
    account: &Account,
    rules: &Rules,
    named_by: NamedBy<'_>,
    mapping: &mut Mapping,
) -> Result<(), MappingError> {
    if let NamedBy::Attributes(query) = named_by {
        mapping.grounds.push(Ground::Attributes(query.source(), query.strength()));
        return Ok(());
    }
    let upns = card.facts.upns();
    if let Some(upn) = upns.iter().find(|upn| account.answers_to(upn)) {
        if upns.len() > 1 && !matches!(named_by, NamedBy::Person) {
            return Err(MappingError::SeveralUpns { count: upns.len() });
        }
        let is_strong = rules.upn_is_strong(card, upn);
        mapping.grounds.push(if is_strong {
            Ground::TrustedUserPrincipalName
        } else {
            Ground::UserPrincipalName
        });
        return Ok(());
    }
    match (upns, named_by) {
        ([], _) | (_, NamedBy::Person) => Ok(()),
        ([upn], _) => Err(MappingError::NameDiffers { upn: upn.clone() }),
        (several, _) => Err(MappingError::SeveralUpns { count: several.len() }),
    }
}

/// Whether the rules accept what was found. An account that the person named needs a strong mapping whatever they are: its
/// name is nobody's word but the asker's.
///
/// # Errors
/// [`MappingError::TooWeak`], or [`MappingError::OlderThanAccount`] where weak mappings are accepted of newer certificates.
pub fn enforce(
    mapping: &Mapping,
    card: &Card<'_>,
    account: &Account,
    rules: &Rules,
    named_by: NamedBy<'_>,
) -> Result<(), MappingError> {
    match (mapping.strength(), rules.enforcement, named_by) {
        (Strength::Strong, _, _) => Ok(()),
        (_, Enforcement::Full, _) | (_, _, NamedBy::Person) => Err(MappingError::TooWeak),
        (_, Enforcement::None, _) => Ok(()),
        (_, Enforcement::Compatibility { backdating }, _) => {
            let (not_before, when_created) = (card.facts.not_before(), account.when_created);
            let is_younger = not_before.checked_add(backdating).is_none_or(|latest| latest >= when_created);
            if is_younger { Ok(()) } else { Err(MappingError::OlderThanAccount { not_before, when_created }) }
        }
    }
}
