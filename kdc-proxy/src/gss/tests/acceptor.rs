//! The other side of a context, played with the crate's own parts: what the real acceptors of the lab cannot be made to do.

use super::*;
use crate::gss::message::{Protection, Side};
use crate::message::ap_rep::{ApRep, EncApRepPart, SequenceNumber};
use crate::message::negotiation::{NegState, NegTokenResp};
use crate::message::types::{EncryptedData, encode};

/// The first number of the acceptor's messages.
pub(super) const FIRST: u32 = 0xffff_fff0;

/// An acceptor that has opened an AP-REQ.
pub(super) struct Acceptor {
    pub(super) authenticator: Authenticator,
    pub(super) flags: u32,
    pub(super) subkey: Option<Key>,
}

impl Acceptor {
    /// Opens the AP-REQ of a first token, framed either way, and asserts a subkey of its own.
    pub(super) fn open(token: &[u8]) -> Self {
        let authenticator = authenticator_of(token);
        let checksum = authenticator.cksum.as_ref().unwrap().checksum.clone();
        let flags = u32::from_le_bytes(checksum[20..24].try_into().unwrap());
        Self { authenticator, flags, subkey: Some(Key::new(Etype::Aes128, &[9; 16]).unwrap()) }
    }

    pub(super) fn without_subkey(mut self) -> Self {
        self.subkey = None;
        self
    }

    pub(super) fn part(&self) -> EncApRepPart {
        EncApRepPart {
            ctime: self.authenticator.ctime,
            cusec: self.authenticator.cusec,
            subkey: self.subkey.as_ref().map(Into::into),
            seq_number: Some(SequenceNumber(FIRST)),
        }
    }

    /// The token with the AP-REP.
    pub(super) fn reply(&self) -> Vec<u8> {
        sealed(&self.part(), &key())
    }

    /// The acceptor's side of the messages' protection.
    pub(super) fn protection(&self) -> Protection {
        match &self.subkey {
            Some(subkey) => Protection::new(subkey.clone(), true, Side::Acceptor),
            None => {
                let subkey = self.authenticator.subkey.as_ref().unwrap();
                Protection::new(Key::try_from(subkey).unwrap(), false, Side::Acceptor)
            }
        }
    }

    /// The initiator's first number.
    pub(super) fn initiators_first(&self) -> u64 {
        u64::from(self.authenticator.seq_number.unwrap())
    }
}

/// A token with this AP-REP under a key.
pub(super) fn sealed(part: &EncApRepPart, key: &Key) -> Vec<u8> {
    let cipher = key.encrypt(KeyUsage::AP_REP, &encode(part), &mut rng(50)).into();
    let enc_part = EncryptedData { etype: key.etype().number(), kvno: None, cipher };
    kerberos_token(TokenId::ApRep, &encode(&ApRep { pvno: 5, msg_type: 15, enc_part }))
}

/// A `NegTokenResp` with this state and mechanism token.
pub(super) fn answer(state: NegState, response_token: Option<Vec<u8>>) -> NegTokenResp {
    NegTokenResp {
        state: Some(state),
        supported_mech: Some(vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]),
        response_token,
        mech_list_mic: None,
    }
}
