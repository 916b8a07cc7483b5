//! Refusals: what went wrong, at which step, who must act, and what each side is told.
//!
//! Every step has its own small error enum; this module turns each of them into one [`Refusal`] with a [`Code`] of one table.
//! The table gives the code's stable name, who must act ([`Blame`]), the HTTP and gRPC status, the exit code of a command and
//! the words a person reads. Words carry no internals; the [`Refusal::detail`] is for the log and the administrator, and names
//! the attribute or command that mends it.

mod sources;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

pub use self::table::{Blame, Code};

use crate::handoff::EndCause;
use crate::tickets::Finding;

/// The step that refused, in the order a login and its session go through them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// Reading the request.
    Request,
    /// The certificate's path, usage and revocation.
    Validate,
    /// The one account of the directory.
    Resolve,
    /// The policy.
    Decide,
    /// The delegated ticket.
    Issue,
    /// The one-time code and the session.
    HandOff,
    /// A gateway's `Challenge`.
    Challenge,
    /// A gateway's `Answer`.
    Answer,
    /// A gateway's `Authenticate`.
    Authenticate,
    /// A gateway's `Redeem`.
    Redeem,
    /// A gateway's `IssueTicket`.
    IssueTicket,
    /// A gateway's `InitSecurityContext`.
    InitSecurityContext,
    /// A gateway's `EndSession`.
    EndSession,
}

impl Step {
    /// The stable word on the wire and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Validate => "validate",
            Self::Resolve => "resolve",
            Self::Decide => "decide",
            Self::Issue => "issue",
            Self::HandOff => "hand_off",
            Self::Challenge => "challenge",
            Self::Answer => "answer",
            Self::Authenticate => "authenticate",
            Self::Redeem => "redeem",
            Self::IssueTicket => "issue_ticket",
            Self::InitSecurityContext => "init_security_context",
            Self::EndSession => "end_session",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused request: the code, the step, and the error behind it.
///
/// `Display` is for the log: it includes the [`detail`](Self::detail). What leaves the service is [`code`](Self::code),
/// [`words`](Self::words), the step and the statuses.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    step: Step,
    cause: Option<Box<dyn Error + Send + Sync>>,
    findings: Vec<Finding>,
    ended: Option<EndCause>,
    told: Option<String>,
}

impl Refusal {
    /// A refusal that needs no further explanation.
    #[must_use]
    pub const fn new(code: Code, step: Step) -> Self {
        Self { code, step, cause: None, findings: Vec::new(), ended: None, told: None }
    }

    /// A refusal with the error that explains it to the administrator.
    pub fn because(code: Code, step: Step, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { code, step, cause: Some(Box::new(cause)), findings: Vec::new(), ended: None, told: None }
    }

    /// The same with what an administrator can mend.
    fn with(self, findings: Vec<Finding>) -> Self {
        Self { findings, ..self }
    }

    /// What an administrator can mend, the most probable first; mostly nothing. For the log, and for gateways.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why the session is gone that was asked for, where it was ended before its time. For gateways.
    #[must_use]
    pub const fn ended(&self) -> Option<EndCause> {
        self.ended
    }

    /// The same refusal, at the step that asked for what was refused.
    #[must_use]
    pub fn at(self, step: Step) -> Self {
        Self { step, ..self }
    }

    /// The code the caller sees, `snake_case`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code.shown().as_str()
    }

    /// The code for the log and metrics. It differs from [`Self::code`] where the caller is not told the whole truth.
    #[must_use]
    pub const fn logged_code(&self) -> Code {
        self.code
    }

    /// The step that refused.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// Who must act.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        self.code.blame()
    }

    /// The HTTP status, 400 to 599.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        self.code.shown().row().http
    }

    /// The gRPC status.
    #[must_use]
    pub const fn grpc_status(&self) -> tonic::Code {
        self.code.shown().row().grpc
    }

    /// What a person reads: sentences in plain words, without names, addresses or causes; or what the policy says that forbids.
    #[must_use]
    pub fn words(&self) -> Cow<'static, str> {
        self.told.clone().map_or_else(|| Cow::Borrowed(self.code.shown().row().words), Cow::Owned)
    }

    /// What the log and the administrator read: the error and its causes, with the attribute or command that mends it.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut next: Option<&dyn Error> = self.cause.as_deref().map(|cause| -> &dyn Error { cause });
        let mut texts: Vec<String> = Vec::new();
        while let Some(error) = next {
            let text = error.to_string();
            // Errors that show their source in their own text would say everything twice.
            if !texts.last().is_some_and(|last| last.contains(&text)) {
                texts.push(text);
            }
            next = error.source();
        }
        texts.join(": ")
    }
}

impl Refusal {
    /// Writes the one log line of a refusal into the current span, which carries the login identifier: an error for security
    /// events and faults of this service, a warning otherwise; then a line for each cause that an administrator can mend.
    pub fn log(&self) {
        let (code, step, blame) = (self.code.as_str(), self.step.as_str(), self.blame().as_str());
        let detail = self.detail();
        if self.code.is_security_event() {
            tracing::error!(security_event = true, code, step, blame, detail, "refused");
        } else if self.code == Code::Internal {
            tracing::error!(code, step, blame, detail, "refused");
        } else {
            tracing::warn!(code, step, blame, detail, "refused");
        }
        for finding in &self.findings {
            let Finding { failed, account, attribute, windows, samba, .. } = finding;
            let (cause, certainty) = (finding.cause.id(), finding.certainty.as_str());
            tracing::warn!(
                cause,
                certainty,
                failed,
                account,
                attribute,
                windows,
                samba,
                "cause of the refusal"
            );
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused with {}", self.step, self.code)?;
        match self.cause {
            Some(_) => write!(f, ": {}", self.detail()),
            None => Ok(()),
        }
    }
}

impl Error for Refusal {}
