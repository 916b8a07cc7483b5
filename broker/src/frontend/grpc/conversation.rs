//! One stream of `InitSecurityContext`: from its first request to its end.
//!
//! Does I/O: it reads the stream and answers it. It is over with the first refusal, with its session, its gateway, its ticket, the
//! service, or when the gateway closes it or has nothing to say for too long.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::contexts::Place;
use super::v1::init_security_context_request::Step as Asked;
use super::v1::init_security_context_response::Step as Response;
use super::words::{self, MalformedStep};
use super::{Limits, v1};
use crate::error::{Code, Refusal, Step};
use crate::frontend::gateways::Standing;
use crate::handoff::{Call, Desk, Further, IssueTicketError, SecurityContext};
use crate::{clock, entropy};

const STEP: Step = Step::InitSecurityContext;

/// What goes into the stream to the gateway.
pub(super) type Item = Result<v1::InitSecurityContextResponse, Status>;

/// A stream and what it works with.
pub(super) struct Conversation<F: Further> {
    pub(super) desk: Arc<Desk<F>>,
    pub(super) gateway: String,
    pub(super) standing: Standing,
    pub(super) limits: Limits,
    pub(super) drain: CancellationToken,
    pub(super) responses: mpsc::Sender<Item>,
    /// Given back at the end.
    pub(super) place: Place,
}

/// Why a stream ends without a fault of the context.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
enum Ended {
    #[error("the gateway asked for nothing within {} s", .0.as_secs())]
    Idle(Duration),
    #[error("the ticket of the security context has ended")]
    Expired,
    #[error("the request is no message of the interface, or too long")]
    NoMessage,
}

/// The gateway is gone or done.
struct Closed;

/// What the conversation is told next.
enum Next {
    Asked(Asked),
    Closed,
}

impl<F> Conversation<F>
where
    F: Further + 'static,
    F::Error: Send,
    Refusal: From<IssueTicketError<F::Error>>,
{
    /// Holds the conversation.
    pub(super) async fn hold(self, mut requests: Streaming<v1::InitSecurityContextRequest>) {
        let refusal = match self.first(&mut requests).await {
            Ok(()) => return,
            Err(refusal) => refusal,
        };
        refusal.log();
        // Whoever does not read any more needs no reason.
        drop(timeout(self.limits.deadline, self.responses.send(Err(super::to_status(&refusal)))).await);
        drop(self.place);
    }

    /// The first request, which begins the context.
    async fn first(&self, requests: &mut Streaming<v1::InitSecurityContextRequest>) -> Result<(), Refusal> {
        let waiting = self.next(requests, None, self.limits.deadline);
        let start = match waiting.await? {
            Next::Closed => return Ok(()),
            Next::Asked(Asked::Start(start)) => start,
            Next::Asked(_) => return Err(malformed(MalformedStep::Start)),
        };
        let request = words::asked(&start).map_err(malformed)?;
        let answer_by = clock::instant() + self.limits.deadline;
        let call = Call { session_id: &start.session_id, gateway: &self.gateway, spn: &start.spn, answer_by };
        let mut rng = entropy::system();
        let asked = self.desk.init_security_context(&call, &request, clock::now, &mut rng);
        let begun = timeout(self.limits.deadline, asked).await;
        let begun = begun.map_err(|_| Refusal::new(Code::DeadlineExceeded, STEP))?;
        let (mut context, answer) = begun.map_err(|error| Refusal::from(error).at(STEP))?;

        let (mechanism, bound) = (words::mechanism(request.mechanism), request.binding.is_some());
        tracing::info!(spn = context.spn(), mechanism, flags = %request.flags, bound, "security context begun");
        let held = match self.respond(words::answered(&context, answer)).await {
            Ok(()) => self.continued(&mut context, requests).await,
            Err(Closed) => Ok(()),
        };
        let counts = context.counts();
        tracing::info!(
            spn = context.spn(),
            wrapped = counts.wrapped,
            unwrapped = counts.unwrapped,
            signed = counts.signed,
            verified = counts.verified,
            refused = held.is_err(),
            "security context ended"
        );
        held
    }

    /// All requests after the first.
    async fn continued(
        &self,
        context: &mut SecurityContext,
        requests: &mut Streaming<v1::InitSecurityContextRequest>,
    ) -> Result<(), Refusal> {
        loop {
            let patience = match context.flags() {
                Some(_) => self.limits.context_idle_timeout,
                None => self.limits.deadline,
            };
            let asked = match self.next(requests, Some(context), patience).await? {
                Next::Closed => return Ok(()),
                Next::Asked(asked) => asked,
            };
            let response = answer(context, asked)?;
            if let Response::Established(established) = &response {
                tracing::info!(spn = context.spn(), flags = ?established.flags, "security context established");
            }
            if let Err(Closed) = self.respond(response).await {
                return Ok(());
            }
        }
    }

    /// Waits for the next request, as long as the context may live, and judges whether the gateway may still ask.
    async fn next(
        &self,
        requests: &mut Streaming<v1::InitSecurityContextRequest>,
        context: Option<&SecurityContext>,
        patience: Duration,
    ) -> Result<Next, Refusal> {
        let left =
            context.map(|context| context.expires_at().duration_since(clock::now()).unwrap_or_default());
        let (limit, ended) = match left {
            Some(left) if left < patience => (left, Ended::Expired),
            Some(_) | None => (patience, Ended::Idle(patience)),
        };
        let session_end = async {
            match context {
                Some(context) => context.session_end().ended().await,
                None => std::future::pending().await,
            }
        };
        let message = tokio::select! {
            biased;
            () = self.drain.cancelled() => return Err(Refusal::new(Code::ServiceEnding, STEP)),
            ended = session_end => return Err(Refusal::from_session(ended, STEP)),
            () = self.responses.closed() => return Ok(Next::Closed),
            message = timeout(limit, requests.message()) => message,
        };
        let message = match message {
            Err(_) => return Err(Refusal::because(Code::DeadlineExceeded, STEP, ended)),
            Ok(Ok(None)) => return Ok(Next::Closed),
            Ok(Ok(Some(message))) => message,
            Ok(Err(status)) if is_gone(&status) => return Ok(Next::Closed),
            Ok(Err(_)) => return Err(Refusal::because(Code::RequestInvalid, STEP, Ended::NoMessage)),
        };
        let standing = self.standing.check(clock::now());
        standing.map_err(|error| Refusal::because(Code::GatewayUnknown, STEP, error))?;
        message.step.map(Next::Asked).ok_or_else(|| malformed(MalformedStep::Empty))
    }

    async fn respond(&self, step: Response) -> Result<(), Closed> {
        let response = v1::InitSecurityContextResponse { step: Some(step) };
        // A gateway that asks and does not read is not waited for longer than one that does not ask.
        match timeout(self.limits.context_idle_timeout, self.responses.send(Ok(response))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Closed),
        }
    }
}

/// The one response to a request after the first.
fn answer(context: &mut SecurityContext, asked: Asked) -> Result<Response, Refusal> {
    Ok(match asked {
        Asked::Start(_) => return Err(malformed(MalformedStep::Start)),
        Asked::Token(token) => {
            let answer = context.step(&token.token)?;
            words::answered(context, answer)
        }
        Asked::Wrap(request) => {
            let how = words::protection(request.protection).map_err(malformed)?;
            let token = context.wrap(&request.message, how, &mut entropy::system())?;
            Response::Wrapped(v1::Wrapped { token })
        }
        Asked::Unwrap(request) => {
            let (message, how) = context.unwrap(&request.token)?;
            words::unwrapped(message, how)
        }
        Asked::GetMic(request) => {
            let token = context.get_mic(&request.message)?;
            Response::Mic(v1::Mic { token })
        }
        Asked::VerifyMic(request) => {
            context.verify_mic(&request.message, &request.token)?;
            Response::MicVerified(v1::MicVerified {})
        }
    })
}

fn malformed(error: MalformedStep) -> Refusal {
    Refusal::because(Code::RequestInvalid, STEP, error)
}

/// Whether a stream that cannot be read was left by its gateway: its connection was lost, or it cancelled the call.
fn is_gone(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::Cancelled | tonic::Code::Unknown | tonic::Code::Unavailable)
}

#[cfg(test)]
mod tests;
