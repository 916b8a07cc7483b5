//! The second step: which part of a card's certificate is looked for in which attribute.

use ldap_map::{
    certificate::attribute_type,
    dn::Dn,
    mapping::{
        Strength,
        source::{
            AttributeMapping, AttributeMappings, NameForm, Pattern, SerialForm, Source, is_self_service,
        },
    },
    schema::AttributeName,
};

use super::Loader;
use crate::config::{
    Warning,
    document::Located,
    problem::{Fault, Place},
    raw::{self, NameWord, SerialWord, SourceWord, StrengthWord},
};

/// What does not fit together in a mapping.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum MappingProblem {
    #[error("is of no use for this source")]
    NotOfSource,
    #[error("names no attribute of a subject")]
    SubjectAttribute,
    #[error(
        "would make a name as good as a key: whoever can have a certificate with this name is the account"
    )]
    Raised,
    #[error("lies in no configured domain")]
    ForeignBase,
    #[error("mappings hold for all domains")]
    OfRealm,
}

impl MappingProblem {
    const fn mend(self) -> &'static str {
        match self {
            Self::NotOfSource => "remove it; deploy/kerbridge.toml says which key belongs to which source",
            Self::SubjectAttribute => {
                "name one such as \"CN\", \"UID\" or \"serialNumber\", or its object identifier"
            }
            Self::Raised => {
                "leave strength at \"weak\", or set dangerously_strong = true if only those people can get such certificates"
            }
            Self::ForeignBase => "name a part of a domain of directory.base_dn or of a [[realm]]",
            Self::OfRealm => {
                "write it as [[directory.mapping]], with search_base where it is about one domain"
            }
        }
    }
}

impl Loader<'_> {
    /// The configured mappings; without any, the user principal name.
    pub(super) fn mappings(
        &self,
        raw: &raw::Directory,
        realms: &[raw::TrustedRealm],
    ) -> Option<AttributeMappings> {
        for mapping in realms.iter().flat_map(|realm| &realm.directory.mappings) {
            self.refuse_mapping(&mapping.place, MappingProblem::OfRealm);
        }
        let directories = std::iter::once(raw).chain(realms.iter().map(|realm| &realm.directory));
        let bases = directories.filter_map(|directory| directory.base_dn.as_ref()?.value.parse::<Dn>().ok());
        let domains: Vec<String> = bases.filter_map(|base| base.dns_domain()).collect();
        let mappings: Vec<_> = raw.mappings.iter().map(|mapping| self.mapping(mapping, &domains)).collect();
        Some(AttributeMappings::new(mappings.into_iter().collect::<Option<_>>()?))
    }

    fn mapping(&self, raw: &raw::Mapping, domains: &[String]) -> Option<AttributeMapping> {
        self.refuse_strangers(raw);
        let attributes = raw.attributes.as_ref().map(|names| {
            let names: Vec<_> = names.iter().map(|name| self.attribute(name)).collect();
            names.into_iter().collect::<Option<Vec<_>>>()
        });
        let subject_base = self.base(raw.subject_base.as_ref());
        let search_base = self.base(raw.search_base.as_ref());
        if let Some(Located { value: base, place }) = &search_base
            && base.dns_domain().is_none_or(|domain| !domains.contains(&domain))
        {
            self.refuse_mapping(place, MappingProblem::ForeignBase);
        }
        let source = self.source(raw)?;
        let strength = self.strength(raw, &source);
        let built = AttributeMapping::new(source, attributes??);
        let place = raw.attributes.as_ref()?.first().map_or(&raw.place, |first| &first.place);
        let mut mapping = self.problems.keep(place, built.map_err(Fault::step))?.of_strength(strength?);
        if raw.subject_base.is_some() {
            mapping = mapping.for_subjects_below(subject_base?.value);
        }
        if raw.search_base.is_some() {
            mapping = mapping.searching_below(search_base?.value);
        }
        if raw.accept_foreign_upn.as_ref()?.value {
            mapping = mapping.accepting_foreign_upns();
        }
        Some(mapping)
    }

    fn source(&self, raw: &raw::Mapping) -> Option<Source> {
        let name_form = match raw.name_form.as_ref().map(|form| form.value) {
            None | Some(NameWord::Rfc4514) => NameForm::Rfc4514,
            Some(NameWord::Canonical) => NameForm::Canonical,
        };
        let serial_form = match raw.serial_form.as_ref().map(|form| form.value) {
            None | Some(SerialWord::Decimal) => SerialForm::Decimal,
            Some(SerialWord::Hexadecimal) => SerialForm::Hexadecimal,
            Some(SerialWord::HexadecimalOfEncoding) => SerialForm::HexadecimalOfEncoding,
        };
        Some(match raw.source.as_ref()?.value {
            SourceWord::SanUpn => Source::SanUpn,
            SourceWord::SanEmail => Source::SanEmail,
            SourceWord::SubjectEmail => Source::SubjectEmail,
            SourceWord::CommonName => Source::CommonName,
            SourceWord::SubjectAttribute => Source::SubjectAttribute(self.subject_attributes(raw)?),
            SourceWord::Subject => Source::SubjectName(name_form),
            SourceWord::Issuer => Source::IssuerName(name_form),
            SourceWord::SubjectPattern => Source::SubjectPattern(self.pattern(raw)?),
            SourceWord::IssuerPattern => Source::IssuerPattern(self.pattern(raw)?),
            SourceWord::Serial => Source::Serial(serial_form),
            SourceWord::SerialAndIssuer => Source::SerialAndIssuer(serial_form, name_form),
            SourceWord::Thumbprint => Source::Thumbprint,
            SourceWord::Certificate => Source::Certificate,
        })
    }

    fn pattern(&self, raw: &raw::Mapping) -> Option<Pattern> {
        let pattern = raw.pattern.as_ref()?;
        self.problems.keep(&pattern.place, Pattern::new(&pattern.value).map_err(Fault::step))
    }

    fn subject_attributes(&self, raw: &raw::Mapping) -> Option<Vec<String>> {
        let kinds = raw.subject_attributes.as_ref()?.iter().map(|name| {
            let kind = attribute_type(&name.value);
            if kind.is_none() {
                self.refuse_mapping(&name.place, MappingProblem::SubjectAttribute);
            }
            kind
        });
        kinds.collect::<Vec<_>>().into_iter().collect()
    }

    fn attribute(&self, name: &Located<String>) -> Option<AttributeName> {
        self.problems.keep(&name.place, AttributeName::parse(&name.value).map_err(Fault::step))
    }

    fn base(&self, written: Option<&Located<String>>) -> Option<Located<Dn>> {
        let written = written?;
        let value = self.problems.keep(&written.place, written.value.parse::<Dn>().map_err(Fault::step))?;
        Some(Located { value, place: written.place.clone() })
    }

    /// The declared strength; it may be lowered freely, and raised by a key that says what that is.
    fn strength(&self, raw: &raw::Mapping, source: &Source) -> Option<Strength> {
        let Some(written) = &raw.strength else { return Some(source.strength()) };
        match (written.value, source.strength()) {
            (StrengthWord::Weak, _) => Some(Strength::Weak),
            (StrengthWord::Strong, Strength::Strong) => Some(Strength::Strong),
            (StrengthWord::Strong, Strength::Weak) if raw.dangerously_strong.as_ref()?.value => {
                Some(Strength::Strong)
            }
            (StrengthWord::Strong, Strength::Weak) => {
                self.refuse_mapping(&written.place, MappingProblem::Raised);
                None
            }
        }
    }

    /// Notes the keys that another source would take.
    fn refuse_strangers(&self, raw: &raw::Mapping) {
        let Some(word) = raw.source.as_ref().map(|source| source.value) else { return };
        let place = |place: Option<&Place>| place.cloned();
        let strangers = [
            (!word.has_pattern(), place(raw.pattern.as_ref().map(|key| &key.place))),
            (!word.has_name(), place(raw.name_form.as_ref().map(|key| &key.place))),
            (!word.has_serial(), place(raw.serial_form.as_ref().map(|key| &key.place))),
            (
                word != SourceWord::SubjectAttribute,
                place(raw.subject_attributes.as_ref().and_then(|list| list.first()).map(|key| &key.place)),
            ),
        ];
        for (is_stranger, place) in strangers {
            if let Some(place) = place.filter(|_| is_stranger) {
                self.refuse_mapping(&place, MappingProblem::NotOfSource);
            }
        }
    }

    fn refuse_mapping(&self, place: &Place, problem: MappingProblem) {
        self.problems.note(place, Fault::mended(problem, problem.mend()));
    }
}

/// What is allowed of the mappings, but deserves a line.
pub(super) fn warnings(mappings: &[raw::Mapping]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for mapping in mappings {
        for name in mapping.attributes.iter().flatten() {
            if AttributeName::parse(&name.value).is_ok_and(|attribute| is_self_service(&attribute)) {
                let (key, attribute) = (name.place.key().to_owned(), name.value.clone());
                warnings.push(Warning::SelfServiceAttribute { key, attribute });
            }
        }
        let is_strong = mapping.strength.as_ref().is_some_and(|key| key.value == StrengthWord::Strong);
        if let Some(raised) = mapping.dangerously_strong.as_ref().filter(|key| key.value && is_strong) {
            warnings.push(Warning::NameTakenForStrong { key: raised.place.key().to_owned() });
        }
    }
    warnings
}
