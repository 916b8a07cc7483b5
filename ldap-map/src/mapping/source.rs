//! Which of its facts names the account: the sources that a configuration can choose from.
//!
//! A source gives one value, or as many as it has components, or a typed refusal. Nothing is chosen among several, nothing is
//! cut or cleaned to fit.

mod error;
mod mappings;
mod pattern;
mod self_service;
#[cfg(test)]
mod tests;
mod value;

use sha2::{Digest as _, Sha256};

pub use self::error::{SourceError, ValueProblem};
pub use self::mappings::{
    AttributeMapping, AttributeMappingError, AttributeMappings, AttributeQuery, Candidate,
};
pub use self::pattern::{Pattern, PatternError};
pub use self::self_service::is_self_service;
pub use self::value::{SourceValue, misleads};

use super::confirm::Strength;
use crate::certificate::{CertificateFacts, CertificateName, EMAIL_ADDRESS};

/// Where in a certificate the account is named.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// The user principal name among the subject alternative names.
    SanUpn,
    /// The e-mail address among the subject alternative names (rfc822Name).
    SanEmail,
    /// The attribute emailAddress of the subject (RFC 2985 5.2.1).
    SubjectEmail,
    /// The attribute CN of the subject.
    CommonName,
    /// The first of these attributes of the subject, dotted object identifiers, that the subject has.
    SubjectAttribute(Vec<String>),
    /// The subject's whole name.
    SubjectName(NameForm),
    /// The issuer's whole name.
    IssuerName(NameForm),
    /// What a regular expression finds in the subject's name.
    SubjectPattern(Pattern),
    /// What a regular expression finds in the issuer's name.
    IssuerPattern(Pattern),
    /// The serial number. It is unique among the certificates of one issuer only.
    Serial(SerialForm),
    /// The serial number and the issuer's whole name, two components.
    SerialAndIssuer(SerialForm, NameForm),
    /// SHA-256 of the certificate in lower-case hexadecimal.
    Thumbprint,
    /// The certificate, octet by octet.
    Certificate,
}

/// How a whole name is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NameForm {
    /// RFC 4514, as [`CertificateFacts::subject`].
    #[default]
    Rfc4514,
    /// [`CertificateName::canonical`].
    Canonical,
}

/// How a serial number is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SerialForm {
    /// Decimal digits.
    #[default]
    Decimal,
    /// Hexadecimal digits, two for each octet, without a leading zero octet.
    Hexadecimal,
    /// Hexadecimal digits of the encoded integer: with the zero octet that DER puts before a set highest bit.
    HexadecimalOfEncoding,
}

impl Source {
    /// The word for the source in configurations and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SanUpn => "san_upn",
            Self::SanEmail => "san_email",
            Self::SubjectEmail => "subject_email",
            Self::CommonName => "common_name",
            Self::SubjectAttribute(_) => "subject_attribute",
            Self::SubjectName(_) => "subject",
            Self::IssuerName(_) => "issuer",
            Self::SubjectPattern(_) => "subject_pattern",
            Self::IssuerPattern(_) => "issuer_pattern",
            Self::Serial(_) => "serial",
            Self::SerialAndIssuer(..) => "serial_and_issuer",
            Self::Thumbprint => "thumbprint",
            Self::Certificate => "certificate",
        }
    }

    /// How many components it has, and so how many attributes of the directory hold them together.
    #[must_use]
    pub const fn components(&self) -> usize {
        if matches!(self, Self::SerialAndIssuer(..)) { 2 } else { 1 }
    }

    /// How firmly it ties a certificate to an account. Names can be given to somebody else, by whoever orders certificates or
    /// renames accounts (KB5014754); a serial number with its issuer, and the certificate itself, cannot.
    #[must_use]
    pub const fn strength(&self) -> Strength {
        match self {
            Self::SerialAndIssuer(..) | Self::Thumbprint | Self::Certificate => Strength::Strong,
            _ => Strength::Weak,
        }
    }

    /// The components that the certificate gives.
    ///
    /// # Errors
    /// [`SourceError`] when there is none, more than one, or one that cannot be read or is no name.
    pub fn values(&self, facts: &CertificateFacts) -> Result<Vec<SourceValue>, SourceError> {
        let source = self.name();
        let one = |text: String| vec![SourceValue::Text(text)];
        Ok(match self {
            Self::SanUpn => one(san_upn(facts, source)?),
            Self::SanEmail => one(san_email(facts, source)?),
            Self::SubjectEmail => {
                let text = attribute(facts.subject_name(), EMAIL_ADDRESS, source)?;
                one(value::email(&text, source)?)
            }
            Self::CommonName => one(attribute(facts.subject_name(), "2.5.4.3", source)?),
            Self::SubjectAttribute(kinds) => one(first_attribute(facts.subject_name(), kinds, source)?),
            Self::SubjectName(form) => one(whole_name(facts.subject_name(), facts.subject(), *form, source)?),
            Self::IssuerName(form) => one(whole_name(facts.issuer_name(), facts.issuer(), *form, source)?),
            Self::SubjectPattern(pattern) => one(pattern.find(facts.subject_name(), source)?),
            Self::IssuerPattern(pattern) => one(pattern.find(facts.issuer_name(), source)?),
            Self::Serial(form) => one(value::serial(facts.raw_serial(), *form, source)?),
            Self::SerialAndIssuer(serial, name) => vec![
                SourceValue::Text(value::serial(facts.raw_serial(), *serial, source)?),
                SourceValue::Text(whole_name(facts.issuer_name(), facts.issuer(), *name, source)?),
            ],
            Self::Thumbprint => one(value::hexadecimal(&Sha256::digest(facts.encoded()))),
            Self::Certificate => vec![SourceValue::Octets(facts.encoded().to_vec())],
        })
    }
}

fn san_upn(facts: &CertificateFacts, source: &'static str) -> Result<String, SourceError> {
    match facts.upns() {
        [] => Err(SourceError::Absent { source_name: source }),
        [upn] => Ok(upn.as_str().to_owned()),
        several => Err(SourceError::Several { source_name: source, count: several.len() }),
    }
}

fn san_email(facts: &CertificateFacts, source: &'static str) -> Result<String, SourceError> {
    match facts.raw_emails() {
        [] => Err(SourceError::Absent { source_name: source }),
        [octets] => {
            // An IA5String: what is not ASCII is of another string type than the standard's.
            let text = str::from_utf8(octets).ok().filter(|text| text.is_ascii());
            let text = text.ok_or(SourceError::NotText { source_name: source })?;
            value::email(text, source)
        }
        several => Err(SourceError::Several { source_name: source, count: several.len() }),
    }
}

/// The one attribute of this type.
fn attribute(name: &CertificateName, kind: &str, source: &'static str) -> Result<String, SourceError> {
    let found: Vec<_> = name.attributes(kind).collect();
    match found.as_slice() {
        [] => Err(SourceError::Absent { source_name: source }),
        [one] => value::name(one.text().ok_or(SourceError::NotText { source_name: source })?, source),
        several => Err(SourceError::Several { source_name: source, count: several.len() }),
    }
}

fn first_attribute(
    name: &CertificateName,
    kinds: &[String],
    source: &'static str,
) -> Result<String, SourceError> {
    let present = kinds.iter().find(|kind| name.attributes(kind).next().is_some());
    attribute(name, present.ok_or(SourceError::Absent { source_name: source })?, source)
}

fn whole_name(
    name: &CertificateName,
    rfc4514: &str,
    form: NameForm,
    source: &'static str,
) -> Result<String, SourceError> {
    let text = match form {
        NameForm::Rfc4514 => rfc4514.to_owned(),
        NameForm::Canonical => name.canonical(),
    };
    if text.is_empty() {
        return Err(SourceError::Absent { source_name: source });
    }
    value::name(&text, source)
}
