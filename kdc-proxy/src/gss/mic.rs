//! MIC tokens (RFC 4121 section 4.2.6.1): a checksum that travels beside its message.

use zeroize::Zeroizing;

use super::context::MessageError;
use super::message::{HEADER, Protection, Purpose, TokenId};

const MIC: TokenId = TokenId([0x04, 0x04]);

/// The filler of octets 3 to 7.
const FILLER: [u8; 5] = [0xff; 5];

/// The token over `message`.
pub(super) fn make(protection: &Protection, message: &[u8], sequence: u64) -> Vec<u8> {
    let [first, second] = MIC.0;
    let header = [&[first, second, protection.own_flags()][..], &FILLER, &sequence.to_be_bytes()].concat();
    let covered = Zeroizing::new([message, &header].concat());
    let checksum = protection.key().checksum(protection.own_usage(Purpose::Sign), &covered);
    [header, checksum.octets].concat()
}

/// Verifies a token over `message` and returns its sequence number, which is still to be judged.
pub(super) fn verify(protection: &Protection, message: &[u8], token: &[u8]) -> Result<u64, MessageError> {
    let received = protection.receive(MIC, token)?;
    let header: [u8; HEADER] = received.header;
    if header.get(3..8) != Some(&FILLER) {
        return Err(MessageError::Malformed);
    }
    let key = protection.key();
    key.verify_checksum(
        protection.other_usage(Purpose::Sign),
        &Zeroizing::new([message, &header].concat()),
        key.etype().checksum_type(),
        received.body,
    )
    .map_err(|_| MessageError::Integrity)?;
    Ok(received.sequence)
}
