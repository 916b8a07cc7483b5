//! The checks that AS and TGS replies have in common.

use std::time::SystemTime;

use super::clock::{Clock, TOLERANCE};
use crate::error::ReplyError;
use crate::key::{Etype, EtypeList, Key, KeyError};
use crate::message::MAX_MESSAGE_LENGTH;
use crate::message::kdc_rep::{AsRep, EncKdcRepPart, KdcRep, TgsRep};
use crate::message::kdc_req::RequestKind;
use crate::message::krb_error::KrbError;
use crate::message::types::{PaData, Ticket, decode};
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::{ServiceTicket, TicketFlags, TicketTimes};
use crate::time::KerberosTime;

/// What a KDC can answer.
pub(super) enum Answer {
    Reply(Box<KdcRep>),
    Error(Box<KrbError>),
}

/// First octet of a KRB-ERROR, [APPLICATION 30].
const KRB_ERROR_TAG: u8 = 0x7e;

/// Numbers of RFC 8009: stronger than what this crate can use itself, so good enough for a ticket of another's.
const AES_SHA2: [i32; 2] = [19, 20];

impl Answer {
    /// Reads an answer to a request of `kind` and checks version and type.
    pub(super) fn read(kind: RequestKind, bytes: &[u8]) -> Result<Self, ReplyError> {
        if bytes.len() > MAX_MESSAGE_LENGTH {
            return Err(ReplyError::Malformed);
        }
        if bytes.first() == Some(&KRB_ERROR_TAG) {
            return Ok(Self::Error(Box::new(KrbError::parse(bytes)?)));
        }
        let (reply, msg_type) = match kind {
            RequestKind::As => (decode::<AsRep>(bytes)?.0, 11),
            RequestKind::Tgs => (decode::<TgsRep>(bytes)?.0, 13),
        };
        if reply.pvno != 5 || reply.msg_type != msg_type {
            return Err(ReplyError::VersionOrType);
        }
        Ok(Self::Reply(Box::new(reply)))
    }
}

/// A reply whose encrypted part has been opened under the right key and answers our request.
pub(super) struct Opened {
    pub(super) server: Principal,
    pub(super) session_key: Key,
    pub(super) flags: TicketFlags,
    pub(super) times: TicketTimes,
    pub(super) encrypted_padata: Vec<PaData>,
    pub(super) ticket: Ticket,
    pub(super) reply: KdcRep,
}

impl Opened {
    /// Checks nonce, server of the ticket, session key and encryption types.
    pub(super) fn new(
        reply: KdcRep,
        part: EncKdcRepPart,
        nonce: u32,
        etypes: EtypeList,
    ) -> Result<Self, ReplyError> {
        if part.nonce != nonce {
            return Err(ReplyError::Nonce);
        }
        let ticket: Ticket = decode(reply.ticket.as_bytes())?;
        if ticket.tkt_vno != 5 {
            return Err(ReplyError::VersionOrType);
        }
        let name = PrincipalName::try_from(&part.sname).map_err(|_| ReplyError::ServerName)?;
        let realm = Realm::try_from(&part.srealm).map_err(|_| ReplyError::ServerRealm)?;
        if ticket.sname.name_string != part.sname.name_string || ticket.realm != part.srealm {
            return Err(ReplyError::TicketServer);
        }
        check_ticket_etype(ticket.enc_part.etype, etypes)?;
        let session_key = session_key(&part, etypes)?;
        let flags = TicketFlags::from(part.flags);
        if flags.contains(TicketFlags::INVALID) {
            return Err(ReplyError::Invalid);
        }
        let times = TicketTimes {
            authtime: part.authtime,
            starttime: part.starttime.unwrap_or(part.authtime),
            endtime: part.endtime,
            renew_till: part.renew_till,
        };
        let encrypted_padata = part.encrypted_pa_data.unwrap_or_default();
        Ok(Self {
            server: Principal::new(name, realm),
            session_key,
            flags,
            times,
            encrypted_padata,
            ticket,
            reply,
        })
    }

    /// Checks the times against the KDC's present time and against what was asked for.
    pub(super) fn check_times(
        &self,
        clock: Clock,
        now: SystemTime,
        till: KerberosTime,
    ) -> Result<(), ReplyError> {
        let kdc = clock.kdc_time(now);
        let start = self.times.starttime.to_system();
        let distance = kdc.duration_since(start).unwrap_or_else(|early| early.duration());
        if distance > TOLERANCE {
            return Err(ReplyError::StartTime);
        }
        if self.times.endtime > till {
            return Err(ReplyError::EndTime);
        }
        if self.times.endtime.to_system() <= kdc || self.times.endtime <= self.times.starttime {
            return Err(ReplyError::Ended);
        }
        // Never asked for: whoever holds the ticket could stretch its life beyond what was granted.
        if self.times.renew_till.is_some() || self.flags.contains(TicketFlags::RENEWABLE) {
            return Err(ReplyError::RenewTill);
        }
        Ok(())
    }

    /// The ticket, for `client`.
    pub(super) fn into_ticket(self, client: Principal) -> ServiceTicket {
        ServiceTicket::new(
            client,
            self.server,
            self.session_key,
            self.flags,
            self.times,
            self.reply.ticket.into_bytes(),
        )
    }
}

fn session_key(part: &EncKdcRepPart, etypes: EtypeList) -> Result<Key, ReplyError> {
    let number = part.key.keytype;
    match Etype::from_number(number) {
        Ok(etype) if etypes.contains(etype) => {}
        _ => return Err(ReplyError::SessionKeyEtype(number)),
    }
    Key::try_from(&part.key).map_err(|error| match error {
        KeyError::UnsupportedEtype(number) => ReplyError::SessionKeyEtype(number),
        _ => ReplyError::SessionKeyLength,
    })
}

fn check_ticket_etype(number: i32, etypes: EtypeList) -> Result<(), ReplyError> {
    let allowed = match Etype::from_number(number) {
        Ok(etype) => etypes.contains(etype),
        Err(_) => AES_SHA2.contains(&number),
    };
    if allowed { Ok(()) } else { Err(ReplyError::TicketEtype(number)) }
}
