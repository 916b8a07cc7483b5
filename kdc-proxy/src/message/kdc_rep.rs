//! `KDC-REP` (RFC 4120 section 5.4.2): AS-REP and TGS-REP.

use rasn::prelude::*;

use super::types::{EncryptedData, EncryptionKey, Flags, HostAddress, KerberosString, PaData, WireName};
use crate::time::KerberosTime;

/// `KDC-REP` with its ticket as the exact bytes.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct KdcRep {
    #[rasn(tag(explicit(0)))]
    pub(crate) pvno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) msg_type: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) padata: Option<Vec<PaData>>,
    #[rasn(tag(explicit(3)))]
    pub(crate) crealm: KerberosString,
    #[rasn(tag(explicit(4)))]
    pub(crate) cname: WireName,
    #[rasn(tag(explicit(5)))]
    pub(crate) ticket: Any,
    #[rasn(tag(explicit(6)))]
    pub(crate) enc_part: EncryptedData,
}

#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(delegate, tag(explicit(application, 11)))]
pub(crate) struct AsRep(pub(crate) KdcRep);

#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(delegate, tag(explicit(application, 13)))]
pub(crate) struct TgsRep(pub(crate) KdcRep);

/// A time that only informs, kept as it came: KDCs write an account that never expires in ways no calendar has.
#[derive(AsnType, Decode, Encode, Clone, Debug, PartialEq, Eq)]
#[rasn(delegate, tag(universal, 24))]
pub(crate) struct InformativeTime(pub(crate) OctetString);

/// One element of `LastReq`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct LastReq {
    #[rasn(tag(explicit(0)))]
    pub(crate) lr_type: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) lr_value: InformativeTime,
}

/// `EncKDCRepPart`, with the encrypted-pa-data of RFC 6806 section 11.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct EncKdcRepPart {
    #[rasn(tag(explicit(0)))]
    pub(crate) key: EncryptionKey,
    #[rasn(tag(explicit(1)))]
    pub(crate) last_req: Vec<LastReq>,
    #[rasn(tag(explicit(2)))]
    pub(crate) nonce: u32,
    #[rasn(tag(explicit(3)))]
    pub(crate) key_expiration: Option<InformativeTime>,
    #[rasn(tag(explicit(4)))]
    pub(crate) flags: Flags,
    #[rasn(tag(explicit(5)))]
    pub(crate) authtime: KerberosTime,
    #[rasn(tag(explicit(6)))]
    pub(crate) starttime: Option<KerberosTime>,
    #[rasn(tag(explicit(7)))]
    pub(crate) endtime: KerberosTime,
    #[rasn(tag(explicit(8)))]
    pub(crate) renew_till: Option<KerberosTime>,
    #[rasn(tag(explicit(9)))]
    pub(crate) srealm: KerberosString,
    #[rasn(tag(explicit(10)))]
    pub(crate) sname: WireName,
    #[rasn(tag(explicit(11)))]
    pub(crate) caddr: Option<Vec<HostAddress>>,
    #[rasn(tag(explicit(12)))]
    pub(crate) encrypted_pa_data: Option<Vec<PaData>>,
}

/// `EncASRepPart`. Many KDCs put the number of `EncTGSRepPart` on it, so both are read.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(choice)]
pub(crate) enum EncAsRepPart {
    #[rasn(tag(explicit(application, 25)))]
    As(EncKdcRepPart),
    #[rasn(tag(explicit(application, 26)))]
    Tgs(EncKdcRepPart),
}

impl EncAsRepPart {
    pub(crate) fn into_part(self) -> EncKdcRepPart {
        match self {
            Self::As(part) | Self::Tgs(part) => part,
        }
    }
}

/// `EncTGSRepPart`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(delegate, tag(explicit(application, 26)))]
pub(crate) struct EncTgsRepPart(pub(crate) EncKdcRepPart);
