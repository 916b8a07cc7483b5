//! `AP-REQ` and its authenticator (RFC 4120 section 5.5.1).

use rasn::prelude::*;

use super::types::{
    AuthorizationElement, EncryptedData, EncryptionKey, Flags, KerberosString, WireChecksum, WireName,
};
use crate::time::KerberosTime;

/// `AP-REQ` with its ticket as the exact bytes.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 14)))]
pub(crate) struct ApReq {
    #[rasn(tag(explicit(0)))]
    pub(crate) pvno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) msg_type: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) ap_options: Flags,
    #[rasn(tag(explicit(3)))]
    pub(crate) ticket: Any,
    #[rasn(tag(explicit(4)))]
    pub(crate) authenticator: EncryptedData,
}

/// `Authenticator`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 2)))]
pub(crate) struct Authenticator {
    #[rasn(tag(explicit(0)))]
    pub(crate) authenticator_vno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) crealm: KerberosString,
    #[rasn(tag(explicit(2)))]
    pub(crate) cname: WireName,
    #[rasn(tag(explicit(3)))]
    pub(crate) cksum: Option<WireChecksum>,
    #[rasn(tag(explicit(4)))]
    pub(crate) cusec: u32,
    #[rasn(tag(explicit(5)))]
    pub(crate) ctime: KerberosTime,
    #[rasn(tag(explicit(6)))]
    pub(crate) subkey: Option<EncryptionKey>,
    #[rasn(tag(explicit(7)))]
    pub(crate) seq_number: Option<u32>,
    #[rasn(tag(explicit(8)))]
    pub(crate) authorization_data: Option<Vec<AuthorizationElement>>,
}
