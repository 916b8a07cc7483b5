//! The acceptor's side of a context, for tests: with the session key of a ticket in hand it answers a first token, and
//! wraps, signs and opens messages. It judges nothing beyond what it must understand.

use super::context::MessageProtection;
use super::framing::{TokenId, kerberos_token};
use super::message::{Protection, Side};
use super::still::Still;
use super::{mic, wrap};
use crate::key::{Etype, Key, KeyUsage};
use crate::message::ap_rep::{ApRep, EncApRepPart};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::negotiation::{NegState, NegTokenResp};
use crate::message::types::{EncryptedData, SequenceNumber, decode, encode};

/// The number of the acceptor's first message: the next but fifteen would not fit 32 bits.
pub const FIRST: u32 = 0xffff_fff0;

/// An acceptor that has opened an AP-REQ and asserts a subkey of AES-128.
#[derive(Debug)]
pub struct Acceptor {
    pub(super) authenticator: Authenticator,
    pub(super) subkey: Option<Key>,
    session_key: Key,
    sent: u64,
}

impl Acceptor {
    /// Opens the AP-REQ of a first token, framed either way. `None` where there is none, or not under the key.
    #[must_use]
    pub fn open(token: &[u8], session_key: &Key) -> Option<Self> {
        // Behind the token's identifier, however it is framed.
        let start = token.windows(3).position(|octets| octets == [0x01, 0x00, 0x6e])?;
        let request: ApReq = decode(token.get(start.saturating_add(2)..)?).ok()?;
        let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
        let plain = session_key.decrypt(usage, &request.authenticator.cipher).ok()?;
        Some(Self {
            authenticator: decode(&plain).ok()?,
            subkey: Key::new(Etype::Aes128, &[9; 16]).ok(),
            session_key: session_key.clone(),
            sent: 0,
        })
    }

    /// The AP-REP as a token of the Kerberos mechanism.
    #[must_use]
    pub fn ap_rep(&self) -> Vec<u8> {
        self.sealed(&self.part(), &self.session_key)
    }

    /// The same inside SPNEGO's `accept-completed`.
    #[must_use]
    pub fn neg_token_resp(&self) -> Vec<u8> {
        self.answer(NegState::AcceptCompleted, Some(self.ap_rep())).to_bytes()
    }

    /// The context flags that the initiator asks for (RFC 4121 section 4.1.1), 0 where it says none.
    #[must_use]
    pub fn flags(&self) -> u32 {
        let checksum = self.authenticator.cksum.as_ref().and_then(|checksum| checksum.checksum.get(20..24));
        checksum.and_then(|flags| flags.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// A token with the acceptor's next message inside.
    pub fn wrap(&mut self, message: &[u8], how: MessageProtection) -> Vec<u8> {
        let number = self.next();
        wrap::make(&self.protection(), message, how, number, &mut Still)
    }

    /// The token beside the acceptor's next message.
    pub fn get_mic(&mut self, message: &[u8]) -> Vec<u8> {
        let number = self.next();
        mic::make(&self.protection(), message, number)
    }

    /// The message inside a token of the initiator, how it was protected, and its number counted from the first.
    #[must_use]
    pub fn unwrap(&self, token: &[u8]) -> Option<(Vec<u8>, MessageProtection, u64)> {
        let (message, how, number) = wrap::open(&self.protection(), token).ok()?;
        Some((message.to_vec(), how, number.checked_sub(self.initiators_first())?))
    }

    /// The number, counted from the first, of a message that the initiator's token fits.
    #[must_use]
    pub fn verify_mic(&self, message: &[u8], token: &[u8]) -> Option<u64> {
        let number = mic::verify(&self.protection(), message, token).ok()?;
        number.checked_sub(self.initiators_first())
    }

    /// The acceptor's side of the messages' protection.
    pub(super) fn protection(&self) -> Protection {
        let initiators = || self.authenticator.subkey.as_ref().and_then(|key| Key::try_from(key).ok());
        match &self.subkey {
            Some(subkey) => Protection::new(subkey.clone(), true, Side::Acceptor),
            None => Protection::new(
                initiators().unwrap_or_else(|| self.session_key.clone()),
                false,
                Side::Acceptor,
            ),
        }
    }

    pub(super) fn initiators_first(&self) -> u64 {
        self.authenticator.seq_number.unwrap_or_default().into()
    }

    pub(super) fn part(&self) -> EncApRepPart {
        EncApRepPart {
            ctime: self.authenticator.ctime,
            cusec: self.authenticator.cusec,
            subkey: self.subkey.as_ref().map(Into::into),
            seq_number: Some(SequenceNumber(FIRST)),
        }
    }

    /// A token with this AP-REP under a key.
    pub(super) fn sealed(&self, part: &EncApRepPart, key: &Key) -> Vec<u8> {
        let cipher = key.encrypt(KeyUsage::AP_REP, &encode(part), &mut Still).into();
        let enc_part = EncryptedData { etype: key.etype().number(), kvno: None, cipher };
        kerberos_token(TokenId::ApRep, &encode(&ApRep { pvno: 5, msg_type: 15, enc_part }))
    }

    /// A `NegTokenResp` with this state and mechanism token.
    pub(super) fn answer(&self, state: NegState, response_token: Option<Vec<u8>>) -> NegTokenResp {
        NegTokenResp {
            state: Some(state),
            supported_mech: Some(vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]),
            response_token,
            mech_list_mic: None,
        }
    }

    fn next(&mut self) -> u64 {
        let number = u64::from(FIRST).saturating_add(self.sent);
        self.sent = self.sent.saturating_add(1);
        number
    }
}
