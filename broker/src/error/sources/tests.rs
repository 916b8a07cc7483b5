use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use kdc_proxy::error::{CredentialError, NtStatus, ReferralError};
use kdc_proxy::principal::Realm;
use kdc_proxy::time::ClockOffset;
use ldap_map::account::NotAPerson;
use ldap_map::dn::Dn;
use ldap_map::logon_hours::HourOfWeek;
use ldap_map::schema::UserAccountControl;

use super::*;
use crate::error::Blame;
use crate::identity::{CertificateId, Malformed, Role, Slot, Untrusted};
use crate::policy::{NotConfirmed, Policies};
use crate::tickets::Mismatch;
use crate::tickets::testing::diagnosis;

fn ticket(error: TicketError) -> Refusal {
    Refusal::from_ticket(error, Step::Issue)
}

fn not_usable(reason: NotUsable) -> Refusal {
    let dn = "CN=alice,CN=Users,DC=corp,DC=example".parse().expect("a name");
    Refusal::from(ResolveError::NotUsable { sam_account_name: "alice".to_owned(), dn, reason })
}

fn client(error: ClientError) -> Code {
    ticket(TicketError::Client(error)).logged_code()
}

/// A refusal of a domain controller, while the directory cannot be read.
fn refused(stage: Stage, code: ErrorCode, status: Option<NtStatus>) -> Refusal {
    let symptom = Symptom::Refused { stage, code, status, text: None };
    ticket(TicketError::Diagnosed(Box::new(diagnosis(symptom, None))))
}

#[test]
fn a_missing_delegation_is_told_to_the_administrator_and_not_to_the_person() {
    let refusal = refused(Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION, None);
    assert_eq!((refusal.code(), refusal.step()), ("delegation_refused", Step::Issue));
    assert!(
        refusal.detail().contains("samba-tool delegation add-service svc-broker TERMSRV/desk1.corp.example")
    );
    assert_eq!(refusal.findings()[0].cause, Cause::NotListed);
    assert!(!refusal.words().contains("svc-broker"));
}

#[test]
fn evidence_that_is_not_forwardable_names_the_bit_and_both_commands() {
    let refusal = ticket(TicketError::Diagnosed(Box::new(diagnosis(Symptom::NotForwardable, None))));
    assert_eq!(refusal.code(), "delegation_refused");
    for named in [
        "own.no_protocol_transition",
        "userAccountControl",
        "samba-tool delegation for-any-protocol svc-broker on",
        "Set-ADAccountControl -Identity 'svc-broker' -TrustedToAuthForDelegation $true",
    ] {
        assert!(refusal.detail().contains(named), "{named} is missing in: {}", refusal.detail());
    }
}

#[test]
fn a_refusal_without_the_directorys_word_has_the_code_of_what_was_seen() {
    for (stage, code, expected) in [
        (Stage::As, 6, Code::BrokerCredentialRefused),
        (Stage::As, 18, Code::BrokerCredentialRefused),
        (Stage::As, 23, Code::BrokerCredentialRefused),
        (Stage::As, 24, Code::BrokerCredentialRefused),
        (Stage::As, 14, Code::EncryptionUnsupported),
        (Stage::As, 37, Code::ClockSkew),
        (Stage::S4u2Self, 1, Code::AccountExpired),
        (Stage::S4u2Self, 6, Code::AccountUnknown),
        (Stage::S4u2Self, 7, Code::BrokerCredentialRefused),
        (Stage::S4u2Self, 12, Code::AccountRestricted),
        (Stage::S4u2Self, 18, Code::AccountRestricted),
        (Stage::S4u2Self, 36, Code::BrokerCredentialRefused),
        (Stage::S4u2Self, 37, Code::ClockSkew),
        (Stage::S4u2Self, 31, Code::KdcRefused),
        (Stage::S4u2Proxy, 7, Code::DelegationRefused),
        (Stage::S4u2Proxy, 13, Code::DelegationRefused),
        (Stage::S4u2Proxy, 14, Code::EncryptionUnsupported),
        (Stage::S4u2Proxy, 23, Code::AccountPasswordExpired),
        (Stage::S4u2Proxy, 26, Code::KdcRefused),
        (Stage::S4u2Proxy, 29, Code::KdcUnavailable),
        (Stage::S4u2Proxy, 4711, Code::KdcRefused),
    ] {
        let refusal = refused(stage, ErrorCode::new(code), None);
        assert_eq!(refusal.logged_code(), expected, "{stage} {code}");
        assert!(!refusal.findings().is_empty());
    }
}

#[test]
fn a_ticket_without_aes_stays_a_security_event_unless_the_directory_explains_it() {
    let weak = || ClientError::ReplyRefused(ReplyError::TicketEtype(23));
    let symptom = Symptom::WeakTicket { stage: Stage::S4u2Proxy };
    let refusal = ticket(TicketError::Diagnosed(Box::new(diagnosis(symptom, Some(weak())))));
    assert_eq!(refusal.logged_code(), Code::KdcUntrusted);
    assert!(refusal.logged_code().is_security_event());
}

#[test]
fn an_account_that_may_not_be_used_is_told_with_the_command_that_mends_it() {
    let dn: Dn = "CN=dave,CN=Users,DC=corp,DC=example".parse().expect("a name");
    let reason = NotUsable::Disabled { user_account_control: UserAccountControl(514) };
    let refusal = Refusal::from(ResolveError::NotUsable { sam_account_name: "dave".to_owned(), dn, reason });
    assert_eq!(refusal.code(), "account_disabled");
    let [finding] = refusal.findings() else { panic!("one cause: {:?}", refusal.findings()) };
    assert_eq!((finding.cause.id(), finding.account.as_str()), ("user.disabled", "dave"));
    assert_eq!(finding.samba, "samba-tool user enable dave");
    assert!(refusal.detail().contains("CN=dave") && refusal.detail().contains("userAccountControl"));
}

#[test]
fn a_mismatch_of_sids_is_a_security_event_of_its_own() {
    let account = "S-1-5-21-1-2-3-1103".parse().expect("a SID");
    let mismatch = Mismatch::User { vouched: "S-1-5-21-1-2-3-1104".to_owned(), account };
    let refusal = ticket(TicketError::Mismatch(mismatch));
    assert_eq!(refusal.code(), "account_mismatch");
    assert!(refusal.logged_code().is_security_event());
    assert!(
        refusal.detail().contains("S-1-5-21-1-2-3-1103") && refusal.detail().contains("S-1-5-21-1-2-3-1104")
    );
}

#[test]
fn a_ticket_that_speaks_of_somebody_else_is_a_mismatch_and_any_other_failed_check_an_untrusted_answer() {
    let code = |error: EvidenceError| client(ClientError::ReplyRefused(error.into()));
    for error in [
        EvidenceError::TicketUser,
        EvidenceError::Pac(PacError::ClientName),
        EvidenceError::Pac(PacError::ClientTime),
        EvidenceError::Pac(PacError::UpnSid),
        EvidenceError::Pac(PacError::RequestorSid),
    ] {
        assert_eq!(code(error), Code::AccountMismatch, "{error}");
    }
    for error in [
        // Not protected by any key: anybody can have changed it.
        EvidenceError::ReplyUser,
        EvidenceError::TicketDecryption,
        EvidenceError::SessionKey,
        EvidenceError::PacMissing,
        EvidenceError::Pac(PacError::ServerSignature),
    ] {
        assert_eq!(code(error), Code::KdcUntrusted, "{error}");
        assert!(code(error).is_security_event());
    }
}

#[test]
fn a_domain_of_another_sid_is_the_directorys_refusal_and_names_both() {
    let (expected, found) = ("S-1-5-21-1-2-3", "S-1-5-21-7-8-9");
    let error = DirectoryError::WrongDomainSid {
        server: "dc1.corp.example".to_owned(),
        expected: expected.parse().expect("a SID"),
        found: found.parse().expect("a SID"),
    };
    let refusal = Refusal::from(ResolveError::Directory(error));
    assert_eq!(refusal.code(), "directory_refused");
    assert!(refusal.detail().contains(expected) && refusal.detail().contains(found), "{}", refusal.detail());
}

#[test]
fn groups_that_the_pac_does_not_confirm_are_a_security_event_of_their_own() {
    let groups = vec!["S-1-5-21-1-2-3-2001".parse().expect("a SID")];
    let policies = Policies(vec!["desktop-users".to_owned()]);
    let refusal = ticket(NotConfirmed::Lost { policies, groups }.into());
    assert_eq!((refusal.code(), refusal.http_status()), ("membership_mismatch", 403));
    assert!(refusal.logged_code().is_security_event());
    assert!(refusal.detail().contains("S-1-5-21-1-2-3-2001") && !refusal.words().contains("S-1-5"));
}

#[test]
fn a_session_without_time_is_blamed_on_what_ended_first() {
    let code = |with| Refusal::from(HandOffError::NoTimeLeft { end: UNIX_EPOCH, with }).code();
    assert_eq!(code(EndsWith::Certificate), "certificate_expired");
    assert_eq!(code(EndsWith::Evidence), "kdc_refused");
    assert_eq!(code(EndsWith::Rule), "policy_denied");
    assert_eq!(code(EndsWith::Configuration), "internal");
}

#[test]
fn what_the_pac_says_of_the_account_has_the_same_codes_as_what_the_directory_says() {
    let bits = UserAccountControl(0);
    let group = "S-1-5-21-1-2-3-525".parse().expect("a SID");
    let pairs = [
        (
            AccountRefused::NotAPerson { bits: 0x80 },
            NotUsable::NotAPerson(NotAPerson::ObjectClass("computer".to_owned())),
        ),
        (AccountRefused::Disabled { bits: 0x11 }, NotUsable::Disabled { user_account_control: bits }),
        (
            AccountRefused::NotDelegated { bits: 0x4010 },
            NotUsable::NotDelegated { user_account_control: bits },
        ),
        (AccountRefused::Protected, NotUsable::ProtectedUser { group }),
    ];
    for (vouched, read) in pairs {
        let read = not_usable(read);
        assert_eq!(ticket(TicketError::Account(vouched)).code(), read.code());
        assert_eq!(read.step(), Step::Resolve);
    }
}

#[test]
fn every_state_of_an_account_has_its_code() {
    let then = UNIX_EPOCH + Duration::from_secs(1);
    let computed_account_control = UserAccountControl(0x10);
    for (reason, code) in [
        (NotUsable::Expired { account_expires: then }, "account_expired"),
        (NotUsable::Locked { computed_account_control }, "account_locked"),
        (NotUsable::OutsideLogonHours { hour: HourOfWeek::of(then) }, "account_outside_hours"),
        (NotUsable::PerhapsLocked { lockout_time: then }, "account_locked"),
    ] {
        assert_eq!(not_usable(reason).code(), code);
    }
}

#[test]
fn a_revoked_user_is_told_apart_and_our_own_account_is_not_the_users() {
    let user = |status| refused(Stage::S4u2Self, ErrorCode::KDC_ERR_CLIENT_REVOKED, status).code();
    assert_eq!(user(Some(NtStatus::STATUS_ACCOUNT_DISABLED)), "account_disabled");
    assert_eq!(user(Some(NtStatus::STATUS_ACCOUNT_LOCKED_OUT)), "account_locked");
    assert_eq!(user(None), "account_restricted");
    let own = refused(Stage::As, ErrorCode::KDC_ERR_CLIENT_REVOKED, Some(NtStatus::STATUS_ACCOUNT_DISABLED));
    assert_eq!(own.code(), "broker_credential_refused");
}

#[test]
fn the_clients_errors_are_sorted_by_who_must_act() {
    let realm = Realm::new("OTHER.EXAMPLE").expect("a realm");
    let referral = |stage| ClientError::Referral {
        stage,
        referral: ReferralError::NotConfigured { realm: realm.clone() },
    };
    let evidence = |error| ClientError::ReplyRefused(ReplyError::Evidence(error));
    for (error, code) in [
        (ClientError::KdcUnavailable { attempts: Vec::new() }, Code::KdcUnavailable),
        (ClientError::ClockSkew { offset: ClockOffset::NONE, local: UNIX_EPOCH }, Code::ClockSkew),
        (ClientError::ClaimedSkew { offset: ClockOffset::NONE }, Code::ClockSkew),
        (ClientError::ReplyRefused(ReplyError::Nonce), Code::KdcUntrusted),
        (evidence(EvidenceError::SessionKey), Code::KdcUntrusted),
        (evidence(EvidenceError::NoKey(17)), Code::BrokerCredentialRefused),
        (evidence(EvidenceError::NoKeyVersion(3)), Code::BrokerCredentialRefused),
        (evidence(EvidenceError::NotSupported), Code::KdcRefused),
        (referral(Stage::S4u2Self), Code::AccountUnknown),
        (referral(Stage::S4u2Proxy), Code::DelegationRefused),
        (ClientError::Credential(CredentialError::NoCommonEtype), Code::BrokerCredentialRefused),
        (ClientError::Request(RequestError::AccountChanged), Code::KdcRefused),
        (ClientError::Request(RequestError::TicketGrantingService), Code::Internal),
    ] {
        let shown = error.to_string();
        assert_eq!(client(error), code, "{shown}");
    }
}

#[test]
fn a_card_that_names_nobody_or_several_is_the_cards_fault() {
    let code = |error| Refusal::from(ResolveError::Mapping(error)).code();
    assert_eq!(code(MappingError::UpnMissing), "upn_missing");
    assert_eq!(code(MappingError::SeveralUpns { count: 2 }), "upn_ambiguous");
}

#[test]
fn every_hand_off_and_redemption_error_has_its_code() {
    let gateway = || "gw1".to_owned();
    let wrong = RedeemError::WrongGateway { made_for: gateway(), tried_by: "gw2".to_owned() };
    for (error, code) in [
        (RedeemError::Malformed, Code::CodeUnknown),
        (RedeemError::Unknown, Code::CodeUnknown),
        (RedeemError::Used { gateway: gateway() }, Code::CodeUsed),
        (RedeemError::Expired { gateway: gateway() }, Code::CodeExpired),
        (wrong, Code::CodeWrongGateway),
        (RedeemError::TooManySessions { limit: 1 }, Code::Overloaded),
        (RedeemError::RandomRepeated, Code::Internal),
    ] {
        assert_eq!(Refusal::from(error).logged_code(), code);
    }
    for full in [HandOffError::TooManyCodes { limit: 1 }, HandOffError::TooManyCodesOfPerson { limit: 1 }] {
        assert_eq!(Refusal::from(full).code(), "overloaded");
    }
}

#[test]
fn a_sessions_error_names_the_call_it_belongs_to() {
    for step in [Step::IssueTicket, Step::EndSession] {
        let refusal = Refusal::from_session(SessionError::Unknown, step);
        assert_eq!((refusal.code(), refusal.step()), ("session_unknown", step));
    }
}

#[test]
fn the_cards_faults_have_their_codes() {
    let certificate =
        || CertificateId { role: Role::Card, subject: "CN=alice".to_owned(), serial: "01".to_owned() };
    let (then, now) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    for (error, code) in [
        (
            IdentityError::Malformed { which: Role::Card, problem: Malformed::Encoding },
            Code::CertificateInvalid,
        ),
        (IdentityError::Untrusted(Untrusted::WorkLimit), Code::CertificateUntrusted),
        (
            IdentityError::NotYetValid { certificate: certificate(), not_before: then, now },
            Code::CertificateExpired,
        ),
        (
            IdentityError::Expired { certificate: certificate(), not_after: then, now },
            Code::CertificateExpired,
        ),
        (IdentityError::Usage(UsageError::DigitalSignature), Code::CertificateUsage),
        (IdentityError::Usage(UsageError::OtherSlot { slot: Slot::Signature }), Code::CertificateOtherSlot),
        (IdentityError::RevocationNotConfigured, Code::RevocationUnknown),
        (IdentityError::ClockUnusable, Code::Internal),
    ] {
        let refusal = Refusal::from(error);
        assert_eq!((refusal.logged_code(), refusal.step()), (code, Step::Validate));
    }
}

#[test]
fn a_directory_that_does_not_answer_is_told_apart_from_one_that_holds_no_account() {
    let code = |error| Refusal::from(ResolveError::Directory(error)).code();
    assert_eq!(code(DirectoryError::NotFound), "account_unknown");
    assert_eq!(code(DirectoryError::Ambiguous), "account_ambiguous");
    assert_eq!(code(DirectoryError::Unavailable { attempts: Vec::new() }), "directory_unavailable");
}

#[test]
fn more_logins_than_connections_to_the_directory_are_an_overload_and_no_fault_of_the_directory() {
    let refusal = Refusal::from(ResolveError::Directory(DirectoryError::Busy));
    assert_eq!((refusal.code(), refusal.blame()), ("overloaded", Blame::Service));
    assert!(refusal.detail().contains("pool_size"), "{}", refusal.detail());
}

#[test]
fn a_trust_that_cannot_be_used_is_told_as_such_and_not_as_an_unknown_account() {
    let refused = |stage, code| ClientError::KdcRefused {
        stage,
        realm: Realm::new("CORP.EXAMPLE").expect("a realm"),
        code,
        status: None,
        text: None,
    };
    for (symptom, error) in [
        (Symptom::EvidenceFromAbroad, refused(Stage::S4u2Self, ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)),
        (Symptom::NoTrust, refused(Stage::Tgs, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN)),
    ] {
        let diagnosed = diagnosis(symptom, Some(error));
        assert_eq!(ticket(TicketError::Diagnosed(Box::new(diagnosed))).code(), "trust_unusable");
    }
}
