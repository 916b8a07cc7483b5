//! The calls of `kerbridge.v1.Gateway`: from messages to the desk and back.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prost_types::Timestamp;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::contexts::Contexts;
use super::conversation::{Conversation, Item};
use super::evidence::evidence;
use super::presentation::{Present, Presentations};
use super::status::to_status;
use super::v1::gateway_server::Gateway;
use super::{Limits, MAX_PRESENTATION, MAX_REQUEST, v1};
use crate::error::{Code, Refusal, Step};
use crate::frontend::gateways::{GatewayIdentity, Presents, Standing};
use crate::handoff::forms::{Binding, BindingError, CredKey, Form, MalformedCredKey};
use crate::handoff::{Call, Desk, Further, Handoff, IssueTicketError, ProxyAccess, SessionFacts, Subject};
use crate::{clock, entropy};

/// Serves the calls from a desk.
pub(super) struct GatewayService<F: Further, P> {
    desk: Arc<Desk<F>>,
    presentations: Presentations<P>,
    limits: Limits,
    contexts: Arc<Contexts>,
    drain: CancellationToken,
}

impl<F: Further, P> GatewayService<F, P> {
    pub(super) fn new(
        desk: Arc<Desk<F>>,
        presentations: Presentations<P>,
        limits: Limits,
        drain: CancellationToken,
    ) -> Self {
        Self { desk, presentations, limits, contexts: Contexts::new(limits.max_contexts), drain }
    }
}

/// A field of a request is not what the interface definition says.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(super) enum Malformed {
    #[error("the request is longer than {0} octets")]
    TooLong(usize),
    #[error("{0} is empty")]
    Empty(&'static str),
    #[error("form is none of the known forms")]
    Form,
    #[error("channel_bindings is only for FORM_SPNEGO_TOKEN")]
    StrayBinding,
    #[error("freerdp_placeholder is only for FORM_CCACHE")]
    StrayPlaceholder,
    #[error("krb_cred_key is only for FORM_KRB_CRED")]
    StrayKey,
    #[error("client_address is no IP address")]
    ClientAddress,
    #[error("scheme is none of the known signature schemes")]
    Scheme,
    #[error(transparent)]
    Binding(#[from] BindingError),
    #[error(transparent)]
    CredKey(#[from] MalformedCredKey),
}

#[tonic::async_trait]
impl<F, P> Gateway for GatewayService<F, P>
where
    P: Present,
    F: Further + 'static,
    F::Error: Send,
    Refusal: From<IssueTicketError<F::Error>>,
{
    async fn redeem(&self, request: Request<v1::RedeemRequest>) -> Result<Response<v1::Session>, Status> {
        let gateway = caller(&request, Step::Redeem)?;
        let span = tracing::info_span!("redeem", gateway);
        let _entered = span.enter();
        let request = bounded(request.into_inner(), Step::Redeem)?;
        let code = &request.code;
        present("code", code).map_err(|error| refused(&malformed(error, Step::Redeem)))?;
        self.session(code, &gateway).map(Response::new).map_err(|refusal| refused(&refusal))
    }

    async fn challenge(
        &self,
        request: Request<v1::ChallengeRequest>,
    ) -> Result<Response<v1::ChallengeResponse>, Status> {
        let step = Step::Challenge;
        let (gateway, presents) = presenter(&request, step)?;
        let span = tracing::info_span!("challenge", gateway, login_id = tracing::field::Empty);
        let _entered = span.enter();
        let request = within(request.into_inner(), MAX_PRESENTATION, step)?;
        let made = self.presentations.challenge(&gateway, presents, request);
        made.map(Response::new).map_err(|refusal| refused(&self.presentations.counted(refusal)))
    }

    async fn answer(&self, request: Request<v1::AnswerRequest>) -> Result<Response<v1::Session>, Status> {
        let step = Step::Answer;
        let (gateway, presents) = presenter(&request, step)?;
        let span = tracing::info_span!("answer", gateway, login_id = tracing::field::Empty);
        let request = span.in_scope(|| bounded(request.into_inner(), step))?;
        let login = self.presentations.answer(&gateway, presents, request, self.limits.deadline);
        let login = login.instrument(span.clone()).await;
        span.in_scope(|| self.handed_off(login, &gateway))
    }

    async fn authenticate(
        &self,
        request: Request<v1::AuthenticateRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let step = Step::Authenticate;
        let (gateway, presents) = presenter(&request, step)?;
        let span = tracing::info_span!("authenticate", gateway, login_id = tracing::field::Empty);
        let request = span.in_scope(|| within(request.into_inner(), MAX_PRESENTATION, step))?;
        let login = self.presentations.authenticate(&gateway, presents, request, self.limits.deadline);
        let login = login.instrument(span.clone()).await;
        span.in_scope(|| self.handed_off(login, &gateway))
    }

    async fn issue_ticket(
        &self,
        request: Request<v1::IssueTicketRequest>,
    ) -> Result<Response<v1::Ticket>, Status> {
        let gateway = caller(&request, Step::IssueTicket)?;
        let span = tracing::info_span!("issue_ticket", gateway, login_id = tracing::field::Empty);
        let request = span.in_scope(|| bounded(request.into_inner(), Step::IssueTicket))?;
        let issued = self.issue(&gateway, request).instrument(span.clone()).await;
        span.in_scope(|| issued.map(Response::new).map_err(|refusal| refused(&refusal)))
    }

    type InitSecurityContextStream = ReceiverStream<Item>;

    async fn init_security_context(
        &self,
        request: Request<Streaming<v1::InitSecurityContextRequest>>,
    ) -> Result<Response<Self::InitSecurityContextStream>, Status> {
        let step = Step::InitSecurityContext;
        let gateway = caller(&request, step)?;
        let span = tracing::info_span!("init_security_context", gateway, login_id = tracing::field::Empty);
        let refusing = span.clone();
        let _entered = refusing.enter();
        let standing = request.extensions().get::<Standing>().cloned();
        let standing = standing.ok_or_else(|| refused(&Refusal::new(Code::GatewayUnknown, step)))?;
        let place = self.contexts.enter(&gateway);
        let place = place.map_err(|full| refused(&Refusal::because(Code::Overloaded, step, full)))?;
        // One response at a time: the next request is read when the last one's response is on its way.
        let (responses, stream) = mpsc::channel(1);
        let conversation = Conversation {
            desk: Arc::clone(&self.desk),
            gateway,
            standing,
            limits: self.limits,
            drain: self.drain.clone(),
            responses,
            place,
        };
        tokio::spawn(conversation.hold(request.into_inner()).instrument(span));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn end_session(
        &self,
        request: Request<v1::EndSessionRequest>,
    ) -> Result<Response<v1::EndSessionResponse>, Status> {
        let gateway = caller(&request, Step::EndSession)?;
        let span = tracing::info_span!("end_session", gateway);
        let _entered = span.enter();
        let request = bounded(request.into_inner(), Step::EndSession)?;
        let id = &request.session_id;
        present("session_id", id).map_err(|error| refused(&malformed(error, Step::EndSession)))?;
        let ended = self.desk.end(id, &gateway, clock::now());
        ended.map_err(|error| refused(&Refusal::from_session(error, Step::EndSession)))?;
        Ok(Response::new(v1::EndSessionResponse {}))
    }
}

impl<F, P> GatewayService<F, P>
where
    P: Present,
    F: Further + 'static,
    F::Error: Send,
    Refusal: From<IssueTicketError<F::Error>>,
{
    /// The session behind a code of this gateway.
    fn session(&self, code: &str, gateway: &str) -> Result<v1::Session, Refusal> {
        let redeemed = self.desk.redeem(code, gateway, clock::now(), &mut entropy::system());
        let (id, facts) = redeemed?;
        tracing::info!(login_id = facts.login_id, account = facts.subject.sam_account_name, "login redeemed");
        let access = self.desk.proxy_access(&id, gateway, clock::now(), &mut entropy::system());
        let access = access.unwrap_or_else(|error| {
            tracing::error!(login_id = facts.login_id, %error, "the session has no access to the kdc proxy");
            None
        });
        let kdc_proxy = access.as_ref().map(kdc_proxy_access);
        Ok(v1::Session { kdc_proxy, ..session(id.text().as_str().to_owned(), facts) })
    }

    /// The session of a login that this gateway presented: its code never leaves the service.
    fn handed_off(
        &self,
        login: Result<Handoff, Refusal>,
        gateway: &str,
    ) -> Result<Response<v1::Session>, Status> {
        let session = login.and_then(|handoff| self.session(&handoff.code(), gateway));
        session.map(Response::new).map_err(|refusal| refused(&self.presentations.counted(refusal)))
    }

    async fn issue(&self, gateway: &str, request: v1::IssueTicketRequest) -> Result<v1::Ticket, Refusal> {
        let step = Step::IssueTicket;
        present("session_id", &request.session_id).map_err(|error| malformed(error, step))?;
        present("spn", &request.spn).map_err(|error| malformed(error, step))?;
        let mut request = request;
        let key = Zeroizing::new(std::mem::take(&mut request.krb_cred_key));
        let form = form(&request, &key).map_err(|error| malformed(error, step))?;
        let mut rng = entropy::system();
        let answer_by = clock::instant() + self.limits.deadline;
        let call = Call { session_id: &request.session_id, gateway, spn: &request.spn, answer_by };
        let asked = self.desk.issue_ticket(&call, form, clock::now, &mut rng);
        let issued = tokio::time::timeout(self.limits.deadline, asked).await;
        let credential = issued.map_err(|_| Refusal::new(Code::DeadlineExceeded, step))??;
        tracing::info!(spn = credential.spn(), form = credential.form(), "credential issued");
        Ok(v1::Ticket {
            form: request.form,
            ticket: credential.octets().to_vec(),
            spn: credential.spn().to_owned(),
            expires_at: Some(timestamp(credential.expires_at())),
        })
    }
}

/// The gateway that the listener put into the request. Without one nothing is served.
fn caller<T>(request: &Request<T>, step: Step) -> Result<String, Status> {
    let identity = request.extensions().get::<GatewayIdentity>();
    identity
        .map(|identity| identity.name().to_owned())
        .ok_or_else(|| refused(&Refusal::new(Code::GatewayUnknown, step)))
}

/// The same, and what it may present.
fn presenter<T>(request: &Request<T>, step: Step) -> Result<(String, Presents), Status> {
    let gateway = caller(request, step)?;
    let standing = request.extensions().get::<Standing>();
    Ok((gateway, standing.map(Standing::presents).unwrap_or_default()))
}

/// The messages of security contexts, and chains of certificates, may be longer than any other request.
fn bounded<T: prost::Message>(request: T, step: Step) -> Result<T, Status> {
    within(request, MAX_REQUEST, step)
}

fn within<T: prost::Message>(request: T, limit: usize, step: Step) -> Result<T, Status> {
    if request.encoded_len() > limit {
        return Err(refused(&malformed(Malformed::TooLong(limit), step)));
    }
    Ok(request)
}

pub(super) fn present(field: &'static str, value: &str) -> Result<(), Malformed> {
    if value.is_empty() { Err(Malformed::Empty(field)) } else { Ok(()) }
}

pub(super) fn malformed(error: Malformed, step: Step) -> Refusal {
    Refusal::because(Code::RequestInvalid, step, error)
}

/// Logs a refusal and makes its status.
fn refused(refusal: &Refusal) -> Status {
    refusal.log();
    to_status(refusal)
}

fn form(request: &v1::IssueTicketRequest, key: &[u8]) -> Result<Form, Malformed> {
    let form = v1::Form::try_from(request.form).map_err(|_| Malformed::Form)?;
    if form != v1::Form::SpnegoToken && !request.channel_bindings.is_empty() {
        return Err(Malformed::StrayBinding);
    }
    if form != v1::Form::Ccache && request.freerdp_placeholder {
        return Err(Malformed::StrayPlaceholder);
    }
    if form != v1::Form::KrbCred && !key.is_empty() {
        return Err(Malformed::StrayKey);
    }
    match form {
        v1::Form::Unspecified => Err(Malformed::Form),
        v1::Form::SpnegoToken if request.channel_bindings.is_empty() => Ok(Form::SpnegoToken(None)),
        v1::Form::SpnegoToken => Ok(Form::SpnegoToken(Some(Binding::parse(&request.channel_bindings)?))),
        v1::Form::Ccache => Ok(Form::CCache { freerdp_placeholder: request.freerdp_placeholder }),
        v1::Form::KrbCred if key.is_empty() => Ok(Form::KrbCred(None)),
        v1::Form::KrbCred => Ok(Form::KrbCred(Some(CredKey::parse(key)?))),
    }
}

fn session(session_id: String, facts: SessionFacts) -> v1::Session {
    v1::Session {
        session_id,
        subject: Some(subject(facts.subject)),
        target: facts.target,
        granted_spns: facts.granted_spns,
        expires_at: Some(timestamp(facts.expires_at)),
        rule: facts.rule,
        login_id: facts.login_id,
        kdc_proxy: None,
        revocation: Some(evidence(&facts.revocation)),
    }
}

fn kdc_proxy_access(access: &ProxyAccess) -> v1::KdcProxyAccess {
    v1::KdcProxyAccess {
        url: access.url().to_owned(),
        realm: access.realm().to_string(),
        expires_at: Some(timestamp(access.expires_at())),
    }
}

fn subject(subject: Subject) -> v1::Subject {
    v1::Subject {
        upn: subject.upn,
        sam_account_name: subject.sam_account_name,
        realm: subject.realm,
        sid: subject.sid,
        certificate_sha256: Hex(&subject.certificate_sha256).to_string(),
    }
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

/// Lower-case hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
