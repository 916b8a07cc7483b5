//! Replies and errors as the KDC in memory makes them.

use std::time::SystemTime;

use rand_core::CryptoRng;
use rasn::types::Any;

use super::Kdc;
use super::account::{Described, KVNO};
use super::hooks::apply;
use super::trust::Carried;
use crate::error::{ErrorCode, NtStatus};
use crate::key::{Key, KeyUsage};
use crate::message::kdc_rep::{
    AsRep, EncAsRepPart, EncKdcRepPart, EncTgsRepPart, InformativeTime, KdcRep, LastReq, TgsRep,
};
use crate::message::kdc_req::RequestKind;
use crate::message::krb_error::{KerbErrorData, KrbError};
use crate::message::types::{
    EncTicketPart, EncryptedData, EncryptionKey, Flags, Kvno, PaData, Ticket, TransitedEncoding, encode,
};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::{TicketFlags, TicketTimes};
use crate::time::KerberosTime;

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    code: ErrorCode,
    e_data: Option<Vec<u8>>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, e_data: None }
    }
}

impl Refusal {
    /// With METHOD-DATA.
    pub(super) const fn with_data(code: ErrorCode, e_data: Vec<u8>) -> Self {
        Self { code, e_data: Some(e_data) }
    }

    /// With KERB-ERROR-DATA as Windows sends it.
    pub(super) fn with_status(code: ErrorCode, status: NtStatus) -> Self {
        let mut value = status.number().to_le_bytes().to_vec();
        value.extend_from_slice(&[0, 0, 0, 0, 3, 0, 0, 0]);
        let data = KerbErrorData { data_type: 3, data_value: Some(value.into()) };
        Self { code, e_data: Some(encode(&data)) }
    }
}

/// Everything a ticket and the reply around it say.
pub(super) struct Issue {
    pub(super) kind: RequestKind,
    pub(super) client: Principal,
    pub(super) server: PrincipalName,
    pub(super) session_key: Key,
    pub(super) flags: TicketFlags,
    pub(super) times: TicketTimes,
    pub(super) nonce: u32,
    pub(super) ticket_key: Key,
    pub(super) ticket_kvno: u32,
    pub(super) reply_key: Key,
    /// Set in the reply only.
    pub(super) reply_flags: TicketFlags,
    pub(super) padata: Option<Vec<PaData>>,
    pub(super) encrypted_padata: Option<Vec<PaData>>,
    /// The account the PAC describes.
    pub(super) described: Described,
    /// What comes from other tickets.
    pub(super) carried: Carried,
}

impl Kdc {
    pub(super) fn krb_error(&self, refusal: &Refusal, kdc_time: SystemTime) -> Vec<u8> {
        let (stime, susec) = KerberosTime::with_microseconds(kdc_time).unwrap_or((KerberosTime::EPOCH, 0));
        let mut error = KrbError {
            pvno: 5,
            msg_type: 30,
            ctime: None,
            cusec: None,
            stime,
            susec,
            error_code: refusal.code.number(),
            crealm: None,
            cname: None,
            realm: (&self.realm).into(),
            sname: (&PrincipalName::krbtgt(&self.realm)).into(),
            e_text: None,
            e_data: refusal.e_data.clone().map(Into::into),
        };
        apply(&self.hooks.error, &mut error);
        encode(&error)
    }

    /// Encrypts ticket and reply.
    pub(super) fn issue<R: CryptoRng + ?Sized>(&self, issue: Issue, rng: &mut R) -> Vec<u8> {
        let ticket = self.ticket(&issue, rng);
        let mut part = EncKdcRepPart {
            key: EncryptionKey::from(&issue.session_key),
            last_req: vec![LastReq { lr_type: 0, lr_value: never() }],
            nonce: issue.nonce,
            key_expiration: Some(never()),
            flags: Flags::from(issue.flags.union(issue.reply_flags)),
            authtime: issue.times.authtime,
            starttime: Some(issue.times.starttime),
            endtime: issue.times.endtime,
            renew_till: issue.times.renew_till,
            srealm: (&self.realm).into(),
            sname: (&issue.server).into(),
            caddr: None,
            encrypted_pa_data: issue.encrypted_padata,
        };
        apply(&self.hooks.part, &mut part);
        let (mut plain, usage) = match issue.kind {
            RequestKind::As => (encode(&EncAsRepPart::As(part)), KeyUsage::AS_REP),
            RequestKind::Tgs => (encode(&EncTgsRepPart(part)), KeyUsage::TGS_REP_SUBKEY),
        };
        apply(&self.hooks.part_octets, &mut plain);
        let mut reply = KdcRep {
            pvno: 5,
            msg_type: if issue.kind == RequestKind::As { 11 } else { 13 },
            padata: issue.padata,
            crealm: issue.client.realm().into(),
            cname: issue.client.name().into(),
            ticket: Any::new(encode(&ticket)),
            enc_part: encrypted(&issue.reply_key, KVNO, usage, &plain, rng),
        };
        apply(&self.hooks.reply, &mut reply);
        match issue.kind {
            RequestKind::As => encode(&AsRep(reply)),
            RequestKind::Tgs => encode(&TgsRep(reply)),
        }
    }

    fn ticket<R: CryptoRng + ?Sized>(&self, issue: &Issue, rng: &mut R) -> Ticket {
        let pac = self.pac(issue);
        let mut part = EncTicketPart {
            flags: issue.flags.into(),
            key: EncryptionKey::from(&issue.session_key),
            crealm: issue.client.realm().into(),
            cname: issue.client.name().into(),
            transited: TransitedEncoding { tr_type: 1, contents: issue.carried.transited.clone().into() },
            authtime: issue.times.authtime,
            starttime: Some(issue.times.starttime),
            endtime: issue.times.endtime,
            renew_till: issue.times.renew_till,
            caddr: None,
            authorization_data: Some(super::pac::authorization_data(pac)),
        };
        apply(&self.hooks.ticket, &mut part);
        let mut plain = encode(&part);
        apply(&self.hooks.ticket_octets, &mut plain);
        Ticket {
            tkt_vno: 5,
            realm: (&self.realm).into(),
            sname: (&issue.server).into(),
            enc_part: encrypted(&issue.ticket_key, issue.ticket_kvno, KeyUsage::TICKET, &plain, rng),
        }
    }
}

/// As some KDCs write it: a year that this crate's own times do not have.
fn never() -> InformativeTime {
    InformativeTime(b"99991231235959Z".to_vec().into())
}

fn encrypted<R: CryptoRng + ?Sized>(
    key: &Key,
    kvno: u32,
    usage: KeyUsage,
    plain: &[u8],
    rng: &mut R,
) -> EncryptedData {
    EncryptedData {
        etype: key.etype().number(),
        kvno: Some(Kvno(kvno)),
        cipher: key.encrypt(usage, plain, rng).into(),
    }
}
