//! What both kinds of per-message tokens share: their header, their key and who made them (RFC 4121 section 4.2).

use super::context::MessageError;
use crate::key::{Key, KeyUsage};

/// Octets of a token's header.
pub(super) const HEADER: usize = 16;

/// Flags of a header (RFC 4121 section 4.2.2).
pub(super) const SENT_BY_ACCEPTOR: u8 = 0x01;
pub(super) const SEALED: u8 = 0x02;
pub(super) const ACCEPTOR_SUBKEY: u8 = 0x04;

/// A side of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Initiator,
    Acceptor,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Acceptor,
            Self::Acceptor => Self::Initiator,
        }
    }
}

/// What a token is made for: each purpose and each side has a key usage of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Seal,
    Sign,
}

/// A kind of token by the first octets of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenId(pub(super) [u8; 2]);

/// The key of a context's messages, and on which side of it we are.
#[derive(Clone, Debug)]
pub(super) struct Protection {
    key: Key,
    asserted_by_acceptor: bool,
    side: Side,
}

/// A header that came with a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) header: [u8; HEADER],
    pub(super) flags: u8,
    pub(super) sequence: u64,
    pub(super) body: &'a [u8],
}

impl Protection {
    /// `asserted_by_acceptor`: the key is the subkey of the AP-REP, not that of the authenticator.
    pub(super) const fn new(key: Key, asserted_by_acceptor: bool, side: Side) -> Self {
        Self { key, asserted_by_acceptor, side }
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// The usage of what this side makes (RFC 4121 section 2).
    pub(super) const fn own_usage(&self, purpose: Purpose) -> KeyUsage {
        usage(self.side, purpose)
    }

    /// The usage of what the other side makes.
    pub(super) const fn other_usage(&self, purpose: Purpose) -> KeyUsage {
        usage(self.side.other(), purpose)
    }

    /// The flags of a token of ours.
    pub(super) const fn own_flags(&self) -> u8 {
        let side = match self.side {
            Side::Initiator => 0,
            Side::Acceptor => SENT_BY_ACCEPTOR,
        };
        if self.asserted_by_acceptor { side | ACCEPTOR_SUBKEY } else { side }
    }

    /// Reads the header of a token and judges it: its kind, who made it, and under which key. Flags that no standard names
    /// are ignored, as RFC 4121 section 4.2.2 demands; the integrity check covers them.
    pub(super) fn receive<'a>(&self, id: TokenId, token: &'a [u8]) -> Result<Received<'a>, MessageError> {
        let (header, body) = token.split_first_chunk::<HEADER>().ok_or(MessageError::Malformed)?;
        let [first, second, flags, filler, _, _, _, _, sequence @ ..] = header;
        if [*first, *second] != id.0 || *filler != 0xff {
            return Err(MessageError::Malformed);
        }
        let by_acceptor = flags & SENT_BY_ACCEPTOR != 0;
        if by_acceptor != (self.side == Side::Initiator) {
            return Err(MessageError::Reflected);
        }
        if (flags & ACCEPTOR_SUBKEY != 0) != self.asserted_by_acceptor {
            return Err(MessageError::OtherKey);
        }
        Ok(Received { header: *header, flags: *flags, sequence: u64::from_be_bytes(*sequence), body })
    }
}

const fn usage(side: Side, purpose: Purpose) -> KeyUsage {
    match (side, purpose) {
        (Side::Acceptor, Purpose::Seal) => KeyUsage::ACCEPTOR_SEAL,
        (Side::Acceptor, Purpose::Sign) => KeyUsage::ACCEPTOR_SIGN,
        (Side::Initiator, Purpose::Seal) => KeyUsage::INITIATOR_SEAL,
        (Side::Initiator, Purpose::Sign) => KeyUsage::INITIATOR_SIGN,
    }
}
