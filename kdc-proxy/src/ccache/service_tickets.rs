//! The cache handed to a client: service tickets of one user and no ticket-granting ticket.

use zeroize::Zeroizing;

use super::{CCache, CCacheError, Credential, CredentialTimes, Name};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::ServiceTicket;

/// Whether the cache gets an entry in the place of a ticket-granting ticket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Placeholder {
    /// Service tickets only; MIT, Heimdal, curl, OpenSSH and SASL clients need no more.
    #[default]
    None,
    /// An entry `krbtgt/REALM@REALM` without a usable ticket or key. FreeRDP looks for one before it looks for
    /// the service ticket, and asks for a password if it finds none.
    FreeRdp,
}

/// What stands where a placeholder's ticket would be: an empty DER SEQUENCE, which no KDC accepts.
const NO_TICKET: [u8; 2] = [0x30, 0x00];

impl CCache {
    /// A cache of `client` with these tickets.
    ///
    /// A ticket whose service belongs to another realm than the client gets two entries: one under its realm and
    /// one under the empty realm, which MIT clients look up first when they do not know the service's realm.
    ///
    /// # Errors
    ///
    /// [`CCacheError::NoTickets`], [`CCacheError::OtherClient`] for a ticket of another user, and
    /// [`CCacheError::TicketGranting`] for a ticket to krbtgt.
    pub fn for_service_tickets(
        client: &Principal,
        tickets: &[&ServiceTicket],
        placeholder: Placeholder,
    ) -> Result<Self, CCacheError> {
        if tickets.is_empty() {
            return Err(CCacheError::NoTickets);
        }
        let mut credentials = Vec::new();
        for ticket in tickets {
            if !ticket.client().eq_ignoring_type(client) {
                return Err(CCacheError::OtherClient);
            }
            if ticket.server().name().is_krbtgt() {
                return Err(CCacheError::TicketGranting);
            }
            let credential = Credential::of(ticket);
            if ticket.server().realm() != client.realm() {
                let mut referral = credential.clone();
                referral.server.realm.clear();
                credentials.push(referral);
            }
            credentials.push(credential);
        }
        if placeholder == Placeholder::FreeRdp {
            let entry = placeholder_for(client, &credentials);
            credentials.insert(0, entry);
        }
        Ok(Self { header: Vec::new(), default_principal: Name::new(client), credentials })
    }
}

impl Credential {
    fn of(ticket: &ServiceTicket) -> Self {
        let times = ticket.times();
        Self {
            client: Name::new(ticket.client()),
            server: Name::new(ticket.server()),
            etype: etype_number(ticket),
            session_key: Zeroizing::new(ticket.session_key().octets().to_vec()),
            times: CredentialTimes {
                authtime: times.authtime.unix_seconds(),
                starttime: times.starttime.unix_seconds(),
                endtime: times.endtime.unix_seconds(),
                renew_till: times.renew_till.map_or(0, |time| time.unix_seconds()),
            },
            is_skey: 0,
            flags: ticket.flags().bits(),
            addresses: Vec::new(),
            authorization_data: Vec::new(),
            ticket: ticket.bytes().to_vec(),
            second_ticket: Vec::new(),
        }
    }
}

/// Ends with the last of the tickets, so that no client rejects the cache before them.
fn placeholder_for(client: &Principal, tickets: &[Credential]) -> Credential {
    let krbtgt = Principal::new(PrincipalName::krbtgt(client.realm()), client.realm().clone());
    let earliest = |time: fn(&CredentialTimes) -> u32| tickets.iter().map(|t| time(&t.times)).min();
    Credential {
        client: Name::new(client),
        server: Name::new(&krbtgt),
        etype: tickets.first().map_or(0, |ticket| ticket.etype),
        session_key: Zeroizing::new(vec![0; tickets.first().map_or(0, |ticket| ticket.session_key.len())]),
        times: CredentialTimes {
            authtime: earliest(|times| times.authtime).unwrap_or(0),
            starttime: earliest(|times| times.starttime).unwrap_or(0),
            endtime: tickets.iter().map(|ticket| ticket.times.endtime).max().unwrap_or(0),
            renew_till: 0,
        },
        is_skey: 0,
        flags: 0,
        addresses: Vec::new(),
        authorization_data: Vec::new(),
        ticket: NO_TICKET.to_vec(),
        second_ticket: Vec::new(),
    }
}

#[expect(clippy::expect_used, reason = "the etypes of `Key` are small numbers")]
fn etype_number(ticket: &ServiceTicket) -> u16 {
    let number = i16::try_from(ticket.session_key().etype().number());
    u16::from_be_bytes(number.expect("an etype fits 16 bits").to_be_bytes())
}
