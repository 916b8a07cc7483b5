//! What a KDC's answer says of itself, in clear. A proxy passes it on as it came and cannot prove it; the client will.

use super::{Content, ProxyReplyError, kpasswd_parts};
use crate::error::ErrorCode;
use crate::message::kdc_rep::{AsRep, KdcRep, TgsRep};
use crate::message::krb_error::KrbError;
use crate::message::padata::{EtypeInfo2Entry, kind};
use crate::message::types::{PaData, Ticket, decode, principal};
use crate::principal::{Principal, PrincipalName};

/// First octets of the messages: their application tags.
const AP_REP: u8 = 0x6f;
const KRB_ERROR: u8 = 0x7e;

/// An answer to a forwarded request.
#[derive(Clone, PartialEq, Eq)]
pub enum KdcAnswer {
    /// AS-REP or TGS-REP.
    Ticket {
        /// Whose ticket it is.
        client: Principal,
        /// What it is for.
        server: PrincipalName,
        /// The cipher of the ticket: tells tickets apart, however they are encoded.
        ticket: Vec<u8>,
        /// The salts of the client's password, where they are given.
        salts: Vec<String>,
    },
    /// KRB-ERROR.
    Error {
        /// The code.
        code: ErrorCode,
        /// The salts of the client's password, where pre-authentication is asked for.
        salts: Vec<String>,
    },
    /// AP-REP and KRB-PRIV of a password service: what became of the password is encrypted.
    Kpasswd,
}

impl std::fmt::Debug for KdcAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ticket { client, .. } => write!(f, "Ticket({client})"),
            Self::Error { code, .. } => write!(f, "Error({code})"),
            Self::Kpasswd => f.write_str("Kpasswd"),
        }
    }
}

impl KdcAnswer {
    /// Reads the answer to a request, without its frame.
    ///
    /// # Errors
    /// [`ProxyReplyError::Answer`] where it is of another kind or malformed.
    pub fn read(message: &[u8], to: &Content) -> Result<Self, ProxyReplyError> {
        if message.first() == Some(&KRB_ERROR) {
            return error(message);
        }
        match to {
            Content::AsReq { .. } => {
                let AsRep(reply) = decode(message)?;
                ticket(&reply, 11)
            }
            Content::TgsReq { .. } => {
                let TgsRep(reply) = decode(message)?;
                ticket(&reply, 13)
            }
            Content::Kpasswd { .. } => kpasswd(message),
        }
    }
}

fn error(message: &[u8]) -> Result<KdcAnswer, ProxyReplyError> {
    let error = KrbError::parse(message)?;
    let salts = error.method_data().map(|padata| salts(&padata)).unwrap_or_default();
    Ok(KdcAnswer::Error { code: error.code(), salts })
}

fn ticket(reply: &KdcRep, msg_type: i32) -> Result<KdcAnswer, ProxyReplyError> {
    if reply.pvno != 5 || reply.msg_type != msg_type {
        return Err(ProxyReplyError::Answer);
    }
    let ticket: Ticket = decode(reply.ticket.as_bytes())?;
    Ok(KdcAnswer::Ticket {
        client: principal(&reply.cname, &reply.crealm).map_err(|_| ProxyReplyError::Answer)?,
        server: PrincipalName::try_from(&ticket.sname).map_err(|_| ProxyReplyError::Answer)?,
        ticket: ticket.enc_part.cipher.to_vec(),
        salts: reply.padata.as_deref().map(salts).unwrap_or_default(),
    })
}

/// AP-REP and KRB-PRIV, or no AP-REP and a KRB-ERROR.
fn kpasswd(message: &[u8]) -> Result<KdcAnswer, ProxyReplyError> {
    let (proof, private) = kpasswd_parts(message).ok_or(ProxyReplyError::Answer)?;
    match (proof.first(), private.first()) {
        (None, Some(&KRB_ERROR)) => error(private),
        (Some(&AP_REP), Some(_)) => Ok(KdcAnswer::Kpasswd),
        _ => Err(ProxyReplyError::Answer),
    }
}

/// The salts of ETYPE-INFO2. Elements that cannot be read are the client's affair.
fn salts(padata: &[PaData]) -> Vec<String> {
    let lists = padata.iter().filter(|element| element.padata_type == kind::ETYPE_INFO2);
    let entries =
        lists.filter_map(|element| decode::<Vec<EtypeInfo2Entry>>(&element.padata_value).ok()).flatten();
    let salts = entries.filter_map(|entry| entry.salt);
    salts.map(|salt| String::from_utf8_lossy(&salt.0).into_owned()).collect()
}
