//! The messages of the protocol that changes passwords (RFC 3244): a frame around an AP-REQ or AP-REP and a KRB-PRIV.

use rasn::prelude::*;

use super::krb_error::{KrbError, printable};
use super::types::{KerberosString, SecretOctets, WireName};
use crate::error::{KpasswdRefusal, KpasswdReplyError, KpasswdResult, PasswordPolicy};

/// A user changes the own password; the data is the new password itself.
pub(crate) const CHANGE: u16 = 0x0001;
/// RFC 3244: the data is a [`ChangePasswdData`].
pub(crate) const SET: u16 = 0xff80;

/// Total length, version, length of the AP-REQ.
const HEADER: usize = 6;
/// First octet of a KRB-ERROR, which some servers send without a frame.
const KRB_ERROR_TAG: u8 = 0x7e;
/// Octets of the policy that Active Directory sends in the place of a text.
const POLICY_LENGTH: usize = 30;
/// Hundreds of nanoseconds in a day.
const TICKS_OF_A_DAY: u64 = 864_000_000_000;

/// `ChangePasswdDataMS` of RFC 3244 section 2.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct ChangePasswdData {
    #[rasn(tag(explicit(0)))]
    pub(crate) newpasswd: SecretOctets,
    #[rasn(tag(explicit(1)))]
    pub(crate) targname: Option<WireName>,
    #[rasn(tag(explicit(2)))]
    pub(crate) targrealm: Option<KerberosString>,
}

/// The request longer than its own length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// A request: its version, the AP-REQ, the KRB-PRIV.
pub(crate) fn request(version: u16, ap_req: &[u8], krb_priv: &[u8]) -> Result<Vec<u8>, TooLong> {
    let total = HEADER.saturating_add(ap_req.len()).saturating_add(krb_priv.len());
    let total = u16::try_from(total).map_err(|_| TooLong)?;
    let length = u16::try_from(ap_req.len()).map_err(|_| TooLong)?;
    let header = [total.to_be_bytes(), version.to_be_bytes(), length.to_be_bytes()].concat();
    Ok([header.as_slice(), ap_req, krb_priv].concat())
}

/// What a server answers, nothing of it verified yet.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    /// The proof of the server, and the result under our key.
    Result { ap_rep: &'a [u8], krb_priv: &'a [u8] },
    /// A KRB-ERROR, which nobody has signed.
    Error(Box<KrbError>),
}

impl<'a> Reply<'a> {
    /// Takes the frame apart.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, KpasswdReplyError> {
        if bytes.first() == Some(&KRB_ERROR_TAG) {
            return Self::error(bytes);
        }
        let (total, rest) = number(bytes)?;
        let (version, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        if usize::from(total) != bytes.len() {
            return Err(KpasswdReplyError::Malformed);
        }
        if version != CHANGE && version != SET {
            return Err(KpasswdReplyError::Version(version));
        }
        if length == 0 {
            return Self::error(rest);
        }
        let parts = rest.split_at_checked(usize::from(length)).ok_or(KpasswdReplyError::Malformed)?;
        Ok(Self::Result { ap_rep: parts.0, krb_priv: parts.1 })
    }

    fn error(bytes: &[u8]) -> Result<Self, KpasswdReplyError> {
        let error = KrbError::parse(bytes).map_err(|_| KpasswdReplyError::Malformed)?;
        Ok(Self::Error(Box::new(error)))
    }
}

fn number(bytes: &[u8]) -> Result<(u16, &[u8]), KpasswdReplyError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(KpasswdReplyError::Malformed)?;
    Ok((u16::from_be_bytes(*number), rest))
}

/// The result of a request: nothing on success, else what was refused and the server's words, made fit for a log.
pub(crate) fn result(data: &[u8]) -> Result<Result<(), KpasswdRefusal>, KpasswdReplyError> {
    let (number, text) = number(data)?;
    let Some(result) = KpasswdResult::from_number(number) else { return Ok(Ok(())) };
    let policy = policy(text);
    let text = if policy.is_some() { None } else { printable(text) };
    Ok(Err(KpasswdRefusal { result, policy, text }))
}

/// What Active Directory sends in the place of words when the policy refuses a password: two zero octets, then, all
/// big-endian, the least length, the length of the history, properties, the greatest and the least age.
fn policy(text: &[u8]) -> Option<PasswordPolicy> {
    let octets: &[u8; POLICY_LENGTH] = text.try_into().ok()?;
    let rest = octets.strip_prefix(&[0, 0])?;
    let (minimum_length, rest) = rest.split_first_chunk()?;
    let (history, rest) = rest.split_first_chunk()?;
    let (properties, rest) = rest.split_first_chunk()?;
    let (_maximum_age, minimum_age): (&[u8; 8], _) = rest.split_first_chunk()?;
    Some(PasswordPolicy {
        minimum_length: u32::from_be_bytes(*minimum_length),
        history: u32::from_be_bytes(*history),
        is_complex: u32::from_be_bytes(*properties) & 1 == 1,
        minimum_days: u64::from_be_bytes(minimum_age.try_into().ok()?) / TICKS_OF_A_DAY,
    })
}

#[cfg(test)]
mod tests;
