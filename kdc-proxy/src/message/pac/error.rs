//! Why a PAC was refused.

use crate::message::ndr::NdrError;

/// A check of the PAC that failed. Whoever forged or damaged it is not known: treat it as a security event.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PacError {
    /// The table of buffers does not fit into the bytes.
    #[error("pac is shorter than its table of buffers")]
    Truncated,
    /// No buffers, or more than any KDC writes.
    #[error("pac announces {0} buffers")]
    BufferCount(u32),
    /// `Version` is not 0.
    #[error("pac has version {0}")]
    Version(u32),
    /// A buffer (by type) lies outside the PAC or inside its table.
    #[error("pac buffer of type {0} lies outside the pac")]
    BufferOutside(u32),
    /// A buffer does not start at a multiple of 8.
    #[error("pac buffer of type {0} is not aligned")]
    BufferMisaligned(u32),
    /// A known type occurs twice.
    #[error("pac buffer of type {0} occurs twice")]
    DuplicateBuffer(u32),
    /// Two buffers share bytes.
    #[error("pac buffers of types {0} and {1} overlap")]
    OverlappingBuffers(u32, u32),
    /// A buffer that every PAC has is missing.
    #[error("pac has no buffer of type {0}")]
    MissingBuffer(u32),
    /// A fixed-layout buffer is too short or contradicts itself.
    #[error("pac buffer of type {0} is malformed")]
    Malformed(u32),
    /// A signature buffer (by type) has the wrong length for its signature type.
    #[error("pac signature in buffer {buffer} has the wrong length for type {signature_type}")]
    SignatureLength {
        /// Type of the buffer: 6, 7, 16 or 19.
        buffer: u32,
        /// Checksum type it names.
        signature_type: i32,
    },
    /// The server signature is not of the type that belongs to the ticket key's etype.
    #[error("pac server signature is of type {found}, the ticket key requires {required}")]
    SignatureType {
        /// Type in the PAC.
        found: i32,
        /// Type that belongs to the key.
        required: i32,
    },
    /// The server signature does not fit the PAC and the key.
    #[error("pac server signature is wrong")]
    ServerSignature,
    /// The logon information is malformed.
    #[error("pac logon information: {0}")]
    LogonInfo(#[from] LogonInfoError),
    /// The delegation information is malformed.
    #[error("pac delegation information: {0}")]
    DelegationInfo(NdrError),
    /// `CLIENT_INFO` names another client than the ticket.
    #[error("pac was made for another client name than the ticket's")]
    ClientName,
    /// `CLIENT_INFO` carries another time than the ticket's authtime.
    #[error("pac was made at another time than the ticket's authtime")]
    ClientTime,
    /// The SID in `UPN_DNS_INFO` is not the user's.
    #[error("pac upn information names another sid than the logon information")]
    UpnSid,
    /// The SID in `PAC_REQUESTOR` is not the user's.
    #[error("pac requestor is another sid than the user's")]
    RequestorSid,
}

/// Why `KERB_VALIDATION_INFO` was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LogonInfoError {
    /// The NDR encoding is unsound.
    #[error(transparent)]
    Ndr(#[from] NdrError),
    /// `LogonDomainId` is null.
    #[error("no domain sid")]
    NoDomainSid,
    /// `UserId` is 0: the user's SID would hide among the extra SIDs.
    #[error("no user id")]
    NoUserId,
    /// Resource groups without a domain.
    #[error("resource groups without a domain sid")]
    NoResourceDomainSid,
    /// A domain SID that has no room for a relative identifier.
    #[error("sid has no room for a relative identifier")]
    SidTooLong,
    /// A null pointer among the extra SIDs.
    #[error("null pointer among the extra sids")]
    NullSid,
}
