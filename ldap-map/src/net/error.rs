//! What can go wrong between here and an account, by who must act.

use std::fmt;
use std::io;

use super::bind::BindRefusal;
use crate::dn::Dn;
use crate::entry::AttributeError;
use crate::message::response::{MessageError, ResultCode};
use crate::sid::Sid;

/// Why there is no account, or no healthy directory.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// No account has the name.
    #[error("no account has the name")]
    NotFound,
    /// More than one account has the name, explicitly or implicitly.
    #[error("more than one account has the name")]
    Ambiguous,
    /// More than one account names the certificate, so that its holder must say which one is meant.
    #[error(
        "more than one account has the certificate in altSecurityIdentities: the login must name one of them"
    )]
    SeveralAccounts,
    /// The names that the certificate carries point at different accounts.
    #[error(
        "the certificate's names disagree: its user principal name is that of {one}, but {other} has the certificate in \
         altSecurityIdentities"
    )]
    Disagreement {
        /// The account of the name.
        one: String,
        /// The account that names the certificate.
        other: String,
    },
    /// An attribute of the account is missing, hidden from the service account, or malformed.
    #[error("the account cannot be read: {0}")]
    Attribute(#[from] AttributeError),
    /// The directory refuses the service account. For a while nothing more is tried, so that repeated logins do
    /// not lock it.
    #[error("the server {server} refused the service account: {reason}")]
    BindRefused {
        /// The server's name.
        server: String,
        /// Why, as far as it says.
        reason: BindRefusal,
    },
    /// The directory refuses to search.
    #[error("the server {server} refused to search: {code}")]
    SearchRefused {
        /// The server's name.
        server: String,
        /// The result code; `noSuchObject` means that the configured base does not exist.
        code: ResultCode,
    },
    /// The server holds another domain than the configured base lies in.
    #[error("the server {server} holds the domain {found}, not {expected}")]
    WrongDomain {
        /// The server's name.
        server: String,
        /// The domain of the configured base.
        expected: Dn,
        /// The server's own.
        found: String,
    },
    /// The domain has another SID than the one expected, or than another server said.
    #[error("the server {server} says that objectSid of its domain is {found}, but {expected} is expected")]
    WrongDomainSid {
        /// The server's name.
        server: String,
        /// What was configured, or said before.
        expected: Sid,
        /// What the server says.
        found: Sid,
    },
    /// The SID of the domain's own object cannot be read.
    #[error("the domain's own object cannot be read: {0}")]
    DomainObject(AttributeError),
    /// The server does not tell what has changed.
    #[error("what has changed cannot be told: {0}")]
    ChangesHidden(AttributeError),
    /// An object is larger than whoever asks for it can use.
    #[error("the object has more than {limit} octets")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// All connections were in use for as long as a login may wait.
    #[error(
        "all connections to the directory are in use, and none became free in time: pool_size allows too few for so many \
         logins, or for servers so slow"
    )]
    Busy,
    /// No server could be used.
    #[error("no directory server can be used: {}", Attempts(attempts))]
    Unavailable {
        /// What was tried, in order: three connections at most, none where no server is known.
        attempts: Vec<Attempt>,
    },
}

/// One try of one server.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The server's name.
    pub server: String,
    /// What went wrong.
    pub fault: Fault,
}

/// Why a connection cannot be made, or can no longer be used. The connection is given up in every case.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The name of the server has no address.
    #[error("the name has no address")]
    Resolve,
    /// The address does not accept a connection.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// The TLS handshake failed; the server's certificate is the usual reason.
    #[error("no secure connection: {0}")]
    Tls(#[source] rustls::Error),
    /// The server did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The server said nothing to anybody for a while, and another one was ready.
    #[error("no answer, and another server is ready")]
    Silent,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::ErrorKind),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server announced that it closes the connection, or that it cannot answer now.
    #[error("the server cannot answer: {0}")]
    Unable(ResultCode),
    /// The server sent something that is not a message of the protocol.
    #[error("the server broke the protocol: {0}")]
    Message(#[from] MessageError),
    /// The server sent a message that does not belong here: for another request, of another kind, or more objects
    /// than were allowed.
    #[error("the server broke the protocol: the message has no place here")]
    Unexpected,
}

/// Why settings do not make a [`Directory`](super::directory::Directory).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// More than sixteen servers, or none where some are needed.
    #[error("there must be 1 to 16 directory servers")]
    Servers,
    /// The base has no `DC` parts, so that its domain is unknown.
    #[error("the base dn does not lie in a domain: it has no dc parts")]
    BaseDn,
    /// No CA certificate to verify servers with.
    #[error("there is no ca certificate to verify directory servers with")]
    NoRoots,
    /// A CA certificate that cannot be used.
    #[error("ca certificate number {position} cannot be used: {source}")]
    Root {
        /// Which, from 1.
        position: usize,
        /// Why.
        source: rustls::Error,
    },
    /// A simple bind without a name, or without a password: servers would take it for an anonymous one.
    #[error("the name or the password of the service account is empty")]
    EmptyCredential,
    /// The certificate or key for the EXTERNAL bind cannot be used.
    #[error("the certificate or key of the service account cannot be used: {0}")]
    ClientCertificate(#[source] rustls::Error),
    /// The protocol versions of the TLS library do not fit its provider.
    #[error("tls cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// The pool must hold 1 to 256 connections.
    #[error("the pool must hold 1 to 256 connections")]
    PoolSize,
    /// A timeout of zero, or above five minutes.
    #[error("timeouts must be above zero and at most five minutes")]
    Timeout,
}

/// All attempts in one line.
struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("none is known")?;
        }
        for (place, Attempt { server, fault }) in self.0.iter().enumerate() {
            let separator = if place > 0 { "; " } else { "" };
            write!(f, "{separator}{server}: {fault}")?;
        }
        Ok(())
    }
}
