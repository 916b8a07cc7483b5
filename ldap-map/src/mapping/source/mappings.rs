//! Sources against attributes of the directory.

use super::super::{MappingError, sought::refuse_several_sids};
use super::{Source, SourceError, SourceValue};
use crate::certificate::CertificateFacts;
use crate::dn::Dn;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::mapping::confirm::Strength;
use crate::schema::{Attribute, AttributeName};
use crate::upn::Upn;

/// Most attributes of one mapping.
const MAXIMUM_ATTRIBUTES: usize = 8;

/// One source of the certificate, and the attributes of the directory that hold its value.
#[derive(Clone, Debug)]
pub struct AttributeMapping {
    source: Source,
    attributes: Vec<AttributeName>,
    strength: Strength,
    subject_base: Option<Dn>,
    search_base: Option<Dn>,
    accepts_foreign_upn: bool,
}

/// Why a source and attributes do not go together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeMappingError {
    /// A source of several components takes one attribute for each, in their order.
    #[error("{source_name} needs exactly {needed} attributes, one for each of its parts")]
    Count {
        /// The source's word.
        source_name: &'static str,
        /// How many.
        needed: usize,
    },
    /// No attribute, or more than anybody needs.
    #[error("between 1 and {MAXIMUM_ATTRIBUTES} attributes are needed")]
    Attributes,
    /// An attribute that is read by rules of its own, or is nobody's name.
    #[error("{attribute} cannot be mapped to")]
    Forbidden {
        /// Which one.
        attribute: &'static str,
    },
}

/// Attributes that are no plain values: domain controllers read the first by rules of their own, and nobody is known by a
/// password.
const FORBIDDEN: [&str; 6] = [
    "altSecurityIdentities",
    "unicodePwd",
    "userPassword",
    "supplementalCredentials",
    "msDS-KeyCredentialLink",
    "msDS-ManagedPassword",
];

impl AttributeMapping {
    /// A mapping of the source's own strength, for any subject, over whole domains.
    ///
    /// # Errors
    /// [`AttributeMappingError`].
    pub fn new(source: Source, attributes: Vec<AttributeName>) -> Result<Self, AttributeMappingError> {
        let (source_name, needed) = (source.name(), source.components());
        if needed > 1 && attributes.len() != needed {
            return Err(AttributeMappingError::Count { source_name, needed });
        }
        if !(1..=MAXIMUM_ATTRIBUTES).contains(&attributes.len()) {
            return Err(AttributeMappingError::Attributes);
        }
        let is_named = |forbidden: &&&str| attributes.iter().any(|attribute| attribute.is(forbidden));
        if let Some(attribute) = FORBIDDEN.iter().find(is_named) {
            return Err(AttributeMappingError::Forbidden { attribute });
        }
        let strength = source.strength();
        let (subject_base, search_base) = (None, None);
        Ok(Self { source, attributes, strength, subject_base, search_base, accepts_foreign_upn: false })
    }

    /// The same with another strength.
    #[must_use]
    pub fn of_strength(self, strength: Strength) -> Self {
        Self { strength, ..self }
    }

    /// The same for certificates whose subject lies below `base`; others are refused.
    #[must_use]
    pub fn for_subjects_below(self, base: Dn) -> Self {
        Self { subject_base: Some(base), ..self }
    }

    /// The same for accounts at or below `base`; only its domain is asked.
    #[must_use]
    pub fn searching_below(self, base: Dn) -> Self {
        Self { search_base: Some(base), ..self }
    }

    /// The same for cards whose user principal name is nobody's here: cards of another organization.
    #[must_use]
    pub fn accepting_foreign_upns(self) -> Self {
        Self { accepts_foreign_upn: true, ..self }
    }

    /// Whether it is what every domain controller does: the user principal name of the certificate is that of the account, the
    /// implicit one included.
    fn is_by_upn(&self) -> bool {
        let plain = [AttributeName::from(Attribute::USER_PRINCIPAL_NAME)];
        matches!(self.source, Source::SanUpn)
            && self.search_base.is_none()
            && self.attributes.len() == plain.len()
            && self.attributes.iter().zip(plain).all(|(attribute, plain)| attribute.is(plain.as_str()))
    }

    /// The account's name, where this certificate gives one; `None` where it holds nothing of the kind.
    fn candidate(&self, facts: &CertificateFacts) -> Result<Option<Candidate>, MappingError> {
        let values = match self.source.values(facts) {
            Ok(values) => values,
            Err(error) if error.is_absent() => return Ok(None),
            Err(SourceError::Several { count, .. }) if matches!(self.source, Source::SanUpn) => {
                return Err(MappingError::SeveralUpns { count });
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(base) = self.subject_base.as_ref().filter(|base| !facts.subject_name().is_below(base)) {
            return Err(SourceError::OutsideBase { base: base.clone() }.into());
        }
        if self.is_by_upn() {
            return Ok(facts.upns().first().cloned().map(Candidate::Upn));
        }
        Ok(Some(Candidate::Attributes(AttributeQuery {
            source: self.source.name(),
            values,
            attributes: self.attributes.clone(),
            strength: self.strength,
            search_base: self.search_base.clone(),
            // Where it is the name that was compared, it is the account's by the configuration.
            accepts_foreign_upn: self.accepts_foreign_upn || matches!(self.source, Source::SanUpn),
        })))
    }
}

/// The configured mappings, in order. By default the user principal name alone.
#[derive(Clone, Debug)]
pub struct AttributeMappings(Vec<AttributeMapping>);

impl Default for AttributeMappings {
    fn default() -> Self {
        Self(vec![AttributeMapping {
            source: Source::SanUpn,
            attributes: vec![Attribute::USER_PRINCIPAL_NAME.into()],
            strength: Strength::Weak,
            subject_base: None,
            search_base: None,
            accepts_foreign_upn: false,
        }])
    }
}

impl AttributeMappings {
    /// These mappings; the default ones where there are none.
    #[must_use]
    pub fn new(mappings: Vec<AttributeMapping>) -> Self {
        if mappings.is_empty() { Self::default() } else { Self(mappings) }
    }

    /// Whether the account is looked up as every domain controller does, so that it may name the card instead.
    #[must_use]
    pub fn are_by_upn_alone(&self) -> bool {
        matches!(self.0.as_slice(), [one] if one.is_by_upn() && one.subject_base.is_none())
    }

    /// What the account is looked up by: the first mapping whose source the certificate holds decides, alone.
    ///
    /// # Errors
    /// [`MappingError`] when the certificate holds none of the sources, when the first that it holds is ambiguous or no
    /// name, or when the certificate contradicts itself by two different SIDs.
    pub fn candidate(&self, facts: &CertificateFacts) -> Result<Candidate, MappingError> {
        refuse_several_sids(facts)?;
        for mapping in &self.0 {
            if let Some(candidate) = mapping.candidate(facts)? {
                return Ok(candidate);
            }
        }
        let sources: Vec<_> = self.0.iter().map(|mapping| mapping.source.name()).collect();
        match sources.as_slice() {
            ["san_upn"] => Err(MappingError::UpnMissing),
            [source_name] => Err(SourceError::Absent { source_name }.into()),
            _ => Err(SourceError::AllAbsent { sources }.into()),
        }
    }
}

/// What an account is looked up by.
#[derive(Clone, Debug)]
pub enum Candidate {
    /// A user principal name, explicit or implicit; its suffix says which domains have it.
    Upn(Upn),
    /// Values of attributes, in any domain.
    Attributes(AttributeQuery),
}

/// Values that attributes of exactly one account must have.
#[derive(Clone, Debug)]
pub struct AttributeQuery {
    source: &'static str,
    values: Vec<SourceValue>,
    attributes: Vec<AttributeName>,
    strength: Strength,
    search_base: Option<Dn>,
    accepts_foreign_upn: bool,
}

impl AttributeQuery {
    /// The word for where in the certificate the values come from.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// How firmly these values tie a certificate to an account.
    #[must_use]
    pub const fn strength(&self) -> Strength {
        self.strength
    }

    /// The attributes that are compared.
    #[must_use]
    pub fn attributes(&self) -> &[AttributeName] {
        &self.attributes
    }

    /// Where the account must lie; `None` for anywhere.
    #[must_use]
    pub const fn search_base(&self) -> Option<&Dn> {
        self.search_base.as_ref()
    }

    /// Whether the card's user principal name may be one that no account has.
    #[must_use]
    pub const fn accepts_foreign_upn(&self) -> bool {
        self.accepts_foreign_upn
    }

    /// The filter that finds such accounts: every component in its own attribute, a single one in any of them.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let equals = |(attribute, value): (&AttributeName, &SourceValue)| {
            Filter::equals(attribute.clone(), value.as_bytes())
        };
        match self.values.as_slice() {
            [value] => Filter::any_of(self.attributes.iter().map(|attribute| equals((attribute, value)))),
            values => Filter::all_of(self.attributes.iter().zip(values).map(equals)),
        }
    }

    /// Whether an object has the values, by a comparison that is stricter than the directory's.
    #[must_use]
    pub fn is_met_by(&self, entry: &Entry) -> bool {
        let has = |(attribute, value): (&AttributeName, &SourceValue)| {
            entry.held(attribute).iter().any(|held| value.is(held))
        };
        match self.values.as_slice() {
            [value] => self.attributes.iter().any(|attribute| has((attribute, value))),
            values => values.len() == self.attributes.len() && self.attributes.iter().zip(values).all(has),
        }
    }
}
