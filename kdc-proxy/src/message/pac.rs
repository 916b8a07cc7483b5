//! The privilege attribute certificate that a domain controller puts into a ticket (MS-PAC).
//!
//! [`Pac::verify`] is the only way to a [`Pac`]: its server signature has been checked with the key the ticket is
//! encrypted in, it was made for the ticket's client at the ticket's `authtime`, and wherever it names the user's SID
//! it names the same one. The KDC's own signatures (types 7, 16 and 19) need the key of krbtgt; the KDC checks them
//! again when the ticket is used for S4U2Proxy.

mod client_info;
mod container;
mod delegation_info;
mod error;
mod logon_info;
mod sid;
mod signature;
mod upn_dns_info;

pub use delegation_info::DelegationInfo;
pub use error::{LogonInfoError, PacError};
pub use logon_info::{GroupMembership, UserAccountControl};
pub use sid::Sid;
pub use upn_dns_info::UpnDnsInfo;

use client_info::ClientInfo;
use container::{Container, buffer_type};
use logon_info::LogonInfo;
use signature::Signature;

use crate::key::{Key, KeyUsage};
use crate::message::ndr::Reader;
use crate::principal::PrincipalName;
use crate::time::KerberosTime;

/// A PAC whose every check has been passed.
#[derive(Clone, Debug)]
pub struct Pac {
    logon: LogonInfo,
    client_name: String,
    upn_dns_info: Option<UpnDnsInfo>,
    delegation: Option<DelegationInfo>,
    requestor: Option<Sid>,
    attributes: Option<u32>,
    buffer_types: Vec<u32>,
}

impl Pac {
    /// Reads and checks the PAC of a service ticket.
    ///
    /// `bytes` is the `ad-data` of the one AD-WIN2K-PAC element; `key` the long-term key that decrypted the ticket;
    /// `client` and `authtime` are `cname` and `authtime` of its `EncTicketPart`.
    ///
    /// # Errors
    ///
    /// One [`PacError`] per check: the container (MS-PAC 2.3), the server signature and its type (2.8.2), the logon
    /// information (2.5), client name and time (2.7), and equality of the SIDs in `UPN_DNS_INFO` (2.10) and
    /// `PAC_REQUESTOR` (2.15) with the user's.
    pub fn verify(
        bytes: &[u8],
        key: &Key,
        client: &PrincipalName,
        authtime: KerberosTime,
    ) -> Result<Self, PacError> {
        let container = Container::parse(bytes)?;
        verify_server_signature(&container, key)?;
        let pac = Self::read(&container)?;
        let client_info = ClientInfo::parse(required(&container, buffer_type::CLIENT_INFO)?)?;
        if client_info.name != client.joined() {
            return Err(PacError::ClientName);
        }
        if client_info.authtime != Some(u64::from(authtime.unix_seconds())) {
            return Err(PacError::ClientTime);
        }
        Ok(Self { client_name: client_info.name, ..pac })
    }

    /// The user's SID: domain SID and relative identifier of the logon information.
    #[must_use]
    pub const fn user_sid(&self) -> &Sid {
        &self.logon.user_sid
    }

    /// The SID of the user's domain.
    #[must_use]
    pub const fn domain_sid(&self) -> &Sid {
        &self.logon.domain_sid
    }

    /// Every group with its attributes: account groups, the primary group, extra SIDs and resource groups.
    #[must_use]
    pub fn groups(&self) -> &[GroupMembership] {
        &self.logon.groups
    }

    /// The SIDs of [`Self::groups`].
    pub fn group_sids(&self) -> impl Iterator<Item = &Sid> {
        self.logon.groups.iter().map(|group| &group.sid)
    }

    /// The account's SAM control bits.
    #[must_use]
    pub const fn user_account_control(&self) -> UserAccountControl {
        self.logon.user_account_control
    }

    /// The client's name, equal to the ticket's `cname` with its components joined by `/`.
    #[must_use]
    pub fn client_name(&self) -> &str {
        &self.client_name
    }

    /// `EffectiveName`: the `sAMAccountName`.
    #[must_use]
    pub fn effective_name(&self) -> &str {
        &self.logon.effective_name
    }

    /// `LogonDomainName`: the NetBIOS name of the user's domain.
    #[must_use]
    pub fn logon_domain_name(&self) -> &str {
        &self.logon.logon_domain_name
    }

    /// UPN and DNS domain, if the KDC sent them.
    #[must_use]
    pub const fn upn_dns_info(&self) -> Option<&UpnDnsInfo> {
        self.upn_dns_info.as_ref()
    }

    /// The services this ticket has been delegated through, if it has.
    #[must_use]
    pub const fn delegation(&self) -> Option<&DelegationInfo> {
        self.delegation.as_ref()
    }

    /// `PAC_REQUESTOR`, present in ticket-granting tickets; equal to [`Self::user_sid`].
    #[must_use]
    pub const fn requestor(&self) -> Option<&Sid> {
        self.requestor.as_ref()
    }

    /// `PAC_ATTRIBUTES_INFO` (MS-PAC 2.14): 1 the PAC was asked for, 2 it was given without being asked for.
    #[must_use]
    pub const fn attributes(&self) -> Option<u32> {
        self.attributes
    }

    /// Whether the KDC signed the whole ticket (type 16, since 2021) so that its flags cannot be changed unnoticed.
    #[must_use]
    pub fn has_ticket_signature(&self) -> bool {
        self.buffer_types.contains(&buffer_type::TICKET_CHECKSUM)
    }

    /// Whether the KDC signed the whole PAC (type 19, since 2022).
    #[must_use]
    pub fn has_full_signature(&self) -> bool {
        self.buffer_types.contains(&buffer_type::FULL_CHECKSUM)
    }

    /// The types of all buffers in table order, those this crate does not know included.
    #[must_use]
    pub fn buffer_types(&self) -> &[u32] {
        &self.buffer_types
    }

    /// Reads every buffer that has a meaning here; nothing of it is to be believed before the signature is checked.
    fn read(container: &Container<'_>) -> Result<Self, PacError> {
        let logon = LogonInfo::parse(required(container, buffer_type::LOGON_INFO)?)?;
        let upn_dns_info = container.get(buffer_type::UPN_DNS_INFO).map(UpnDnsInfo::parse).transpose()?;
        let named = upn_dns_info.as_ref().and_then(UpnDnsInfo::sid);
        if named.is_some_and(|sid| *sid != logon.user_sid) {
            return Err(PacError::UpnSid);
        }
        let requestor = container.get(buffer_type::REQUESTOR).map(requestor).transpose()?;
        if requestor.as_ref().is_some_and(|sid| *sid != logon.user_sid) {
            return Err(PacError::RequestorSid);
        }
        let delegation = container
            .get(buffer_type::DELEGATION_INFO)
            .map(DelegationInfo::parse)
            .transpose()
            .map_err(PacError::DelegationInfo)?;
        for kind in [buffer_type::TICKET_CHECKSUM, buffer_type::FULL_CHECKSUM] {
            container.get(kind).map(|buffer| Signature::parse(buffer, kind)).transpose()?;
        }
        Ok(Self {
            logon,
            client_name: String::new(),
            upn_dns_info,
            delegation,
            requestor,
            attributes: container.get(buffer_type::ATTRIBUTES_INFO).map(attributes).transpose()?,
            buffer_types: container.kinds().collect(),
        })
    }
}

/// Reads a PAC without looking at its signature.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_unverified(bytes: &[u8]) -> Result<Pac, PacError> {
    let container = Container::parse(bytes)?;
    container.get(buffer_type::CLIENT_INFO).map(ClientInfo::parse).transpose()?;
    Pac::read(&container)
}

/// Reads the logon information by itself.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_logon_info(bytes: &[u8]) -> Result<Sid, LogonInfoError> {
    LogonInfo::parse(bytes).map(|logon| logon.user_sid)
}

/// MS-PAC 2.8.2, keyed with the service's long-term key.
fn verify_server_signature(container: &Container<'_>, key: &Key) -> Result<(), PacError> {
    let buffer = required(container, buffer_type::SERVER_CHECKSUM)?;
    let signature = Signature::parse(buffer, buffer_type::SERVER_CHECKSUM)?;
    Signature::parse(required(container, buffer_type::KDC_CHECKSUM)?, buffer_type::KDC_CHECKSUM)?;
    let required = key.etype().checksum_type();
    // A weaker or unkeyed type would let anyone sign.
    if signature.kind != required {
        return Err(PacError::SignatureType { found: signature.kind, required });
    }
    let signed = container.with_zeroed_signatures(&[buffer_type::SERVER_CHECKSUM, buffer_type::KDC_CHECKSUM]);
    key.verify_checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &signed, signature.kind, signature.value)
        .map_err(|_| PacError::ServerSignature)
}

fn required<'a>(container: &Container<'a>, kind: u32) -> Result<&'a [u8], PacError> {
    container.get(kind).ok_or(PacError::MissingBuffer(kind))
}

/// `PAC_REQUESTOR` (MS-PAC 2.15): a SID and nothing else.
fn requestor(buffer: &[u8]) -> Result<Sid, PacError> {
    Sid::parse(buffer).ok_or(PacError::Malformed(buffer_type::REQUESTOR))
}

/// `PAC_ATTRIBUTES_INFO` (MS-PAC 2.14): a length in bits, then that many flags in 32-bit units.
fn attributes(buffer: &[u8]) -> Result<u32, PacError> {
    let malformed = |_| PacError::Malformed(buffer_type::ATTRIBUTES_INFO);
    let mut reader = Reader::new(buffer);
    let bits = reader.u32().map_err(malformed)?;
    let flags = reader.u32().map_err(malformed)?;
    let mask = 1_u32.checked_shl(bits).map_or(u32::MAX, |bit| bit - 1);
    Ok(flags & mask)
}

#[cfg(test)]
mod tests;
