//! Every refusal of the line, from the real broker against the real domain: the stable code, the step, and words that give
//! nothing away.

use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented};
use integration::gateway::{Gateway, GatewayError};
use integration::lab::Lab;
use integration::wait;

use crate::bench::{Bench, card_of, start};

const DESK1: &str = "desk1.corp.example";
const MINUTE: Duration = Duration::from_secs(60);

/// A refusal as problem+json with a code, a step, and words for a person without names of the directory.
pub(crate) fn assert_refused(answer: &Answer, code: &str, step: &str) {
    assert_eq!(answer.refusal(), Some(code), "{answer:?}");
    assert_eq!(answer.field("step"), Some(step), "{answer:?}");
    assert_eq!(answer.field("type"), Some(format!("urn:kerbridge:problem:{code}").as_str()), "{answer:?}");
    assert!(answer.content_type.starts_with("application/problem+json"), "{answer:?}");
    assert!(answer.field("login_id").is_some_and(|id| id.len() >= 16), "{answer:?}");
    assert_eq!(answer.body.get("status").and_then(serde_json::Value::as_u64), Some(answer.status.into()));
    assert!(answer.field("detail").is_some_and(|words| words.ends_with('.')), "{answer:?}");
    let words = answer.body.to_string();
    for internal in
        ["S-1-5-", "DC=", "CN=", "CORP.EXAMPLE", "svc-broker", "msDS-", "KDC_ERR", "userAccountControl"]
    {
        assert!(!words.contains(internal), "{internal} is told to the card holder: {words}");
    }
}

/// The line of the log that tells an administrator of this refusal.
pub(crate) fn told(broker: &BrokerProcess, answer: &Answer) -> String {
    let id = answer.field("login_id").unwrap();
    let refused = |line: &String| line.contains(id) && line.contains("\"detail\"");
    let find = || broker.log().into_iter().find(refused);
    let found = wait::until("the refusal's line in the log", Duration::from_secs(10), find);
    found.unwrap_or_else(|error| panic!("{error}: {:#?}", broker.log()))
}

pub(crate) fn code_of(answer: &Answer) -> String {
    answer.code().unwrap_or_else(|| panic!("no login: {answer:?}")).to_owned()
}

/// A gateway that knows where the broker is.
fn gateway(lab: &Lab, name: &str) -> Gateway {
    Gateway::start(lab, name, &[("broker.corp.example", lab.network().host_address())]).unwrap()
}

fn reason(refused: Result<integration::gateway::redeem::Redeemed, GatewayError>) -> String {
    let error = refused.expect_err("the broker refuses");
    error.reason().unwrap_or_else(|| panic!("no refusal: {error}")).to_owned()
}

// The card.

#[test]
fn no_certificate() {
    let bench = Bench::shared();
    assert_refused(&bench.present(Presented::Nothing, DESK1), "certificate_missing", "validate");
}

#[test]
fn an_expired_certificate_and_one_not_yet_valid() {
    let bench = Bench::shared();
    assert_refused(
        &bench.log_in(&bench.card_of("alice").expired(), DESK1),
        "certificate_expired",
        "validate",
    );
    assert_refused(
        &bench.log_in(&bench.card_of("alice").not_yet_valid(), DESK1),
        "certificate_expired",
        "validate",
    );
}

#[test]
fn a_certificate_of_another_authority() {
    let bench = Bench::shared();
    let answer = bench.log_in(&bench.card_of("alice").by_a_stranger(), DESK1);
    assert_refused(&answer, "certificate_untrusted", "validate");
}

#[test]
fn a_certificate_of_the_machines_authority() {
    let bench = Bench::shared();
    let machine = bench.lab.pki().gateway("gw1.corp.example").unwrap();
    assert_refused(&bench.present(Presented::File(&machine), DESK1), "certificate_untrusted", "validate");
}

#[test]
fn a_certificate_that_is_not_for_smart_card_logon_or_not_for_signatures() {
    let bench = Bench::shared();
    let no_logon = bench.log_in(&bench.card_of("alice").without_smartcard_logon(), DESK1);
    assert_refused(&no_logon, "certificate_usage", "validate");
    let no_signature = bench.log_in(&bench.card_of("alice").without_digital_signature(), DESK1);
    assert_refused(&no_signature, "certificate_other_slot", "validate");
}

#[test]
fn a_certificate_without_a_user_principal_name_and_one_with_two() {
    let bench = Bench::shared();
    let none = bench.log_in(&bench.card_of("alice").without_upn(), DESK1);
    assert_eq!(none.refusal(), Some("upn_missing"), "{none:?}");
    let two = bench.log_in(&bench.card_of("alice").another_upn("bob@corp.example"), DESK1);
    assert_eq!(two.refusal(), Some("upn_ambiguous"), "{two:?}");
}

#[test]
fn a_revoked_certificate_and_not_its_neighbour() {
    let bench = Bench::shared();
    let (revoked, good) = (bench.card_of("alice").issue().unwrap(), bench.card_of("alice").issue().unwrap());
    let broker = start(&Configuration::new(&bench.lab).revoked(&[&revoked]));
    assert_refused(&bench.log_in_at(&broker, &revoked, DESK1), "certificate_revoked", "validate");
    code_of(&bench.log_in_at(&broker, &good, DESK1));
}

#[test]
fn revocation_that_cannot_be_established() {
    let bench = Bench::shared();
    let card = bench.card_of("alice").issue().unwrap();
    let stale = Configuration::new(&bench.lab).revocation_lists_until(wait::now() - MINUTE);
    assert_refused(&bench.log_in_at(&start(&stale), &card, DESK1), "revocation_unknown", "validate");
    let silent = Configuration::new(&bench.lab).revocation_not_configured();
    assert_refused(&bench.log_in_at(&start(&silent), &card, DESK1), "revocation_unknown", "validate");
}

#[test]
fn revocation_switched_off_is_warned_of_and_lets_in() {
    let bench = Bench::shared();
    let broker = start(&Configuration::new(&bench.lab).revocation_off());
    code_of(&bench.log_in_at(&broker, &bench.card_of("alice").issue().unwrap(), DESK1));
    let warned = broker.log().iter().any(|line| line.contains("WARN") && line.contains("revocation"));
    assert!(warned, "{:#?}", broker.log());
}

// The account.

#[test]
fn a_user_the_directory_does_not_know() {
    let bench = Bench::shared();
    let stranger = bench.lab.pki().card("nobody@corp.example").sid("S-1-5-21-1-2-3-4");
    assert_refused(&bench.log_in(&stranger, DESK1), "account_unknown", "resolve");
}

#[test]
fn a_name_that_two_accounts_have() {
    let bench = Bench::shared();
    assert_refused(&bench.log_in(&bench.card_of("grace"), DESK1), "account_ambiguous", "resolve");
}

#[test]
fn accounts_that_may_not_log_in_or_be_delegated() {
    let bench = Bench::shared();
    let expected = [
        ("dave", "account_disabled", "userAccountControl"),
        ("eve", "account_expired", "accountExpires"),
        ("lou", "account_locked", "msDS-User-Account-Control-Computed"),
        ("paula", "account_protected", "protected users"),
        ("sam", "account_not_delegable", "userAccountControl"),
    ];
    for (account, code, attribute) in expected {
        let answer = bench.log_in(&bench.card_of(account), DESK1);
        assert_refused(&answer, code, "resolve");
        let line = told(&bench.broker, &answer);
        assert!(line.contains(attribute), "{account}: {attribute} is not named: {line}");
    }
}

#[test]
fn a_certificate_tied_weakly_or_to_another_account() {
    let bench = Bench::shared();
    let weak = bench.lab.pki().card("alice@corp.example");
    assert_refused(&bench.log_in(&weak, DESK1), "mapping_weak", "resolve");
    let other = bench.lab.pki().card("alice@corp.example").sid(bench.lab.controller().sid("bob").unwrap());
    assert_refused(&bench.log_in(&other, DESK1), "mapping_mismatch", "resolve");

    let broker = start(&Configuration::new(&bench.lab).accepting_weak_mapping());
    let fresh = bench.lab.pki().card("alice@corp.example").fresh().issue().unwrap();
    code_of(&bench.log_in_at(&broker, &fresh, DESK1));
    // Valid since yesterday, and so older than the account.
    let older = bench.log_in_at(&broker, &weak.issue().unwrap(), DESK1);
    assert_refused(&older, "mapping_weak", "resolve");
}

// What is asked for.

#[test]
fn a_target_or_a_person_the_policy_does_not_name() {
    let bench = Bench::shared();
    let elsewhere = bench.log_in(&bench.card_of("alice"), "desk4.corp.example");
    assert_refused(&elsewhere, "policy_denied", "decide");
    assert_refused(&bench.log_in(&bench.card_of("bob"), DESK1), "policy_denied", "decide");
}

#[test]
fn a_target_that_nobody_set_up_for_delegation() {
    let bench = Bench::shared();
    let answer = bench.log_in(&bench.card_of("alice"), "desk3.corp.example");
    assert_refused(&answer, "delegation_refused", "issue");
    let line = told(&bench.broker, &answer);
    assert!(line.contains("msDS-AllowedToDelegateTo"), "the attribute to set is not named: {line}");
    assert!(line.contains("TERMSRV/desk3.corp.example"), "the value to set is not named: {line}");
}

#[test]
fn a_gateway_or_a_request_that_is_not_known() {
    let bench = Bench::shared();
    let card = bench.card_of("alice").issue().unwrap();
    let log_in = |gateway: &str, target: &str| {
        bench.workstation.log_in(&bench.broker, Presented::File(&card), gateway, target).unwrap()
    };
    assert_eq!(log_in("gw9", DESK1).refusal(), Some("gateway_unknown"));
    assert_eq!(log_in("gw1", "desk1 .corp.example").refusal(), Some("request_invalid"));
}

// The code.

#[test]
fn a_code_used_twice() {
    let bench = Bench::shared();
    let first = gateway(&bench.lab, "gw1");
    let code = code_of(&bench.log_in(&bench.card_of("alice"), DESK1));
    let broker = bench.broker.gateway_address();
    first.redeem(&broker, &code, &[]).unwrap();
    assert_eq!(reason(first.redeem(&broker, &code, &[])), "CODE_UNKNOWN");
    assert_eq!(reason(first.redeem(&broker, &"A".repeat(43), &[])), "CODE_UNKNOWN");
}

#[test]
fn a_code_of_another_gateway() {
    let bench = Bench::shared();
    let second = gateway(&bench.lab, "gw2");
    let code = code_of(&bench.log_in(&bench.card_of("alice"), DESK1));
    assert_eq!(reason(second.redeem(&bench.broker.gateway_address(), &code, &[])), "CODE_UNKNOWN");
    bench.broker.wait_for_line("code_wrong_gateway", Duration::from_secs(10)).unwrap();
}

#[test]
fn a_code_that_has_expired() {
    let bench = Bench::shared();
    let broker = start(&Configuration::new(&bench.lab).code_lifetime("1s").gateway("gw3"));
    let third = gateway(&bench.lab, "gw3");
    let card = bench.card_of("alice").issue().unwrap();
    let answer = bench.workstation.log_in(&broker, Presented::File(&card), "gw3", DESK1).unwrap();
    let code = code_of(&answer);
    wait::pause(Duration::from_millis(1500));
    assert_eq!(reason(third.redeem(&broker.gateway_address(), &code, &[])), "CODE_EXPIRED");
}

#[test]
fn a_gateway_whose_certificate_is_not_admitted() {
    let bench = Bench::shared();
    let stranger = gateway(&bench.lab, "gw9");
    let code = code_of(&bench.log_in(&bench.card_of("alice"), DESK1));
    let refused = stranger.redeem(&bench.broker.gateway_address(), &code, &[]);
    assert!(
        matches!(&refused, Err(GatewayError::Refused { .. } | GatewayError::Unreachable { .. })),
        "{refused:?}"
    );
}

// The surroundings.

#[test]
fn a_kdc_that_does_not_answer() {
    let bench = Bench::shared();
    let nobody = (bench.lab.network().host_address(), 9).into();
    let broker = start(&Configuration::new(&bench.lab).kdc(nobody));
    let answer = bench.log_in_at(&broker, &bench.card_of("alice").issue().unwrap(), DESK1);
    assert_refused(&answer, "kdc_unavailable", "issue");
}

#[test]
fn a_directory_that_is_down_and_comes_back() {
    let bench = Bench::shared();
    let lab = Lab::start("outage").unwrap();
    let broker = start(&Configuration::new(&lab));
    let workstation = integration::card::Workstation::start(&lab, "outage-workstation").unwrap();
    let card = card_of(&lab, "alice").issue().unwrap();
    let log_in = || workstation.log_in(&broker, Presented::File(&card), "gw1", DESK1).unwrap();
    code_of(&log_in());

    lab.controller().container().stop().unwrap();
    assert_refused(&log_in(), "directory_unavailable", "resolve");

    lab.controller().container().start().unwrap();
    lab.controller().wait_until_ready().unwrap();
    let back = wait::until("a login after the outage", MINUTE, || log_in().code().map(str::to_owned));
    back.unwrap();
    drop(bench);
}

#[test]
fn a_directory_that_is_silent_is_given_up_within_the_login_s_deadline() {
    let bench = Bench::shared();
    let nobody = (bench.lab.network().address(9), 636).into();
    let broker = start(&Configuration::new(&bench.lab).ldap(nobody));
    let began = wait::monotonic();
    let answer = bench.log_in_at(&broker, &bench.card_of("alice").issue().unwrap(), DESK1);
    assert!(matches!(answer.refusal(), Some("directory_unavailable" | "deadline_exceeded")), "{answer:?}");
    assert!(wait::monotonic().duration_since(began) < Duration::from_secs(25), "{answer:?}");
}

#[test]
fn a_broker_whose_clock_is_ten_minutes_off() {
    let bench = Bench::shared();
    let card = bench.card_of("alice").issue().unwrap();
    for offset in ["+10m", "-10m"] {
        let broker = start(&Configuration::new(&bench.lab).at_time(offset));
        let answer = bench.log_in_at(&broker, &card, DESK1);
        assert_refused(&answer, "clock_skew", "issue");
        // A program around it would be killed in its place, and leave it behind.
        let program = std::fs::read_link(format!("/proc/{}/exe", broker.pid())).unwrap();
        assert!(program.ends_with("kerbridge"), "{program:?}");
    }
}
