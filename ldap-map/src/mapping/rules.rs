//! How firmly a card must be tied to its account: what the configuration says of it (KB5014754).

use std::str::FromStr;
use std::time::Duration;

use super::Card;
use crate::alt_security_identities::{AltSecurityIdentity, Form, Sha1Reading};
use crate::certificate::CertificateFacts;
use crate::dn::Dn;
use crate::upn::Upn;

/// Most rules, and most entries of one.
const MAXIMUM_COUNT: usize = 64;

/// Which mappings are accepted; the words are those of domain controllers (`StrongCertificateBindingEnforcement`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Enforcement {
    /// Strong ones only.
    #[default]
    Full,
    /// Weak ones too, for certificates that are not older than the account. Windows no longer has it.
    Compatibility {
        /// How much older than the account a certificate may be.
        backdating: Duration,
    },
    /// All. Whoever can have a certificate issued with any name is anybody.
    None,
}

/// The rules for mappings.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Which mappings are accepted.
    pub enforcement: Enforcement,
    /// Whose word about SIDs counts.
    pub enterprise_issuers: EnterpriseIssuers,
    /// The readings of `<SHA1-PUKEY>` that count; without one, the form does not.
    pub sha1_readings: Vec<Sha1Reading>,
    /// Which names make a mapping strong.
    pub name_rules: Vec<NameRule>,
}

/// The certification authorities of the domain itself: they write the account's SID into a certificate, and nobody else can
/// have them write another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum EnterpriseIssuers {
    /// Every issuer whose cards are accepted.
    #[default]
    Every,
    /// These, by their names in RFC 4514's form.
    Named(Vec<String>),
}

impl EnterpriseIssuers {
    /// Whether the issuer of the certificate is one.
    #[must_use]
    pub fn include(&self, facts: &CertificateFacts) -> bool {
        let is = |named: &String| {
            *named == facts.issuer()
                || matches!((Dn::parse(named), Dn::parse(facts.issuer())), (Ok(one), Ok(other)) if one == other)
        };
        match self {
            Self::Every => true,
            Self::Named(names) => names.iter().any(is),
        }
    }
}

/// One line of the group policy "Allow name-based strong mappings for certificates": an issuer that is known to check names
/// before it states a policy.
///
/// The text is `thumbprint; policy, policy; UpnSuffix=corp.example, IssuerSubject`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameRule {
    issuer: [u8; 20],
    policies: Vec<String>,
    upn_suffixes: Vec<String>,
    issuer_subject: bool,
}

impl NameRule {
    /// The SHA-1 thumbprint of the issuer's certificate.
    #[must_use]
    pub const fn issuer(&self) -> &[u8; 20] {
        &self.issuer
    }

    /// Whether the card is of the issuer and states one of the policies.
    fn covers(&self, card: &Card<'_>) -> bool {
        card.issuer_sha1 == Some(self.issuer)
            && card.facts.policies().iter().any(|policy| self.policies.contains(policy))
    }

    /// Whether the card's user principal name is enough.
    pub(super) fn trusts_upn(&self, card: &Card<'_>, upn: &Upn) -> bool {
        let listed = |suffix: &String| suffix.eq_ignore_ascii_case(upn.suffix());
        self.covers(card) && self.upn_suffixes.iter().any(listed)
    }

    /// Whether a value of `altSecurityIdentities` with issuer and subject is enough.
    pub(super) fn trusts_issuer_subject(&self, card: &Card<'_>) -> bool {
        self.issuer_subject && self.covers(card)
    }
}

/// Why a text is not such a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameRuleError {
    /// Not three sections.
    #[error("three sections, separated by semicolons, are needed: thumbprint; policies; names")]
    Sections,
    /// The first section.
    #[error("the thumbprint is not 40 hexadecimal digits")]
    Thumbprint,
    /// The second section.
    #[error("the policies are not object identifiers separated by commas")]
    Policies,
    /// The third section.
    #[error("the names are not UpnSuffix=... or IssuerSubject, separated by commas")]
    Names,
}

impl FromStr for NameRule {
    type Err = NameRuleError;

    fn from_str(text: &str) -> Result<Self, NameRuleError> {
        let sections: Vec<&str> = text.split(';').map(str::trim).collect();
        let [thumbprint, policies, names] = *sections.as_slice() else { return Err(NameRuleError::Sections) };
        let policies = entries(policies).filter(|all| all.iter().all(|one| is_object_identifier(one)));
        let mut rule = Self {
            issuer: digest(thumbprint).ok_or(NameRuleError::Thumbprint)?,
            policies: policies.ok_or(NameRuleError::Policies)?,
            upn_suffixes: Vec::new(),
            issuer_subject: false,
        };
        for name in entries(names).ok_or(NameRuleError::Names)? {
            match name.split_once('=') {
                None if name.eq_ignore_ascii_case("IssuerSubject") => rule.issuer_subject = true,
                Some((kind, suffix)) if kind.trim().eq_ignore_ascii_case("UpnSuffix") => {
                    let upn =
                        Upn::parse(&format!("name@{}", suffix.trim())).map_err(|_| NameRuleError::Names)?;
                    rule.upn_suffixes.push(upn.suffix().to_owned());
                }
                _ => return Err(NameRuleError::Names),
            }
        }
        Ok(rule)
    }
}

impl Rules {
    /// The values of `altSecurityIdentities` that would tie the card to an account under these rules.
    #[must_use]
    pub fn accepted_identities(&self, card: &Card<'_>) -> Vec<AltSecurityIdentity> {
        let mut identities = AltSecurityIdentity::all_of(card.facts, &self.sha1_readings);
        identities.retain(|identity| self.accepts(identity.form(), card));
        identities
    }

    fn accepts(&self, form: Form, card: &Card<'_>) -> bool {
        self.enforcement != Enforcement::Full
            || form.strength() == super::Strength::Strong
            || (form == Form::IssuerSubject && self.issuer_subject_is_strong(card))
    }

    pub(super) fn issuer_subject_is_strong(&self, card: &Card<'_>) -> bool {
        self.name_rules.iter().any(|rule| rule.trusts_issuer_subject(card))
    }

    pub(super) fn upn_is_strong(&self, card: &Card<'_>, upn: &Upn) -> bool {
        self.name_rules.iter().any(|rule| rule.trusts_upn(card, upn))
    }
}

/// The entries of a list, at least one and none empty.
fn entries(text: &str) -> Option<Vec<String>> {
    let entries: Vec<String> = text.split(',').map(|entry| entry.trim().to_owned()).collect();
    let is_list = entries.len() <= MAXIMUM_COUNT && entries.iter().all(|entry| !entry.is_empty());
    is_list.then_some(entries)
}

fn is_object_identifier(text: &str) -> bool {
    let arc = |arc: &str| !arc.is_empty() && arc.bytes().all(|digit| digit.is_ascii_digit());
    text.contains('.') && text.split('.').all(arc)
}

fn digest(digits: &str) -> Option<[u8; 20]> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let is_digest = rest.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let octet = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let octets: Option<Vec<u8>> = pairs.iter().map(octet).collect();
    octets.filter(|_| is_digest)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THUMBPRINT: &str = "fe40a3146d935dc248504d2dcd960d15c4542e6e";

    #[test]
    fn a_line_of_the_group_policy_is_read_as_windows_writes_it() {
        let text =
            format!("{THUMBPRINT}; 1.2.3, 2.16.840.1.101.3.2.1.3.45; UpnSuffix=corp.example, issuersubject");
        let rule: NameRule = text.parse().unwrap();
        assert_eq!(0xfe, rule.issuer()[0]);
        assert_eq!(["1.2.3", "2.16.840.1.101.3.2.1.3.45"], rule.policies.as_slice());
        assert_eq!(
            (["corp.example".to_owned()].as_slice(), true),
            (rule.upn_suffixes.as_slice(), rule.issuer_subject)
        );
    }

    #[test]
    fn what_is_no_such_line_is_refused_by_its_section() {
        for (text, error) in [
            (String::new(), NameRuleError::Sections),
            (format!("{THUMBPRINT}; 1.2.3"), NameRuleError::Sections),
            ("fe40; 1.2.3; IssuerSubject".to_owned(), NameRuleError::Thumbprint),
            (
                format!("+{}; 1.2.3; IssuerSubject", THUMBPRINT.trim_start_matches("f")),
                NameRuleError::Thumbprint,
            ),
            (format!("{THUMBPRINT}; ; IssuerSubject"), NameRuleError::Policies),
            (format!("{THUMBPRINT}; any; IssuerSubject"), NameRuleError::Policies),
            (format!("{THUMBPRINT}; 1.2.3; "), NameRuleError::Names),
            (format!("{THUMBPRINT}; 1.2.3; UpnSuffix="), NameRuleError::Names),
            (format!("{THUMBPRINT}; 1.2.3; Subject"), NameRuleError::Names),
        ] {
            assert_eq!(Err(error), text.parse::<NameRule>(), "{text}");
        }
    }
}
