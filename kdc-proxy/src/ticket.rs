//! Tickets we hold: the wire bytes together with what the KDC told us about them under a key of ours.

use std::fmt;
use std::time::SystemTime;

use crate::key::Key;
use crate::principal::{Principal, Realm};
use crate::time::KerberosTime;

/// `TicketFlags` of RFC 4120 section 5.3; bit 0 is the highest bit of the number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketFlags(u32);

impl TicketFlags {
    /// May be used for a ticket with other addresses; S4U2Proxy asks it of the evidence.
    pub const FORWARDABLE: Self = Self(0x4000_0000);
    /// Was forwarded.
    pub const FORWARDED: Self = Self(0x2000_0000);
    /// Not valid yet; must be validated by the KDC first.
    pub const INVALID: Self = Self(0x0100_0000);
    /// May be renewed until `renew_till`.
    pub const RENEWABLE: Self = Self(0x0080_0000);
    /// Came from an AS exchange.
    pub const INITIAL: Self = Self(0x0040_0000);
    /// The client proved itself before the ticket was issued.
    pub const PRE_AUTHENT: Self = Self(0x0020_0000);
    /// The KDC checked the path of realms.
    pub const TRANSITED_POLICY_CHECKED: Self = Self(0x0008_0000);
    /// The service may be given a forwarded ticket.
    pub const OK_AS_DELEGATE: Self = Self(0x0004_0000);
    /// The reply carries encrypted padata (RFC 6806 section 11).
    pub const ENC_PA_REP: Self = Self(0x0001_0000);

    /// The flags of a 32-bit number, first flag highest.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The 32-bit number, first flag highest.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// True when every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the flags of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for TicketFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketFlags({:#010x})", self.0)
    }
}

/// The times of a ticket, by the KDC's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketTimes {
    /// When the client authenticated first.
    pub authtime: KerberosTime,
    /// From when it is valid; the authtime where the KDC named none.
    pub starttime: KerberosTime,
    /// Until when it is valid.
    pub endtime: KerberosTime,
    /// Until when it may be renewed, for renewable tickets.
    pub renew_till: Option<KerberosTime>,
}

/// A ticket and its session key: what a client needs to talk to `server` as `client`.
///
/// Everything beside the bytes was read from a part of the reply that a key of ours protects, or from the ticket
/// itself where we could decrypt it. The session key is wiped on drop; `Debug` shows names, flags and times.
#[derive(Clone)]
pub struct ServiceTicket {
    client: Principal,
    server: Principal,
    session_key: Key,
    flags: TicketFlags,
    times: TicketTimes,
    bytes: Vec<u8>,
}

impl ServiceTicket {
    /// Puts a ticket together. `bytes` is the DER of the `Ticket` exactly as it came.
    pub const fn new(
        client: Principal,
        server: Principal,
        session_key: Key,
        flags: TicketFlags,
        times: TicketTimes,
        bytes: Vec<u8>,
    ) -> Self {
        Self { client, server, session_key, flags, times, bytes }
    }

    /// Whom the ticket speaks for.
    pub const fn client(&self) -> &Principal {
        &self.client
    }

    /// Whom the ticket is for.
    pub const fn server(&self) -> &Principal {
        &self.server
    }

    /// The key shared with the server.
    pub const fn session_key(&self) -> &Key {
        &self.session_key
    }

    /// The flags.
    pub const fn flags(&self) -> TicketFlags {
        self.flags
    }

    /// All times, as the KDC wrote them.
    pub const fn times(&self) -> &TicketTimes {
        &self.times
    }

    /// When the client authenticated first, by the KDC's clock.
    pub fn authtime(&self) -> SystemTime {
        self.times.authtime.to_system()
    }

    /// From when it is valid, by the KDC's clock.
    pub fn starttime(&self) -> SystemTime {
        self.times.starttime.to_system()
    }

    /// Until when it is valid, by the KDC's clock.
    pub fn endtime(&self) -> SystemTime {
        self.times.endtime.to_system()
    }

    /// Until when it may be renewed, by the KDC's clock; `None` when it may not.
    pub fn renew_till(&self) -> Option<SystemTime> {
        self.times.renew_till.map(KerberosTime::to_system)
    }

    /// The DER of the `Ticket` (RFC 4120 section 5.3), exactly as the KDC sent it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for ServiceTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTicket")
            .field("client", &format_args!("{}", self.client))
            .field("server", &format_args!("{}", self.server))
            .field("etype", &self.session_key.etype())
            .field("flags", &self.flags)
            .field("endtime", &format_args!("{}", self.times.endtime))
            .finish_non_exhaustive()
    }
}

/// A ticket whose server is a ticket-granting service.
#[derive(Clone, Debug)]
pub struct TicketGrantingTicket {
    ticket: ServiceTicket,
    realm: Realm,
}

/// The ticket is not one for `krbtgt/REALM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ticket is not for a ticket-granting service")]
pub struct NotTicketGranting;

impl TicketGrantingTicket {
    /// Accepts a ticket for `krbtgt/REALM`.
    ///
    /// # Errors
    /// [`NotTicketGranting`] for every other server name.
    pub fn new(ticket: ServiceTicket) -> Result<Self, NotTicketGranting> {
        let realm = ticket.server.name().krbtgt_realm().ok_or(NotTicketGranting)?;
        Ok(Self { ticket, realm })
    }

    /// Accepts a ticket whose server's name has been compared with `krbtgt/realm`, in whatever case of letters.
    pub(crate) const fn taken_by(realm: Realm, ticket: ServiceTicket) -> Self {
        Self { ticket, realm }
    }

    /// The ticket.
    pub const fn ticket(&self) -> &ServiceTicket {
        &self.ticket
    }

    /// The realm whose KDC takes it: the second component of the server's name.
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Etype;
    use crate::principal::PrincipalName;

    fn ticket_for(server: &str) -> ServiceTicket {
        let realm = Realm::new("CORP.EXAMPLE").unwrap();
        let time = KerberosTime::from_unix_seconds;
        ServiceTicket::new(
            Principal::new(PrincipalName::principal("alice").unwrap(), realm.clone()),
            Principal::new(server.parse().unwrap(), realm),
            Key::new(Etype::Aes256, &[0xab; 32]).unwrap(),
            TicketFlags::FORWARDABLE.union(TicketFlags::INITIAL),
            TicketTimes {
                authtime: time(1),
                starttime: time(2),
                endtime: time(3),
                renew_till: Some(time(4)),
            },
            vec![0xcd; 40],
        )
    }

    #[test]
    fn a_ticket_shows_names_and_flags_and_neither_key_nor_bytes() {
        let shown = format!("{:?}", ticket_for("HTTP/web.corp.example"));
        assert!(shown.contains("alice@CORP.EXAMPLE"), "{shown}");
        assert!(shown.contains("TicketFlags(0x40400000)"), "{shown}");
        for secret in ["ab", "171", "cd", "205"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    #[test]
    fn a_ticket_granting_ticket_knows_the_realm_that_takes_it() {
        let tgt = TicketGrantingTicket::new(ticket_for("krbtgt/SUB.CORP.EXAMPLE")).unwrap();
        assert_eq!(tgt.realm().as_str(), "SUB.CORP.EXAMPLE");
    }

    #[test]
    fn a_service_ticket_is_not_ticket_granting() {
        assert_eq!(TicketGrantingTicket::new(ticket_for("HTTP/krbtgt")).err(), Some(NotTicketGranting));
        assert_eq!(TicketGrantingTicket::new(ticket_for("krbtgt")).err(), Some(NotTicketGranting));
    }

    #[test]
    fn flags_contain_only_what_is_set() {
        let flags = TicketFlags::from_bits(0x40a5_0000);
        assert!(flags.contains(TicketFlags::FORWARDABLE.union(TicketFlags::PRE_AUTHENT)));
        assert!(!flags.contains(TicketFlags::FORWARDABLE.union(TicketFlags::INITIAL)));
        assert_eq!(flags.without(TicketFlags::FORWARDABLE).bits(), 0x00a5_0000);
    }
}
