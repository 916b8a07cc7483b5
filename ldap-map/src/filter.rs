//! Search filters (RFC 4511 4.5.1.7).
//!
//! A [`Filter`] is a tree that is written to the wire as such: no text is ever parsed, so no value can become
//! structure. Its text form (RFC 4515) is for people.

use std::fmt;

use zeroize::Zeroizing;

use crate::schema::{Attribute, AttributeName};
use crate::tlv::{OCTET_STRING, element};

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const EQUALITY_MATCH: u8 = 0xa3;
const GREATER_OR_EQUAL: u8 = 0xa5;
const PRESENT: u8 = 0x87;

/// What a search asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter(Node);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Node {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Equality(AttributeName, Vec<u8>),
    AtLeast(Attribute, i64),
    Present(Attribute),
}

impl Filter {
    /// The attribute has this value, by the attribute's own rule for equality.
    #[must_use]
    pub fn equals(attribute: impl Into<AttributeName>, value: &[u8]) -> Self {
        Self(Node::Equality(attribute.into(), value.to_vec()))
    }

    /// The attribute has this number, or a higher one.
    #[must_use]
    pub const fn at_least(attribute: Attribute, number: i64) -> Self {
        Self(Node::AtLeast(attribute, number))
    }

    /// The attribute has any value.
    #[must_use]
    pub const fn present(attribute: Attribute) -> Self {
        Self(Node::Present(attribute))
    }

    /// All of these hold.
    #[must_use]
    pub fn all_of(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::And(filters.into_iter().collect()))
    }

    /// At least one of these holds.
    #[must_use]
    pub fn any_of(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Or(filters.into_iter().collect()))
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        match &self.0 {
            Node::And(filters) => element(AND, &encode_all(filters)),
            Node::Or(filters) => element(OR, &encode_all(filters)),
            Node::Equality(attribute, value) => element(
                EQUALITY_MATCH,
                &[element(OCTET_STRING, &[attribute.as_str()]), element(OCTET_STRING, &[value])],
            ),
            Node::AtLeast(attribute, number) => element(
                GREATER_OR_EQUAL,
                &[element(OCTET_STRING, &[attribute.as_str()]), element(OCTET_STRING, &[number.to_string()])],
            ),
            Node::Present(attribute) => element(PRESENT, &[attribute.as_str()]),
        }
    }
}

fn encode_all(filters: &[Filter]) -> Vec<Zeroizing<Vec<u8>>> {
    filters.iter().map(Filter::encode).collect()
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::And(filters) => write_all(f, '&', filters),
            Node::Or(filters) => write_all(f, '|', filters),
            Node::Equality(attribute, value) => {
                write!(f, "({attribute}=")?;
                value.iter().try_for_each(|octet| match octet {
                    b'(' | b')' | b'*' | b'\\' | 0..0x20 | 0x7f.. => write!(f, "\\{octet:02x}"),
                    _ => write!(f, "{}", char::from(*octet)),
                })?;
                f.write_str(")")
            }
            Node::AtLeast(attribute, number) => write!(f, "({attribute}>={number})"),
            Node::Present(attribute) => write!(f, "({attribute}=*)"),
        }
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, operator: char, filters: &[Filter]) -> fmt::Result {
    write!(f, "({operator}")?;
    filters.iter().try_for_each(|filter| fmt::Display::fmt(filter, f))?;
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::asn1::{ASNTag, StructureTag, parse_tag};
    use proptest::prelude::*;

    /// What an independent client would send for this text.
    fn independent_reading(text: &str) -> StructureTag {
        ldap3::parse_filter(text).unwrap().into_structure()
    }

    #[test]
    fn the_text_form_escapes_what_has_a_meaning() {
        let filter = Filter::all_of([
            Filter::present(Attribute::OBJECT_SID),
            Filter::equals(Attribute::SAM_ACCOUNT_NAME, b"a*)(b\\c\0\xff"),
        ]);
        assert_eq!("(&(objectSid=*)(sAMAccountName=a\\2a\\29\\28b\\5cc\\00\\ff))", filter.to_string());
    }

    #[test]
    fn a_tree_is_written_as_a_tree() {
        let filter = Filter::any_of([Filter::equals(Attribute::OBJECT_SID, b"ab")]);
        assert_eq!("a111a30f04096f626a65637453696404026162", hex::encode(&*filter.encode()));
    }

    proptest! {
        #[test]
        fn no_value_changes_the_structure(
            one in prop::collection::vec(any::<u8>(), 1..40),
            other in "[()&|*=!\\\\a-c\u{0}]{1,20}",
            number in any::<i64>(),
        ) {
            let filter = Filter::all_of([
                Filter::present(Attribute::OBJECT_GUID),
                Filter::at_least(Attribute::USN_CHANGED, number),
                Filter::any_of([
                    Filter::equals(Attribute::USER_PRINCIPAL_NAME, &one),
                    Filter::equals(Attribute::SAM_ACCOUNT_NAME, other.as_bytes()),
                ]),
            ]);
            let encoded = filter.encode();
            let (rest, tree) = parse_tag(&encoded).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(tree, independent_reading(&filter.to_string()));
        }
    }
}
