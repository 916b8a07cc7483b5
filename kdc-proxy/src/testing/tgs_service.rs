//! The ticket-granting service of the KDC in memory.

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::Kdc;
use super::account::Described;
use super::answer::{Issue, Refusal};
use super::as_service::{check_skew, forwardable};
use super::trust::{Carried, Server, open};
use crate::error::ErrorCode;
use crate::key::{Etype, Key, KeyUsage};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::kdc_req::{KdcReq, KdcReqBody, RequestKind, TgsReq, options};
use crate::message::padata::{self, kind};
use crate::message::types::{EncTicketPart, Malformed, PaData, Ticket, decode, principal};
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::{TicketFlags, TicketTimes};
use crate::time::KerberosTime;

/// A TGS-REQ whose TGT and authenticator have been verified.
pub(super) struct Authentic {
    pub(super) tgt: EncTicketPart,
    /// What the TGT is encrypted in, and whose KDC issued it.
    pub(super) tgt_key: Key,
    pub(super) issuer: Realm,
    pub(super) client: Principal,
    pub(super) session_key: Key,
    pub(super) subkey: Key,
    pub(super) body: KdcReqBody,
    pub(super) elements: Vec<PaData>,
}

/// In whose name a ticket is issued, and whether it may be forwarded.
pub(super) struct Subject {
    pub(super) client: Principal,
    pub(super) described: Described,
    pub(super) carried: Carried,
    pub(super) is_forwardable: bool,
    pub(super) authtime: KerberosTime,
    pub(super) latest_end: KerberosTime,
    pub(super) padata: Option<Vec<PaData>>,
    pub(super) encrypted_padata: Option<Vec<PaData>>,
}

impl Kdc {
    pub(super) fn answer_tgs<R: CryptoRng + ?Sized>(
        &mut self,
        request: &[u8],
        kdc_time: SystemTime,
        rng: &mut R,
    ) -> Result<Vec<u8>, Refusal> {
        let asked = self.authenticate(decode::<TgsReq>(request)?.0, kdc_time)?;
        let (before, issuer) = (asked.tgt.transited.clone(), asked.issuer.clone());
        let name = asked.body.sname.as_ref().ok_or(Malformed)?;
        let name = PrincipalName::try_from(name).map_err(|_| Malformed)?;
        let server = self.server(&name)?;
        let wants_s4u2self = asked
            .elements
            .iter()
            .any(|element| matches!(element.padata_type, kind::FOR_USER | kind::S4U_X509_USER));
        let subject = if asked.body.kdc_options.0 & options::CNAME_IN_ADDL_TKT != 0 {
            self.s4u2proxy(&asked, &name, &server, kdc_time)?
        } else if wants_s4u2self {
            self.s4u2self(&asked, &server)?
        } else {
            self.plain(&asked, &server)?
        };
        let ticket_key = server.key().ok_or(ErrorCode::KDC_ERR_ETYPE_NOSUPP)?;
        let name = match server {
            Server::Local(_) => name,
            Server::Beyond(trust) => PrincipalName::krbtgt(&trust.realm),
        };
        let mut issue = issue(asked, ticket_key, name, subject, kdc_time, rng)?;
        issue.carried.transited = self.transited(&before, &issuer, &issue.client);
        Ok(self.issue(issue, rng))
    }

    /// Verifies the TGT, the authenticator, its checksum over the body, its time, and that it is no replay.
    fn authenticate(&mut self, asked: KdcReq, kdc_time: SystemTime) -> Result<Authentic, Refusal> {
        let modified = |_| Refusal::from(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
        let elements = asked.padata.unwrap_or_default();
        let ap_req: ApReq = decode(padata::only(&elements, kind::TGS_REQ).ok_or(Malformed)?)?;
        let ticket: Ticket = decode(ap_req.ticket.as_bytes())?;
        let (tgt_key, issuer) = self.tgt_key(&ticket)?;
        let tgt = open(&ticket, &tgt_key, ErrorCode::KRB_AP_ERR_BAD_INTEGRITY)?;
        let session_key = Key::try_from(&tgt.key).map_err(|_| Malformed)?;
        let cipher = &ap_req.authenticator.cipher;
        let plain = session_key.decrypt(KeyUsage::TGS_REQ_AUTHENTICATOR, cipher).map_err(modified)?;
        let authenticator: Authenticator = decode(&plain)?;
        if authenticator.cname != tgt.cname || authenticator.crealm != tgt.crealm {
            return Err(ErrorCode::KRB_AP_ERR_BADMATCH.into());
        }
        check_skew(authenticator.ctime, authenticator.cusec, kdc_time)?;
        if !self.authenticators.insert(cipher.to_vec()) {
            return Err(ErrorCode::KRB_AP_ERR_REPEAT.into());
        }
        let checksum = authenticator.cksum.ok_or(ErrorCode::KRB_AP_ERR_INAPP_CKSUM)?;
        let body = asked.req_body.as_bytes();
        session_key
            .verify_checksum(KeyUsage::TGS_REQ_CHECKSUM, body, checksum.cksumtype, &checksum.checksum)
            .map_err(|_| Refusal::from(ErrorCode::KRB_AP_ERR_MODIFIED))?;
        let subkey = Key::try_from(&authenticator.subkey.ok_or(Malformed)?).map_err(|_| Malformed)?;
        let client = principal(&tgt.cname, &tgt.crealm).map_err(|_| Malformed)?;
        Ok(Authentic { tgt_key, issuer, client, session_key, subkey, body: decode(body)?, elements, tgt })
    }

    /// A ticket in the name of the TGT's client.
    fn plain(&self, asked: &Authentic, server: &Server<'_>) -> Result<Subject, Refusal> {
        let (described, carried) = if asked.is_from_beyond(self) {
            self.vouched_from_beyond(asked, server)?
        } else {
            let account = self.account(asked.client.name()).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
            (account.described(), Carried::default())
        };
        Ok(Subject {
            client: asked.client.clone(),
            described,
            carried,
            is_forwardable: true,
            authtime: asked.tgt.authtime,
            latest_end: asked.tgt.endtime,
            padata: None,
            encrypted_padata: None,
        })
    }

    /// What another realm's KDC says of the client. Its PAC may be of a user for whom the client acts, on the way to the
    /// service's realm only.
    fn vouched_from_beyond(
        &self,
        asked: &Authentic,
        server: &Server<'_>,
    ) -> Result<(Described, Carried), Refusal> {
        if *asked.client.realm() == self.realm {
            return Err(ErrorCode::KDC_ERR_POLICY.into());
        }
        let received = self.received(&asked.tgt, &asked.tgt_key, &asked.issuer)?;
        if received.client == asked.client.name().joined() {
            return Ok((received.described, Carried::default()));
        }
        let through = received.delegation.as_ref().map(|(_, through)| through.as_str());
        let is_passing =
            matches!(server, Server::Beyond(_)) && through == Some(asked.client.to_string().as_str());
        if !is_passing {
            return Err(ErrorCode::KDC_ERR_BADOPTION.into());
        }
        let client_info = Some(received.client);
        let carried = Carried { client_info, delegation: received.delegation, ..Carried::default() };
        Ok((received.described, carried))
    }
}

fn issue<R: CryptoRng + ?Sized>(
    asked: Authentic,
    (ticket_key, ticket_kvno): (Key, u32),
    name: PrincipalName,
    subject: Subject,
    kdc_time: SystemTime,
    rng: &mut R,
) -> Result<Issue, Refusal> {
    let wanted = asked.body.etype.iter().find_map(|number| Etype::from_number(*number).ok());
    let wanted = wanted.ok_or(ErrorCode::KDC_ERR_ETYPE_NOSUPP)?;
    let starttime = KerberosTime::from_system(kdc_time).map_err(|_| Malformed)?;
    let from_tgt = TicketFlags::from(asked.tgt.flags).contains(TicketFlags::FORWARDABLE);
    let asked_for = asked.body.kdc_options.0 & options::FORWARDABLE != 0;
    let is_forwardable = subject.is_forwardable && from_tgt && asked_for;
    let flags = TicketFlags::PRE_AUTHENT.union(forwardable(is_forwardable));
    Ok(Issue {
        kind: RequestKind::Tgs,
        client: subject.client,
        server: name,
        session_key: Key::random(wanted, rng),
        flags,
        times: TicketTimes {
            authtime: subject.authtime,
            starttime,
            endtime: asked.body.till.min(asked.tgt.endtime).min(subject.latest_end),
            renew_till: None,
        },
        nonce: asked.body.nonce,
        ticket_key,
        ticket_kvno,
        reply_key: asked.subkey,
        reply_flags: TicketFlags::from_bits(0),
        padata: subject.padata,
        encrypted_padata: subject.encrypted_padata,
        described: subject.described,
        carried: subject.carried,
    })
}
