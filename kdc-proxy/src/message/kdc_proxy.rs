//! `KDC-PROXY-MESSAGE` (MS-KKDCP section 2.2.2): a Kerberos message in its TCP frame, on its way through HTTPS.
//!
//! What a client sends is unauthenticated to the last octet. A request is taken only if the message inside is one that a
//! KDC proxy may forward, and what is read from it serves to refuse it, never to admit somebody.

mod answer;
mod content;

use rasn::prelude::*;

pub use answer::KdcAnswer;
pub use content::Content;

use super::MAX_MESSAGE_LENGTH;
use super::der::is_der;
use super::types::{KerberosString, Malformed, encode};
use crate::principal::{NameError, Realm};

/// Octets around a reply's message: its frame, and the tags and lengths of the fields.
const WRAPPING: usize = 64;

/// `KDC-PROXY-MESSAGE`. The hint is for a proxy that looks for a domain controller by itself.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
struct KdcProxyMessage {
    #[rasn(tag(explicit(0)))]
    kerb_message: OctetString,
    #[rasn(tag(explicit(1)))]
    target_domain: Option<KerberosString>,
    #[rasn(tag(explicit(2)))]
    dclocator_hint: Option<i64>,
}

/// Why octets are no request that a KDC proxy forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyRequestError {
    /// No KDC-PROXY-MESSAGE in DER and nothing else, or longer than [`MAX_MESSAGE_LENGTH`].
    #[error("no well-formed kdc-proxy-message")]
    Malformed,
    /// The length before the message differs from the message's.
    #[error("frame of the message announces another length")]
    Frame,
    /// No `target-domain`, which is an error by MS-KKDCP section 3.2.5.1.
    #[error("target-domain is missing")]
    NoTargetDomain,
    /// `target-domain` is no name of a realm.
    #[error("target-domain is no realm: {0}")]
    TargetDomain(NameError),
    /// Neither an AS-REQ nor a TGS-REQ nor a request to change a password.
    #[error("message is of a kind that is not forwarded")]
    Kind,
    /// The message is not what its first octets promise.
    #[error("message is malformed")]
    Content,
    /// A name in the message cannot be a principal's.
    #[error("a name in the message is refused: {0}")]
    Name(#[from] NameError),
    /// The realm in the message is not the `target-domain`.
    #[error("realm of the message is not the target-domain")]
    RealmDiffers,
    /// The ticket in a request to change a password is for another service than kadmin/changepw.
    #[error("ticket is for another service than kadmin/changepw")]
    Service,
}

impl From<Malformed> for ProxyRequestError {
    fn from(_: Malformed) -> Self {
        Self::Content
    }
}

/// A client's request to a KDC proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyRequest {
    message: Vec<u8>,
    content: Content,
}

impl ProxyRequest {
    /// Reads a request's body.
    ///
    /// # Errors
    /// [`ProxyRequestError`] by the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProxyRequestError> {
        let read = decode(bytes, MAX_MESSAGE_LENGTH).map_err(|Malformed| ProxyRequestError::Malformed)?;
        let message = unframed(&read.kerb_message).ok_or(ProxyRequestError::Frame)?;
        let target_domain = read.target_domain.as_ref().ok_or(ProxyRequestError::NoTargetDomain)?;
        let target_domain = Realm::try_from(target_domain).map_err(ProxyRequestError::TargetDomain)?;
        let content = Content::read(message)?;
        // The envelope says where the message goes and the KDC reads the message: what is judged must be what is read.
        if !target_domain.eq_ignoring_case(content.realm()) {
            return Err(ProxyRequestError::RealmDiffers);
        }
        Ok(Self { message: message.to_vec(), content })
    }

    /// The realm whose KDC is asked for, in the message's spelling. Its `target-domain` names the same realm.
    #[must_use]
    pub const fn target_domain(&self) -> &Realm {
        self.content.realm()
    }

    /// The Kerberos message as the client made it, without its frame.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// What the message says of itself.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }
}

impl std::fmt::Debug for ProxyRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyRequest")
            .field("octets", &self.message.len())
            .field("content", &self.content)
            .finish()
    }
}

/// Why octets are no reply of a KDC proxy, or none that can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyReplyError {
    /// No KDC-PROXY-MESSAGE in DER and nothing else, or longer than its message may be.
    #[error("no well-formed kdc-proxy-message")]
    Malformed,
    /// The length before the message differs from the message's.
    #[error("frame of the message announces another length")]
    Frame,
    /// The message is longer than [`MAX_MESSAGE_LENGTH`].
    #[error("message is too long")]
    TooLong,
    /// The message is no answer of a KDC or of a password service to the request.
    #[error("message is no answer to the request")]
    Answer,
}

impl From<Malformed> for ProxyReplyError {
    fn from(_: Malformed) -> Self {
        Self::Answer
    }
}

/// The body that asks a KDC proxy to forward `message` to a KDC of `realm`, or to its password service.
///
/// # Errors
/// [`ProxyReplyError::TooLong`].
pub fn encode_request(realm: &Realm, message: &[u8]) -> Result<Vec<u8>, ProxyReplyError> {
    let kerb_message = framed(message)?;
    Ok(encode(&KdcProxyMessage { kerb_message, target_domain: Some(realm.into()), dclocator_hint: None }))
}

/// The body that brings a client the KDC's `message`.
///
/// # Errors
/// [`ProxyReplyError::TooLong`].
pub fn encode_reply(message: &[u8]) -> Result<Vec<u8>, ProxyReplyError> {
    let kerb_message = framed(message)?;
    Ok(encode(&KdcProxyMessage { kerb_message, target_domain: None, dclocator_hint: None }))
}

/// The message in a reply's body. A realm in it, which should not be there, says nothing and is left aside.
///
/// # Errors
/// [`ProxyReplyError`] by what is wrong.
pub fn decode_reply(bytes: &[u8]) -> Result<Vec<u8>, ProxyReplyError> {
    let limit = MAX_MESSAGE_LENGTH + WRAPPING;
    let read = decode(bytes, limit).map_err(|Malformed| ProxyReplyError::Malformed)?;
    let message = unframed(&read.kerb_message).ok_or(ProxyReplyError::Frame)?;
    if message.len() > MAX_MESSAGE_LENGTH {
        return Err(ProxyReplyError::TooLong);
    }
    Ok(message.to_vec())
}

fn decode(bytes: &[u8], limit: usize) -> Result<KdcProxyMessage, Malformed> {
    if bytes.len() > limit || !is_der(bytes) {
        return Err(Malformed);
    }
    rasn::der::decode(bytes).map_err(|_| Malformed)
}

/// The message of RFC 4120 section 7.2.2's frame, if the frame is right; it is not empty.
fn unframed(frame: &[u8]) -> Option<&[u8]> {
    let (length, message) = frame.split_first_chunk::<4>()?;
    let announced = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (announced == message.len() && announced > 0).then_some(message)
}

/// The two messages in the frame of RFC 3244 section 2, which begins with the length, the version (that of changing one's own
/// password, or of setting one) and the length of the first message.
fn kpasswd_parts(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([a, b, c, d, e, f], rest) = message.split_first_chunk::<6>()?;
    let [length, version, first] = [[*a, *b], [*c, *d], [*e, *f]].map(u16::from_be_bytes);
    let is_known = matches!(version, 0x0001 | 0xff80);
    (is_known && usize::from(length) == message.len()).then(|| rest.split_at_checked(first.into()))?
}

fn framed(message: &[u8]) -> Result<OctetString, ProxyReplyError> {
    let length = u32::try_from(message.len()).map_err(|_| ProxyReplyError::TooLong)?;
    if message.len() > MAX_MESSAGE_LENGTH {
        return Err(ProxyReplyError::TooLong);
    }
    Ok([&length.to_be_bytes()[..], message].concat().into())
}

#[cfg(test)]
mod tests;
