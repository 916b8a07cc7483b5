//! What a service's AP-REP is refused for.

/// Why a service's proof that it opened our AP-REQ is refused (RFC 4120 section 3.2.5): a security event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApRepError {
    /// Not an AP-REP, or what is inside is not what belongs there.
    #[error("ap-rep is malformed")]
    Malformed,
    /// Encrypted in another type than that of the session key.
    #[error("encryption type {0} of the ap-rep is not that of the session key")]
    Etype(i32),
    /// It does not decrypt under the session key of the ticket.
    #[error("ap-rep does not decrypt under the session key")]
    Decryption,
    /// It repeats another time than the one our authenticator said.
    #[error("ap-rep answers another request")]
    OtherRequest,
}
