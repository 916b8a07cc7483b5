//! A CMS message that only carries certificates and revocation lists (RFC 5652 section 5, RFC 5280 section 4.2.2.1): a `.p7c`
//! or `.p7b` file. It is a bag: whoever signed it does not matter, what is in it is signed itself.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Reader as _, SliceReader, Tag, TagNumber};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// Most certificates, and most lists, that are taken out of one message.
const MAX_ITEMS: usize = 256;

/// What is in it, DER each, as it stands there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct SignedData {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) lists: Vec<Vec<u8>>,
}

impl SignedData {
    /// Reads a DER ContentInfo; `None` where it is none of a SignedData.
    pub(super) fn parse(encoded: &[u8]) -> Option<Self> {
        let mut reader = SliceReader::new(encoded).ok()?;
        let read = reader.sequence(|info| {
            let kind: ObjectIdentifier = info.decode()?;
            let content: AnyRef<'_> = info.decode()?;
            if kind != SIGNED_DATA || content.header().tag() != context(0) {
                return Err(der::Error::from(der::ErrorKind::Failed));
            }
            SliceReader::new(content.value())?.sequence(|fields| {
                // version, digestAlgorithms, encapContentInfo
                for _ in 0..3 {
                    fields.tlv_bytes()?;
                }
                let mut read = Self::default();
                while !fields.is_finished() {
                    let field: AnyRef<'_> = fields.decode()?;
                    match field.header().tag() {
                        tag if tag == context(0) => read.certificates = items(field.value())?,
                        tag if tag == context(1) => read.lists = items(field.value())?,
                        _ => {}
                    }
                }
                Ok(read)
            })
        });
        read.ok()
    }
}

fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// The elements of a SET that are SEQUENCES: others are of kinds that are not known here.
fn items(set: &[u8]) -> der::Result<Vec<Vec<u8>>> {
    let mut reader = SliceReader::new(set)?;
    let mut items = Vec::new();
    while !reader.is_finished() && items.len() < MAX_ITEMS {
        let item = reader.tlv_bytes()?;
        if item.first() == Some(&0x30) {
            items.push(item.to_vec());
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::super::testing::tlv;
    use super::*;

    #[test]
    fn certificates_and_lists_come_out_as_they_stand() {
        let (certificate, list) = (tlv(0x30, b"certificate"), tlv(0x30, b"list"));
        let attribute_certificate = tlv(0xa1, b"x");
        let fields = [
            vec![2, 1, 1, 0x31, 0],
            tlv(0x30, &tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1])),
            tlv(0xa0, &[certificate.clone(), attribute_certificate].concat()),
            tlv(0xa1, &list),
            vec![0x31, 0],
        ];
        let signed_data = tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]);
        let message = tlv(0x30, &[signed_data, tlv(0xa0, &tlv(0x30, &fields.concat()))].concat());
        let read = SignedData::parse(&message).unwrap();
        assert_eq!(read, SignedData { certificates: vec![certificate.clone()], lists: vec![list] });
        assert_eq!(SignedData::parse(&certificate), None);
        for end in 0..message.len() {
            assert_eq!(SignedData::parse(&message[..end]), None);
        }
    }
}
