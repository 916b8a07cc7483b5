//! S4U2Self and S4U2Proxy of the KDC in memory (MS-SFU section 3.2.5).

use std::time::SystemTime;

use super::answer::Refusal;
use super::tgs_service::{Authentic, Subject};
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

impl Kdc {
    /// A ticket to the asking account itself, in a user's name.
    pub(super) fn s4u2self(&self, asked: &Authentic, server: &Account) -> Result<Subject, Refusal> {
        let own = self.account(asked.client.name()).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
        if own.name() != server.name() {
            return Err(ErrorCode::KRB_AP_ERR_BADMATCH.into());
        }
        let x509_user = padata::only(&asked.elements, kind::S4U_X509_USER);
        let (asked_user, answer, bound) = match (x509_user, self.x509_user) {
            (Some(value), X509User::Answered) => {
                let (user, answer, bound) = answer_x509_user(value, asked)?;
                (user, Some(vec![answer]), bound)
            }
            _ => (read_for_user(asked)?, None, None),
        };
        let user = self.account(asked_user.name()).ok_or_else(|| {
            Refusal::with_status(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, NtStatus::STATUS_NO_SUCH_USER)
        })?;
        let may_forward = own.may_act_for_anyone || own.delegates_to.is_empty();
        Ok(Subject {
            client: asked_user,
            described: user.described(),
            is_forwardable: may_forward && !user.is_sensitive,
            authtime: asked.tgt.authtime,
            latest_end: asked.tgt.endtime,
            padata: answer,
            encrypted_padata: bound.map(|bound| vec![bound]),
        })
    }

    /// A ticket to `server` in the name of the evidence ticket's user.
    pub(super) fn s4u2proxy(
        &self,
        asked: &Authentic,
        name: &PrincipalName,
        server: &Account,
        kdc_time: SystemTime,
    ) -> Result<Subject, Refusal> {
        let own = self.account(asked.client.name()).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
        let evidence = evidence(asked, own)?;
        if evidence.endtime.to_system() <= kdc_time {
            return Err(ErrorCode::KRB_AP_ERR_TKT_EXPIRED.into());
        }
        if !TicketFlags::from(evidence.flags).contains(TicketFlags::FORWARDABLE) {
            let status = NtStatus::STATUS_ACCOUNT_RESTRICTION;
            return Err(Refusal::with_status(ErrorCode::KDC_ERR_BADOPTION, status));
        }
        let client = principal(&evidence.cname, &evidence.crealm).map_err(|_| Malformed)?;
        let user = self.account(client.name()).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
        let is_listed = own.delegates_to.iter().any(|spn| spn.eq_ignoring_case(name));
        let is_allowed = wants_resource_based(asked) && server.allows.iter().any(|it| it == own.name());
        if !is_listed && !is_allowed {
            return Err(Refusal::with_status(ErrorCode::KDC_ERR_BADOPTION, status_of_refusal(own, asked)));
        }
        Ok(Subject {
            client,
            described: user.described(),
            is_forwardable: true,
            authtime: evidence.authtime,
            latest_end: evidence.endtime,
            padata: None,
            encrypted_padata: None,
        })
    }
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

/// The evidence ticket, which must be made for the asking account.
fn evidence(asked: &Authentic, own: &Account) -> Result<EncTicketPart, Refusal> {
    let tickets = asked.body.additional_tickets.as_deref().unwrap_or_default();
    let [bytes] = tickets else { return Err(ErrorCode::KDC_ERR_BADOPTION.into()) };
    let ticket: Ticket = decode(bytes.as_bytes())?;
    let key = own.service_key().ok_or(ErrorCode::KDC_ERR_ETYPE_NOSUPP)?;
    let plain = key
        .decrypt(KeyUsage::TICKET, &ticket.enc_part.cipher)
        .map_err(|_| Refusal::from(ErrorCode::KRB_AP_ERR_MODIFIED))?;
    Ok(decode(&plain)?)
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
