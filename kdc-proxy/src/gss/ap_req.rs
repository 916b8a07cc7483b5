//! The AP-REQ that begins a context, with the authenticator of RFC 4121 section 4.1.1.

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::bindings::ChannelBindings;
use super::flags::ContextFlags;
use crate::key::{Key, KeyUsage};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::types::{
    AuthorizationElement, EncryptedData, Flags, WireChecksum, encode, encode_secret, encoded,
};
use crate::ticket::ServiceTicket;
use crate::time::{KerberosTime, TimeError};

/// `mutual-required` of the AP options.
const MUTUAL_REQUIRED: Flags = Flags(0x2000_0000);
/// Checksum type of RFC 4121 section 4.1.1.
const GSS_CHECKSUM: i32 = 0x8003;

/// AD-IF-RELEVANT (RFC 4120 section 5.2.6.1) and AD-AUTH-DATA-AP-OPTIONS (MS-KILE 3.2.5.8).
const IF_RELEVANT: i32 = 1;
const AP_OPTIONS: i32 = 143;
/// `KERB_AP_OPTIONS_CBT`, little-endian: the acceptor must check the channel bindings.
const CHANNEL_BINDINGS_REQUIRED: [u8; 4] = 0x4000_u32.to_le_bytes();

/// An AP-REQ, and what its sender has to remember of it.
pub(super) struct Request {
    /// The DER of the message.
    pub(super) bytes: Vec<u8>,
    /// The authenticator's time, which the AP-REP repeats.
    pub(super) ctime: KerberosTime,
    pub(super) cusec: u32,
    /// The authenticator's subkey, of the session key's etype.
    pub(super) subkey: Key,
    /// The number of the first message of this side.
    pub(super) seq_number: u32,
}

pub(super) fn make<R: CryptoRng + ?Sized>(
    ticket: &ServiceTicket,
    flags: ContextFlags,
    bindings: Option<&ChannelBindings>,
    now: SystemTime,
    rng: &mut R,
) -> Result<Request, TimeError> {
    let (ctime, cusec) = KerberosTime::with_microseconds(now)?;
    let session_key = ticket.session_key();
    let subkey = Key::random(session_key.etype(), rng);
    // Below 2^30, as acceptors that read the number as signed expect.
    let seq_number = rng.next_u32() >> 2;
    let authenticator = encode_secret(&Authenticator {
        authenticator_vno: 5,
        crealm: ticket.client().realm().into(),
        cname: ticket.client().name().into(),
        cksum: Some(WireChecksum {
            cksumtype: GSS_CHECKSUM,
            checksum: checksum_value(bindings, flags).into(),
        }),
        cusec,
        ctime,
        subkey: Some((&subkey).into()),
        seq_number: Some(seq_number),
        authorization_data: bindings.map(|_| vec![channel_bindings_required()]),
    });
    let cipher = session_key.encrypt(KeyUsage::AP_REQ_AUTHENTICATOR, &authenticator, rng);
    let mutual = flags.contains(ContextFlags::MUTUAL);
    let bytes = encode(&ApReq {
        pvno: 5,
        msg_type: 14,
        ap_options: if mutual { MUTUAL_REQUIRED } else { Flags(0) },
        ticket: encoded(ticket.bytes()),
        authenticator: EncryptedData {
            etype: session_key.etype().number(),
            kvno: None,
            cipher: cipher.into(),
        },
    });
    Ok(Request { bytes, ctime, cusec, subkey, seq_number })
}

/// The "checksum" of RFC 4121 section 4.1.1: length of the bindings' digest, the digest, the context flags.
pub(super) fn checksum_value(bindings: Option<&ChannelBindings>, flags: ContextFlags) -> Vec<u8> {
    let digest = bindings.map_or([0; 16], ChannelBindings::digest);
    [&16_u32.to_le_bytes()[..], &digest, &flags.bits().to_le_bytes()].concat()
}

fn channel_bindings_required() -> AuthorizationElement {
    let options =
        AuthorizationElement { ad_type: AP_OPTIONS, ad_data: CHANNEL_BINDINGS_REQUIRED.to_vec().into() };
    AuthorizationElement { ad_type: IF_RELEVANT, ad_data: encode(&vec![options]).into() }
}
