//! `UPN_DNS_INFO` (MS-PAC 2.10).

use super::container::buffer_type::UPN_DNS_INFO;
use super::{PacError, Sid};
use crate::message::ndr::{NdrError, Reader, utf16};

/// The user has no `userPrincipalName`; the UPN is made from account name and domain.
const UPN_CONSTRUCTED: u32 = 0x1;
/// `SamName` and `Sid` follow.
const EXTENDED: u32 = 0x2;

/// User principal name, DNS domain and, from patched KDCs, account name and SID.
#[derive(Clone, Debug)]
pub struct UpnDnsInfo {
    upn: String,
    dns_domain: String,
    upn_constructed: bool,
    sam_name: Option<String>,
    sid: Option<Sid>,
}

impl UpnDnsInfo {
    /// The user principal name.
    #[must_use]
    pub fn upn(&self) -> &str {
        &self.upn
    }

    /// The DNS name of the account's domain, as the KDC writes it (often upper case).
    #[must_use]
    pub fn dns_domain(&self) -> &str {
        &self.dns_domain
    }

    /// Whether the account has no explicit `userPrincipalName`.
    #[must_use]
    pub const fn upn_is_constructed(&self) -> bool {
        self.upn_constructed
    }

    /// `sAMAccountName`, if the KDC sent it.
    #[must_use]
    pub fn sam_name(&self) -> Option<&str> {
        self.sam_name.as_deref()
    }

    /// The user's SID, if the KDC sent it; equal to that of the logon information.
    #[must_use]
    pub const fn sid(&self) -> Option<&Sid> {
        self.sid.as_ref()
    }

    pub(super) fn parse(buffer: &[u8]) -> Result<Self, PacError> {
        Self::read(buffer).map_err(|_| PacError::Malformed(UPN_DNS_INFO))
    }

    fn read(buffer: &[u8]) -> Result<Self, NdrError> {
        let mut reader = Reader::new(buffer);
        let upn = part(&mut reader, buffer)?;
        let dns_domain = part(&mut reader, buffer)?;
        let flags = reader.u32()?;
        let (sam_name, sid) = if flags & EXTENDED == 0 {
            (None, None)
        } else {
            let sam_name = part(&mut reader, buffer)?;
            let sid = part(&mut reader, buffer)?;
            (Some(utf16(sam_name)?), Some(Sid::parse(sid).ok_or(NdrError::Sid)?))
        };
        Ok(Self {
            upn: utf16(upn)?,
            dns_domain: utf16(dns_domain)?,
            upn_constructed: flags & UPN_CONSTRUCTED != 0,
            sam_name,
            sid,
        })
    }
}

/// A length and an offset from the start of the buffer, and the bytes they name.
fn part<'a>(reader: &mut Reader<'a>, buffer: &'a [u8]) -> Result<&'a [u8], NdrError> {
    let length = usize::from(reader.u16()?);
    let offset = usize::from(reader.u16()?);
    buffer.get(offset..offset.saturating_add(length)).ok_or(NdrError::Truncated)
}
