//! Each step's error becomes a refusal: the code is chosen here, the text stays the error's own.

use kdc_proxy::error::{ErrorCode, EvidenceError, ReplyError, RequestError};
use kdc_proxy::gss::{ContextError, MessageError};
use kdc_proxy::message::pac::PacError;
use kdc_proxy::net::client::{ClientError, Stage};
use ldap_map::account::NotUsable;
use ldap_map::mapping::MappingError;
use ldap_map::mapping::source::SourceError;
use ldap_map::net::directory::DirectoryError;

use super::{Code, Refusal, Step};
use crate::directory::{ComputerError, ResolveError, TrustError};
use crate::handoff::{
    EndsWith, HandOffError, IssueTicketError, RedeemError, SecurityContextError, SessionError,
};
use crate::identity::{IdentityError, UsageError};
use crate::policy::Denial;
use crate::tickets::advice::cause::Cause;
use crate::tickets::advice::judge::{Certainty, most_probable};
use crate::tickets::advice::symptom::Symptom;
use crate::tickets::{AccountRefused, Diagnosed, Finding, SubjectError, TicketError};

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        let code = match &error {
            IdentityError::Malformed { .. } => Code::CertificateInvalid,
            IdentityError::Untrusted(_) => Code::CertificateUntrusted,
            IdentityError::NotYetValid { .. } | IdentityError::Expired { .. } => Code::CertificateExpired,
            IdentityError::Usage(UsageError::OtherSlot { .. }) => Code::CertificateOtherSlot,
            IdentityError::Usage(_) => Code::CertificateUsage,
            IdentityError::Revoked { .. } => Code::CertificateRevoked,
            IdentityError::RevocationUnknown { .. } | IdentityError::RevocationNotConfigured => {
                Code::RevocationUnknown
            }
            IdentityError::ClockUnusable => Code::Internal,
        };
        Self::because(code, Step::Validate, error)
    }
}

impl From<ComputerError> for Refusal {
    fn from(error: ComputerError) -> Self {
        let code = match &error {
            ComputerError::Directory(directory) => directory_code(directory),
            ComputerError::Ambiguous { .. } | ComputerError::Disabled { .. } => Code::PolicyDenied,
        };
        Self::because(code, Step::Decide, error)
    }
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        let code = match &error {
            ResolveError::Mapping(mapping) => mapping_code(mapping),
            ResolveError::Directory(directory) => directory_code(directory),
            ResolveError::NotUsable { reason, .. } => unusable_code(reason),
            ResolveError::WeakMapping(_) => Code::MappingWeak,
            ResolveError::Disagreement { .. } => Code::MappingMismatch,
            ResolveError::Hint(_) => Code::RequestInvalid,
            ResolveError::SuffixUnknown { .. } => Code::AccountUnknown,
            ResolveError::AmbiguousDomains { .. } => Code::AccountAmbiguous,
            ResolveError::OtherDomain { .. } | ResolveError::Trust(TrustError::ForeignSid { .. }) => {
                Code::AccountMismatch
            }
            ResolveError::Trust(_) => Code::TrustUnusable,
        };
        let finding = match &error {
            ResolveError::NotUsable { sam_account_name, dn, reason } => {
                Finding::of_account(sam_account_name, dn, reason)
            }
            _ => None,
        };
        Self::because(code, Step::Resolve, error).with(finding.into_iter().collect())
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let words: Vec<&str> = denial.words().collect();
        let told = (!words.is_empty()).then(|| words.join(" "));
        Self { told, ..Self::because(Code::PolicyDenied, Step::Decide, denial) }
    }
}

impl From<HandOffError> for Refusal {
    fn from(error: HandOffError) -> Self {
        let code = match error {
            HandOffError::TooManyCodes { .. } | HandOffError::TooManyCodesOfPerson { .. } => Code::Overloaded,
            HandOffError::NoTimeLeft { with: EndsWith::Certificate, .. } => Code::CertificateExpired,
            HandOffError::NoTimeLeft { with: EndsWith::Evidence, .. } => Code::KdcRefused,
            HandOffError::NoTimeLeft { with: EndsWith::Rule, .. } => Code::PolicyDenied,
            HandOffError::NoTimeLeft { with: EndsWith::Configuration, .. } => Code::Internal,
            HandOffError::RandomRepeated => Code::Internal,
        };
        Self::because(code, Step::HandOff, error)
    }
}

impl From<RedeemError> for Refusal {
    fn from(error: RedeemError) -> Self {
        let code = match error {
            RedeemError::Malformed | RedeemError::Unknown => Code::CodeUnknown,
            RedeemError::Used { .. } => Code::CodeUsed,
            RedeemError::Expired { .. } => Code::CodeExpired,
            RedeemError::Ended { .. } => Code::SessionEnded,
            RedeemError::WrongGateway { .. } => Code::CodeWrongGateway,
            RedeemError::TooManySessions { .. } => Code::Overloaded,
            RedeemError::RandomRepeated => Code::Internal,
        };
        let ended = match error {
            RedeemError::Ended { cause } => Some(cause),
            _ => None,
        };
        Self { ended, ..Self::because(code, Step::Redeem, error) }
    }
}

impl Refusal {
    /// The refusal of a session's call.
    #[must_use]
    pub fn from_session(error: SessionError, step: Step) -> Self {
        let code = match error {
            SessionError::Malformed | SessionError::Unknown => Code::SessionUnknown,
            SessionError::Ended { .. } => Code::SessionEnded,
            SessionError::WrongGateway { .. } => Code::SessionWrongGateway,
        };
        let ended = match error {
            SessionError::Ended { cause } => Some(cause),
            _ => None,
        };
        Self { ended, ..Self::because(code, step, error) }
    }

    /// The refusal of a login's ticket, or of a further one of its session.
    #[must_use]
    pub fn from_ticket(error: TicketError, step: Step) -> Self {
        let code = match &error {
            TicketError::Subject(subject) => subject_code(subject),
            TicketError::Mismatch(_) => Code::AccountMismatch,
            TicketError::Membership(_) => Code::MembershipMismatch,
            TicketError::Account(refused) => account_code(*refused),
            TicketError::Diagnosed(diagnosed) => diagnosed_code(diagnosed),
            TicketError::Client(client) => client_code(client),
            TicketError::NotPlanned => Code::Internal,
        };
        let findings = match &error {
            TicketError::Diagnosed(diagnosed) => diagnosed.findings().to_vec(),
            _ => Vec::new(),
        };
        Self::because(code, step, error).with(findings)
    }
}

impl From<IssueTicketError<TicketError>> for Refusal {
    fn from(error: IssueTicketError<TicketError>) -> Self {
        match error {
            IssueTicketError::Session(error) => Self::from_session(error, Step::IssueTicket),
            IssueTicketError::NotGranted => Self::because(Code::ServiceNotGranted, Step::IssueTicket, error),
            IssueTicketError::FormNotAllowed { .. } => {
                Self::because(Code::PolicyDenied, Step::IssueTicket, error)
            }
            IssueTicketError::Ticket(error) => Self::from_ticket(error, Step::IssueTicket),
            IssueTicketError::Form(error) => Self::because(Code::Internal, Step::IssueTicket, error),
            IssueTicketError::Context(error) => {
                Self::from(SecurityContextError::from(error)).at(Step::IssueTicket)
            }
        }
    }
}

impl From<SecurityContextError> for Refusal {
    fn from(error: SecurityContextError) -> Self {
        let code = match &error {
            SecurityContextError::NotEstablished | SecurityContextError::Established => Code::RequestInvalid,
            SecurityContextError::Making(error) => making_code(error),
            SecurityContextError::Message(error) => message_code(error),
        };
        Self::because(code, Step::InitSecurityContext, error)
    }
}

fn making_code(error: &ContextError) -> Code {
    match error {
        ContextError::Etype(_) => Code::EncryptionUnsupported,
        ContextError::Refused(ErrorCode::KRB_AP_ERR_SKEW) => Code::ClockSkew,
        ContextError::Malformed
        | ContextError::Refused(_)
        | ContextError::Rejected
        | ContextError::OtherMechanism => Code::ContextRefused,
        ContextError::Proof(_)
        | ContextError::Subkey(_)
        | ContextError::NotProven
        | ContextError::MechListMic => Code::ContextUntrusted,
        ContextError::TooLong => Code::RequestInvalid,
        _ => Code::Internal,
    }
}

const fn message_code(error: &MessageError) -> Code {
    match error {
        MessageError::TooLong | MessageError::NotNegotiated(_) => Code::RequestInvalid,
        MessageError::Malformed
        | MessageError::Reflected
        | MessageError::OtherKey
        | MessageError::Integrity
        | MessageError::Replayed
        | MessageError::TooOld
        | MessageError::OutOfOrder => Code::ContextUntrusted,
        _ => Code::Internal,
    }
}

const fn mapping_code(error: &MappingError) -> Code {
    match error {
        MappingError::UpnMissing => Code::UpnMissing,
        MappingError::SeveralUpns { .. } => Code::UpnAmbiguous,
        MappingError::Source(SourceError::Absent { .. } | SourceError::AllAbsent { .. }) => {
            Code::IdentityMissing
        }
        MappingError::Source(SourceError::Several { .. } | SourceError::SeveralMatches { .. }) => {
            Code::IdentityAmbiguous
        }
        MappingError::Source(_) => Code::IdentityInvalid,
        MappingError::SeveralSids { .. } => Code::CertificateInvalid,
        MappingError::SidDiffers { .. } | MappingError::NameDiffers { .. } => Code::MappingMismatch,
        MappingError::OlderThanAccount { .. } | MappingError::TooWeak | MappingError::NotMapped => {
            Code::MappingWeak
        }
        _ => Code::Internal,
    }
}

const fn directory_code(error: &DirectoryError) -> Code {
    match error {
        DirectoryError::NotFound => Code::AccountUnknown,
        DirectoryError::Ambiguous | DirectoryError::SeveralAccounts => Code::AccountAmbiguous,
        DirectoryError::Disagreement { .. } => Code::MappingMismatch,
        DirectoryError::Attribute(_) => Code::AccountInvalid,
        DirectoryError::BindRefused { .. }
        | DirectoryError::SearchRefused { .. }
        | DirectoryError::WrongDomain { .. }
        | DirectoryError::WrongDomainSid { .. }
        | DirectoryError::DomainObject(_)
        | DirectoryError::ChangesHidden(_) => Code::DirectoryRefused,
        // The servers may be well: it is our connections that are too few for so many logins, or for servers so slow.
        DirectoryError::Busy => Code::Overloaded,
        // Unavailable, and whatever else keeps the directory from answering.
        _ => Code::DirectoryUnavailable,
    }
}

const fn unusable_code(reason: &NotUsable) -> Code {
    match reason {
        NotUsable::NotAPerson(_) => Code::AccountNotAPerson,
        NotUsable::Disabled { .. } => Code::AccountDisabled,
        NotUsable::Expired { .. } => Code::AccountExpired,
        NotUsable::Locked { .. } | NotUsable::PerhapsLocked { .. } => Code::AccountLocked,
        NotUsable::OutsideLogonHours { .. } => Code::AccountOutsideHours,
        NotUsable::ProtectedUser { .. } => Code::AccountProtected,
        NotUsable::NotDelegated { .. } => Code::AccountNotDelegable,
        _ => Code::AccountRestricted,
    }
}

const fn subject_code(error: &SubjectError) -> Code {
    match error {
        SubjectError::Name(_) | SubjectError::Realm(_) => Code::AccountInvalid,
        SubjectError::NotAPerson => Code::AccountNotAPerson,
        SubjectError::ForeignRealm { .. } => Code::AccountUnknown,
        SubjectError::Service(_) => Code::Internal,
    }
}

const fn account_code(refused: AccountRefused) -> Code {
    match refused {
        AccountRefused::NotAPerson { .. } => Code::AccountNotAPerson,
        AccountRefused::Disabled { .. } => Code::AccountDisabled,
        AccountRefused::NotDelegated { .. } => Code::AccountNotDelegable,
        AccountRefused::Protected => Code::AccountProtected,
    }
}

/// What the directory confirms decides; without that, what was seen.
fn diagnosed_code(diagnosed: &Diagnosed) -> Code {
    match diagnosed.findings() {
        [Finding { cause, certainty: Certainty::Confirmed, .. }, ..] => cause_code(*cause),
        _ => symptom_code(diagnosed.symptom(), diagnosed.error()),
    }
}

/// The code of what was seen alone: the most probable cause's; but where several states of a person's account would explain it,
/// none of them is told.
fn symptom_code(symptom: &Symptom, error: Option<&ClientError>) -> Code {
    match (symptom, error) {
        (Symptom::Refused { .. } | Symptom::EvidenceFromAbroad | Symptom::NoTrust, _) | (_, None) => {}
        (_, Some(error)) => return client_code(error),
    }
    let causes = most_probable(symptom);
    let states = causes.iter().filter(|cause| cause.id().starts_with("user.")).count();
    match causes.first() {
        Some(first) if first.id().starts_with("user.") && states > 1 => Code::AccountRestricted,
        Some(first) => cause_code(*first),
        None => Code::KdcRefused,
    }
}

const fn cause_code(cause: Cause) -> Code {
    match cause {
        Cause::NotListed
        | Cause::ListedOthers
        | Cause::NoList
        | Cause::OtherDomain
        | Cause::TargetSpnMissing
        | Cause::TargetSpnTwice
        | Cause::TargetDisabled
        | Cause::NoProtocolTransition
        | Cause::OwnSensitive
        | Cause::OwnProtected => Code::DelegationRefused,
        Cause::TargetNoKeys | Cause::TargetNoAes | Cause::OwnNoAes => Code::EncryptionUnsupported,
        Cause::OwnSpnElsewhere
        | Cause::OwnSpnMissing
        | Cause::OwnUnknown
        | Cause::OwnDisabled
        | Cause::OwnLocked
        | Cause::OwnExpired
        | Cause::OwnPasswordExpired
        | Cause::OwnKeyVersion
        | Cause::OwnKeyWrong
        | Cause::OwnPasswordWrong => Code::BrokerCredentialRefused,
        Cause::UserSensitive => Code::AccountNotDelegable,
        Cause::UserProtected => Code::AccountProtected,
        Cause::UserDisabled => Code::AccountDisabled,
        Cause::UserLocked => Code::AccountLocked,
        Cause::UserExpired => Code::AccountExpired,
        Cause::UserOutsideHours => Code::AccountOutsideHours,
        Cause::UserPasswordExpired => Code::AccountPasswordExpired,
        Cause::UserPolicy => Code::AccountRestricted,
        Cause::UserUnknown => Code::AccountUnknown,
        Cause::ForeignEvidence | Cause::NoTrust => Code::TrustUnusable,
        Cause::ClockSkew => Code::ClockSkew,
        Cause::Unavailable => Code::KdcUnavailable,
        Cause::Stale | Cause::NotReplicated | Cause::Other => Code::KdcRefused,
    }
}

/// Whether the ticket is the KDC's, opened with our own key, and speaks of somebody else than was asked for. What stands
/// outside of it is nobody's word.
const fn is_of_somebody_else(error: &EvidenceError) -> bool {
    matches!(
        error,
        EvidenceError::TicketUser
            | EvidenceError::Pac(
                PacError::ClientName | PacError::ClientTime | PacError::UpnSid | PacError::RequestorSid
            )
    )
}

fn client_code(error: &ClientError) -> Code {
    match error {
        ClientError::KdcUnavailable { .. } | ClientError::NoKdc { .. } => Code::KdcUnavailable,
        ClientError::ClockSkew { .. } | ClientError::ClaimedSkew { .. } => Code::ClockSkew,
        ClientError::ReplyRefused(ReplyError::Evidence(
            EvidenceError::NoKey(_) | EvidenceError::NoKeyVersion(_),
        ))
        | ClientError::Credential(_) => Code::BrokerCredentialRefused,
        ClientError::ReplyRefused(ReplyError::Evidence(EvidenceError::NotSupported)) => Code::KdcRefused,
        ClientError::ReplyRefused(ReplyError::Evidence(error)) if is_of_somebody_else(error) => {
            Code::AccountMismatch
        }
        ClientError::ReplyRefused(_) => Code::KdcUntrusted,
        ClientError::Referral { stage: Stage::S4u2Self, .. } => Code::AccountUnknown,
        ClientError::Referral { stage: Stage::S4u2Proxy, .. } => Code::DelegationRefused,
        ClientError::Referral { .. } => Code::KdcRefused,
        ClientError::KdcRefused { stage, .. } => {
            Symptom::of(error, *stage).map_or(Code::KdcRefused, |symptom| symptom_code(&symptom, None))
        }
        ClientError::Request(
            RequestError::TicketEnded | RequestError::EvidenceEnded | RequestError::AccountChanged,
        ) => Code::KdcRefused,
        ClientError::Request(_) => Code::Internal,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests;
