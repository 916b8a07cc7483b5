//! The pre-authentication data this crate reads and writes (RFC 4120 section 5.2.7, RFC 6806, MS-SFU, MS-KILE).

use rasn::prelude::*;

use super::types::{Flags, KerberosString, Malformed, PaData, WireChecksum, WireName, decode, encode};
use crate::key::{Key, KeyUsage};
use crate::principal::Principal;
use crate::time::KerberosTime;

/// Numbers of `padata-type`.
pub(crate) mod kind {
    pub(crate) const TGS_REQ: i32 = 1;
    pub(crate) const ENC_TIMESTAMP: i32 = 2;
    pub(crate) const PW_SALT: i32 = 3;
    pub(crate) const ETYPE_INFO2: i32 = 19;
    pub(crate) const PAC_REQUEST: i32 = 128;
    pub(crate) const FOR_USER: i32 = 129;
    pub(crate) const S4U_X509_USER: i32 = 130;
    pub(crate) const FX_FAST: i32 = 136;
    pub(crate) const REQ_ENC_PA_REP: i32 = 149;
    pub(crate) const AS_FRESHNESS: i32 = 150;
    pub(crate) const PAC_OPTIONS: i32 = 167;
}

/// `PA-PAC-OPTIONS` bits (MS-KILE section 2.2.10).
pub(crate) mod pac_option {
    pub(crate) const CLAIMS: u32 = 0x8000_0000;
    pub(crate) const RESOURCE_BASED_CONSTRAINED_DELEGATION: u32 = 0x1000_0000;
}

/// `options` of S4UUserID (MS-SFU section 2.2.2).
pub(crate) mod s4u_options {
    /// The KDC shall check the user's logon hours.
    pub(crate) const CHECK_LOGON_HOURS: u32 = 0x4000_0000;
    /// The reply is to be signed with key usage 27.
    pub(crate) const USE_REPLY_KEY_USAGE: u32 = 0x2000_0000;
}

/// `PA-ENC-TS-ENC` of RFC 4120 section 5.2.7.2.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct PaEncTsEnc {
    #[rasn(tag(explicit(0)))]
    pub(crate) patimestamp: KerberosTime,
    #[rasn(tag(explicit(1)))]
    pub(crate) pausec: Option<u32>,
}

/// One entry of `ETYPE-INFO2` (RFC 4120 section 5.2.7.5).
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
pub(crate) struct EtypeInfo2Entry {
    #[rasn(tag(explicit(0)))]
    pub(crate) etype: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) salt: Option<KerberosString>,
    #[rasn(tag(explicit(2)))]
    pub(crate) s2kparams: Option<OctetString>,
}

/// `KERB-PA-PAC-REQUEST` of MS-KILE section 2.2.3.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
struct PacRequest {
    #[rasn(tag(explicit(0)))]
    include_pac: bool,
}

/// `PA-PAC-OPTIONS` of MS-KILE section 2.2.10.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
struct PacOptions {
    #[rasn(tag(explicit(0)))]
    flags: Flags,
}

/// `PA-FOR-USER` of MS-SFU section 2.2.1.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct PaForUser {
    #[rasn(tag(explicit(0)))]
    pub(crate) user_name: WireName,
    #[rasn(tag(explicit(1)))]
    pub(crate) user_realm: KerberosString,
    #[rasn(tag(explicit(2)))]
    pub(crate) cksum: WireChecksum,
    #[rasn(tag(explicit(3)))]
    pub(crate) auth_package: KerberosString,
}

/// `PA-S4U-X509-USER` of MS-SFU section 2.2.2, with the user-id as the exact bytes that the checksum covers.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct PaS4uX509User {
    #[rasn(tag(explicit(0)))]
    pub(crate) user_id: Any,
    #[rasn(tag(explicit(1)))]
    pub(crate) checksum: WireChecksum,
}

/// `S4UUserID` of MS-SFU section 2.2.2.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct S4uUserId {
    #[rasn(tag(explicit(0)))]
    pub(crate) nonce: u32,
    #[rasn(tag(explicit(1)))]
    pub(crate) cname: Option<WireName>,
    #[rasn(tag(explicit(2)))]
    pub(crate) crealm: KerberosString,
    #[rasn(tag(explicit(3)))]
    pub(crate) subject_certificate: Option<OctetString>,
    #[rasn(tag(explicit(4)))]
    pub(crate) options: Option<Flags>,
}

impl S4uUserId {
    /// Reads the type as the extensible one it is: fields after the known ones are left aside.
    pub(crate) fn decode_extensible(bytes: &[u8]) -> Result<Self, Malformed> {
        let fields: Vec<Any> = decode(bytes)?;
        let known: Vec<Any> = fields
            .into_iter()
            .take_while(|field| matches!(field.as_bytes().first(), Some(0xa0..=0xa4)))
            .collect();
        decode(&encode(&known))
    }
}

fn padata(padata_type: i32, padata_value: Vec<u8>) -> PaData {
    PaData { padata_type, padata_value: padata_value.into() }
}

/// A PAC is wanted.
pub(crate) fn pac_request() -> PaData {
    padata(kind::PAC_REQUEST, encode(&PacRequest { include_pac: true }))
}

/// The reply shall carry a checksum over this request (RFC 6806 section 11).
pub(crate) fn req_enc_pa_rep() -> PaData {
    padata(kind::REQ_ENC_PA_REP, Vec::new())
}

/// The PA-PAC-OPTIONS of these bits of [`pac_option`].
pub(crate) fn pac_options(flags: u32) -> PaData {
    padata(kind::PAC_OPTIONS, encode(&PacOptions { flags: Flags(flags) }))
}

/// The bits of [`pac_option`] in the content of PA-PAC-OPTIONS.
pub(crate) fn read_pac_options(bytes: &[u8]) -> Result<u32, Malformed> {
    decode::<PacOptions>(bytes).map(|options| options.flags.0)
}

/// PA-FOR-USER, its checksum keyed with the TGT's session key.
pub(crate) fn for_user(user: &Principal, session_key: &Key) -> PaData {
    let auth_package = "Kerberos";
    let message = for_user_octets(user.name().name_type().number(), &user_octets(user), auth_package);
    let cksum = session_key.hmac_md5_checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &message);
    let value = PaForUser {
        user_name: user.name().into(),
        user_realm: user.realm().into(),
        cksum: cksum.into(),
        auth_package: auth_package.into(),
    };
    padata(kind::FOR_USER, encode(&value))
}

fn user_octets(user: &Principal) -> Vec<u8> {
    let mut octets = user.name().components().concat().into_bytes();
    octets.extend_from_slice(user.realm().as_str().as_bytes());
    octets
}

/// `S4UByteArray` of MS-SFU section 2.2.1: the type in little-endian order, the name's components without
/// separators, the realm, the package.
pub(crate) fn for_user_octets(name_type: i32, name_and_realm: &[u8], auth_package: &str) -> Vec<u8> {
    let mut octets = name_type.to_le_bytes().to_vec();
    octets.extend_from_slice(name_and_realm);
    octets.extend_from_slice(auth_package.as_bytes());
    octets
}

/// PA-S4U-X509-USER around the encoded user-id.
pub(crate) fn s4u_x509_user(user_id: &[u8], checksum: WireChecksum) -> PaData {
    let value = PaS4uX509User { user_id: Any::new(user_id.to_vec()), checksum };
    padata(kind::S4U_X509_USER, encode(&value))
}

/// The only element of `kind`; `None` when there is none or more than one, which nobody may send.
pub(crate) fn only(elements: &[PaData], kind: i32) -> Option<&[u8]> {
    let mut found = elements.iter().filter(|element| element.padata_type == kind);
    match (found.next(), found.next()) {
        (Some(element), None) => Some(&element.padata_value),
        _ => None,
    }
}
