//! `[[directory.mapping]]`: which part of a certificate names the account, and which attribute of the directory holds it.

use toml::de::DeValue;

use crate::config::{
    document::{Located, Section, Value},
    problem::{Fault, Place},
    value::choice,
};

/// One source of the certificate and its attributes.
#[derive(Debug)]
pub(in crate::config) struct Mapping {
    pub(in crate::config) place: Place,
    pub(in crate::config) source: Option<Located<SourceWord>>,
    pub(in crate::config) attributes: Option<Vec<Located<String>>>,
    pub(in crate::config) subject_attributes: Option<Vec<Located<String>>>,
    pub(in crate::config) pattern: Option<Located<String>>,
    pub(in crate::config) name_form: Option<Located<NameWord>>,
    pub(in crate::config) serial_form: Option<Located<SerialWord>>,
    pub(in crate::config) strength: Option<Located<StrengthWord>>,
    pub(in crate::config) dangerously_strong: Option<Located<bool>>,
    pub(in crate::config) subject_base: Option<Located<String>>,
    pub(in crate::config) search_base: Option<Located<String>>,
    pub(in crate::config) accept_foreign_upn: Option<Located<bool>>,
}

impl Mapping {
    pub(super) fn all(directory: &Section<'_>) -> Vec<Self> {
        directory.sections("mapping").into_iter().map(Self::read).collect()
    }

    fn read(section: Section<'_>) -> Self {
        let source: Option<Located<SourceWord>> = section.required("source");
        let word = source.as_ref().map(|source| source.value);
        let needs_pattern = word.is_some_and(SourceWord::has_pattern);
        let needs_attributes = word == Some(SourceWord::SubjectAttribute);
        let read = Self {
            place: section.place(),
            source,
            attributes: section.required_list("attributes"),
            subject_attributes: if needs_attributes {
                section.required_list("subject_attributes")
            } else {
                section.list("subject_attributes")
            },
            pattern: if needs_pattern { section.required("pattern") } else { section.optional("pattern") },
            name_form: section.optional("name_form"),
            serial_form: section.optional("serial_form"),
            strength: section.optional("strength"),
            dangerously_strong: section.or("dangerously_strong", false),
            subject_base: section.optional("subject_base"),
            search_base: section.optional("search_base"),
            accept_foreign_upn: section.or("accept_foreign_upn", false),
        };
        section.close();
        read
    }
}

/// Where in the certificate the account is named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum SourceWord {
    SanUpn,
    SanEmail,
    SubjectEmail,
    CommonName,
    SubjectAttribute,
    Subject,
    Issuer,
    SubjectPattern,
    IssuerPattern,
    Serial,
    SerialAndIssuer,
    Thumbprint,
    Certificate,
}

impl SourceWord {
    /// Whether it takes a regular expression.
    pub(in crate::config) const fn has_pattern(self) -> bool {
        matches!(self, Self::SubjectPattern | Self::IssuerPattern)
    }

    /// Whether it gives a whole name, which can be written in several ways.
    pub(in crate::config) const fn has_name(self) -> bool {
        matches!(self, Self::Subject | Self::Issuer | Self::SerialAndIssuer)
    }

    /// Whether it gives a serial number.
    pub(in crate::config) const fn has_serial(self) -> bool {
        matches!(self, Self::Serial | Self::SerialAndIssuer)
    }
}

impl Value for SourceWord {
    const EXAMPLE: &'static str = "\"san_upn\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        const WORDS: &[&str] = &[
            "san_upn",
            "san_email",
            "subject_email",
            "common_name",
            "subject_attribute",
            "subject",
            "issuer",
            "subject_pattern",
            "issuer_pattern",
            "serial",
            "serial_and_issuer",
            "thumbprint",
            "certificate",
        ];
        let values = [
            Self::SanUpn,
            Self::SanEmail,
            Self::SubjectEmail,
            Self::CommonName,
            Self::SubjectAttribute,
            Self::Subject,
            Self::Issuer,
            Self::SubjectPattern,
            Self::IssuerPattern,
            Self::Serial,
            Self::SerialAndIssuer,
            Self::Thumbprint,
            Self::Certificate,
        ];
        choice(value, WORDS, &values)
    }
}

/// How a whole name is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum NameWord {
    Rfc4514,
    Canonical,
}

impl Value for NameWord {
    const EXAMPLE: &'static str = "\"rfc4514\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["rfc4514", "canonical"], &[Self::Rfc4514, Self::Canonical])
    }
}

/// How a serial number is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum SerialWord {
    Decimal,
    Hexadecimal,
    HexadecimalOfEncoding,
}

impl Value for SerialWord {
    const EXAMPLE: &'static str = "\"hexadecimal\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let words = &["decimal", "hexadecimal", "hexadecimal_of_encoding"];
        choice(value, words, &[Self::Decimal, Self::Hexadecimal, Self::HexadecimalOfEncoding])
    }
}

/// How firmly a mapping ties a card to an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum StrengthWord {
    Weak,
    Strong,
}

impl Value for StrengthWord {
    const EXAMPLE: &'static str = "\"weak\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["weak", "strong"], &[Self::Weak, Self::Strong])
    }
}
