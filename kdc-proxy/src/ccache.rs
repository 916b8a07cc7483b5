//! Credential cache files, version 4 (0x0504): what MIT and Heimdal clients read as `FILE:`.
//!
//! [`CCache::for_service_tickets`] makes the cache that is handed to a desktop client: service tickets of one user,
//! no ticket-granting ticket. Names are kept as they stand in the file, since configuration entries and the empty
//! realm are no valid principals.

mod layout;
mod service_tickets;

use std::fmt;

use zeroize::Zeroizing;

use crate::principal::{NameError, NameType, Principal, PrincipalName, Realm};

pub use service_tickets::Placeholder;

/// Why a credential cache was refused or could not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CCacheError {
    /// Not a credential cache of version 4.
    #[error("file is not a credential cache of version 0x0504")]
    Version,
    /// The file ends inside a field, or a field announces more bytes than there are.
    #[error("credential cache is cut off")]
    Truncated,
    /// A header field has another length than its tag requires.
    #[error("credential cache header is malformed")]
    Header,
    /// More credentials, components, addresses or authorization data than any cache has.
    #[error("credential cache has too many elements")]
    TooMany,
    /// A name that is no principal.
    #[error("credential cache names no valid principal: {0}")]
    Name(#[from] NameError),
    /// No ticket to put into a cache.
    #[error("no service ticket given")]
    NoTickets,
    /// Tickets of another user than the cache's.
    #[error("ticket belongs to another client than the cache")]
    OtherClient,
    /// A ticket-granting ticket, which would let its holder ask for any service.
    #[error("ticket-granting ticket is not handed out")]
    TicketGranting,
}

/// A credential cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CCache {
    header: Vec<HeaderField>,
    default_principal: Name,
    credentials: Vec<Credential>,
}

/// A tagged field of the file header.
#[derive(Clone, Debug, Eq, PartialEq)]
struct HeaderField {
    tag: u16,
    value: Vec<u8>,
}

/// A name as the file has it. The realm may be empty (a referral entry) or `X-CACHECONF:` (a configuration entry).
#[derive(Clone, Eq, PartialEq)]
pub struct Name {
    name_type: u32,
    realm: Vec<u8>,
    components: Vec<Vec<u8>>,
}

/// One ticket with its session key, or a configuration entry.
#[derive(Clone, Eq, PartialEq)]
pub struct Credential {
    client: Name,
    server: Name,
    etype: u16,
    session_key: Zeroizing<Vec<u8>>,
    times: CredentialTimes,
    is_skey: u8,
    flags: u32,
    addresses: Vec<Typed>,
    authorization_data: Vec<Typed>,
    ticket: Vec<u8>,
    second_ticket: Vec<u8>,
}

/// Times of a credential in seconds since 1970, by the KDC's clock; 0 means absent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CredentialTimes {
    /// Initial authentication.
    pub authtime: u32,
    /// Start of validity.
    pub starttime: u32,
    /// End of validity.
    pub endtime: u32,
    /// End of renewability.
    pub renew_till: u32,
}

/// An address or an element of authorization data.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Typed {
    kind: u16,
    value: Vec<u8>,
}

/// Realm of configuration entries, and their first component.
const CONFIGURATION_REALM: &[u8] = b"X-CACHECONF:";
const CONFIGURATION_NAME: &[u8] = b"krb5_ccache_conf_data";

/// Header tag of the clock offset.
const TIME_OFFSET: u16 = 1;

impl CCache {
    /// Reads a version 4 file.
    ///
    /// # Errors
    ///
    /// [`CCacheError`]; a file cut off anywhere but between two credentials is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, CCacheError> {
        layout::parse(bytes)
    }

    /// The file's bytes. Write them to a file of mode 0600.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        layout::to_bytes(self)
    }

    /// Whose cache it is.
    #[must_use]
    pub const fn default_principal(&self) -> &Name {
        &self.default_principal
    }

    /// Tickets and configuration entries, in file order.
    #[must_use]
    pub fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// The KDC's clock minus the client's, in seconds and microseconds, if the header records it.
    #[must_use]
    pub fn clock_offset(&self) -> Option<(i32, i32)> {
        let field = self.header.iter().find(|field| field.tag == TIME_OFFSET)?;
        let (seconds, rest) = field.value.split_first_chunk()?;
        let microseconds = rest.first_chunk()?;
        Some((i32::from_be_bytes(*seconds), i32::from_be_bytes(*microseconds)))
    }

    /// The value of a configuration entry, such as `fast_avail`; `principal` is the third component that entries
    /// about one service have.
    #[must_use]
    pub fn configuration(&self, key: &str, principal: Option<&str>) -> Option<&[u8]> {
        let mut components = vec![CONFIGURATION_NAME, key.as_bytes()];
        components.extend(principal.map(str::as_bytes));
        let entry = self.credentials.iter().find(|credential| {
            credential.is_configuration() && credential.server.components.iter().eq(&components)
        })?;
        Some(&entry.ticket)
    }
}

impl Name {
    /// The principal this name stands for.
    ///
    /// # Errors
    ///
    /// [`NameError`] for configuration entries, the empty realm and names that are not UTF-8.
    pub fn to_principal(&self) -> Result<Principal, NameError> {
        let realm = Realm::from_octets(&self.realm)?;
        let components = self
            .components
            .iter()
            .map(|octets| String::from_utf8(octets.clone()).map_err(|_| NameError::NotUtf8))
            .collect::<Result<_, _>>()?;
        let name_type = NameType::from_number(i32::from_be_bytes(self.name_type.to_be_bytes()));
        Ok(Principal::new(PrincipalName::new(name_type, components)?, realm))
    }

    /// The realm's octets; empty in a referral entry.
    #[must_use]
    pub fn realm(&self) -> &[u8] {
        &self.realm
    }

    fn new(principal: &Principal) -> Self {
        let name = principal.name();
        Self {
            name_type: u32::from_be_bytes(name.name_type().number().to_be_bytes()),
            realm: principal.realm().as_str().as_bytes().to_vec(),
            components: name.components().iter().map(|component| component.as_bytes().to_vec()).collect(),
        }
    }
}

impl Credential {
    /// Who uses the ticket.
    #[must_use]
    pub const fn client(&self) -> &Name {
        &self.client
    }

    /// The service as clients look it up.
    #[must_use]
    pub const fn server(&self) -> &Name {
        &self.server
    }

    /// Whether this is a configuration entry and no ticket.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        self.server.realm == CONFIGURATION_REALM
            && self.server.components.first().is_some_and(|first| first == CONFIGURATION_NAME)
    }

    /// Etype of the session key.
    #[must_use]
    pub fn etype_number(&self) -> i32 {
        i32::from(i16::from_be_bytes(self.etype.to_be_bytes()))
    }

    /// The session key's octets.
    #[must_use]
    pub fn session_key(&self) -> &[u8] {
        &self.session_key
    }

    /// Validity.
    #[must_use]
    pub const fn times(&self) -> CredentialTimes {
        self.times
    }

    /// Ticket flags, bit 0 as 0x80000000 (RFC 4120 section 5.3).
    #[must_use]
    pub const fn flags(&self) -> u32 {
        self.flags
    }

    /// DER of the ticket, or the value of a configuration entry.
    #[must_use]
    pub fn ticket(&self) -> &[u8] {
        &self.ticket
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, component) in self.components.iter().enumerate() {
            let separator = if index == 0 { "" } else { "/" };
            write!(f, "{separator}{}", component.escape_ascii())?;
        }
        write!(f, "@{}", self.realm.escape_ascii())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("client", &self.client)
            .field("server", &self.server)
            .field("etype", &self.etype_number())
            .field("times", &self.times)
            .field("flags", &format_args!("{:#010x}", self.flags))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
