//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440): byte sequences of structured fields (RFC 8941).

use sfv::{BareItem, Item, List, ListEntry, Parser, Version};

use super::{Certificates, FormError, pem::single};
use crate::identity::MAX_CERTIFICATES;

const NOT_AN_ITEM: FormError =
    FormError::Malformed("a byte sequence without parameters (RFC 9440 section 2.2)");
const NOT_A_LIST: FormError = FormError::Malformed("a list of byte sequences (RFC 9440 section 2.3)");

/// Reads both; the chain does not repeat the card's certificate.
pub(super) fn read(value: &str, chain: Option<&str>) -> Result<Certificates, FormError> {
    let item: Item = parser(value).parse().map_err(|_| several_or(value, NOT_AN_ITEM))?;
    let mut certificates = vec![single(octets(item, NOT_AN_ITEM)?)?];
    if let Some(chain) = chain {
        let list: List = parser(chain).parse().map_err(|_| NOT_A_LIST)?;
        if list.is_empty() {
            return Err(FormError::Empty);
        }
        // One more than is allowed is enough to be refused as too many.
        for entry in list.into_iter().take(MAX_CERTIFICATES) {
            let ListEntry::Item(item) = entry else { return Err(NOT_A_LIST) };
            certificates.push(single(octets(item, NOT_A_LIST)?)?);
        }
    }
    Ok(certificates)
}

fn parser(value: &str) -> Parser<'_> {
    Parser::new(value).with_version(Version::Rfc8941)
}

fn octets(item: Item, other: FormError) -> Result<Vec<u8>, FormError> {
    match item.bare_item {
        BareItem::ByteSequence(octets) if item.params.is_empty() => Ok(octets),
        _ => Err(other),
    }
}

/// A list where an item is meant says that several clients, or several terminators, are heard at once.
fn several_or(value: &str, other: FormError) -> FormError {
    let list: Result<List, _> = parser(value).parse();
    if list.is_ok_and(|list| list.len() > 1) { FormError::Several } else { other }
}
