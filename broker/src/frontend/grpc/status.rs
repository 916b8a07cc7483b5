//! A refusal on the wire: the gRPC status with `google.rpc.ErrorInfo`.

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::error::Refusal;

/// The domain of every reason.
const DOMAIN: &str = "kerbridge";

/// What the caller sees of a refusal: status, words for a person, and `ErrorInfo` with the code in upper case as its reason and
/// the step as its metadata, with the cause of the end of a session that was ended before its time. The detail stays here, but for what an administrator can mend: the most probable cause is in the
/// metadata too, and each is a violation of `PreconditionFailure`, for the gateway's own log.
#[must_use]
pub fn to_status(refusal: &Refusal) -> Status {
    let mut metadata = HashMap::from([("step".to_owned(), refusal.step().as_str().to_owned())]);
    if let Some(finding) = refusal.findings().first() {
        metadata.insert("cause".to_owned(), finding.cause.id().to_owned());
    }
    if let Some(ended) = refusal.ended() {
        metadata.insert("ended".to_owned(), ended.as_str().to_owned());
    }
    let mut details = ErrorDetails::with_error_info(refusal.code().to_ascii_uppercase(), DOMAIN, metadata);
    for finding in refusal.findings() {
        let (id, subject) = (finding.cause.id(), finding.account.as_str());
        details.add_precondition_failure_violation(id, subject, finding.to_string());
    }
    Status::with_error_details(refusal.grpc_status(), refusal.words(), details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Step};
    use crate::handoff::{EndCause, SessionError};

    #[derive(Debug, thiserror::Error)]
    #[error("svc-broker lacks TERMSRV/desk1.corp.example")]
    struct Internal;

    #[test]
    fn every_refusal_carries_its_code_and_step() {
        for &code in Code::ALL {
            let refusal = Refusal::new(code, Step::IssueTicket);
            let status = to_status(&refusal);
            let info = status.get_details_error_info().expect("error info is attached");
            assert_eq!(info.reason, refusal.code().to_ascii_uppercase());
            assert_eq!(info.domain, "kerbridge");
            assert_eq!(info.metadata["step"], "issue_ticket");
        }
    }

    #[test]
    fn a_gateway_learns_the_causes_that_an_administrator_can_mend() {
        let diagnosed = crate::tickets::testing::refused_delegation();
        let refusal = Refusal::from_ticket(diagnosed, Step::IssueTicket);
        let status = to_status(&refusal);
        let info = status.get_details_error_info().expect("error info is attached");
        assert_eq!(info.metadata["cause"], "delegation.not_listed");
        let causes = status.get_details_precondition_failure().expect("the causes are attached").violations;
        assert_eq!(causes.len(), refusal.findings().len());
        assert_eq!(
            (causes[0].r#type.as_str(), causes[0].subject.as_str()),
            ("delegation.not_listed", "svc-broker")
        );
        let command = "samba-tool delegation add-service svc-broker TERMSRV/desk1.corp.example";
        assert!(causes[0].description.contains(command), "{}", causes[0].description);
        assert!(!status.message().contains("svc-broker"), "the words stay those for a person");
    }

    #[test]
    fn a_gateway_learns_why_a_session_was_ended_before_its_time() {
        let ended = SessionError::Ended { cause: EndCause::CertificateRevoked };
        let status = to_status(&Refusal::from_session(ended, Step::IssueTicket));
        let info = status.get_details_error_info().expect("error info is attached");
        assert_eq!(
            (info.reason.as_str(), info.metadata["ended"].as_str()),
            ("SESSION_ENDED", "certificate_revoked")
        );
        assert_eq!(status.code(), tonic::Code::NotFound);
    }

    #[test]
    fn the_detail_does_not_leave_the_service() {
        let status = to_status(&Refusal::because(Code::DelegationRefused, Step::IssueTicket, Internal));
        let wire = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
        assert!(!wire.contains("svc-broker") && !wire.contains("TERMSRV"), "{wire}");
    }
}
