//! The three calls of `kerbridge.v1.Gateway`: from messages to the desk and back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use thiserror::Error;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::status::to_status;
use super::v1;
use super::v1::gateway_server::Gateway;
use crate::error::{Code, Refusal, Step};
use crate::frontend::gateways::GatewayIdentity;
use crate::handoff::forms::{Binding, BindingError, Form};
use crate::handoff::{Call, Desk, Further, IssueTicketError, SessionFacts, Subject};
use crate::{clock, entropy};

/// Serves the calls from a desk.
pub(super) struct GatewayService<F: Further> {
    desk: Arc<Desk<F>>,
    deadline: Duration,
}

impl<F: Further> GatewayService<F> {
    pub(super) const fn new(desk: Arc<Desk<F>>, deadline: Duration) -> Self {
        Self { desk, deadline }
    }
}

/// A field of a request is not what the interface definition says.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
enum Malformed {
    #[error("{0} is empty")]
    Empty(&'static str),
    #[error("form is none of the known forms")]
    Form,
    #[error("channel_bindings is only for FORM_SPNEGO_TOKEN")]
    StrayBinding,
    #[error("freerdp_placeholder is only for FORM_CCACHE")]
    StrayPlaceholder,
    #[error(transparent)]
    Binding(#[from] BindingError),
}

#[tonic::async_trait]
impl<F> Gateway for GatewayService<F>
where
    F: Further + 'static,
    F::Error: Send,
    Refusal: From<IssueTicketError<F::Error>>,
{
    async fn redeem(&self, request: Request<v1::RedeemRequest>) -> Result<Response<v1::Session>, Status> {
        let gateway = caller(&request, Step::Redeem)?;
        let span = tracing::info_span!("redeem", gateway);
        let _entered = span.enter();
        let code = &request.get_ref().code;
        present("code", code).map_err(|error| refused(&malformed(error, Step::Redeem)))?;
        let redeemed = self.desk.redeem(code, &gateway, clock::now(), &mut entropy::system());
        let (id, facts) = redeemed.map_err(|error| refused(&error.into()))?;
        tracing::info!(login_id = facts.login_id, account = facts.subject.sam_account_name, "login redeemed");
        Ok(Response::new(session(id.text().as_str().to_owned(), facts)))
    }

    async fn issue_ticket(
        &self,
        request: Request<v1::IssueTicketRequest>,
    ) -> Result<Response<v1::Ticket>, Status> {
        let gateway = caller(&request, Step::IssueTicket)?;
        let span = tracing::info_span!("issue_ticket", gateway, login_id = tracing::field::Empty);
        let issued = self.issue(&gateway, request.into_inner()).instrument(span.clone()).await;
        span.in_scope(|| issued.map(Response::new).map_err(|refusal| refused(&refusal)))
    }

    async fn end_session(
        &self,
        request: Request<v1::EndSessionRequest>,
    ) -> Result<Response<v1::EndSessionResponse>, Status> {
        let gateway = caller(&request, Step::EndSession)?;
        let span = tracing::info_span!("end_session", gateway);
        let _entered = span.enter();
        let id = &request.get_ref().session_id;
        present("session_id", id).map_err(|error| refused(&malformed(error, Step::EndSession)))?;
        let ended = self.desk.end(id, &gateway, clock::now());
        let facts = ended.map_err(|error| refused(&Refusal::from_session(error, Step::EndSession)))?;
        tracing::info!(login_id = facts.login_id, account = facts.subject.sam_account_name, "session ended");
        Ok(Response::new(v1::EndSessionResponse {}))
    }
}

impl<F> GatewayService<F>
where
    F: Further + 'static,
    F::Error: Send,
    Refusal: From<IssueTicketError<F::Error>>,
{
    async fn issue(&self, gateway: &str, request: v1::IssueTicketRequest) -> Result<v1::Ticket, Refusal> {
        let step = Step::IssueTicket;
        present("session_id", &request.session_id).map_err(|error| malformed(error, step))?;
        present("spn", &request.spn).map_err(|error| malformed(error, step))?;
        let form = form(&request).map_err(|error| malformed(error, step))?;
        let mut rng = entropy::system();
        let call = Call { session_id: &request.session_id, gateway, spn: &request.spn };
        let asked = self.desk.issue_ticket(&call, form, clock::now, &mut rng);
        let issued = tokio::time::timeout(self.deadline, asked).await;
        let (credential, session) = issued.map_err(|_| Refusal::new(Code::DeadlineExceeded, step))??;
        tracing::Span::current().record("login_id", session.login_id);
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

fn present(field: &'static str, value: &str) -> Result<(), Malformed> {
    if value.is_empty() { Err(Malformed::Empty(field)) } else { Ok(()) }
}

fn malformed(error: Malformed, step: Step) -> Refusal {
    Refusal::because(Code::RequestInvalid, step, error)
}

/// Logs a refusal and makes its status.
fn refused(refusal: &Refusal) -> Status {
    refusal.log();
    to_status(refusal)
}

fn form(request: &v1::IssueTicketRequest) -> Result<Form, Malformed> {
    let form = v1::Form::try_from(request.form).map_err(|_| Malformed::Form)?;
    if form != v1::Form::SpnegoToken && !request.channel_bindings.is_empty() {
        return Err(Malformed::StrayBinding);
    }
    if form != v1::Form::Ccache && request.freerdp_placeholder {
        return Err(Malformed::StrayPlaceholder);
    }
    match form {
        v1::Form::Unspecified => Err(Malformed::Form),
        v1::Form::SpnegoToken if request.channel_bindings.is_empty() => Ok(Form::SpnegoToken(None)),
        v1::Form::SpnegoToken => Ok(Form::SpnegoToken(Some(Binding::parse(&request.channel_bindings)?))),
        v1::Form::Ccache => Ok(Form::CCache { freerdp_placeholder: request.freerdp_placeholder }),
        v1::Form::KrbCred => Ok(Form::KrbCred),
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

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

/// Lower-case hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
