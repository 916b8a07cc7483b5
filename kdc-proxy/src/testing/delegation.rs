//! S4U2Self and S4U2Proxy of the KDC in memory (MS-SFU section 3.2.5).

use std::time::SystemTime;

use super::account::Described;
use super::answer::Refusal;
use super::tgs_service::{Authentic, Subject};
use super::trust::{Carried, Server, client_of, open, with_realm};
use super::{Account, Kdc, X509User};
use crate::error::{ErrorCode, NtStatus};
use crate::key::Etype;
use crate::key::{Checksum, HMAC_MD5_CHECKSUM, Key, KeyUsage, md4_checksum};
use crate::message::padata::{
    self, PaForUser, PaS4uX509User, S4uUserId, for_user_octets, kind, pac_option, read_pac_options,
};
use crate::message::types::{EncTicketPart, Malformed, PaData, Ticket, decode, principal};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::TicketFlags;

/// USER_NOT_DELEGATED of MS-SAMR section 2.2.1.12.
const NOT_DELEGATED: u32 = 0x4000;

impl Kdc {
    /// A ticket to the asking account itself in a user's name, or a referral on the way to it.
    pub(super) fn s4u2self(&self, asked: &Authentic, server: &Server<'_>) -> Result<Subject, Refusal> {
        let x509_user = padata::only(&asked.elements, kind::S4U_X509_USER);
        let (user, answer, bound) = match (x509_user, self.x509_user) {
            (Some(value), X509User::Answered) => {
                let (user, answer, bound) = answer_x509_user(value, asked)?;
                (user, Some(vec![answer]), bound)
            }
            _ => (read_for_user(asked)?, None, None),
        };
        let is_ours = *user.realm() == self.realm;
        let subject = match (server, asked.is_from_beyond(self), is_ours) {
            (Server::Local(own), false, true) => self.to_own_service(asked, own, user)?,
            (Server::Local(own), true, false) => self.to_own_service_from_beyond(asked, own, user)?,
            (Server::Beyond(_), true, _) => self.back_towards_service(asked, &user)?,
            // As MIT krb5 and Windows refuse them.
            (Server::Local(_), true, true) => return Err(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN.into()),
            (Server::Beyond(_), false, _) => return Err(ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN.into()),
            (Server::Local(_), false, false) => return Err(ErrorCode::KDC_ERR_POLICY.into()),
        };
        Ok(Subject { padata: answer, encrypted_padata: bound.map(|bound| vec![bound]), ..subject })
    }

    fn to_own_service(
        &self,
        asked: &Authentic,
        server: &Account,
        user: Principal,
    ) -> Result<Subject, Refusal> {
        let own = self.own(asked, server)?;
        let account = self.user(&user)?;
        let is_forwardable = may_forward(own) && !account.is_sensitive;
        Ok(subject(asked, user, account.described(), Carried::default(), is_forwardable))
    }

    /// The last step for a user of another realm, whose PAC came with the ticket.
    fn to_own_service_from_beyond(
        &self,
        asked: &Authentic,
        server: &Account,
        user: Principal,
    ) -> Result<Subject, Refusal> {
        let own = self.own(asked, server)?;
        let received = self.received(&asked.tgt, &asked.tgt_key, &asked.issuer)?;
        if received.client != user.to_string() {
            return Err(ErrorCode::KDC_ERR_BADOPTION.into());
        }
        let is_forwardable = may_forward(own) && received.described.control_bits & NOT_DELEGATED == 0;
        Ok(subject(asked, user, received.described, Carried::default(), is_forwardable))
    }

    /// A referral in the name of the asking service, with the user's PAC in it.
    fn back_towards_service(&self, asked: &Authentic, user: &Principal) -> Result<Subject, Refusal> {
        let described = if *user.realm() == self.realm {
            let account = self.user(user)?;
            Described {
                domain: Some(self.domain),
                name: Some(account.name().to_owned()),
                ..account.described()
            }
        } else {
            let received = self.received(&asked.tgt, &asked.tgt_key, &asked.issuer)?;
            if received.client != user.to_string() {
                return Err(ErrorCode::KDC_ERR_BADOPTION.into());
            }
            received.described
        };
        let carried = Carried { client_info: Some(user.to_string()), ..Carried::default() };
        Ok(subject(asked, asked.client.clone(), described, carried, true))
    }

    /// The asking account, which must be the server.
    fn own(&self, asked: &Authentic, server: &Account) -> Result<&Account, Refusal> {
        let own = self.account(asked.client.name()).filter(|_| *asked.client.realm() == self.realm);
        let own = own.ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
        if own.name() != server.name() {
            return Err(ErrorCode::KRB_AP_ERR_BADMATCH.into());
        }
        Ok(own)
    }

    fn user(&self, user: &Principal) -> Result<&Account, Refusal> {
        self.account(user.name()).ok_or_else(|| {
            Refusal::with_status(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, NtStatus::STATUS_NO_SUCH_USER)
        })
    }

    /// A ticket to `server` in the name of the evidence ticket's user, or a referral that takes the evidence along.
    pub(super) fn s4u2proxy(
        &self,
        asked: &Authentic,
        name: &PrincipalName,
        server: &Server<'_>,
        kdc_time: SystemTime,
    ) -> Result<Subject, Refusal> {
        if asked.is_from_beyond(self) {
            return self.s4u2proxy_from_beyond(asked, name, server, kdc_time);
        }
        let own = self.account(asked.client.name()).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
        let key = own.service_key().ok_or(ErrorCode::KDC_ERR_ETYPE_NOSUPP)?;
        let evidence = open(&evidence_ticket(asked)?, key, ErrorCode::KRB_AP_ERR_MODIFIED)?;
        check_evidence(&evidence, kdc_time)?;
        let client = client_of(&evidence)?;
        let described = if *client.realm() == self.realm {
            self.account(client.name()).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?.described()
        } else {
            self.received(&evidence, key, &self.realm)?.described
        };
        let (client, carried, described) = match server {
            Server::Local(server) => {
                let is_listed = own.delegates_to.iter().any(|spn| spn.eq_ignoring_case(name));
                let is_allowed =
                    wants_resource_based(asked) && server.allows.iter().any(|it| it == own.name());
                if !is_listed && !is_allowed {
                    let status = status_of_refusal(own, asked);
                    return Err(Refusal::with_status(ErrorCode::KDC_ERR_BADOPTION, status));
                }
                (client, Carried::default(), described)
            }
            Server::Beyond(_) if wants_resource_based(asked) => {
                let described = Described {
                    domain: described.domain.or(Some(self.domain)),
                    name: described.name.or_else(|| Some(client.name().joined())),
                    ..described
                };
                let carried = Carried {
                    client_info: Some(client.to_string()),
                    delegation: Some((name.joined(), asked.client.to_string())),
                    ..Carried::default()
                };
                (asked.client.clone(), carried, described)
            }
            Server::Beyond(_) => {
                let status = NtStatus::STATUS_CROSSREALM_DELEGATION_FAILURE;
                return Err(Refusal::with_status(ErrorCode::KDC_ERR_BADOPTION, status));
            }
        };
        let subject = subject(asked, client, described, carried, true);
        Ok(resting_on(&evidence, subject))
    }

    /// The last step across realms: the evidence is a ticket for this realm's ticket-granting service.
    fn s4u2proxy_from_beyond(
        &self,
        asked: &Authentic,
        name: &PrincipalName,
        server: &Server<'_>,
        kdc_time: SystemTime,
    ) -> Result<Subject, Refusal> {
        let Server::Local(server) = server else { return Err(ErrorCode::KDC_ERR_BADOPTION.into()) };
        let ticket = evidence_ticket(asked)?;
        let (key, issuer) = self.tgt_key(&ticket)?;
        let evidence = open(&ticket, &key, ErrorCode::KRB_AP_ERR_MODIFIED)?;
        check_evidence(&evidence, kdc_time)?;
        let received = self.received(&evidence, &key, &issuer)?;
        let impersonator = asked.client.to_string();
        let is_ours = client_of(&evidence)? == asked.client
            && received.delegation == Some((name.joined(), impersonator.clone()));
        let client = with_realm(&received.client).filter(|_| is_ours && issuer != self.realm);
        let client = client.ok_or(ErrorCode::KDC_ERR_BADOPTION)?;
        if !wants_resource_based(asked) || !server.allows.contains(&impersonator) {
            let status = NtStatus::STATUS_NOT_FOUND;
            return Err(Refusal::with_status(ErrorCode::KDC_ERR_BADOPTION, status));
        }
        let subject = subject(asked, client, received.described, Carried::default(), true);
        Ok(resting_on(&evidence, subject))
    }
}

fn subject(
    asked: &Authentic,
    client: Principal,
    described: Described,
    carried: Carried,
    is_forwardable: bool,
) -> Subject {
    Subject {
        client,
        described,
        carried,
        is_forwardable,
        authtime: asked.tgt.authtime,
        latest_end: asked.tgt.endtime,
        padata: None,
        encrypted_padata: None,
    }
}

/// The result of S4U2Proxy ends with the evidence, and says that resource-based delegation is known.
fn resting_on(evidence: &EncTicketPart, subject: Subject) -> Subject {
    let known = padata::pac_options(pac_option::RESOURCE_BASED_CONSTRAINED_DELEGATION);
    Subject {
        authtime: evidence.authtime,
        latest_end: evidence.endtime,
        encrypted_padata: Some(vec![known]),
        ..subject
    }
}

const fn may_forward(own: &Account) -> bool {
    own.may_act_for_anyone || own.delegates_to.is_empty()
}

fn check_evidence(evidence: &EncTicketPart, kdc_time: SystemTime) -> Result<(), Refusal> {
    if evidence.endtime.to_system() <= kdc_time {
        return Err(ErrorCode::KRB_AP_ERR_TKT_EXPIRED.into());
    }
    if !TicketFlags::from(evidence.flags).contains(TicketFlags::FORWARDABLE) {
        let status = NtStatus::STATUS_ACCOUNT_RESTRICTION;
        return Err(Refusal::with_status(ErrorCode::KDC_ERR_BADOPTION, status));
    }
    Ok(())
}

fn wants_resource_based(asked: &Authentic) -> bool {
    padata::only(&asked.elements, kind::PAC_OPTIONS)
        .and_then(|value| read_pac_options(value).ok())
        .is_some_and(|bits| bits & pac_option::RESOURCE_BASED_CONSTRAINED_DELEGATION != 0)
}

fn status_of_refusal(own: &Account, asked: &Authentic) -> NtStatus {
    match (wants_resource_based(asked), own.delegates_to.is_empty()) {
        (true, true) => NtStatus::STATUS_NOT_FOUND,
        (false, true) => NtStatus::STATUS_NOT_SUPPORTED,
        (_, false) => NtStatus::STATUS_NO_MATCH,
    }
}

fn evidence_ticket(asked: &Authentic) -> Result<Ticket, Refusal> {
    let tickets = asked.body.additional_tickets.as_deref().unwrap_or_default();
    let [bytes] = tickets else { return Err(ErrorCode::KDC_ERR_BADOPTION.into()) };
    Ok(decode(bytes.as_bytes())?)
}

fn read_for_user(asked: &Authentic) -> Result<Principal, Refusal> {
    let value = padata::only(&asked.elements, kind::FOR_USER).ok_or(Malformed)?;
    let for_user: PaForUser = decode(value)?;
    let user = principal(&for_user.user_name, &for_user.user_realm).map_err(|_| Malformed)?;
    let named = [user.name().components().concat(), user.realm().to_string()].concat();
    let message = for_user_octets(for_user.user_name.name_type, named.as_bytes(), "Kerberos");
    let expected = asked.session_key.hmac_md5_checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &message);
    if for_user.cksum.cksumtype != HMAC_MD5_CHECKSUM || expected.octets != *for_user.cksum.checksum {
        return Err(ErrorCode::KRB_AP_ERR_MODIFIED.into());
    }
    Ok(user)
}

/// Verifies the element and makes its answer, and what the encrypted part says of it.
fn answer_x509_user(value: &[u8], asked: &Authentic) -> Result<(Principal, PaData, Option<PaData>), Refusal> {
    let sent: PaS4uX509User = decode(value)?;
    let signed = sent.user_id.as_bytes();
    let user_id = S4uUserId::decode_extensible(signed)?;
    let expected = x509_checksum(&asked.subkey, KeyUsage::S4U_X509_USER_REQUEST, signed);
    let is_signed = expected.checksum_type == sent.checksum.cksumtype
        && expected.octets == *sent.checksum.checksum
        && user_id.nonce == asked.body.nonce;
    if !is_signed {
        return Err(ErrorCode::KRB_AP_ERR_MODIFIED.into());
    }
    let user = principal(&user_id.cname.ok_or(Malformed)?, &user_id.crealm).map_err(|_| Malformed)?;
    let reply = x509_checksum(&asked.subkey, KeyUsage::S4U_X509_USER_REPLY, signed);
    let bound = [expected.octets, reply.octets.clone()].concat();
    let bound = PaData { padata_type: kind::S4U_X509_USER, padata_value: bound.into() };
    Ok((user, padata::s4u_x509_user(signed, reply.into()), Some(bound)))
}

fn x509_checksum(key: &Key, usage: KeyUsage, message: &[u8]) -> Checksum {
    match key.etype() {
        Etype::Aes256 | Etype::Aes128 => key.checksum(usage, message),
        Etype::Rc4 => md4_checksum(message),
    }
}
