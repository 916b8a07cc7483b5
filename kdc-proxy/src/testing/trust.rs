//! Trust between realms: the keys they share, the way from one to another, and what a KDC believes of another's PAC.

use super::account::{Account, Described, KVNO};
use super::answer::Refusal;
use super::tgs_service::Authentic;
use super::{Implementation, Kdc};
use crate::error::{ErrorCode, NtStatus};
use crate::key::{Key, KeyUsage};
use crate::message::pac::{Pac, Sid};
use crate::message::types::{
    AuthorizationElement, EncTicketPart, Malformed, Ticket, TransitedEncoding, decode, principal,
};
use crate::principal::{NameType, Principal, PrincipalName, Realm};

/// `CLIENT_INFO` of MS-PAC section 2.7.
const CLIENT_INFO: u32 = 10;

/// Another realm with which keys are shared.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) realm: Realm,
    /// The key of `krbtgt/THEIRS@OURS`.
    pub(super) outgoing: Key,
    /// The key of `krbtgt/OURS@THEIRS`.
    pub(super) incoming: Key,
    /// The sub-authorities of its domain, for an implementation that filters SIDs.
    pub(super) domain: [u32; 4],
}

/// Whom a ticket is asked for.
pub(super) enum Server<'a> {
    /// An account of this realm.
    Local(&'a Account),
    /// Somebody of another realm, to which or towards which this trust leads.
    Beyond(&'a Trust),
}

/// What is carried on beside the account itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// The client of the PAC with its realm, where it is not the ticket's client.
    pub(super) client_info: Option<String>,
    /// The service of the last S4U2Proxy request, and through whom it came.
    pub(super) delegation: Option<(String, String)>,
    /// DOMAIN-X500-COMPRESS of the realms between.
    pub(super) transited: Vec<u8>,
}

/// A PAC of a ticket that another KDC, or this one for a foreign user, has issued.
pub(super) struct Received {
    pub(super) client: String,
    pub(super) described: Described,
    pub(super) delegation: Option<(String, String)>,
}

impl Server<'_> {
    /// What the ticket is encrypted in, and the version of that key.
    pub(super) fn key(&self) -> Option<(Key, u32)> {
        match self {
            Self::Local(account) => Some((account.service_key()?.clone(), account.kvno())),
            Self::Beyond(trust) => Some((trust.outgoing.clone(), KVNO)),
        }
    }
}

impl Authentic {
    /// Whether the TGT was issued by another realm's KDC.
    pub(super) fn is_from_beyond(&self, kdc: &Kdc) -> bool {
        self.issuer != kdc.realm
    }
}

impl Kdc {
    /// The key that opens a ticket for the ticket-granting service of this realm.
    pub(super) fn tgt_key(&self, ticket: &Ticket) -> Result<(Key, Realm), Refusal> {
        let issuer = Realm::try_from(&ticket.realm).map_err(|_| Malformed)?;
        let name = PrincipalName::try_from(&ticket.sname).map_err(|_| Malformed)?;
        if name.krbtgt_realm().as_ref() != Some(&self.realm) {
            return Err(ErrorCode::KRB_AP_ERR_NOT_US.into());
        }
        if issuer == self.realm {
            return Ok((self.krbtgt.clone(), issuer));
        }
        let trust = self.trusts.iter().find(|trust| trust.realm == issuer);
        let trust = trust.ok_or(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY)?;
        Ok((trust.incoming.clone(), issuer))
    }

    /// Finds an account of this realm, or the trust by which to get at a name of another.
    pub(super) fn server(&self, name: &PrincipalName) -> Result<Server<'_>, Refusal> {
        if let Some(account) = self.account(name) {
            return Ok(Server::Local(account));
        }
        let beyond = self.realm_of(name).and_then(|realm| self.way_to(&realm)).map(Server::Beyond);
        beyond.ok_or_else(|| ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN.into())
    }

    /// The realm that a name gives away: of a ticket-granting service, an enterprise name, or a host in a domain.
    fn realm_of(&self, name: &PrincipalName) -> Option<Realm> {
        if let Some(realm) = name.krbtgt_realm() {
            return Some(realm);
        }
        let text = name.joined();
        if name.name_type() == NameType::Enterprise {
            return Realm::new(text.rsplit_once('@')?.1).ok();
        }
        let host = name.components().get(1)?;
        let is_of = |realm: &&Realm| {
            host.strip_suffix(&realm.as_str().to_lowercase()).is_some_and(|rest| rest.ends_with('.'))
        };
        let realms = self.trusts.iter().map(|trust| &trust.realm).chain(self.routes.keys());
        realms.filter(is_of).max_by_key(|realm| realm.as_str().len()).cloned()
    }

    fn way_to(&self, realm: &Realm) -> Option<&Trust> {
        let next = self.routes.get(realm).unwrap_or(realm);
        self.trusts.iter().find(|trust| trust.realm == *next)
    }

    /// The PAC of a ticket that `key` opened, its server signature verified, and judged by who issued the ticket.
    pub(super) fn received(
        &self,
        part: &EncTicketPart,
        key: &Key,
        issuer: &Realm,
    ) -> Result<Received, Refusal> {
        let revoked = || Refusal::from(ErrorCode::KDC_ERR_TGT_REVOKED);
        let bytes = pac_of(part).ok_or_else(revoked)?;
        let client = client_info(&bytes).ok_or_else(revoked)?;
        let name = PrincipalName::new(NameType::Unknown, vec![client.clone()]).map_err(|_| Malformed)?;
        let pac = Pac::verify(&bytes, key, &name, part.authtime).map_err(|_| revoked())?;
        let domain = sub_authorities(pac.domain_sid()).ok_or_else(revoked)?;
        let delegation = pac.delegation().map(|delegation| {
            let through = delegation.transited_services().last().cloned().unwrap_or_default();
            (delegation.proxy_target().to_owned(), through)
        });
        // A user of this domain comes back only on behalf of whom a service of another realm acts.
        let is_known = self.trusts.iter().any(|trust| trust.domain == domain)
            || (domain == self.domain && (delegation.is_some() || *issuer == self.realm));
        if self.implementation == Implementation::Windows && !is_known {
            let status = NtStatus::STATUS_AUTHENTICATION_FIREWALL_FAILED;
            return Err(Refusal::with_status(ErrorCode::KDC_ERR_POLICY, status));
        }
        let mut groups: Vec<u32> = Vec::new();
        for sid in pac.group_sids().filter(|sid| sid.domain().as_ref() == Some(pac.domain_sid())) {
            groups.extend(sid.rid().filter(|rid| !groups.contains(rid)));
        }
        Ok(Received {
            client,
            described: Described {
                domain: Some(domain),
                name: Some(pac.effective_name().to_owned()),
                rid: pac.user_sid().rid().unwrap_or_default(),
                control_bits: pac.user_account_control().bits(),
                groups,
            },
            delegation,
        })
    }

    /// The realms between, for a ticket of `client` that rests on a ticket which `issuer` issued.
    pub(super) fn transited(
        &self,
        before: &TransitedEncoding,
        issuer: &Realm,
        client: &Principal,
    ) -> Vec<u8> {
        let mut contents = before.contents.to_vec();
        let is_between = *issuer != self.realm && issuer != client.realm();
        if self.implementation == Implementation::Mit && is_between {
            if !contents.is_empty() {
                contents.push(b',');
            }
            contents.extend_from_slice(issuer.as_str().as_bytes());
        }
        contents
    }
}

/// The client and realm of a PAC that names both.
pub(super) fn with_realm(text: &str) -> Option<Principal> {
    let (name, realm) = text.rsplit_once('@')?;
    Some(Principal::new(PrincipalName::principal(name).ok()?, Realm::new(realm).ok()?))
}

/// A ticket's client as [`principal`] reads it.
pub(super) fn client_of(part: &EncTicketPart) -> Result<Principal, Refusal> {
    Ok(principal(&part.cname, &part.crealm).map_err(|_| Malformed)?)
}

/// Opens a ticket.
pub(super) fn open(ticket: &Ticket, key: &Key, failed: ErrorCode) -> Result<EncTicketPart, Refusal> {
    let plain = key.decrypt(KeyUsage::TICKET, &ticket.enc_part.cipher).map_err(|_| Refusal::from(failed))?;
    Ok(decode(&plain)?)
}

fn pac_of(part: &EncTicketPart) -> Option<Vec<u8>> {
    let outer = part.authorization_data.as_deref()?.iter().find(|element| element.ad_type == 1)?;
    let inner: Vec<AuthorizationElement> = decode(&outer.ad_data).ok()?;
    Some(inner.into_iter().find(|element| element.ad_type == 128)?.ad_data.to_vec())
}

/// The name in `CLIENT_INFO`, which no signature has been verified of yet.
fn client_info(pac: &[u8]) -> Option<String> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(*pac.get(at..)?.first_chunk()?));
    let count = usize::try_from(u32_at(0)?).ok()?;
    let entry = (0..count).map(|index| 8 + 16 * index).find(|at| u32_at(*at) == Some(CLIENT_INFO))?;
    let start = usize::try_from(u32_at(entry + 8)?).ok()?;
    let length = u16::from_le_bytes(*pac.get(start + 8..)?.first_chunk()?);
    let name = pac.get(start + 10..)?.get(..usize::from(length))?;
    let units: Vec<u16> = name.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

fn sub_authorities(sid: &Sid) -> Option<[u32; 4]> {
    let (parts, _) = sid.as_bytes().get(8..)?.as_chunks::<4>();
    let parts: Vec<u32> = parts.iter().map(|part| u32::from_le_bytes(*part)).collect();
    parts.try_into().ok()
}
