//! The checks of an S4U2Self reply beyond those of every TGS exchange.

use crate::error::EvidenceError;
use crate::exchange::realms::Path;
use crate::exchange::reply::Opened;
use crate::exchange::secret::LongTermKeys;
use crate::key::{Etype, Key, KeyUsage};
use crate::message::pac::{Pac, PacError, UpnDnsInfo};
use crate::message::transited::transited_realms;
use crate::message::types::{AuthorizationElement, EncTicketPart, decode, principal};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::{ServiceTicket, TicketFlags};
use crate::time::KerberosTime;

/// AD-IF-RELEVANT (RFC 4120 section 5.2.6.1).
const IF_RELEVANT: i32 = 1;
/// AD-WIN2K-PAC (MS-KILE section 2.2).
const WIN2K_PAC: i32 = 128;

/// The outer client must be the user. It is not protected, but our own name in it tells that the KDC took the request
/// for an ordinary one.
pub(super) fn reply_names_user(
    opened: &Opened,
    user: &Principal,
    own: &Principal,
) -> Result<(), EvidenceError> {
    let named = principal(&opened.reply.cname, &opened.reply.crealm).map_err(|_| EvidenceError::ReplyUser)?;
    if named.eq_ignoring_case(own) {
        return Err(EvidenceError::NotSupported);
    }
    if named.eq_ignoring_case(user) { Ok(()) } else { Err(EvidenceError::ReplyUser) }
}

/// Opens the ticket with our own key and compares everything in it with the reply; then the PAC.
pub(super) fn evidence(
    opened: Opened,
    user: &Principal,
    keys: &LongTermKeys,
    path: &Path,
) -> Result<(ServiceTicket, Pac), EvidenceError> {
    let (part, key) = open_ticket(&opened, keys)?;
    let client = check_ticket(&opened, &part, user)?;
    let elements = part.authorization_data.as_deref().unwrap_or_default();
    let pac = only_pac(elements)?;
    let pac = if client.realm().eq_ignoring_case(path.own()) {
        Pac::verify(&pac, key, client.name(), part.authtime)?
    } else {
        check_transited(&part, path)?;
        foreign_pac(&pac, key, &client, part.authtime, path)?
    };
    Ok((opened.into_ticket(client), pac))
}

/// Whatever the KDC's own policy says of it, a ticket comes through configured realms only.
fn check_transited(part: &EncTicketPart, path: &Path) -> Result<(), EvidenceError> {
    let realms = transited_realms(&part.transited).map_err(|_| EvidenceError::Transited)?;
    let is_known = |realm| path.trusted().get(realm).is_some() || path.own().eq_ignoring_case(realm);
    if realms.iter().all(is_known) { Ok(()) } else { Err(EvidenceError::Transited) }
}

/// The PAC of a user of another realm. Its client may be written with the realm, as in the tickets that led here, and its
/// domain must be that of the user's realm: nothing else is for that realm's KDC to vouch for.
fn foreign_pac(
    bytes: &[u8],
    key: &Key,
    client: &Principal,
    authtime: KerberosTime,
    path: &Path,
) -> Result<Pac, EvidenceError> {
    let pac = match Pac::verify(bytes, key, client.name(), authtime) {
        Err(PacError::ClientName) => {
            let with_realm = format!("{}@{}", client.name().joined(), client.realm());
            let with_realm = PrincipalName::enterprise(&with_realm).map_err(|_| PacError::ClientName)?;
            Pac::verify(bytes, key, &with_realm, authtime)?
        }
        verified => verified?,
    };
    let trusted = path.trusted().get(client.realm()).ok_or(EvidenceError::UserDomain)?;
    if trusted.domain_sid.as_ref().is_some_and(|domain| pac.domain_sid() != domain) {
        return Err(EvidenceError::UserDomain);
    }
    let dns_domain = pac.upn_dns_info().map(UpnDnsInfo::dns_domain);
    if dns_domain.is_some_and(|domain| !domain.eq_ignore_ascii_case(client.realm().as_str())) {
        return Err(EvidenceError::UserDnsDomain);
    }
    Ok(pac)
}

fn open_ticket<'k>(
    opened: &Opened,
    keys: &'k LongTermKeys,
) -> Result<(EncTicketPart, &'k Key), EvidenceError> {
    let sealed = &opened.ticket.enc_part;
    let etype = Etype::from_number(sealed.etype).map_err(|_| EvidenceError::NoKey(sealed.etype))?;
    let kvno = sealed.kvno.map(|kvno| kvno.0);
    let candidates = keys.candidates(etype, kvno);
    if candidates.is_empty() {
        return Err(EvidenceError::NoKey(sealed.etype));
    }
    let (plain, key) = candidates
        .into_iter()
        .find_map(|key| Some((key.decrypt(KeyUsage::TICKET, &sealed.cipher).ok()?, key)))
        .ok_or_else(|| match kvno.filter(|kvno| !keys.has_version(etype, *kvno)) {
            Some(kvno) => EvidenceError::NoKeyVersion(kvno),
            None => EvidenceError::TicketDecryption,
        })?;
    let part = decode(&plain).map_err(|_| EvidenceError::TicketMalformed)?;
    Ok((part, key))
}

/// The ticket says what the reply says, and both say the user that was asked for.
fn check_ticket(opened: &Opened, part: &EncTicketPart, user: &Principal) -> Result<Principal, EvidenceError> {
    let session_key = Key::try_from(&part.key).map_err(|_| EvidenceError::SessionKey)?;
    if !session_key.is_same(&opened.session_key) {
        return Err(EvidenceError::SessionKey);
    }
    let client = principal(&part.cname, &part.crealm).map_err(|_| EvidenceError::TicketUser)?;
    if !client.eq_ignoring_case(user) {
        return Err(EvidenceError::TicketUser);
    }
    // The KDC sets enc-pa-rep for the reply only.
    let flags = TicketFlags::from(part.flags).without(TicketFlags::ENC_PA_REP);
    if flags != opened.flags.without(TicketFlags::ENC_PA_REP) {
        return Err(EvidenceError::Flags);
    }
    let times = &opened.times;
    let same_times = part.authtime == times.authtime
        && part.starttime.unwrap_or(part.authtime) == times.starttime
        && part.endtime == times.endtime
        && part.renew_till == times.renew_till;
    if same_times { Ok(client) } else { Err(EvidenceError::Times) }
}

/// The bytes of the one PAC within AD-IF-RELEVANT; a PAC in another place was not put there by the KDC.
fn only_pac(elements: &[AuthorizationElement]) -> Result<Vec<u8>, EvidenceError> {
    let mut found: Option<Vec<u8>> = None;
    for element in elements.iter().filter(|element| element.ad_type == IF_RELEVANT) {
        let inner: Vec<AuthorizationElement> =
            decode(&element.ad_data).map_err(|_| EvidenceError::AuthorizationData)?;
        for pac in inner.into_iter().filter(|element| element.ad_type == WIN2K_PAC) {
            if found.replace(pac.ad_data.to_vec()).is_some() {
                return Err(EvidenceError::PacAmbiguous);
            }
        }
    }
    found.ok_or(EvidenceError::PacMissing)
}

#[cfg(test)]
mod tests;
