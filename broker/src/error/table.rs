//! The one table of refusals.

use std::fmt;

/// Who must act so that the same request succeeds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Blame {
    /// The person with the card: another card, another target, another try.
    CardHolder,
    /// The gateway: its configuration or its code.
    Gateway,
    /// The administrator of the directory or of this service's configuration.
    Administrator,
    /// Whoever runs the network, the domain controllers and their clocks.
    Network,
    /// This service: a fault or a limit of its own.
    Service,
}

impl Blame {
    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardHolder => "card_holder",
            Self::Gateway => "gateway",
            Self::Administrator => "administrator",
            Self::Network => "network",
            Self::Service => "service",
        }
    }

    /// The exit code of a command that ends with such a refusal (sysexits(3)).
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::CardHolder => 77,
            Self::Gateway => 65,
            Self::Administrator => 78,
            Self::Network => 69,
            Self::Service => 70,
        }
    }
}

/// One row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) blame: Blame,
    pub(super) http: u16,
    pub(super) grpc: tonic::Code,
    pub(super) words: &'static str,
}

/// Makes [`Code`], the list of all codes and the look-up of a row from one table.
macro_rules! table {
    ($($(#[$doc:meta])* $code:ident $name:literal $blame:ident $http:literal $grpc:ident $words:literal;)+) => {
        /// Why a request was refused. The names are stable: clients decide on them.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $code,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code,)+];

            pub(super) const fn row(self) -> Row {
                match self {
                    $(Self::$code => Row {
                        name: $name,
                        blame: Blame::$blame,
                        http: $http,
                        grpc: tonic::Code::$grpc,
                        words: $words,
                    },)+
                }
            }
        }
    };
}

table! {
    /// The request is malformed.
    RequestInvalid "request_invalid" Gateway 400 InvalidArgument
        "The request was not understood. Start again from the portal's page.";
    /// The request names a gateway that is not configured.
    GatewayUnknown "gateway_unknown" Gateway 404 PermissionDenied
        "This portal is not known here. Start again from your portal's page.";

    /// The client presented no certificate.
    CertificateMissing "certificate_missing" CardHolder 403 Unauthenticated
        "No card was presented. Insert your card and choose its certificate.";
    /// The certificate cannot be read, or is built in a way that is not accepted.
    CertificateInvalid "certificate_invalid" CardHolder 403 Unauthenticated
        "The certificate on your card cannot be used. Ask for a new card.";
    /// The certificate, or one above it, is expired or not yet valid.
    CertificateExpired "certificate_expired" CardHolder 403 Unauthenticated
        "The certificate on your card is not valid today. Ask for a new card.";
    /// No path to a trusted root.
    CertificateUntrusted "certificate_untrusted" CardHolder 403 Unauthenticated
        "Your card was not issued by an authority that is trusted here. Use the card of your organisation.";
    /// Key usage, extended key usage, policy or strength do not fit.
    CertificateUsage "certificate_usage" CardHolder 403 Unauthenticated
        "This certificate is not meant for logging in. Choose the logon certificate of your card.";
    /// A header carries a certificate, and its sender has no right to send one.
    CertificateHeaderUntrusted "certificate_header_untrusted" Administrator 403 PermissionDenied
        "Your login was stopped because it came by a way that is not trusted. Tell your administrator.";
    /// The headers in which a configured terminator hands on a certificate are not as its form says.
    CertificateHeaderInvalid "certificate_header_invalid" Administrator 403 FailedPrecondition
        "The way to the login service is not set up correctly. Tell your administrator.";
    /// Another certificate of the card than the one for logging in was chosen.
    CertificateOtherSlot "certificate_other_slot" CardHolder 403 Unauthenticated
        "This certificate of your card is not for logging in. Choose the PIV Authentication certificate (slot 9A).";
    /// The certificate is revoked.
    CertificateRevoked "certificate_revoked" CardHolder 403 Unauthenticated
        "Your card has been revoked. Ask for a new card.";
    /// Whether the certificate is revoked cannot be established.
    RevocationUnknown "revocation_unknown" Administrator 503 FailedPrecondition
        "It cannot be checked at the moment whether your card is still valid. Try again later.";
    /// The certificate names no user.
    UpnMissing "upn_missing" CardHolder 403 Unauthenticated
        "This certificate does not name a user. Choose the logon certificate of your card.";
    /// The certificate names several users.
    UpnAmbiguous "upn_ambiguous" CardHolder 403 Unauthenticated
        "This certificate names more than one user and cannot be used to log in. Ask for a new card.";
    /// The certificate holds none of the configured names of a user.
    IdentityMissing "identity_missing" CardHolder 403 Unauthenticated
        "This certificate does not name a user. Choose the logon certificate of your card.";
    /// The certificate holds a configured name of a user more than once.
    IdentityAmbiguous "identity_ambiguous" CardHolder 403 Unauthenticated
        "This certificate names more than one user and cannot be used to log in. Ask for a new card.";
    /// A configured name of a user in the certificate cannot be read, or is no name.
    IdentityInvalid "identity_invalid" CardHolder 403 Unauthenticated
        "The name in this certificate cannot be used to log in. Ask for a new card.";

    /// No account for the certificate's user.
    AccountUnknown "account_unknown" Administrator 403 PermissionDenied
        "There is no account for your card. Ask your administrator.";
    /// Several accounts for the certificate's user.
    AccountAmbiguous "account_ambiguous" Administrator 403 PermissionDenied
        "Your card matches more than one account. Ask your administrator.";
    /// The account is disabled.
    AccountDisabled "account_disabled" Administrator 403 PermissionDenied
        "Your account is disabled. Ask your administrator.";
    /// The account has expired.
    AccountExpired "account_expired" Administrator 403 PermissionDenied
        "Your account has expired. Ask your administrator.";
    /// The account is locked out.
    AccountLocked "account_locked" Administrator 403 PermissionDenied
        "Your account is locked. Wait or ask your administrator.";
    /// The hour is none of the account's logon hours.
    AccountOutsideHours "account_outside_hours" Administrator 403 PermissionDenied
        "Your account may not be used at this hour. Try again later, or ask your administrator.";
    /// The account's password has expired or must be changed, and the domain insists.
    AccountPasswordExpired "account_password_expired" Administrator 403 PermissionDenied
        "Your password has expired or must be changed. Change it, then log in again.";
    /// The account may not log on now: authentication policy, or a state the domain controller does not name.
    AccountRestricted "account_restricted" Administrator 403 PermissionDenied
        "Your account may not log on now. Ask your administrator.";
    /// The account is in Protected Users.
    AccountProtected "account_protected" Administrator 403 PermissionDenied
        "Your account is specially protected and cannot be used for remote desktops. Use another account.";
    /// The account is sensitive and cannot be delegated.
    AccountNotDelegable "account_not_delegable" Administrator 403 PermissionDenied
        "Your account is marked as sensitive and cannot be used for remote desktops. Use another account.";
    /// The account is a computer, a trust or a built-in one.
    AccountNotAPerson "account_not_a_person" Administrator 403 PermissionDenied
        "The account of your card is not a person's account. Ask your administrator.";
    /// The entry in the directory lacks or garbles something that is needed.
    AccountInvalid "account_invalid" Administrator 403 FailedPrecondition
        "Your account is not set up completely. Ask your administrator.";
    /// The ticket's person is not the directory's account.
    AccountMismatch "account_mismatch" Administrator 403 PermissionDenied
        "Your login was stopped because your account could not be proven to be yours. Tell your administrator.";
    /// The ticket's groups do not have those that the directory's answer was permitted by.
    MembershipMismatch "membership_mismatch" Administrator 403 PermissionDenied
        "Your login was stopped because your groups could not be confirmed. Tell your administrator.";
    /// Only a weak mapping joins certificate and account.
    MappingWeak "mapping_weak" Administrator 403 PermissionDenied
        "Your card is not tied firmly enough to your account. Ask for a new card.";
    /// The certificate names another account than the one found.
    MappingMismatch "mapping_mismatch" Administrator 403 PermissionDenied
        "Your card belongs to another account. Ask your administrator.";
    /// The directory does not answer.
    DirectoryUnavailable "directory_unavailable" Network 503 Unavailable
        "The directory does not answer. Try again later.";
    /// The directory refuses this service or answers what it must not.
    DirectoryRefused "directory_refused" Administrator 503 FailedPrecondition
        "The directory cannot be used at the moment. Tell your administrator.";
    /// The account is of another domain, and the trust with it cannot be used.
    TrustUnusable "trust_unusable" Administrator 403 FailedPrecondition
        "Accounts of your organisation cannot log in here at the moment. Ask your administrator.";

    /// No rule permits it.
    PolicyDenied "policy_denied" Administrator 403 PermissionDenied
        "You may not use this desktop through this portal. Ask your administrator.";

    /// The directory does not let this service act for the person at the target.
    DelegationRefused "delegation_refused" Administrator 403 FailedPrecondition
        "This desktop is not set up for logging in with a card yet. Ask your administrator.";
    /// No common encryption type.
    EncryptionUnsupported "encryption_unsupported" Administrator 403 FailedPrecondition
        "This desktop or the directory is not set up for strong encryption. Ask your administrator.";
    /// The domain controller does not accept this service's own account.
    BrokerCredentialRefused "broker_credential_refused" Administrator 503 FailedPrecondition
        "The login service is not set up correctly. Tell your administrator.";
    /// The domain controller refuses for another reason.
    KdcRefused "kdc_refused" Administrator 403 FailedPrecondition
        "The domain did not allow this login. Ask your administrator.";
    /// No domain controller answers.
    KdcUnavailable "kdc_unavailable" Network 503 Unavailable
        "The domain does not answer. Try again later.";
    /// An answer in a domain controller's name fails a check.
    KdcUntrusted "kdc_untrusted" Network 502 Unavailable
        "The login was stopped because an answer could not be trusted. Tell your administrator.";
    /// The clocks of this service and the domain are too far apart.
    ClockSkew "clock_skew" Network 503 FailedPrecondition
        "The clocks of the login service and the domain disagree. Tell your administrator.";

    /// The gateway has no right to present certificates.
    PresentationNotAllowed "presentation_not_allowed" Gateway 403 PermissionDenied
        "You cannot log in through this portal with your card. Tell your administrator.";
    /// The gateway presents a certificate without a proof that the card is there, and may not.
    ProofMissing "proof_missing" Gateway 403 FailedPrecondition
        "Your card has not proven that it is yours. Tell your administrator.";
    /// The answer to a challenge was not signed by the card.
    ProofInvalid "proof_invalid" CardHolder 403 Unauthenticated
        "Your card could not prove that it is yours. Log in again.";
    /// Never made, or of another gateway, or answered.
    ChallengeUnknown "challenge_unknown" CardHolder 404 NotFound
        "This login has been used or does not exist. Log in again.";
    /// Too late.
    ChallengeExpired "challenge_expired" CardHolder 410 NotFound
        "This login has expired. Log in again.";
    /// Answered before; to the caller [`Code::ChallengeUnknown`].
    ChallengeUsed "challenge_used" Gateway 404 NotFound
        "This login has been used or does not exist. Log in again.";
    /// Made for another gateway; to the caller [`Code::ChallengeUnknown`].
    ChallengeWrongGateway "challenge_wrong_gateway" Gateway 404 NotFound
        "This login has been used or does not exist. Log in again.";

    /// Never made, or of another gateway, or used.
    CodeUnknown "code_unknown" CardHolder 404 NotFound
        "This login has been used or does not exist. Log in again.";
    /// Too late.
    CodeExpired "code_expired" CardHolder 410 NotFound
        "This login has expired. Log in again.";
    /// Redeemed before; to the caller [`Code::CodeUnknown`].
    CodeUsed "code_used" Gateway 404 NotFound
        "This login has been used or does not exist. Log in again.";
    /// Made for another gateway; to the caller [`Code::CodeUnknown`].
    CodeWrongGateway "code_wrong_gateway" Gateway 404 NotFound
        "This login has been used or does not exist. Log in again.";
    /// Never made, ended, or expired.
    SessionUnknown "session_unknown" Gateway 404 NotFound
        "Your session has ended. Log in again.";
    /// The session, or the login before it was redeemed, was ended before its time: a certificate of the card no longer holds.
    SessionEnded "session_ended" CardHolder 410 NotFound
        "Your session was ended because your card is no longer accepted. Log in again, or ask for a new card.";
    /// The session is of another gateway; to the caller [`Code::SessionUnknown`].
    SessionWrongGateway "session_wrong_gateway" Gateway 404 NotFound
        "Your session has ended. Log in again.";
    /// The rule does not grant this service.
    ServiceNotGranted "service_not_granted" Gateway 403 PermissionDenied
        "Your session does not include this service.";

    /// The service does not accept the login, or does not speak the protocol.
    ContextRefused "context_refused" Administrator 403 FailedPrecondition
        "This desktop did not accept the login. Ask your administrator.";
    /// The service did not prove itself, or one of its messages was changed, repeated, reflected or left out.
    ContextUntrusted "context_untrusted" Network 503 PermissionDenied
        "The connection to this desktop was disturbed. Start again, and tell your administrator.";

    /// A limit of this service is reached.
    Overloaded "overloaded" Service 503 ResourceExhausted
        "Too many people are logging in at the moment. Try again in a minute.";
    /// The service is being ended.
    ServiceEnding "service_ending" Service 503 Unavailable
        "The login service is being restarted. Try again in a minute.";
    /// The login took longer than allowed.
    DeadlineExceeded "deadline_exceeded" Network 504 DeadlineExceeded
        "Logging in took too long. Try again.";
    /// A fault.
    Internal "internal" Service 500 Internal
        "Something went wrong. Try again, and tell your administrator if it happens again.";
}

impl Code {
    /// The stable name, `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Who must act.
    #[must_use]
    pub const fn blame(self) -> Blame {
        self.row().blame
    }

    /// What the caller is told instead, where the truth would help an attacker.
    pub(super) const fn shown(self) -> Self {
        match self {
            Self::ChallengeUsed | Self::ChallengeWrongGateway => Self::ChallengeUnknown,
            Self::CodeUsed | Self::CodeWrongGateway => Self::CodeUnknown,
            Self::SessionWrongGateway => Self::SessionUnknown,
            other => other,
        }
    }

    /// Whether somebody should look at it even though it was refused.
    #[must_use]
    pub const fn is_security_event(self) -> bool {
        matches!(
            self,
            Self::AccountMismatch
                | Self::CertificateHeaderUntrusted
                | Self::ChallengeUsed
                | Self::ChallengeWrongGateway
                | Self::CodeUsed
                | Self::CodeWrongGateway
                | Self::ContextUntrusted
                | Self::KdcUntrusted
                | Self::MappingMismatch
                | Self::MembershipMismatch
                | Self::PresentationNotAllowed
                | Self::ProofInvalid
                | Self::SessionWrongGateway
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
