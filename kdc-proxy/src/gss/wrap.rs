//! Wrap tokens (RFC 4121 section 4.2.6.2): a message inside its token, encrypted or with a checksum.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::context::{MessageError, MessageProtection};
use super::message::{HEADER, Protection, Purpose, Received, SEALED, TokenId};

const WRAP: TokenId = TokenId([0x05, 0x04]);

/// What is written is never rotated (RFC 4121 section 4.2.5), and AES needs no filler (EC 0).
const NOT_ROTATED: u16 = 0;

/// A token with `message` inside.
pub(super) fn make<R: CryptoRng + ?Sized>(
    protection: &Protection,
    message: &[u8],
    how: MessageProtection,
    sequence: u64,
    rng: &mut R,
) -> Vec<u8> {
    let key = protection.key();
    let usage = protection.own_usage(Purpose::Seal);
    match how {
        MessageProtection::Confidentiality => {
            let header = header(protection.own_flags() | SEALED, 0, sequence);
            let mut plain = Zeroizing::new(Vec::with_capacity(message.len().saturating_add(HEADER)));
            plain.extend_from_slice(message);
            plain.extend_from_slice(&header);
            [&header[..], &key.encrypt(usage, &plain, rng)].concat()
        }
        MessageProtection::Integrity => {
            let covered = header(protection.own_flags(), 0, sequence);
            let checksum = key.checksum(usage, &Zeroizing::new([message, &covered].concat())).octets;
            let header = header(protection.own_flags(), count(checksum.len()), sequence);
            [&header[..], message, &checksum].concat()
        }
    }
}

/// The message inside a token, how it was protected, and its sequence number, which is still to be judged.
pub(super) fn open(
    protection: &Protection,
    token: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, MessageProtection, u64), MessageError> {
    let received = protection.receive(WRAP, token)?;
    let [_, _, _, _, ec_high, ec_low, rrc_high, rrc_low, ..] = received.header;
    let extra_count = u16::from_be_bytes([ec_high, ec_low]);
    let rotation = u16::from_be_bytes([rrc_high, rrc_low]);
    let body = rotated_back(received.body, rotation);
    if received.flags & SEALED != 0 {
        let message = unseal(protection, &received, &body, extra_count)?;
        Ok((message, MessageProtection::Confidentiality, received.sequence))
    } else {
        let message = check(protection, &received, body, extra_count)?;
        Ok((message, MessageProtection::Integrity, received.sequence))
    }
}

/// What is encrypted: the message, EC octets of filler, and the header. The rotation count is not protected, so the
/// header's copy may have any.
fn unseal(
    protection: &Protection,
    received: &Received<'_>,
    body: &[u8],
    extra_count: u16,
) -> Result<Zeroizing<Vec<u8>>, MessageError> {
    let usage = protection.other_usage(Purpose::Seal);
    let mut plain = protection.key().decrypt(usage, body).map_err(|_| MessageError::Integrity)?;
    let length = plain.len().checked_sub(HEADER).ok_or(MessageError::Integrity)?;
    let copy: &[u8; HEADER] = plain.last_chunk().ok_or(MessageError::Integrity)?;
    let without_rotation = |header: &[u8; HEADER]| {
        let mut header = *header;
        header.iter_mut().skip(6).take(2).for_each(|octet| *octet = 0);
        header
    };
    if without_rotation(copy) != without_rotation(&received.header) {
        return Err(MessageError::Integrity);
    }
    let length = length.checked_sub(usize::from(extra_count)).ok_or(MessageError::Integrity)?;
    plain.truncate(length);
    Ok(plain)
}

/// What is in clear: the message and EC octets of checksum, made over the message and the header with EC and RRC 0.
fn check(
    protection: &Protection,
    received: &Received<'_>,
    mut body: Zeroizing<Vec<u8>>,
    extra_count: u16,
) -> Result<Zeroizing<Vec<u8>>, MessageError> {
    let length = body.len().checked_sub(usize::from(extra_count)).ok_or(MessageError::Malformed)?;
    let (message, checksum) = body.split_at_checked(length).ok_or(MessageError::Malformed)?;
    let covered = header(received.flags, 0, received.sequence);
    let key = protection.key();
    key.verify_checksum(
        protection.other_usage(Purpose::Seal),
        &Zeroizing::new([message, &covered].concat()),
        key.etype().checksum_type(),
        checksum,
    )
    .map_err(|_| MessageError::Integrity)?;
    body.truncate(length);
    Ok(body)
}

/// Undoes the sender's rotation to the right, of any count, also beyond the length.
fn rotated_back(body: &[u8], rotation: u16) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(body.to_vec());
    if let Some(rotation) = usize::from(rotation).checked_rem(body.len()) {
        body.rotate_left(rotation);
    }
    body
}

fn header(flags: u8, extra_count: u16, sequence: u64) -> [u8; HEADER] {
    let [first, second] = WRAP.0;
    let [ec_high, ec_low] = extra_count.to_be_bytes();
    let [rrc_high, rrc_low] = NOT_ROTATED.to_be_bytes();
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sequence.to_be_bytes();
    [first, second, flags, 0xff, ec_high, ec_low, rrc_high, rrc_low, s0, s1, s2, s3, s4, s5, s6, s7]
}

/// The length of a checksum, which is 12 or 16.
fn count(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
