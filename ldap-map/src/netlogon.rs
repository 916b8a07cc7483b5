//! The netlogon ping: a domain controller tells, to anybody who asks, which domain it serves, what it offers, and how near it
//! is (MS-ADTS 6.3.3, 6.3.5 and 6.3.1.9).
//!
//! Nobody signs the answer. It orders domain controllers and is no reason to trust one.

use std::fmt;

use crate::filter::Filter;
use crate::guid::Guid;
use crate::schema::Attribute;

/// Version 5 of the answer in its extended form, with the next closest site (MS-ADTS 6.3.1.1).
const NT_VERSION: u32 = 0x0000_0002 | 0x0000_0004 | WITH_CLOSEST_SITE;
const WITH_IP: u32 = 0x0000_0008;
const WITH_CLOSEST_SITE: u32 = 0x0000_0010;

/// The answer of a domain controller that serves.
const LOGON_SAM_LOGON_RESPONSE_EX: u16 = 23;
/// The answer of one whose netlogon service is paused.
const LOGON_SAM_PAUSE_RESPONSE_EX: u16 = 24;
/// The answer to a question about a user it does not know; we ask about none, and some servers give it nevertheless.
const LOGON_SAM_USER_UNKNOWN_EX: u16 = 25;
/// `LmNtToken` and `Lm20Token`, the last four octets.
const TOKENS: [u8; 4] = [0xff; 4];
/// The code, a reserved field and the flags.
const HEADER: usize = 8;
const GUID: usize = 16;
/// The version and the tokens.
const TRAILER: usize = 8;

/// Longest answer; seven names of 255 octets and the rest fit well.
const MAXIMUM_LENGTH: usize = 4096;
/// Longest name, and longest part of one, in octets (RFC 1035 2.3.4).
const MAXIMUM_NAME: usize = 255;
const MAXIMUM_LABEL: u8 = 63;
/// Most pointers followed for one name.
const MAXIMUM_JUMPS: usize = 16;

/// What a domain controller offers (MS-ADTS 6.3.1.2, DS_FLAG).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DsFlags(pub u32);

impl DsFlags {
    /// It is the primary domain controller.
    pub const PDC: Self = Self(0x0000_0001);
    /// It serves the directory over LDAP.
    pub const LDAP: Self = Self(0x0000_0008);
    /// It holds a directory.
    pub const DS: Self = Self(0x0000_0010);
    /// It issues tickets.
    pub const KDC: Self = Self(0x0000_0020);
    /// It is in the site of the asker, or in the closest one to it.
    pub const CLOSEST: Self = Self(0x0000_0080);
    /// Its directory can be written to.
    pub const WRITABLE: Self = Self(0x0000_0100);

    /// Whether all of the bits of `bits` are set.
    #[must_use]
    pub const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// These bits and those.
    #[must_use]
    pub const fn and(self, bits: Self) -> Self {
        Self(self.0 | bits.0)
    }
}

impl fmt::Display for DsFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A domain controller's answer. Names are as it spelled them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetlogonReply {
    /// Whether it serves logons now.
    pub service: Service,
    /// What it offers.
    pub flags: DsFlags,
    /// The domain's lasting identity.
    pub domain_guid: Guid,
    /// The forest's DNS name.
    pub dns_forest: String,
    /// The domain's DNS name.
    pub dns_domain: String,
    /// The domain controller's own DNS name.
    pub dns_host: String,
    /// The site it is in.
    pub dc_site: String,
    /// The site the asker is in, by its address; `None` where no site has that address.
    pub client_site: Option<String>,
}

/// Whether a domain controller serves logons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// It does.
    Running,
    /// Its netlogon service is paused.
    Paused,
}

/// Why octets are no answer to a netlogon ping.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetlogonError {
    /// Longer than any answer can be.
    #[error("the answer is longer than {MAXIMUM_LENGTH} octets")]
    TooLong,
    /// It ends before it should, or goes on after it should have ended.
    #[error("the answer has the wrong length")]
    Length,
    /// Another answer than the extended one of version 5.
    #[error("the answer is of the unexpected kind {0}")]
    Operation(u16),
    /// The last octets are not those of an answer.
    #[error("the answer does not end like one")]
    Tokens,
    /// A name is compressed in a way that no name is: a pointer that does not point back, or too many of them.
    #[error("a name of the answer is compressed in a wrong way")]
    Compression,
    /// A name is too long or not UTF-8, or one that must be there is empty.
    #[error("a name of the answer is not one")]
    Name,
}

/// What to search for in a server's root entry to have it answer; the answer is the value of [`Attribute::NETLOGON`].
#[must_use]
pub fn filter(dns_domain: &str) -> Filter {
    Filter::all_of([
        Filter::equals(Attribute::DNS_DOMAIN, dns_domain.as_bytes()),
        Filter::equals(Attribute::NT_VERSION, &NT_VERSION.to_le_bytes()),
    ])
}

impl NetlogonReply {
    /// Reads the extended answer of version 5 (NETLOGON_SAM_LOGON_RESPONSE_EX).
    ///
    /// # Errors
    /// [`NetlogonError`].
    pub fn decode(octets: &[u8]) -> Result<Self, NetlogonError> {
        if octets.len() > MAXIMUM_LENGTH {
            return Err(NetlogonError::TooLong);
        }
        let (body, trailer) = octets.split_last_chunk::<TRAILER>().ok_or(NetlogonError::Length)?;
        let [v0, v1, v2, v3, tokens @ ..] = *trailer;
        if tokens != TOKENS {
            return Err(NetlogonError::Tokens);
        }
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        let mut reader = Reader { octets: body, at: 0 };
        let header = reader.take(HEADER)?;
        let [o0, o1, _, _, f0, f1, f2, f3] = *header else { return Err(NetlogonError::Length) };
        let service = match u16::from_le_bytes([o0, o1]) {
            LOGON_SAM_LOGON_RESPONSE_EX | LOGON_SAM_USER_UNKNOWN_EX => Service::Running,
            LOGON_SAM_PAUSE_RESPONSE_EX => Service::Paused,
            other => return Err(NetlogonError::Operation(other)),
        };
        let domain_guid = Guid::from_bytes(reader.take(GUID)?).map_err(|_| NetlogonError::Length)?;
        let (dns_forest, dns_domain, dns_host) = (reader.name()?, reader.name()?, reader.name()?);
        // NetbiosDomainName, NetbiosComputerName, UserName.
        for _ in 0..3 {
            reader.name()?;
        }
        let (dc_site, client_site) = (reader.name()?, reader.name()?);
        if version & WITH_IP != 0 {
            let [length] = *reader.take(1)? else { return Err(NetlogonError::Length) };
            reader.take(usize::from(length))?;
        }
        if version & WITH_CLOSEST_SITE != 0 {
            reader.name()?;
        }
        if reader.at != body.len() {
            return Err(NetlogonError::Length);
        }
        let flags = DsFlags(u32::from_le_bytes([f0, f1, f2, f3]));
        let client_site = Some(client_site).filter(|site| !site.is_empty());
        let reply =
            Self { service, flags, domain_guid, dns_forest, dns_domain, dns_host, dc_site, client_site };
        let needed = [&reply.dns_forest, &reply.dns_domain, &reply.dns_host, &reply.dc_site];
        if needed.iter().any(|name| name.is_empty()) { Err(NetlogonError::Name) } else { Ok(reply) }
    }
}

/// Reads one field after the other.
struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], NetlogonError> {
        let end = self.at.checked_add(length).ok_or(NetlogonError::Length)?;
        let taken = self.octets.get(self.at..end).ok_or(NetlogonError::Length)?;
        self.at = end;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, NetlogonError> {
        self.take(1)?.first().copied().ok_or(NetlogonError::Length)
    }

    /// A name as RFC 1035 4.1.4 compresses it: parts with their lengths, ended by an empty one or by a pointer to where the
    /// rest stands. Pointers lead back only, each further than the one before, so that following them ends.
    fn name(&mut self) -> Result<String, NetlogonError> {
        let mut name = Vec::new();
        let mut limit = self.at;
        // Where to go on after the name: behind the first pointer, or behind its end.
        let mut after = None;
        for _ in 0..=MAXIMUM_JUMPS {
            let Some(target) = self.labels(&mut name)? else {
                self.at = after.unwrap_or(self.at);
                return String::from_utf8(name).map_err(|_| NetlogonError::Name);
            };
            after.get_or_insert(self.at);
            if !(HEADER + GUID..limit).contains(&target) {
                return Err(NetlogonError::Compression);
            }
            (limit, self.at) = (target, target);
        }
        Err(NetlogonError::Compression)
    }

    /// The parts up to the end of the name, or up to a pointer, which is given.
    fn labels(&mut self, name: &mut Vec<u8>) -> Result<Option<usize>, NetlogonError> {
        loop {
            let length = self.octet()?;
            match length {
                0 => return Ok(None),
                1..=MAXIMUM_LABEL => {
                    if !name.is_empty() {
                        name.push(b'.');
                    }
                    name.extend_from_slice(self.take(usize::from(length))?);
                    if name.len() > MAXIMUM_NAME {
                        return Err(NetlogonError::Name);
                    }
                }
                0xc0.. => return Ok(Some(usize::from(length & 0x3f) << 8 | usize::from(self.octet()?))),
                _ => return Err(NetlogonError::Compression),
            }
        }
    }
}

#[cfg(test)]
mod tests;
