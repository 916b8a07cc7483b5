//! Answers: the results of bind and search, found objects, and the server's notice that it hangs up
//! (RFC 4511 4.1.9, 4.2.2, 4.4, 4.5.2).

use std::fmt;

use crate::entry::Entry;
use crate::tlv::{
    ENUMERATED, Element, EncodingError, INTEGER, OCTET_STRING, Reader, Rules, SEQUENCE, SET, element_length,
};

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_RESULT_ENTRY: u8 = 0x64;
const SEARCH_RESULT_DONE: u8 = 0x65;
const SEARCH_RESULT_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;

/// Longest accepted message in octets; an account with the most groups needs a tenth of it.
pub const MAXIMUM_LENGTH: usize = 1024 * 1024;
/// Most attributes of one object; fewer are ever asked for.
const MAXIMUM_ATTRIBUTES: usize = 64;
/// Most values of one attribute.
const MAXIMUM_VALUES: usize = 4096;
/// Longest kept diagnostic text in characters.
const MAXIMUM_DIAGNOSTIC: usize = 256;

/// One message from the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The request this answers; 0 for what the server sends unasked.
    pub id: u32,
    /// What it says.
    pub response: Response,
}

/// What a server says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Response {
    /// The answer to a bind.
    Bind(LdapResult),
    /// An object found.
    Entry(Entry),
    /// Another server might know more; never followed.
    Reference,
    /// The end of a search.
    Done(LdapResult),
    /// An extended response. None is asked for, so this can only be the notice of disconnection.
    Extended(LdapResult),
}

/// The outcome of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LdapResult {
    /// The code.
    pub code: ResultCode,
    /// The server's own words for administrators, cut to a bounded length and free of control characters.
    pub diagnostic: String,
}

/// A result code (RFC 4511 A.1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ResultCode(pub u32);

impl ResultCode {
    /// The operation succeeded.
    pub const SUCCESS: Self = Self(0);
    /// The server's time limit was reached.
    pub const TIME_LIMIT_EXCEEDED: Self = Self(3);
    /// More objects match than were allowed.
    pub const SIZE_LIMIT_EXCEEDED: Self = Self(4);
    /// The base of the search does not exist.
    pub const NO_SUCH_OBJECT: Self = Self(32);
    /// Name or password are wrong, or the account must not log in.
    pub const INVALID_CREDENTIALS: Self = Self(49);
    /// The server is too busy.
    pub const BUSY: Self = Self(51);
    /// The server is shutting down or offline.
    pub const UNAVAILABLE: Self = Self(52);
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            13 => "confidentialityRequired",
            32 => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            80 => "other",
            _ => "result code",
        };
        write!(f, "{name} ({})", self.0)
    }
}

/// Why octets are not a message that has a place in the conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The encoding is not well-formed.
    #[error("the encoding of the message is not well-formed")]
    Encoding,
    /// The message says that it is longer than any that is expected.
    #[error("the message is longer than any that is expected")]
    TooLong,
    /// The kind of message is not one that answers what is asked here.
    #[error("the message has the unexpected tag {0:#x}")]
    Operation(u8),
    /// A name that is not UTF-8.
    #[error("a name in the message is not UTF-8")]
    Text,
    /// An attribute is there twice.
    #[error("an attribute is there twice")]
    AttributeTwice,
    /// More attributes or values than were asked for.
    #[error("the message holds too many attributes or values")]
    TooMany,
}

impl From<EncodingError> for MessageError {
    fn from(_: EncodingError) -> Self {
        Self::Encoding
    }
}

impl Message {
    /// The length of the message that begins with these octets, or `None` when more are needed to tell.
    ///
    /// # Errors
    /// [`MessageError::Encoding`] when no message begins so, [`MessageError::TooLong`] when it is longer than
    /// [`MAXIMUM_LENGTH`].
    pub fn length(octets: &[u8]) -> Result<Option<usize>, MessageError> {
        Self::length_within(octets, MAXIMUM_LENGTH)
    }

    /// The same for a message of at most `longest` octets.
    ///
    /// # Errors
    /// As of [`Self::length`].
    pub fn length_within(octets: &[u8], longest: usize) -> Result<Option<usize>, MessageError> {
        if octets.first().is_some_and(|tag| *tag != SEQUENCE) {
            return Err(MessageError::Encoding);
        }
        match element_length(octets)? {
            Some(length) if length > longest => Err(MessageError::TooLong),
            length => Ok(length),
        }
    }

    /// Reads one whole message.
    ///
    /// Controls and whatever else follows the operation are read over (RFC 4511 4): none were asked for, and
    /// Active Directory puts the name of its notice of disconnection there.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(octets: &[u8]) -> Result<Self, MessageError> {
        let mut outer = Reader::new(octets, Rules::Basic);
        let mut message = outer.enter(SEQUENCE)?;
        outer.end()?;
        let id = number(message.expect(INTEGER)?)?;
        let Element { tag, value } = message.any()?;
        let operation = Reader::new(value, Rules::Basic);
        let response = match tag {
            BIND_RESPONSE => Response::Bind(result(operation)?),
            SEARCH_RESULT_ENTRY => Response::Entry(entry(operation)?),
            SEARCH_RESULT_REFERENCE => Response::Reference,
            SEARCH_RESULT_DONE => Response::Done(result(operation)?),
            EXTENDED_RESPONSE => Response::Extended(result(operation)?),
            other => return Err(MessageError::Operation(other)),
        };
        Ok(Self { id, response })
    }
}

fn result(mut fields: Reader<'_>) -> Result<LdapResult, MessageError> {
    let code = ResultCode(number(fields.expect(ENUMERATED)?)?);
    fields.expect(OCTET_STRING)?;
    let diagnostic = String::from_utf8_lossy(fields.expect(OCTET_STRING)?)
        .chars()
        .filter(|character| !character.is_control())
        .take(MAXIMUM_DIAGNOSTIC)
        .collect();
    Ok(LdapResult { code, diagnostic })
}

fn entry(mut fields: Reader<'_>) -> Result<Entry, MessageError> {
    let mut entry = Entry::new(text(fields.expect(OCTET_STRING)?)?);
    let mut attributes = fields.enter(SEQUENCE)?;
    fields.end()?;
    let mut count = 0;
    while !attributes.is_empty() {
        count += 1;
        if count > MAXIMUM_ATTRIBUTES {
            return Err(MessageError::TooMany);
        }
        let mut attribute = attributes.enter(SEQUENCE)?;
        let name = text(attribute.expect(OCTET_STRING)?)?;
        let values = values(attribute.enter(SET)?)?;
        attribute.end()?;
        if !entry.add(name, values) {
            return Err(MessageError::AttributeTwice);
        }
    }
    Ok(entry)
}

fn values(mut set: Reader<'_>) -> Result<Vec<Vec<u8>>, MessageError> {
    let mut values = Vec::new();
    while !set.is_empty() {
        if values.len() == MAXIMUM_VALUES {
            return Err(MessageError::TooMany);
        }
        values.push(set.expect(OCTET_STRING)?.to_vec());
    }
    Ok(values)
}

/// A number that is not negative and fits 31 bits.
fn number(octets: &[u8]) -> Result<u32, MessageError> {
    if octets.is_empty() || octets.len() > 4 || octets.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(MessageError::Encoding);
    }
    Ok(octets.iter().fold(0, |sum, octet| (sum << 8) | u32::from(*octet)))
}

fn text(octets: &[u8]) -> Result<&str, MessageError> {
    str::from_utf8(octets).map_err(|_| MessageError::Text)
}
