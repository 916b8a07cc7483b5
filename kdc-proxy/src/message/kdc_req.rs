//! `KDC-REQ` (RFC 4120 section 5.4.1): AS-REQ and TGS-REQ.

use rasn::prelude::*;

use super::types::{EncryptedData, Flags, HostAddress, KerberosString, PaData, WireName, encode};
use crate::time::KerberosTime;

/// `KDCOptions` of RFC 4120 section 5.4.1.
pub(crate) mod options {
    /// Ask for a ticket that may be forwarded.
    pub(crate) const FORWARDABLE: u32 = 0x4000_0000;
    /// The client's name is in the additional ticket (MS-SFU section 2.2.3).
    pub(crate) const CNAME_IN_ADDL_TKT: u32 = 0x0002_0000;
    /// The KDC may answer with the canonical names (RFC 6806).
    pub(crate) const CANONICALIZE: u32 = 0x0001_0000;
}

/// Which of the two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    As,
    Tgs,
}

/// `KDC-REQ` with its body as the exact bytes that checksums cover.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct KdcReq {
    #[rasn(tag(explicit(1)))]
    pub(crate) pvno: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) msg_type: i32,
    #[rasn(tag(explicit(3)))]
    pub(crate) padata: Option<Vec<PaData>>,
    #[rasn(tag(explicit(4)))]
    pub(crate) req_body: Any,
}

#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(delegate, tag(explicit(application, 10)))]
pub(crate) struct AsReq(pub(crate) KdcReq);

#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(delegate, tag(explicit(application, 12)))]
pub(crate) struct TgsReq(pub(crate) KdcReq);

/// `KDC-REQ-BODY` of RFC 4120 section 5.4.1.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct KdcReqBody {
    #[rasn(tag(explicit(0)))]
    pub(crate) kdc_options: Flags,
    #[rasn(tag(explicit(1)))]
    pub(crate) cname: Option<WireName>,
    #[rasn(tag(explicit(2)))]
    pub(crate) realm: KerberosString,
    #[rasn(tag(explicit(3)))]
    pub(crate) sname: Option<WireName>,
    #[rasn(tag(explicit(4)))]
    pub(crate) from: Option<KerberosTime>,
    #[rasn(tag(explicit(5)))]
    pub(crate) till: KerberosTime,
    #[rasn(tag(explicit(6)))]
    pub(crate) rtime: Option<KerberosTime>,
    #[rasn(tag(explicit(7)))]
    pub(crate) nonce: u32,
    #[rasn(tag(explicit(8)))]
    pub(crate) etype: Vec<i32>,
    #[rasn(tag(explicit(9)))]
    pub(crate) addresses: Option<Vec<HostAddress>>,
    #[rasn(tag(explicit(10)))]
    pub(crate) enc_authorization_data: Option<EncryptedData>,
    #[rasn(tag(explicit(11)))]
    pub(crate) additional_tickets: Option<Vec<Any>>,
}

/// Puts a request together around the encoded `body`.
pub(crate) fn kdc_req(kind: RequestKind, body: &[u8], padata: Vec<PaData>) -> Vec<u8> {
    let msg_type = match kind {
        RequestKind::As => 10,
        RequestKind::Tgs => 12,
    };
    let request = KdcReq { pvno: 5, msg_type, padata: Some(padata), req_body: Any::new(body.to_vec()) };
    match kind {
        RequestKind::As => encode(&AsReq(request)),
        RequestKind::Tgs => encode(&TgsReq(request)),
    }
}
