//! What a message on its way to a KDC says of itself, in clear: its kind, and the names and the ticket in it.

use rasn::prelude::*;

use super::{ProxyRequestError, kpasswd_parts};
use crate::message::ap_req::ApReq;
use crate::message::kdc_req::{AsReq, KdcReq, TgsReq, options};
use crate::message::krb_priv::KrbPriv;
use crate::message::padata::kind;
use crate::message::types::{Flags, KerberosString, Ticket, WireName, decode};
use crate::principal::{NameType, PrincipalName, Realm};

/// First octets of the messages: their application tags.
const AS_REQ: u8 = 0x6a;
const TGS_REQ: u8 = 0x6c;
const AP_REQ: u8 = 0x6e;
const KRB_PRIV: u8 = 0x75;

/// Pre-authentication data that asks for something and proves nothing.
const NO_PROOFS: [i32; 4] = [kind::PAC_REQUEST, kind::REQ_ENC_PA_REP, kind::AS_FRESHNESS, kind::PAC_OPTIONS];

/// Pre-authentication data by which a service asks for a ticket in somebody's name, or that may hide it.
const FOR_ANOTHER: [i32; 3] = [kind::FOR_USER, kind::S4U_X509_USER, kind::FX_FAST];

/// A message that may be forwarded. Nothing in it is proven.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// AS-REQ.
    AsReq {
        /// The realm that is asked.
        realm: Realm,
        /// Who wants to log in. With `armored` it says nothing.
        client: PrincipalName,
        /// For what; usually krbtgt or kadmin/changepw.
        server: Option<PrincipalName>,
        /// The true request is encrypted inside (PA-FX-FAST of RFC 6113), and the KDC will not look at this one.
        armored: bool,
        /// It holds what may be a proof of the client's password, which the KDC counts when it is wrong.
        proving: bool,
    },
    /// TGS-REQ. Its client is in the ticket, encrypted.
    TgsReq {
        /// The realm that is asked.
        realm: Realm,
        /// For what.
        server: Option<PrincipalName>,
        /// The cipher of the ticket that it rests on: tells tickets apart, however they are encoded.
        ticket: Vec<u8>,
        /// A service may be asking in somebody else's name (MS-SFU), so that the answer does not tell whose ticket the request
        /// rests on: it says so, or the true request is encrypted inside (PA-FX-FAST of RFC 6113).
        for_another: bool,
    },
    /// AP-REQ and KRB-PRIV for the password service (RFC 3244). Whose password it is is encrypted.
    Kpasswd {
        /// The realm of the ticket's service.
        realm: Realm,
        /// The cipher of the ticket for kadmin/changepw.
        ticket: Vec<u8>,
    },
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AsReq { realm, client, .. } => write!(f, "AsReq({client}@{realm})"),
            Self::TgsReq { realm, .. } => write!(f, "TgsReq({realm})"),
            Self::Kpasswd { realm, .. } => write!(f, "Kpasswd({realm})"),
        }
    }
}

/// `KDC-REQ-BODY` as far as it is looked at: what is only the KDC's to judge may be of any form.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
struct ForwardedBody {
    #[rasn(tag(explicit(0)))]
    kdc_options: Flags,
    #[rasn(tag(explicit(1)))]
    cname: Option<WireName>,
    #[rasn(tag(explicit(2)))]
    realm: KerberosString,
    #[rasn(tag(explicit(3)))]
    sname: Option<WireName>,
    #[rasn(tag(explicit(4)))]
    from: Option<Any>,
    #[rasn(tag(explicit(5)))]
    till: Option<Any>,
    #[rasn(tag(explicit(6)))]
    rtime: Option<Any>,
    #[rasn(tag(explicit(7)))]
    nonce: Any,
    #[rasn(tag(explicit(8)))]
    etype: Any,
    #[rasn(tag(explicit(9)))]
    addresses: Option<Any>,
    #[rasn(tag(explicit(10)))]
    enc_authorization_data: Option<Any>,
    #[rasn(tag(explicit(11)))]
    additional_tickets: Option<Any>,
}

impl Content {
    /// Reads a message without its frame.
    pub(super) fn read(message: &[u8]) -> Result<Self, ProxyRequestError> {
        match message.first() {
            Some(&AS_REQ) => as_req(message),
            Some(&TGS_REQ) => tgs_req(message),
            _ => kpasswd(message),
        }
    }

    /// The realm that is asked: that of the request's body, of a change of a password that of the ticket's service.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        match self {
            Self::AsReq { realm, .. } | Self::TgsReq { realm, .. } | Self::Kpasswd { realm, .. } => realm,
        }
    }

    /// The ticket that the request rests on, by the octets of its cipher.
    #[must_use]
    pub fn ticket(&self) -> Option<&[u8]> {
        match self {
            Self::AsReq { .. } => None,
            Self::TgsReq { ticket, .. } | Self::Kpasswd { ticket, .. } => Some(ticket),
        }
    }
}

fn as_req(message: &[u8]) -> Result<Content, ProxyRequestError> {
    let AsReq(request) = decode(message)?;
    let body = body(&request, 10)?;
    let client = body.cname.as_ref().ok_or(ProxyRequestError::Content)?;
    let kinds = || request.padata.iter().flatten().map(|element| element.padata_type);
    Ok(Content::AsReq {
        realm: Realm::try_from(&body.realm)?,
        client: PrincipalName::try_from(client)?,
        server: server(&body)?,
        armored: kinds().any(|kind| kind == kind::FX_FAST),
        proving: kinds().any(|kind| !NO_PROOFS.contains(&kind)),
    })
}

fn tgs_req(message: &[u8]) -> Result<Content, ProxyRequestError> {
    let TgsReq(request) = decode(message)?;
    let body = body(&request, 12)?;
    let mut proofs = request.padata.iter().flatten().filter(|element| element.padata_type == kind::TGS_REQ);
    // With two of them nobody could say which one the KDC believes.
    let (Some(proof), None) = (proofs.next(), proofs.next()) else {
        return Err(ProxyRequestError::Content);
    };
    let ticket = ticket(&proof.padata_value)?;
    let mut kinds = request.padata.iter().flatten().map(|element| element.padata_type);
    let is_delegation = body.kdc_options.0 & options::CNAME_IN_ADDL_TKT != 0;
    Ok(Content::TgsReq {
        realm: Realm::try_from(&body.realm)?,
        server: server(&body)?,
        ticket: ticket.enc_part.cipher.to_vec(),
        for_another: is_delegation || kinds.any(|kind| FOR_ANOTHER.contains(&kind)),
    })
}

fn kpasswd(message: &[u8]) -> Result<Content, ProxyRequestError> {
    let (proof, private) = kpasswd_parts(message).ok_or(ProxyRequestError::Kind)?;
    if proof.first() != Some(&AP_REQ) || private.first() != Some(&KRB_PRIV) {
        return Err(ProxyRequestError::Kind);
    }
    let ticket = ticket(proof)?;
    let private: KrbPriv = decode(private)?;
    if private.pvno != 5 || private.msg_type != 21 {
        return Err(ProxyRequestError::Content);
    }
    let changepw = PrincipalName::new(NameType::SrvInst, ["kadmin", "changepw"].map(str::to_owned).into())?;
    if !PrincipalName::try_from(&ticket.sname)?.eq_ignoring_case(&changepw) {
        return Err(ProxyRequestError::Service);
    }
    Ok(Content::Kpasswd { realm: Realm::try_from(&ticket.realm)?, ticket: ticket.enc_part.cipher.to_vec() })
}

fn body(request: &KdcReq, msg_type: i32) -> Result<ForwardedBody, ProxyRequestError> {
    if request.pvno != 5 || request.msg_type != msg_type {
        return Err(ProxyRequestError::Content);
    }
    Ok(decode(request.req_body.as_bytes())?)
}

fn server(body: &ForwardedBody) -> Result<Option<PrincipalName>, ProxyRequestError> {
    Ok(body.sname.as_ref().map(PrincipalName::try_from).transpose()?)
}

fn ticket(ap_req: &[u8]) -> Result<Ticket, ProxyRequestError> {
    let request: ApReq = decode(ap_req)?;
    if request.pvno != 5 || request.msg_type != 14 {
        return Err(ProxyRequestError::Content);
    }
    Ok(decode(request.ticket.as_bytes())?)
}
