//! The first token of a GSS-API context: an AP-REQ (RFC 4121 section 4.1) inside SPNEGO (RFC 4178 section 4.2).
//!
//! It lets a gateway open one connection as the user without ever holding the ticket's session key. Credentials are
//! never delegated with it.

mod bindings;

use std::time::SystemTime;

use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

pub use bindings::{BindingsError, ChannelBindings};

use crate::key::{Key, KeyUsage};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::types::{
    AuthorizationElement, EncryptedData, Flags, WireChecksum, encode, encode_secret, encoded,
};
use crate::ticket::ServiceTicket;
use crate::time::{KerberosTime, TimeError};

/// DER of the object identifiers with tag and length: SPNEGO 1.3.6.1.5.5.2 and Kerberos 1.2.840.113554.1.2.2.
const SPNEGO: [u8; 8] = [0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
const KERBEROS: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// `TOK_ID` of an AP-REQ (RFC 4121 section 4.1).
const AP_REQ_TOKEN: [u8; 2] = [0x01, 0x00];

/// `mutual-required` of the AP options.
const MUTUAL_REQUIRED: Flags = Flags(0x2000_0000);
/// Checksum type of RFC 4121 section 4.1.1.
const GSS_CHECKSUM: i32 = 0x8003;
/// `GSS_C_MUTUAL_FLAG`, `REPLAY`, `SEQUENCE`, `CONF` and `INTEG`. `GSS_C_DELEG_FLAG` (1) is never among them.
const CONTEXT_FLAGS: u32 = 0x02 | 0x04 | 0x08 | 0x10 | 0x20;

/// AD-IF-RELEVANT (RFC 4120 section 5.2.6.1) and AD-AUTH-DATA-AP-OPTIONS (MS-KILE 3.2.5.8).
const IF_RELEVANT: i32 = 1;
const AP_OPTIONS: i32 = 143;
/// `KERB_AP_OPTIONS_CBT`, little-endian: the acceptor must check the channel bindings.
const CHANNEL_BINDINGS_REQUIRED: [u8; 4] = 0x4000_u32.to_le_bytes();

/// Makes the token that a client of `ticket` sends first, as the HTTP header `Negotiate` or SASL carry it.
///
/// `now` is what the KDC's clock shows: acceptors refuse a token whose time is more than five minutes off, and
/// accept each only once. With `bindings` the token is worth something on that one channel only, and acceptors that
/// know their channel are told to check.
///
/// # Errors
///
/// [`TimeError`] for a time outside of what Kerberos can express.
pub fn initial_token<R: RngCore + CryptoRng + ?Sized>(
    ticket: &ServiceTicket,
    bindings: Option<&ChannelBindings>,
    now: SystemTime,
    rng: &mut R,
) -> Result<Zeroizing<Vec<u8>>, TimeError> {
    let ap_req = ap_req(ticket, bindings, now, rng)?;
    Ok(Zeroizing::new(neg_token_init(&kerberos_token(&ap_req))))
}

fn ap_req<R: RngCore + CryptoRng + ?Sized>(
    ticket: &ServiceTicket,
    bindings: Option<&ChannelBindings>,
    now: SystemTime,
    rng: &mut R,
) -> Result<Vec<u8>, TimeError> {
    let (ctime, cusec) = KerberosTime::with_microseconds(now)?;
    let session_key = ticket.session_key();
    let authenticator = encode_secret(&Authenticator {
        authenticator_vno: 5,
        crealm: ticket.client().realm().into(),
        cname: ticket.client().name().into(),
        cksum: Some(WireChecksum { cksumtype: GSS_CHECKSUM, checksum: checksum_value(bindings).into() }),
        cusec,
        ctime,
        subkey: Some((&Key::random(session_key.etype(), rng)).into()),
        // Below 2^30, as acceptors that read the number as signed expect.
        seq_number: Some(rng.next_u32() >> 2),
        authorization_data: bindings.map(|_| vec![channel_bindings_required()]),
    });
    let cipher = session_key.encrypt(KeyUsage::AP_REQ_AUTHENTICATOR, &authenticator, rng);
    Ok(encode(&ApReq {
        pvno: 5,
        msg_type: 14,
        ap_options: MUTUAL_REQUIRED,
        ticket: encoded(ticket.bytes()),
        authenticator: EncryptedData {
            etype: session_key.etype().number(),
            kvno: None,
            cipher: cipher.into(),
        },
    }))
}

/// The "checksum" of RFC 4121 section 4.1.1: length of the bindings' digest, the digest, the context flags.
fn checksum_value(bindings: Option<&ChannelBindings>) -> Vec<u8> {
    let digest = bindings.map_or([0; 16], ChannelBindings::digest);
    [&16_u32.to_le_bytes()[..], &digest, &CONTEXT_FLAGS.to_le_bytes()].concat()
}

fn channel_bindings_required() -> AuthorizationElement {
    let options =
        AuthorizationElement { ad_type: AP_OPTIONS, ad_data: CHANNEL_BINDINGS_REQUIRED.to_vec().into() };
    AuthorizationElement { ad_type: IF_RELEVANT, ad_data: encode(&vec![options]).into() }
}

/// `InitialContextToken` of RFC 2743 section 3.1 with the Kerberos mechanism.
fn kerberos_token(ap_req: &[u8]) -> Vec<u8> {
    tlv(0x60, &[&KERBEROS, &AP_REQ_TOKEN, ap_req])
}

/// `NegotiationToken` with a `NegTokenInit` that offers Kerberos alone, so that no mechListMIC is due.
fn neg_token_init(mech_token: &[u8]) -> Vec<u8> {
    let mech_types = tlv(0xa0, &[&tlv(0x30, &[&KERBEROS])]);
    let mech_token = tlv(0xa2, &[&tlv(0x04, &[mech_token])]);
    let init = tlv(0xa0, &[&tlv(0x30, &[&mech_types, &mech_token])]);
    tlv(0x60, &[&SPNEGO, &init])
}

/// One DER element of these contents.
fn tlv(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
            // At most eight digits: the length of a slice is a usize.
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(u8::MAX));
            bytes.extend(digits);
        }
    }
    contents.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

#[cfg(test)]
mod tests;
