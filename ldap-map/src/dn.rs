//! Distinguished names (RFC 4514), as far as a directory uses them.

use std::fmt;
use std::str::FromStr;

use crate::certificate::{attribute_name, attribute_type, guard};

/// Longest accepted text in octets.
const MAXIMUM_LENGTH: usize = 4096;
/// Most relative names in one name.
const MAXIMUM_DEPTH: usize = 64;

/// A distinguished name: the text it was read from, and its parts for comparison.
///
/// Two names are equal when their parts are, without regard to the case of letters or to the way a
/// character is escaped.
#[derive(Clone)]
pub struct Dn {
    text: String,
    relative_names: Vec<RelativeName>,
}

impl Dn {
    /// Reads the text form of RFC 4514.
    ///
    /// # Errors
    /// [`DnError`] for text that is not of that form, or longer or deeper than any directory's names. The
    /// hexadecimal form of values (`#04..`) is refused.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        if text.is_empty() {
            return Err(DnError::Empty);
        }
        if text.len() > MAXIMUM_LENGTH {
            return Err(DnError::TooLong);
        }
        let relative_names =
            split_unescaped(text, ',').into_iter().map(RelativeName::parse).collect::<Result<Vec<_>, _>>()?;
        if relative_names.len() > MAXIMUM_DEPTH {
            return Err(DnError::TooLong);
        }
        Ok(Self { text: text.to_owned(), relative_names })
    }

    /// The text as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The DNS name of the domain: the `DC` parts at the end, in lower case, joined by dots. `None` when the
    /// name does not end in one, or when a part is not a DNS label.
    #[must_use]
    pub fn dns_domain(&self) -> Option<String> {
        let mut labels: Vec<&str> = self.relative_names.iter().rev().map_while(RelativeName::label).collect();
        labels.reverse();
        let is_label = |label: &&str| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        };
        (!labels.is_empty() && labels.iter().all(is_label)).then(|| labels.join("."))
    }

    /// The name of the domain that this name lies in: its `DC` parts only.
    #[must_use]
    pub fn domain(&self) -> Option<Self> {
        let parts: Vec<String> = self.dns_domain()?.split('.').map(|label| format!("DC={label}")).collect();
        Self::parse(&parts.join(",")).ok()
    }

    /// The types and values of each part in lower case, the most specific part first.
    pub(crate) fn relative_names(&self) -> impl DoubleEndedIterator<Item = &[(String, String)]> {
        self.relative_names.iter().map(|part| part.0.as_slice())
    }

    /// One spelling for all names that are equal, and that reads back as the same name: attribute types by their short names
    /// where they have one, everything in lower case, and what has a meaning in a name as two hexadecimal digits.
    #[must_use]
    pub fn canonical(&self) -> String {
        let pair = |(kind, value): &(String, String)| {
            let oid = attribute_type(kind);
            let short = oid.as_deref().and_then(attribute_name).map(str::to_lowercase);
            let mut text = short.or(oid).unwrap_or_else(|| kind.clone());
            text.push('=');
            guard(&mut text, value);
            text
        };
        let part = |part: &RelativeName| {
            let mut pairs: Vec<String> = part.0.iter().map(pair).collect();
            pairs.sort_unstable();
            pairs.join("+")
        };
        self.relative_names.iter().map(part).collect::<Vec<_>>().join(",")
    }

    /// Whether this name is `base` or lies below it.
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        self.relative_names.ends_with(&base.relative_names)
    }
}

impl Eq for Dn {}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.relative_names == other.relative_names
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        Self::parse(text)
    }
}

/// Why a text is not a distinguished name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DnError {
    /// No text at all: the empty name is the root of the directory, which is never meant here.
    #[error("the name is empty")]
    Empty,
    /// More octets or parts than a directory can hold.
    #[error("the name is longer than {MAXIMUM_LENGTH} octets or deeper than {MAXIMUM_DEPTH} parts")]
    TooLong,
    /// A part without `type=`, or with a type that is neither a short name nor an object identifier.
    #[error("a part of the name has no attribute type")]
    AttributeType,
    /// A backslash that is not followed by a special character or two hexadecimal digits.
    #[error("an escape in the name is not complete")]
    Escape,
    /// A character that must be escaped, a value in hexadecimal form, or octets that are not UTF-8.
    #[error("a value in the name is not well-formed")]
    Value,
}

/// The attribute types and values of one part, in lower case and in order.
#[derive(Clone, Debug, Eq, PartialEq)]
struct RelativeName(Vec<(String, String)>);

impl RelativeName {
    fn parse(text: &str) -> Result<Self, DnError> {
        let mut pairs =
            split_unescaped(text, '+').into_iter().map(parse_pair).collect::<Result<Vec<_>, _>>()?;
        pairs.sort_unstable();
        Ok(Self(pairs))
    }

    /// The value, when this is a single `DC`.
    fn label(&self) -> Option<&str> {
        match self.0.as_slice() {
            [(kind, value)] if kind == "dc" || kind == "0.9.2342.19200300.100.1.25" => Some(value),
            _ => None,
        }
    }
}

fn parse_pair(text: &str) -> Result<(String, String), DnError> {
    let (kind, value) = text.split_once('=').ok_or(DnError::AttributeType)?;
    let kind = kind.trim_matches(' ').to_ascii_lowercase();
    let is_kind = kind.starts_with(|c: char| c.is_ascii_alphanumeric())
        && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'));
    if !is_kind {
        return Err(DnError::AttributeType);
    }
    Ok((kind, unescape(value)?.to_lowercase()))
}

fn unescape(text: &str) -> Result<String, DnError> {
    let text = trim_unescaped(text);
    if text.starts_with('#') {
        return Err(DnError::Value);
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'\\' => octets.push(escaped(&mut rest)?),
            b'"' | b'<' | b'>' | b';' | 0 => return Err(DnError::Value),
            _ => octets.push(octet),
        }
    }
    String::from_utf8(octets).map_err(|_| DnError::Value)
}

/// The octet after a backslash: a special character itself, or two hexadecimal digits.
fn escaped(rest: &mut impl Iterator<Item = u8>) -> Result<u8, DnError> {
    let first = rest.next().ok_or(DnError::Escape)?;
    if matches!(first, b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\') {
        return Ok(first);
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let high = digit(first).ok_or(DnError::Escape)?;
    let low = rest.next().and_then(digit).ok_or(DnError::Escape)?;
    Ok(high << 4 | low)
}

/// White space around a value is not part of it, unless it is escaped.
fn trim_unescaped(text: &str) -> &str {
    let text = text.trim_start_matches(' ');
    let trimmed = text.trim_end_matches(' ');
    let backslashes = trimmed.bytes().rev().take_while(|octet| *octet == b'\\').count();
    if backslashes % 2 == 1 && trimmed.len() < text.len() {
        // The last backslash escapes the first of the spaces.
        return text.split_at(trimmed.len() + 1).0;
    }
    trimmed
}

fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let mut escape = false;
    text.split(|character: char| {
        let splits = character == separator && !escape;
        escape = character == '\\' && !escape;
        splits
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap()
    }

    #[test]
    fn the_domain_is_made_of_the_last_dc_parts() {
        let name = dn("CN=Smith\\, Alice,OU=DC=staff,DC=Corp,DC=example");
        assert_eq!(Some("corp.example".to_owned()), name.dns_domain());
        assert_eq!(Some(dn("dc=corp,dc=example")), name.domain());
    }

    #[test]
    fn a_name_outside_every_domain_has_none() {
        assert_eq!(None, dn("CN=alice,O=Corp").dns_domain());
        assert_eq!(None, dn("CN=alice,DC=cor.p,DC=example").dns_domain());
    }

    #[test]
    fn spelling_does_not_make_another_name() {
        assert_eq!(dn("CN=Alice\\2c A , DC=corp"), dn("cn=alice\\, a,dc=CORP"));
        assert_eq!(dn("CN=a+OU=b,DC=corp"), dn("OU=b+CN=a,DC=corp"));
        assert_ne!(dn("CN=alice,DC=corp"), dn("CN=bob,DC=corp"));
    }

    #[test]
    fn equal_names_have_one_spelling_which_is_a_name_too() {
        for (one, other) in [
            ("CN=Smith\\, Alice,O=Corp", "2.5.4.3=SMITH\\2c alice, o=corp"),
            ("OU=a+CN=b,DC=corp", "cn=B+ou=A,dc=CORP"),
            ("CN=\\20a\\=b\\ ,O=\\23c", "cn=\\ a\\3db\\20,o=\\#c"),
        ] {
            assert_eq!(dn(one).canonical(), dn(other).canonical(), "{one}");
            assert_eq!(dn(&dn(one).canonical()).canonical(), dn(one).canonical(), "{one}");
        }
        assert_ne!(dn("CN=a\\,O=b").canonical(), dn("CN=a,O=b").canonical());
    }

    #[test]
    fn an_escaped_space_at_the_end_belongs_to_the_value() {
        assert_ne!(dn("CN=alice\\ ,DC=corp"), dn("CN=alice,DC=corp"));
        assert_eq!(dn("CN=alice\\20,DC=corp"), dn("CN=alice\\   ,DC=corp"));
    }

    #[test]
    fn below_means_ending_in_the_same_parts() {
        let base = dn("DC=corp,DC=example");
        assert!(dn("CN=alice,CN=Users,DC=CORP,DC=example").is_within(&base));
        assert!(base.is_within(&base));
        assert!(!dn("CN=alice,DC=xcorp,DC=example").is_within(&base));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("", DnError::Empty),
            ("alice", DnError::AttributeType),
            ("CN=alice,", DnError::AttributeType),
            ("=alice", DnError::AttributeType),
            ("C N=alice", DnError::AttributeType),
            ("CN=#0403666f6f", DnError::Value),
            ("CN=a;b", DnError::Value),
            ("CN=a\\zz", DnError::Escape),
            ("CN=a\\", DnError::Escape),
            ("CN=\\ff", DnError::Value),
        ] {
            assert_eq!(Err(error), Dn::parse(text), "{text:?}");
        }
        assert_eq!(Err(DnError::TooLong), Dn::parse(&"DC=a,".repeat(1000)));
        assert_eq!(Err(DnError::TooLong), Dn::parse(&vec!["DC=a"; 65].join(",")));
    }

    proptest! {
        #[test]
        fn no_text_stops_the_reader(text in "[ -~ü]{0,4}([CNDc =,+\\\\\"#0-9ü]{0,8}){0,8}") {
            if let Ok(name) = Dn::parse(&text) {
                prop_assert_eq!(text.as_str(), name.as_str());
                prop_assert!(name.is_within(&name));
                prop_assert!(name.domain().is_none_or(|domain| name.is_within(&domain)));
            }
        }
    }
}
