//! Who may use the proxy, and what each of them may ask.
//!
//! A token limits its bearer to one person and one realm, as far as that can be seen: a login names its client in clear, and so
//! does every answer with a ticket in it. A TGS-REQ does not, and neither does a change of a password: the one is judged by its
//! answer, and the other by its ticket, which must be one that the person got by the same token. So must that of a TGS-REQ by
//! which a service may be asking in the person's name: its answer names the person, whoever asked.

use std::{fmt, pin::Pin, sync::Arc, time::SystemTime};

use kdc_proxy::{
    message::kdc_proxy::{Content, KdcAnswer, ProxyRequest},
    principal::PrincipalName,
};
use rustls_pki_types::CertificateDer;

use super::Refused;
use crate::{
    frontend::listener::Peer,
    handoff::{ProxyPass, ProxyTokens},
    identity::{IdentityError, PeerError},
    metrics::kdc_proxy::Path,
};

/// What a certificate of a client is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificates {
    /// Nothing: who has one needs a token all the same, where the proxy is not open.
    DoNotAdmit,
    /// Its bearer is admitted. The handshake has proven it.
    Admit,
    /// Its bearer is admitted if it is a card's that the first step believes. The handshake has proven that it is the bearer's.
    AdmitCards,
}

/// Why a card's certificate is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Disbelieved {
    /// The chain is not looked at.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The chain proves nothing.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Judges the chain of a card, its own certificate first.
pub type JudgeCards = Box<dyn Fn(&[CertificateDer<'static>], SystemTime) -> Judged + Send + Sync>;

/// The verdict on a card, once those who know of it have been asked.
pub type Judged = Pin<Box<dyn Future<Output = Result<(), Disbelieved>> + Send>>;

/// Who is admitted.
pub struct Admission {
    /// Whether everybody is.
    pub open: bool,
    /// Whom a certificate admits.
    pub certificates: Certificates,
    /// How cards are judged.
    pub judge_cards: JudgeCards,
    /// The tokens of sessions, where there are any.
    pub tokens: Option<Arc<ProxyTokens>>,
    /// Whether the bearer of a token may change the person's password.
    pub session_kpasswd: bool,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("open", &self.open)
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

/// Somebody who may use the proxy.
#[derive(Clone, Debug)]
pub(super) enum Admitted {
    /// Nobody knows who.
    Everybody,
    /// The bearer of a certificate.
    Certificate,
    /// The bearer of a session's token.
    Session { pass: Arc<ProxyPass>, kpasswd: bool },
}

impl Admission {
    /// Admits the sender of a request. A token that was given counts, whatever else would admit its bearer.
    pub(super) async fn admit(
        &self,
        peer: &Peer,
        token: Option<&str>,
        now: SystemTime,
    ) -> Result<Admitted, Refused> {
        if let Some(token) = token {
            let pass = self.tokens.as_ref().and_then(|tokens| tokens.find(token, now));
            let pass = pass.ok_or(Refused::Token)?;
            return Ok(Admitted::Session { pass, kpasswd: self.session_kpasswd });
        }
        match (self.certificates, &peer.certificates) {
            (Certificates::Admit, Some(_)) => return Ok(Admitted::Certificate),
            (Certificates::AdmitCards, Some(chain)) => match (self.judge_cards)(chain, now).await {
                Ok(()) => return Ok(Admitted::Certificate),
                Err(_) if self.open => {}
                Err(error) => return Err(Refused::Certificate(Arc::new(error))),
            },
            (Certificates::DoNotAdmit, _) | (_, None) => {}
        }
        if self.open { Ok(Admitted::Everybody) } else { Err(Refused::NotAdmitted) }
    }
}

impl Admitted {
    /// The way the request came by.
    pub(super) const fn path(&self) -> Path {
        match self {
            Self::Everybody => Path::Open,
            Self::Certificate => Path::Certificate,
            Self::Session { .. } => Path::Session,
        }
    }

    /// The session's login, for the log.
    pub(super) fn login_id(&self) -> Option<&str> {
        match self {
            Self::Everybody | Self::Certificate => None,
            Self::Session { pass, .. } => Some(pass.login_id()),
        }
    }

    /// Refuses a request that is not for its sender to make.
    pub(super) fn check(&self, request: &ProxyRequest) -> Result<(), Refused> {
        let Self::Session { pass, kpasswd } = self else { return Ok(()) };
        if !pass.realm().eq_ignoring_case(request.target_domain()) {
            return Err(Refused::OtherRealm);
        }
        match request.content() {
            // Nobody could say whose login it is before a domain controller has counted it.
            Content::AsReq { armored: true, .. } => Err(Refused::Armored),
            Content::AsReq { client, .. } if !pass.is_of(client) => Err(Refused::OtherClient),
            Content::AsReq { server: Some(server), .. } if !*kpasswd && is_kpasswd(server) => {
                Err(Refused::Kpasswd)
            }
            Content::TgsReq { for_another: true, ticket, .. } if !pass.remembers(ticket) => {
                Err(Refused::OtherTicket)
            }
            Content::Kpasswd { .. } if !*kpasswd => Err(Refused::Kpasswd),
            Content::Kpasswd { ticket, .. } if !pass.remembers(ticket) => Err(Refused::OtherTicket),
            Content::AsReq { .. } | Content::TgsReq { .. } | Content::Kpasswd { .. } => Ok(()),
        }
    }

    /// Keeps back an answer that is not for the sender of its request, who may not be admitted any more.
    pub(super) fn check_answer(&self, answer: &KdcAnswer, now: SystemTime) -> Result<(), Refused> {
        let Self::Session { pass, .. } = self else { return Ok(()) };
        if !pass.is_alive(now) {
            return Err(Refused::Token);
        }
        let KdcAnswer::Ticket { client, ticket, .. } = answer else { return Ok(()) };
        if !pass.is_of(client.name()) || !pass.realm().eq_ignoring_case(client.realm()) {
            return Err(Refused::OtherClient);
        }
        pass.remember(ticket);
        Ok(())
    }
}

fn is_kpasswd(server: &PrincipalName) -> bool {
    server.eq_ignoring_case(&PrincipalName::change_password())
}
