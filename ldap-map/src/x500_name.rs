//! Names of certificates as Windows writes them into `altSecurityIdentities` (MS-PKCA 3.1.5.2.1.3, CertNameToStr).
//!
//! The parts stand in the order of the certificate, most general first, separated by commas alone; values are not quoted. A
//! domain controller compares the text, so that one name has one spelling. Whatever cannot be written so that it reads back as
//! the same name is not written at all.

use std::fmt;

/// Longest accepted text in octets.
const MAXIMUM_LENGTH: usize = 4096;

/// The attribute types with a name of their own: as Windows writes it, its object identifier, and the other names in use.
const TYPES: &[(&str, &str, &[&str])] = &[
    ("CN", "2.5.4.3", &["COMMONNAME"]),
    ("SN", "2.5.4.4", &["SURNAME"]),
    ("SERIALNUMBER", "2.5.4.5", &[]),
    ("C", "2.5.4.6", &["COUNTRY"]),
    ("L", "2.5.4.7", &["LOCALITY"]),
    ("S", "2.5.4.8", &["ST", "STATE"]),
    ("STREET", "2.5.4.9", &[]),
    ("O", "2.5.4.10", &["ORGANIZATION"]),
    ("OU", "2.5.4.11", &["ORGANIZATIONALUNIT"]),
    ("T", "2.5.4.12", &["TITLE"]),
    ("G", "2.5.4.42", &["GN", "GIVENNAME"]),
    ("I", "2.5.4.43", &["INITIALS"]),
    ("DC", "0.9.2342.19200300.100.1.25", &["DOMAINCOMPONENT"]),
    ("E", "1.2.840.113549.1.9.1", &["EMAIL", "EMAILADDRESS"]),
    // Windows has no name for it.
    ("OID.0.9.2342.19200300.100.1.1", "0.9.2342.19200300.100.1.1", &["UID", "USERID"]),
];

/// One relative name: object identifiers and values.
type Part = Vec<(String, String)>;

/// A name in the text form of Windows. Equality is that of the text, as for a domain controller.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct X500Name(String);

/// How one text stands to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Likeness {
    /// The same text.
    Same,
    /// The same name with its parts in the opposite order, as RFC 4514 writes it.
    Reversed,
    /// The same name but for letters of another case, blanks, or another name of a type.
    Respelt,
    /// Another name.
    Other,
}

impl X500Name {
    /// Reads a text, in whatever order and spelling its parts are.
    ///
    /// # Errors
    /// [`X500NameError`] where it is no sequence of `type=value`, or longer than any name.
    pub fn parse(text: &str) -> Result<Self, X500NameError> {
        if text.len() > MAXIMUM_LENGTH {
            return Err(X500NameError::TooLong);
        }
        if text.contains(['<', '>']) || text.contains(char::is_control) || split(text).is_none() {
            return Err(X500NameError::Text);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text of a certificate's name: types as dotted object identifiers, parts in its order. `None` for the empty name
    /// and for one whose text would read back as another.
    pub(crate) fn written(parts: &[Part]) -> Option<Self> {
        let texts: Vec<String> = parts.iter().map(|part| write_part(part)).collect();
        let name = Self::parse(&texts.join(",")).ok()?;
        (split(&name.0)? == parts).then_some(name)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How this text, written by somebody, stands to the one that a domain controller expects.
    pub(crate) fn likeness(&self, expected: &Self) -> Likeness {
        if self == expected {
            return Likeness::Same;
        }
        let (Some(own), Some(wanted)) = (loose(&self.0), loose(&expected.0)) else { return Likeness::Other };
        if own == wanted {
            return Likeness::Respelt;
        }
        if own.iter().rev().eq(&wanted) { Likeness::Reversed } else { Likeness::Other }
    }
}

impl fmt::Display for X500Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum X500NameError {
    /// More octets than any name has.
    #[error("the name is longer than {MAXIMUM_LENGTH} octets")]
    TooLong,
    /// Not a sequence of types and values.
    #[error("the name is not a sequence of type=value, separated by commas")]
    Text,
}

fn write_part(part: &[(String, String)]) -> String {
    let pairs: Vec<String> = part.iter().map(|(oid, value)| format!("{}={value}", type_name(oid))).collect();
    // Several pairs of one part are separated by a blank (CERT_NAME_STR_NO_PLUS_FLAG).
    pairs.join(" ")
}

fn type_name(oid: &str) -> String {
    let known = TYPES.iter().find(|(_, known, _)| *known == oid);
    known.map_or_else(|| format!("OID.{oid}"), |(name, ..)| (*name).to_owned())
}

/// The object identifier of a type's name, or of `OID.1.2.3`.
fn type_oid(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let is_named =
        |(own, _, others): &&(&str, &str, &[&str])| *own == upper || others.contains(&upper.as_str());
    if let Some((_, oid, _)) = TYPES.iter().find(is_named) {
        return Some((*oid).to_owned());
    }
    let dotted = upper.strip_prefix("OID.").unwrap_or(&upper);
    let arcs = |arc: &str| !arc.is_empty() && arc.bytes().all(|octet| octet.is_ascii_digit());
    (dotted.contains('.') && dotted.split('.').all(arcs)).then(|| dotted.to_owned())
}

/// Whether a text begins with a known type and an equals sign.
fn begins_pair(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| type_oid(name).is_some())
}

/// The parts of a text. A comma that no type follows belongs to the value before it, as Windows does not quote.
fn split(text: &str) -> Option<Vec<Part>> {
    let mut chunks: Vec<String> = Vec::new();
    for chunk in text.split(',') {
        match chunks.last_mut() {
            Some(last) if last.ends_with('\\') || !begins_pair(chunk.trim_start()) => {
                last.push(',');
                last.push_str(chunk);
            }
            _ => chunks.push(chunk.to_owned()),
        }
    }
    chunks.iter().map(|chunk| split_pairs(chunk.trim())).collect()
}

/// The pairs of one part.
fn split_pairs(chunk: &str) -> Option<Part> {
    let mut begins = vec![0];
    for (place, character) in chunk.char_indices() {
        let next = place + character.len_utf8();
        if matches!(character, ' ' | '+') && chunk.get(next..).is_some_and(begins_pair) {
            begins.push(next);
        }
    }
    let ends = begins.iter().skip(1).copied().chain([chunk.len()]);
    let pairs = begins.iter().zip(ends).map(|(begin, end)| {
        let (name, value) = chunk.get(*begin..end)?.split_once('=')?;
        let value = value.trim_end_matches([' ', '+']).trim_start();
        (!value.is_empty()).then(|| Some((type_oid(name)?, value.to_owned())))?
    });
    pairs.collect()
}

/// The parts for a comparison that overlooks spelling: case, quotes, escapes, and the order of pairs within a part.
fn loose(text: &str) -> Option<Vec<Part>> {
    let plain = |value: &str| value.trim_matches('"').replace('\\', "").trim().to_lowercase();
    let mut parts = split(text)?;
    for part in &mut parts {
        part.iter_mut().for_each(|(_, value)| *value = plain(value));
        part.sort_unstable();
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(parts: &[&[(&str, &str)]]) -> Option<X500Name> {
        let pair = |(oid, value): &(&str, &str)| ((*oid).to_owned(), (*value).to_owned());
        X500Name::written(&parts.iter().map(|part| part.iter().map(pair).collect()).collect::<Vec<_>>())
    }

    fn likeness(text: &str, expected: &str) -> Likeness {
        X500Name::parse(text).unwrap().likeness(&X500Name::parse(expected).unwrap())
    }

    #[test]
    fn a_name_is_written_in_the_order_of_the_certificate_with_the_names_of_windows() {
        let dc = "0.9.2342.19200300.100.1.25";
        let name = written(&[&[(dc, "com")], &[(dc, "contoso")], &[("2.5.4.3", "CONTOSO-DC-CA")]]);
        assert_eq!("DC=com,DC=contoso,CN=CONTOSO-DC-CA", name.unwrap().as_str());
        let name = written(&[&[("2.5.4.8", "Bavaria")], &[("1.2.840.113549.1.9.1", "ca@corp.example")]]);
        assert_eq!("S=Bavaria,E=ca@corp.example", name.unwrap().as_str());
    }

    #[test]
    fn a_part_of_several_pairs_and_an_unknown_type_are_written_as_windows_does() {
        let uid = "0.9.2342.19200300.100.1.1";
        let name = written(&[&[("2.5.4.3", "JANE DOE"), (uid, "25001003151020")], &[("2.5.4.97", "x")]]);
        assert_eq!(
            "CN=JANE DOE OID.0.9.2342.19200300.100.1.1=25001003151020,OID.2.5.4.97=x",
            name.unwrap().as_str()
        );
    }

    #[test]
    fn a_comma_in_a_value_is_written_as_it_is() {
        assert_eq!(
            "O=VeriSign, Inc.,CN=CA",
            written(&[&[("2.5.4.10", "VeriSign, Inc.")], &[("2.5.4.3", "CA")]]).unwrap().as_str()
        );
    }

    #[test]
    fn a_name_that_would_read_back_as_another_is_not_written() {
        for value in ["x,CN=Corp CA", "x OU=y", "x+OU=y", " x", "x ", "x\\", "<S>", "x\ny", ""] {
            assert_eq!(None, written(&[&[("2.5.4.3", value)], &[("2.5.4.3", "z")]]), "{value:?}");
        }
        assert_eq!(None, written(&[]));
    }

    #[test]
    fn other_spellings_of_the_same_name_are_told_from_other_names() {
        let expected = "DC=com,DC=contoso,CN=CONTOSO-DC-CA";
        for (text, likeness_of) in [
            (expected, Likeness::Same),
            ("CN=CONTOSO-DC-CA,DC=contoso,DC=com", Likeness::Reversed),
            ("CN=contoso-dc-ca, DC=contoso, DC=com", Likeness::Reversed),
            ("dc=com,dc=contoso,cn=contoso-dc-ca", Likeness::Respelt),
            ("DC=com, DC=contoso, CN=CONTOSO-DC-CA", Likeness::Respelt),
            ("DC=contoso,DC=com,CN=CONTOSO-DC-CA", Likeness::Other),
            ("DC=com,DC=contoso", Likeness::Other),
        ] {
            assert_eq!(likeness_of, likeness(text, expected), "{text}");
        }
        assert_eq!(Likeness::Respelt, likeness("ST=Bavaria,O=\"Corp, Inc.\"", "S=Bavaria,O=Corp, Inc."));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "alice", "CN=", "CN=a<b", "alice=x"] {
            assert_eq!(Err(X500NameError::Text), X500Name::parse(text), "{text:?}");
        }
        assert_eq!(
            Err(X500NameError::TooLong),
            X500Name::parse(&format!("CN={}", "a".repeat(MAXIMUM_LENGTH)))
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_parts(
            values in prop::collection::vec("[ -~ü]{1,6}", 1..4),
        ) {
            let parts: Vec<Part> = values.iter().map(|value| vec![("2.5.4.3".to_owned(), value.clone())]).collect();
            if let Some(name) = X500Name::written(&parts) {
                prop_assert_eq!(split(name.as_str()), Some(parts));
                prop_assert_eq!(name.likeness(&name), Likeness::Same);
            }
        }

        #[test]
        fn no_text_stops_the_reader(text in "([A-Z]{1,2}=?[ -~ü]{0,6}[,+ ]?){0,6}") {
            if let Ok(name) = X500Name::parse(&text) {
                prop_assert_eq!(name.likeness(&name), Likeness::Same);
            }
        }
    }
}
