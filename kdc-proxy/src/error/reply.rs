//! The checks of a reply, one variant each (RFC 4120 sections 3.1.5 and 3.3.4, MS-SFU sections 3.1.5).

use crate::message::pac::PacError;
use crate::message::types::Malformed;

/// A check of a KDC's reply that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Not the expected message: wrong tag, missing or unknown field, trailing bytes, a time no calendar has, or
    /// longer than [`crate::message::MAX_MESSAGE_LENGTH`].
    #[error("message is malformed")]
    Malformed,
    /// `pvno` or `msg-type` contradicts the tag.
    #[error("protocol version or message type is wrong")]
    VersionOrType,
    /// The encrypted part is of an encryption type that was not asked for.
    #[error("encryption type {0} of the reply was not asked for")]
    Etype(i32),
    /// The encrypted part does not decrypt under the key it should.
    #[error("reply does not decrypt under the expected key")]
    Decryption,
    /// The decrypted part is malformed.
    #[error("decrypted part is malformed")]
    EncryptedPart,
    /// The reply answers another request.
    #[error("nonce is not that of the request")]
    Nonce,
    /// The ticket's server differs from the one in the encrypted part.
    #[error("ticket names another server than the encrypted part")]
    TicketServer,
    /// The server is not the one asked for.
    #[error("server is not the one asked for")]
    ServerName,
    /// The server's realm is not the one asked.
    #[error("server's realm is not the one asked")]
    ServerRealm,
    /// The client is not ours, or its name changed without the protection of an encrypted part.
    #[error("client is not the one that asked")]
    ClientName,
    /// Valid from a time that is not the present one.
    #[error("ticket starts at another time than now")]
    StartTime,
    /// Valid longer than was asked for, or longer than the ticket it rests on.
    #[error("ticket ends later than was asked for")]
    EndTime,
    /// Already ended, or ending before it starts.
    #[error("ticket has already ended")]
    Ended,
    /// Renewable although that was not asked for.
    #[error("ticket is renewable without having been asked to be")]
    RenewTill,
    /// The flag of the encrypted padata is set, but the checksum over the request is missing.
    #[error("checksum over the request is missing")]
    RequestChecksumMissing,
    /// The checksum over the request does not match: the request was altered on its way.
    #[error("checksum over the request does not match")]
    RequestChecksum,
    /// The session key is of an encryption type that is not allowed.
    #[error("encryption type {0} of the session key is not allowed")]
    SessionKeyEtype(i32),
    /// The session key has not the length of its type.
    #[error("session key has the wrong length")]
    SessionKeyLength,
    /// The ticket itself is encrypted in a type that is not allowed.
    #[error(
        "encryption type {0} of the ticket is not allowed, so the account it is for needs aes keys \
         (msDS-SupportedEncryptionTypes)"
    )]
    TicketEtype(i32),
    /// An AS exchange gave a ticket that is not `initial`.
    #[error("ticket is not marked as initial")]
    NotInitial,
    /// The ticket is marked `invalid` or postdated.
    #[error("ticket is marked as invalid")]
    Invalid,
    /// A ticket-granting ticket came where none was asked for, and it is no referral.
    #[error("ticket-granting ticket came instead of the ticket asked for")]
    UnaskedTicketGranting,
    /// The KDC of another realm gave a ticket for the service itself, which it could only refer to.
    #[error("kdc of another realm gave a ticket for the service itself instead of a referral")]
    ReferralMissing,
    /// A ticket for a service of another realm came without the mark of resource-based delegation (MS-SFU section 3.1.5.2.3).
    #[error("reply does not say that resource-based delegation was applied")]
    DelegationOptionMissing,
    /// A check of an S4U2Self reply failed.
    #[error("evidence refused: {0}")]
    Evidence(#[from] EvidenceError),
}

impl From<Malformed> for ReplyError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A check of an S4U2Self reply that failed, beyond those of every TGS exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The ticket speaks for ourselves: the KDC does not know S4U2Self.
    #[error("kdc does not support s4u2self")]
    NotSupported,
    /// The reply's outer client is not the user asked for.
    #[error("reply names another user")]
    ReplyUser,
    /// PA-S4U-X509-USER of the reply is malformed.
    #[error("pa-s4u-x509-user is malformed")]
    X509UserMalformed,
    /// PA-S4U-X509-USER answers another request.
    #[error("nonce of pa-s4u-x509-user is not that of the request")]
    X509UserNonce,
    /// PA-S4U-X509-USER is not signed with the subkey.
    #[error("checksum of pa-s4u-x509-user does not match")]
    X509UserChecksum,
    /// PA-S4U-X509-USER names another user.
    #[error("pa-s4u-x509-user names another user")]
    X509UserName,
    /// PA-S4U-X509-USER was in the encrypted part and has been taken from the reply.
    #[error("pa-s4u-x509-user has been removed from the reply")]
    X509UserStripped,
    /// With an RC4 key the encrypted part must repeat both checksums, and does not.
    #[error("encrypted part does not repeat the checksums of pa-s4u-x509-user")]
    X509UserBinding,
    /// None of our long-term keys is of the ticket's encryption type.
    #[error("no long-term key of encryption type {0}")]
    NoKey(i32),
    /// The ticket is encrypted in a version of our key that the keytab does not have, nor does another version open it.
    #[error("keytab has no key of version {0}, in which the kdc encrypts tickets for us")]
    NoKeyVersion(u32),
    /// The ticket does not decrypt under our long-term key.
    #[error("ticket does not decrypt under our long-term key")]
    TicketDecryption,
    /// The decrypted ticket is malformed.
    #[error("decrypted ticket is malformed")]
    TicketMalformed,
    /// The ticket's session key differs from the reply's.
    #[error("session key of the ticket differs from the reply's")]
    SessionKey,
    /// The ticket was issued for another user.
    #[error("ticket was issued for another user")]
    TicketUser,
    /// The ticket's flags differ from the reply's.
    #[error("flags of the ticket differ from the reply's")]
    Flags,
    /// The ticket's times differ from the reply's.
    #[error("times of the ticket differ from the reply's")]
    Times,
    /// The ticket holds no PAC.
    #[error("ticket holds no pac")]
    PacMissing,
    /// The ticket holds more than one PAC.
    #[error("ticket holds more than one pac")]
    PacAmbiguous,
    /// The authorization data around the PAC is malformed.
    #[error("authorization data is malformed")]
    AuthorizationData,
    /// The ticket has come through a realm that is not configured, or does not say through which.
    #[error("ticket has come through a realm that is not configured")]
    Transited,
    /// The PAC is not of the domain of the user's realm: a realm may vouch for its own users only.
    #[error("pac is of another domain than that of the user's realm")]
    UserDomain,
    /// The PAC names another domain by DNS than the user's realm.
    #[error("pac names another dns domain than the user's realm")]
    UserDnsDomain,
    /// The PAC itself failed a check.
    #[error("pac refused: {0}")]
    Pac(#[from] PacError),
}
