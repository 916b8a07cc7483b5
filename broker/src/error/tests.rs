use std::collections::BTreeSet;

use super::{Blame, Code, Refusal, Step};

/// The codes that clients, tests and operators' rules are written against.
const PROMISED: &[&str] = &[
    "certificate_missing",
    "certificate_expired",
    "certificate_untrusted",
    "certificate_usage",
    "certificate_other_slot",
    "upn_missing",
    "upn_ambiguous",
    "identity_missing",
    "identity_ambiguous",
    "identity_invalid",
    "certificate_revoked",
    "revocation_unknown",
    "account_unknown",
    "account_ambiguous",
    "account_disabled",
    "account_expired",
    "account_locked",
    "account_protected",
    "account_not_delegable",
    "account_not_a_person",
    "mapping_weak",
    "mapping_mismatch",
    "policy_denied",
    "delegation_refused",
    "kdc_unavailable",
    "directory_unavailable",
    "clock_skew",
    "kdc_untrusted",
    "request_invalid",
    "gateway_unknown",
    "overloaded",
    "deadline_exceeded",
    "certificate_header_untrusted",
    "certificate_header_invalid",
    "presentation_not_allowed",
    "proof_missing",
    "proof_invalid",
    "challenge_unknown",
    "challenge_expired",
    "code_unknown",
    "code_expired",
    "code_wrong_gateway",
    "session_unknown",
    "session_ended",
    "service_not_granted",
    "context_refused",
    "context_untrusted",
    "service_ending",
    "internal",
];

#[derive(Debug, thiserror::Error)]
#[error("the ticket for TERMSRV/desk1.corp.example as alice was refused")]
struct Secretive(#[source] std::num::ParseIntError);

fn secretive() -> Secretive {
    Secretive("x".parse::<u8>().expect_err("a letter is no number"))
}

#[test]
fn every_promised_code_is_in_the_table() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let lost: Vec<_> = PROMISED.iter().filter(|name| !names.contains(**name)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[test]
fn every_code_has_a_name_of_its_own_in_snake_case() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    }
}

#[test]
fn every_status_is_an_error() {
    for &code in Code::ALL {
        let refusal = Refusal::new(code, Step::Validate);
        assert!((400..600).contains(&refusal.http_status()), "{code}");
        assert_ne!(refusal.grpc_status(), tonic::Code::Ok, "{code}");
        assert_ne!(refusal.blame().exit_code(), 0, "{code}");
    }
}

#[test]
fn http_says_server_error_exactly_when_the_caller_can_do_nothing() {
    for &code in Code::ALL {
        let refusal = Refusal::new(code, Step::Issue);
        if matches!(refusal.blame(), Blame::Network | Blame::Service) {
            assert!(refusal.http_status() >= 500, "{code}");
        }
        if matches!(refusal.blame(), Blame::CardHolder | Blame::Gateway) {
            assert!(refusal.http_status() < 500, "{code}");
        }
    }
}

#[test]
fn words_are_sentences_for_a_person() {
    for &code in Code::ALL {
        let words = Refusal::new(code, Step::Resolve).words();
        assert!(words.starts_with(|first: char| first.is_ascii_uppercase()), "{code}: {words}");
        assert!(words.ends_with('.') && words.len() < 120, "{code}: {words}");
    }
}

#[test]
fn words_carry_no_internals() {
    let internals = [
        "kerberos", "kdc", "ldap", "spn", "upn", "ticket", "realm", "krb", "s4u", "msds", "oid", "sid",
        "pac", "grpc", "tls", "crl",
    ];
    for &code in Code::ALL {
        let words = Refusal::new(code, Step::Issue).words().to_lowercase();
        let spoken: Vec<_> = words.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
        for internal in internals {
            assert!(!spoken.contains(&internal), "{code}: {words}");
        }
        assert!(!words.contains(['/', '@', '$', '=', '\\', '{', ':']), "{code}: {words}");
    }
}

#[test]
fn words_do_not_depend_on_the_cause() {
    for &code in Code::ALL {
        let refusal = Refusal::because(code, Step::Issue, secretive());
        assert_eq!(refusal.words(), Refusal::new(code, Step::Issue).words());
        assert!(!refusal.words().contains("alice") && !refusal.words().contains("TERMSRV"));
    }
}

#[test]
fn the_detail_names_every_cause_once() {
    let refusal = Refusal::because(Code::DelegationRefused, Step::Issue, secretive());
    assert_eq!(
        refusal.detail(),
        "the ticket for TERMSRV/desk1.corp.example as alice was refused: invalid digit found in string"
    );
}

#[test]
fn a_wrong_gateway_learns_no_more_than_that_the_code_is_unknown() {
    let seen = |code| {
        let refusal = Refusal::new(code, Step::Redeem);
        (refusal.code(), refusal.http_status(), refusal.grpc_status(), refusal.words())
    };
    assert_eq!(seen(Code::ChallengeWrongGateway), seen(Code::ChallengeUnknown));
    assert_eq!(seen(Code::ChallengeUsed), seen(Code::ChallengeUnknown));
    assert_eq!(seen(Code::CodeWrongGateway), seen(Code::CodeUnknown));
    assert_eq!(seen(Code::CodeUsed), seen(Code::CodeUnknown));
    assert_eq!(seen(Code::SessionWrongGateway), seen(Code::SessionUnknown));
    let refusal = Refusal::new(Code::CodeWrongGateway, Step::Redeem);
    assert_eq!(refusal.logged_code().as_str(), "code_wrong_gateway");
    assert!(refusal.logged_code().is_security_event());
}
