//! Names of certificates: their parts as they stand, and the texts that others write of them.

use std::fmt::Write;

use icu_normalizer::DecomposingNormalizerBorrowed;
use x509_parser::asn1_rs::{Any, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::{CertificateError, MAXIMUM_COUNT};
use crate::dn::Dn;
use crate::tlv::object_identifier;
use crate::upn::same_ignoring_case;
use crate::x500_name::X500Name;

/// A name in a certificate: its relative names in the certificate's order, which is the most general one first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateName {
    parts: Vec<Vec<NameAttribute>>,
}

/// One attribute of a name (RFC 5280 4.1.2.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameAttribute {
    kind: String,
    text: Option<String>,
    /// Of the two string types of DirectoryString that are to be used today.
    is_modern: bool,
    encoded: Vec<u8>,
}

impl NameAttribute {
    /// The type as a dotted object identifier.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The value, where it is of a string type whose octets mean what they say: UTF8String, NumericString, PrintableString,
    /// IA5String and BMPString. `None` for TeletexString, UniversalString, everything else, and octets that are not of the type.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

impl CertificateName {
    pub(super) fn read(name: &X509Name<'_>) -> Result<Self, CertificateError> {
        let mut parts = Vec::new();
        for part in name.iter_rdn() {
            let part: Vec<NameAttribute> = part.iter().map(attribute).collect::<Result<_, _>>()?;
            if parts.len() >= MAXIMUM_COUNT || part.len() > MAXIMUM_COUNT {
                return Err(CertificateError::TooMany);
            }
            parts.push(part);
        }
        Ok(Self { parts })
    }

    /// Every attribute of a type, given as a dotted object identifier, in the certificate's order.
    pub fn attributes<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a NameAttribute> {
        self.parts.iter().flatten().filter(move |attribute| attribute.kind == kind)
    }

    /// Every attribute, in the certificate's order.
    pub fn all(&self) -> impl Iterator<Item = &NameAttribute> {
        self.parts.iter().flatten()
    }

    /// Whether the name lies below `base`, and is not `base` itself: its most general parts are those of `base`, but for the
    /// case of letters.
    #[must_use]
    pub fn is_below(&self, base: &Dn) -> bool {
        self.is_within(base) && !self.is(base)
    }

    /// Whether the name is `base` or lies below it.
    #[must_use]
    pub fn is_within(&self, base: &Dn) -> bool {
        let general: Vec<_> = base.relative_names().rev().collect();
        general.len() <= self.parts.len()
            && self.parts.iter().zip(general).all(|(part, general)| is_same_part(part, general))
    }

    /// Whether it is that name, but for the case of letters.
    #[must_use]
    pub fn is(&self, name: &Dn) -> bool {
        name.relative_names().count() == self.parts.len() && self.is_within(name)
    }

    /// RFC 4514: most specific part first, the short names of its section 3, everything else as `1.2.3=#` and the value's
    /// encoding in hexadecimal.
    pub(super) fn rfc4514(&self) -> String {
        self.written(escape)
    }

    /// Another spelling of the same by the same standard: what has a meaning in a name stands in a value as its two
    /// hexadecimal digits only (`\2c` for a comma, `\3d` for an equals sign), so that no value looks like a further attribute.
    #[must_use]
    pub fn guarded(&self) -> String {
        self.written(guard)
    }

    /// The canonical text of RFC 2253 as other programs write it (Java's `X500Principal.CANONICAL`): lower case, compatibility
    /// decomposition, single spaces; values that are neither UTF8String nor PrintableString in hexadecimal.
    #[must_use]
    pub fn canonical(&self) -> String {
        let part = |part: &Vec<NameAttribute>| {
            let mut pairs: Vec<String> = part.iter().map(canonical_pair).collect();
            // Keywords before object identifiers, each in their order.
            pairs.sort_by_key(|pair| (pair.starts_with(|first: char| first.is_ascii_digit()), pair.clone()));
            pairs.join("+")
        };
        let parts: Vec<String> = self.parts.iter().rev().map(part).collect();
        let folded = parts.join(",").to_uppercase().to_lowercase();
        DecomposingNormalizerBorrowed::new_nfkd().normalize(&folded).into_owned()
    }

    /// The name as Windows writes it; `None` where a value is no text, or the whole would read back as another name.
    pub(super) fn x500(&self) -> Option<X500Name> {
        let pair = |attribute: &NameAttribute| Some((attribute.kind.clone(), attribute.text.clone()?));
        let part = |part: &Vec<NameAttribute>| part.iter().map(pair).collect::<Option<Vec<_>>>();
        X500Name::written(&self.parts.iter().map(part).collect::<Option<Vec<_>>>()?)
    }

    fn written(&self, write_value: impl Fn(&mut String, &str)) -> String {
        let mut text = String::new();
        for part in self.parts.iter().rev() {
            for (place, attribute) in part.iter().enumerate() {
                if place > 0 {
                    text.push('+');
                } else if !text.is_empty() {
                    text.push(',');
                }
                match (short_name(&attribute.kind), &attribute.text) {
                    (Some(short), Some(value)) => {
                        text.push_str(short);
                        text.push('=');
                        write_value(&mut text, value);
                    }
                    _ => write_encoded(&mut text, attribute),
                }
            }
        }
        text
    }
}

/// The dotted object identifier of an attribute's short name: those of RFC 4514 section 3, and the further ones that names of
/// people are made of. A dotted object identifier is its own.
#[must_use]
pub fn attribute_type(name: &str) -> Option<String> {
    let is_dotted = name.contains('.')
        && name
            .split('.')
            .all(|arc| !arc.is_empty() && arc.len() <= 39 && arc.bytes().all(|b| b.is_ascii_digit()));
    if is_dotted {
        return Some(name.to_owned());
    }
    let known = ATTRIBUTE_TYPES.iter().find(|(short, _)| short.eq_ignore_ascii_case(name));
    known.map(|(_, oid)| (*oid).to_owned())
}

/// The short name of an attribute's type, the first of those that [`attribute_type`] knows; `None` where it has none.
#[must_use]
pub fn attribute_name(kind: &str) -> Option<&'static str> {
    ATTRIBUTE_TYPES.iter().find(|(_, known)| *known == kind).map(|(short, _)| *short)
}

/// Short names and their object identifiers. The first ones are those that RFC 4514 writes.
const ATTRIBUTE_TYPES: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("emailAddress", EMAIL_ADDRESS),
    ("serialNumber", "2.5.4.5"),
    ("givenName", "2.5.4.42"),
    ("SN", "2.5.4.4"),
    ("T", "2.5.4.12"),
    ("pseudonym", "2.5.4.65"),
    ("organizationIdentifier", "2.5.4.97"),
    ("dnQualifier", "2.5.4.46"),
];

/// How many of them RFC 4514 has a short name for.
const WRITTEN_SHORT: usize = 9;

/// emailAddress (RFC 2985 5.2.1).
pub(crate) const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

fn short_name(oid: &str) -> Option<&'static str> {
    let known = ATTRIBUTE_TYPES.iter().take(WRITTEN_SHORT).find(|(_, known)| *known == oid);
    known.map(|(short, _)| *short)
}

fn attribute(pair: &AttributeTypeAndValue<'_>) -> Result<NameAttribute, CertificateError> {
    let kind = object_identifier(pair.attr_type().as_bytes()).map_err(|_| CertificateError::Certificate)?;
    let encoded = pair.attr_value().to_der_vec_raw().map_err(|_| CertificateError::Certificate)?;
    let is_modern = matches!(pair.attr_value().tag().0, 12 | 19);
    Ok(NameAttribute { kind, text: readable(pair.attr_value()), is_modern, encoded })
}

/// The string types whose octets mean what they say: UTF8String, NumericString, PrintableString, IA5String; and
/// BMPString, which is two octets a character.
fn readable(value: &Any<'_>) -> Option<String> {
    match value.tag().0 {
        12 => String::from_utf8(value.data.to_vec()).ok(),
        18 | 19 | 22 if value.data.is_ascii() => String::from_utf8(value.data.to_vec()).ok(),
        30 => {
            let (units, rest) = value.data.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// Whether a part has exactly these types and values.
fn is_same_part(part: &[NameAttribute], general: &[(String, String)]) -> bool {
    let has = |(kind, value): &(String, String)| {
        let kind = attribute_type(kind);
        part.iter().any(|attribute| {
            Some(&attribute.kind) == kind.as_ref()
                && attribute.text().is_some_and(|text| same_ignoring_case(text.trim(), value.trim()))
        })
    };
    part.len() == general.len() && general.iter().all(has)
}

fn write_encoded(text: &mut String, attribute: &NameAttribute) {
    text.push_str(&attribute.kind);
    write_octets(text, attribute);
}

fn write_octets(text: &mut String, attribute: &NameAttribute) {
    text.push_str("=#");
    for octet in &attribute.encoded {
        write!(text, "{octet:02x}").expect("a String takes every write");
    }
}

fn canonical_pair(attribute: &NameAttribute) -> String {
    let mut text = String::new();
    match (short_name(&attribute.kind), &attribute.text) {
        (Some(short), Some(value)) if attribute.is_modern => {
            text.push_str(&short.to_lowercase());
            text.push('=');
            let trimmed = value.trim();
            let value = if trimmed.is_empty() { value } else { trimmed };
            let mut after_space = false;
            for (place, character) in value.chars().enumerate() {
                let is_space = character.is_whitespace();
                if is_space && after_space {
                    continue;
                }
                after_space = is_space;
                let has_meaning = matches!(character, ',' | '+' | '<' | '>' | ';' | '"' | '\\');
                if has_meaning || (place == 0 && character == '#') {
                    text.push('\\');
                }
                text.push(if is_space { ' ' } else { character });
            }
        }
        (Some(short), _) => {
            text.push_str(&short.to_lowercase());
            write_octets(&mut text, attribute);
        }
        (None, _) => write_encoded(&mut text, attribute),
    }
    text
}

/// RFC 4514 2.4; control characters are written as hexadecimal pairs too, so that the text is one line.
fn escape(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let at_edge = (place == 0 && matches!(character, ' ' | '#')) || (place == last && character == ' ');
        if at_edge || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            text.push('\\');
            text.push(character);
        } else if character.is_control() {
            write_pairs(text, character);
        } else {
            text.push(character);
        }
    }
}

/// The same with everything as hexadecimal pairs that has a meaning anywhere in a name.
pub(crate) fn guard(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let at_edge = (place == 0 && matches!(character, ' ' | '#')) || (place == last && character == ' ');
        let has_meaning = matches!(character, '"' | '+' | ',' | ';' | '<' | '=' | '>' | '\\');
        if at_edge || has_meaning || character.is_control() {
            write_pairs(text, character);
        } else {
            text.push(character);
        }
    }
}

fn write_pairs(text: &mut String, character: char) {
    let mut octets = [0; 4];
    for octet in character.encode_utf8(&mut octets).bytes() {
        write!(text, "\\{octet:02x}").expect("a String takes every write");
    }
}
