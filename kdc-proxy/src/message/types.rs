//! Types that several messages share (RFC 4120 section 5.2 and 5.3), and reading and writing as such.

use rasn::de::Error as _;
use rasn::prelude::*;
use zeroize::Zeroizing;

use super::MAX_MESSAGE_LENGTH;
use super::der::is_der;
use crate::key::{Checksum, Etype, Key, KeyError};
use crate::principal::{NameError, NameType, Principal, PrincipalName, Realm};
use crate::ticket::TicketFlags;
use crate::time::KerberosTime;

/// A message that is not what it should be: wrong tag, missing or additional field, trailing bytes, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message is malformed")]
pub(crate) struct Malformed;

/// Reads exactly one value of strict DER, not longer than [`MAX_MESSAGE_LENGTH`].
pub(crate) fn decode<T: Decode>(bytes: &[u8]) -> Result<T, Malformed> {
    if bytes.len() > MAX_MESSAGE_LENGTH || !is_der(bytes) {
        return Err(Malformed);
    }
    rasn::der::decode(bytes).map_err(|_| Malformed)
}

/// Writes a value as DER.
#[expect(
    clippy::expect_used,
    reason = "the encoder fails only on a size constraint, and none of the types has one"
)]
pub(crate) fn encode<T: Encode>(value: &T) -> Vec<u8> {
    rasn::der::encode(value).expect("no type here has a constraint that its encoder could refuse")
}

/// A part that is already encoded, such as a ticket, to be sent as it is.
pub(crate) fn encoded(bytes: &[u8]) -> Any {
    Any::new(bytes.to_vec())
}

/// The same for a value that holds a key; the result wipes itself.
pub(crate) fn encode_secret<T: Encode>(value: &T) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(encode(value))
}

/// `KerberosString` of RFC 4120 section 5.2.1, as octets: Active Directory sends UTF-8 in it.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
#[rasn(delegate, tag(universal, 27))]
pub(crate) struct KerberosString(pub(crate) OctetString);

impl From<&str> for KerberosString {
    fn from(text: &str) -> Self {
        Self(OctetString::from_slice(text.as_bytes()))
    }
}

impl From<&Realm> for KerberosString {
    fn from(realm: &Realm) -> Self {
        Self::from(realm.as_str())
    }
}

impl TryFrom<&KerberosString> for Realm {
    type Error = NameError;

    fn try_from(text: &KerberosString) -> Result<Self, NameError> {
        Self::from_octets(&text.0)
    }
}

/// `PrincipalName` of RFC 4120 section 5.2.2, not yet checked.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireName {
    #[rasn(tag(explicit(0)))]
    pub(crate) name_type: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) name_string: Vec<KerberosString>,
}

impl From<&PrincipalName> for WireName {
    fn from(name: &PrincipalName) -> Self {
        Self {
            name_type: name.name_type().number(),
            name_string: name.components().iter().map(|text| KerberosString::from(text.as_str())).collect(),
        }
    }
}

impl TryFrom<&WireName> for PrincipalName {
    type Error = NameError;

    fn try_from(name: &WireName) -> Result<Self, NameError> {
        let components = name
            .name_string
            .iter()
            .map(|text| std::str::from_utf8(&text.0).map(str::to_owned).map_err(|_| NameError::NotUtf8))
            .collect::<Result<_, _>>()?;
        Self::new(NameType::from_number(name.name_type), components)
    }
}

/// The principal of a name and a realm from the wire.
pub(crate) fn principal(name: &WireName, realm: &KerberosString) -> Result<Principal, NameError> {
    Ok(Principal::new(PrincipalName::try_from(name)?, Realm::try_from(realm)?))
}

impl AsnType for KerberosTime {
    const TAG: Tag = Tag::GENERALIZED_TIME;
}

impl Decode for KerberosTime {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        let text: Vec<u8> = decoder.decode_octet_string(tag, constraints)?;
        Self::parse(&text).map_err(|error| D::Error::custom(error, decoder.codec()))
    }
}

impl Encode for KerberosTime {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        encoder.encode_octet_string(tag, constraints, self.to_string().as_bytes(), identifier).map(drop)
    }
}

/// `KerberosFlags` of RFC 4120 section 5.2.8: always written with 32 bits; shorter strings are read as if the
/// missing bits were zero, and bits past the 32nd are refused when set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u32);

impl AsnType for Flags {
    const TAG: Tag = Tag::BIT_STRING;
}

impl Decode for Flags {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        let bits = decoder.decode_bit_string(tag, constraints)?;
        let mut value = 0;
        for index in bits.iter_ones() {
            match u32::try_from(index) {
                Ok(index @ 0..32) => value |= 0x8000_0000 >> index,
                _ => return Err(D::Error::custom("flag past the 32nd", decoder.codec())),
            }
        }
        Ok(Self(value))
    }
}

impl Encode for Flags {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        let bits = BitString::from_slice(&self.0.to_be_bytes());
        encoder.encode_bit_string(tag, constraints, &bits, identifier).map(drop)
    }
}

impl From<TicketFlags> for Flags {
    fn from(flags: TicketFlags) -> Self {
        Self(flags.bits())
    }
}

impl From<Flags> for TicketFlags {
    fn from(flags: Flags) -> Self {
        Self::from_bits(flags.0)
    }
}

/// A key version number. Written signed, as Windows and MIT do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kvno(pub(crate) u32);

/// A sequence number. Written unsigned, as RFC 4120 section 5.3.2 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceNumber(pub(crate) u32);

/// Reads 32 bits. Some write numbers of 2^31 and above as negative ones (RFC 4120 section 5.3.2), so both are read.
fn decode_32_bits<D: Decoder>(
    decoder: &mut D,
    tag: Tag,
    constraints: &Constraints,
    outside: &'static str,
) -> Result<u32, D::Error> {
    let number: i64 = decoder.decode_integer(tag, constraints)?;
    u32::try_from(number)
        .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
        .map_err(|_| D::Error::custom(outside, decoder.codec()))
}

impl AsnType for Kvno {
    const TAG: Tag = Tag::INTEGER;
}

impl AsnType for SequenceNumber {
    const TAG: Tag = Tag::INTEGER;
}

impl Decode for Kvno {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        decode_32_bits(decoder, tag, constraints, "kvno outside 32 bits").map(Self)
    }
}

impl Decode for SequenceNumber {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        decode_32_bits(decoder, tag, constraints, "sequence number outside 32 bits").map(Self)
    }
}

impl Encode for Kvno {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        encoder.encode_integer(tag, constraints, &self.0.cast_signed(), identifier).map(drop)
    }
}

impl Encode for SequenceNumber {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        encoder.encode_integer(tag, constraints, &self.0, identifier).map(drop)
    }
}

/// An OCTET STRING that holds a key; wiped when dropped, invisible in `Debug`.
#[derive(Clone)]
pub(crate) struct SecretOctets(pub(crate) Zeroizing<Vec<u8>>);

impl std::fmt::Debug for SecretOctets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretOctets")
    }
}

impl From<&[u8]> for SecretOctets {
    fn from(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }
}

impl From<Vec<u8>> for SecretOctets {
    fn from(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl AsnType for SecretOctets {
    const TAG: Tag = Tag::OCTET_STRING;
}

impl Decode for SecretOctets {
    fn decode_with_tag_and_constraints<D: Decoder>(
        decoder: &mut D,
        tag: Tag,
        constraints: &Constraints,
    ) -> Result<Self, D::Error> {
        decoder.decode_octet_string(tag, constraints)
    }
}

impl Encode for SecretOctets {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        tag: Tag,
        constraints: &Constraints,
        identifier: Identifier,
    ) -> Result<(), E::Error> {
        encoder.encode_octet_string(tag, constraints, &self.0, identifier).map(drop)
    }
}

/// `EncryptionKey` of RFC 4120 section 5.2.9.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct EncryptionKey {
    #[rasn(tag(explicit(0)))]
    pub(crate) keytype: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) keyvalue: SecretOctets,
}

impl From<&Key> for EncryptionKey {
    fn from(key: &Key) -> Self {
        Self { keytype: key.etype().number(), keyvalue: key.octets().into() }
    }
}

impl TryFrom<&EncryptionKey> for Key {
    type Error = KeyError;

    fn try_from(key: &EncryptionKey) -> Result<Self, KeyError> {
        Self::new(Etype::from_number(key.keytype)?, &key.keyvalue.0)
    }
}

/// `EncryptedData` of RFC 4120 section 5.2.9.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncryptedData {
    #[rasn(tag(explicit(0)))]
    pub(crate) etype: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) kvno: Option<Kvno>,
    #[rasn(tag(explicit(2)))]
    pub(crate) cipher: OctetString,
}

/// `Checksum` of RFC 4120 section 5.2.9.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireChecksum {
    #[rasn(tag(explicit(0)))]
    pub(crate) cksumtype: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) checksum: OctetString,
}

impl From<Checksum> for WireChecksum {
    fn from(checksum: Checksum) -> Self {
        Self { cksumtype: checksum.checksum_type, checksum: checksum.octets.into() }
    }
}

/// `PA-DATA` of RFC 4120 section 5.2.7.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaData {
    #[rasn(tag(explicit(1)))]
    pub(crate) padata_type: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) padata_value: OctetString,
}

/// One element of `AuthorizationData` (RFC 4120 section 5.2.6).
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorizationElement {
    #[rasn(tag(explicit(0)))]
    pub(crate) ad_type: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) ad_data: OctetString,
}

/// `HostAddress` of RFC 4120 section 5.2.5.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostAddress {
    #[rasn(tag(explicit(0)))]
    pub(crate) addr_type: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) address: OctetString,
}

/// `Ticket` of RFC 4120 section 5.3.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
#[rasn(tag(explicit(application, 1)))]
pub(crate) struct Ticket {
    #[rasn(tag(explicit(0)))]
    pub(crate) tkt_vno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) realm: KerberosString,
    #[rasn(tag(explicit(2)))]
    pub(crate) sname: WireName,
    #[rasn(tag(explicit(3)))]
    pub(crate) enc_part: EncryptedData,
}

/// `TransitedEncoding` of RFC 4120 section 5.3.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransitedEncoding {
    #[rasn(tag(explicit(0)))]
    pub(crate) tr_type: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) contents: OctetString,
}

/// `EncTicketPart` of RFC 4120 section 5.3.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 3)))]
pub(crate) struct EncTicketPart {
    #[rasn(tag(explicit(0)))]
    pub(crate) flags: Flags,
    #[rasn(tag(explicit(1)))]
    pub(crate) key: EncryptionKey,
    #[rasn(tag(explicit(2)))]
    pub(crate) crealm: KerberosString,
    #[rasn(tag(explicit(3)))]
    pub(crate) cname: WireName,
    #[rasn(tag(explicit(4)))]
    pub(crate) transited: TransitedEncoding,
    #[rasn(tag(explicit(5)))]
    pub(crate) authtime: KerberosTime,
    #[rasn(tag(explicit(6)))]
    pub(crate) starttime: Option<KerberosTime>,
    #[rasn(tag(explicit(7)))]
    pub(crate) endtime: KerberosTime,
    #[rasn(tag(explicit(8)))]
    pub(crate) renew_till: Option<KerberosTime>,
    #[rasn(tag(explicit(9)))]
    pub(crate) caddr: Option<Vec<HostAddress>>,
    #[rasn(tag(explicit(10)))]
    pub(crate) authorization_data: Option<Vec<AuthorizationElement>>,
}
