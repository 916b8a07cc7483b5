use std::time::{SystemTime, UNIX_EPOCH};

use kdc_proxy::error::{ErrorCode, NtStatus};
use kdc_proxy::net::client::Stage;
use ldap_map::delegation::Target;
use ldap_map::testing::{DOMAIN_SID, Person};

use super::*;

const OWN_SPN: &str = "HTTP/broker.corp.example";
const SPN: &str = "TERMSRV/desk1.corp.example";
const TRUSTED: &str = "16777728";
/// A list that allows the account 1150, as Windows' tools write it.
const LETS_US: &[u8] =
    include_bytes!("../../../../../ldap-map/fuzz/corpus/security_descriptor/as_windows_writes");
const LETS_NOBODY: &[u8] =
    include_bytes!("../../../../../ldap-map/fuzz/corpus/security_descriptor/empty_dacl");

fn now() -> SystemTime {
    // 2026-11-22, a Sunday
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn sid(rid: u32) -> String {
    format!("{DOMAIN_SID}-{rid}")
}

/// Our account as it should be.
fn own() -> Person {
    Person::new("svc-broker")
        .sid(&sid(1150))
        .with("userAccountControl", &[TRUSTED])
        .with("servicePrincipalName", &[OWN_SPN])
        .with("msDS-AllowedToDelegateTo", &[SPN])
        .with("msDS-SupportedEncryptionTypes", &["24"])
        .with("msDS-KeyVersionNumber", &["3"])
        .with("pwdLastSet", &["133136929190000000"])
}

/// The desktop as it should be.
fn desk() -> Person {
    Person::new("desk1$")
        .sid(&sid(1300))
        .with("servicePrincipalName", &[SPN])
        .with("msDS-SupportedEncryptionTypes", &["24"])
        .with("pwdLastSet", &["133136929190000000"])
}

fn read(person: &Person) -> ServiceAccount {
    ServiceAccount::from_entry(&person.entry()).expect("the attributes make an account")
}

/// What the directory says, to be changed in what a test is about.
struct Case {
    own: Option<Person>,
    own_spn_holders: Vec<Person>,
    user: Option<Person>,
    spn: &'static str,
    holders: Vec<Person>,
    computer: Option<Person>,
    server_time: Option<SystemTime>,
    key_versions: Option<Vec<u32>>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            own: Some(own()),
            own_spn_holders: vec![own()],
            user: Some(Person::new("alice")),
            spn: SPN,
            holders: vec![desk()],
            computer: Some(desk()),
            server_time: Some(now()),
            key_versions: Some(vec![3]),
        }
    }
}

impl Case {
    fn judged(&self, symptom: &Symptom) -> Vec<(Cause, Certainty)> {
        let facts = Facts {
            own: self.own.as_ref().map(read),
            own_spn_holders: self.own_spn_holders.iter().map(read).collect(),
            user: self.user.as_ref().map(Person::account),
            target: Some(Target {
                spn: self.spn.to_owned(),
                holders: self.holders.iter().map(read).collect(),
                computer: self.computer.as_ref().map(read),
            }),
            server: ServerClock { name: "dc1".to_owned(), server_time: self.server_time, local_time: now() },
        };
        judge(
            symptom,
            Some(&Known { facts: &facts, own_spn: OWN_SPN, key_versions: self.key_versions.as_deref() }),
        )
    }

    fn confirmed(&self, symptom: &Symptom) -> Vec<&'static str> {
        let judged = self.judged(symptom);
        assert!(judged.iter().all(|(_, certainty)| *certainty == Certainty::Confirmed), "{judged:?}");
        judged.into_iter().map(|(cause, _)| cause.id()).collect()
    }
}

fn refused(stage: Stage, number: i32) -> Symptom {
    Symptom::Refused { stage, code: ErrorCode::new(number), status: None, text: None }
}

fn proxy(number: i32) -> Symptom {
    refused(Stage::S4u2Proxy, number)
}

fn with_own(person: Person) -> Case {
    Case { own: Some(person.clone()), own_spn_holders: vec![person], ..Case::default() }
}

fn with_target(person: Person) -> Case {
    Case { holders: vec![person.clone()], computer: Some(person), ..Case::default() }
}

fn with_user(person: Person) -> Case {
    Case { user: Some(person), ..Case::default() }
}

fn unlisted() -> Person {
    own().with("msDS-AllowedToDelegateTo", &["TERMSRV/desk2.corp.example"])
}

// Delegation.

#[test]
fn a_target_in_no_list_is_missing_in_ours_and_has_none_of_its_own() {
    assert_eq!(
        with_own(unlisted()).confirmed(&proxy(13)),
        ["delegation.not_listed", "delegation.rbcd_missing"]
    );
}

#[test]
fn a_target_with_a_list_of_others_is_told_apart_from_one_without() {
    let target = desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &[LETS_NOBODY]);
    let case = Case { own: Some(unlisted()), ..with_target(target.clone()) };
    assert_eq!(case.confirmed(&proxy(13)), ["delegation.not_listed", "delegation.rbcd_names_others"]);
    // Without a list of our own, the target's is the one that is meant.
    let bare = own().without("msDS-AllowedToDelegateTo");
    let case = Case { own: Some(bare), ..with_target(target) };
    assert_eq!(case.confirmed(&proxy(13)), ["delegation.rbcd_names_others", "delegation.not_listed"]);
}

#[test]
fn a_list_that_cannot_be_read_allows_nobody() {
    let target = desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &["O:BA"]);
    let case = Case { own: Some(unlisted()), ..with_target(target) };
    assert_eq!(case.confirmed(&proxy(13)), ["delegation.not_listed", "delegation.rbcd_names_others"]);
}

#[test]
fn either_list_is_enough_and_then_the_refusal_has_another_cause() {
    let open = desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &[LETS_US]);
    for case in [Case::default(), Case { own: Some(unlisted()), ..with_target(open) }] {
        assert_eq!(case.judged(&proxy(13)), [(Cause::NotReplicated, Certainty::Possible)]);
    }
}

#[test]
fn the_status_of_windows_puts_its_cause_first() {
    let with_status = |status| Symptom::Refused {
        stage: Stage::S4u2Proxy,
        code: ErrorCode::KDC_ERR_BADOPTION,
        status: Some(status),
        text: None,
    };
    let case = with_own(unlisted().with("userAccountControl", &["512"]));
    let first = |status| case.confirmed(&with_status(status))[0];
    assert_eq!(first(NtStatus::STATUS_NO_MATCH), "delegation.not_listed");
    assert_eq!(first(NtStatus::STATUS_NOT_FOUND), "delegation.rbcd_missing");
    assert_eq!(first(NtStatus::STATUS_ACCOUNT_RESTRICTION), "own.no_protocol_transition");
}

#[test]
fn a_host_of_another_domain_is_told() {
    for (spn, expected) in [
        ("TERMSRV/desk1.other.example", true),
        ("TERMSRV/desk1.notcorp.example", true),
        ("TERMSRV/desk1.sub.corp.example", false),
        ("TERMSRV/DESK1.Corp.Example", false),
        ("TERMSRV/desk1", false),
    ] {
        let case = Case { spn, holders: Vec::new(), computer: None, ..Case::default() };
        let told = case.judged(&proxy(13)).contains(&(Cause::OtherDomain, Certainty::Confirmed));
        assert_eq!(told, expected, "{spn}");
    }
}

// The target.

#[test]
fn a_name_that_nobody_has_and_one_that_two_have_are_told_apart() {
    let nobody = Case { holders: Vec::new(), ..Case::default() };
    assert_eq!(nobody.confirmed(&proxy(7)), ["target.spn_missing"]);
    let twin = Person::new("old1$").sid(&sid(1301)).with("servicePrincipalName", &[SPN]);
    let twice = Case { holders: vec![twin, desk()], ..Case::default() };
    assert_eq!(twice.confirmed(&proxy(7)), ["target.spn_twice"]);
}

#[test]
fn of_two_holders_the_hosts_computer_is_the_rightful_one() {
    let twin = || Person::new("old1$").sid(&sid(1301)).with("servicePrincipalName", &[SPN]);
    for holders in [vec![twin(), desk()], vec![desk(), twin()]] {
        let target = Target {
            spn: SPN.to_owned(),
            holders: holders.iter().map(read).collect(),
            computer: Some(read(&desk())),
        };
        let facts = Facts {
            own: Some(read(&own())),
            own_spn_holders: Vec::new(),
            user: None,
            target: Some(target),
            server: ServerClock { name: "dc1".to_owned(), server_time: None, local_time: now() },
        };
        let known = Known { facts: &facts, own_spn: OWN_SPN, key_versions: None };
        let name = |account: Option<&ServiceAccount>| account.map(|account| account.sam_account_name.clone());
        assert_eq!(name(known.target()).as_deref(), Some("desk1$"));
        assert_eq!(name(known.other(Cause::TargetSpnTwice)).as_deref(), Some("old1$"));
    }
}

#[test]
fn a_disabled_target_is_told_whatever_the_code() {
    let case = with_target(desk().with("userAccountControl", &["4098"]));
    for code in [7, 18, 19] {
        assert_eq!(case.confirmed(&proxy(code)), ["target.disabled"], "{code}");
    }
}

#[test]
fn a_target_without_keys_is_told_from_one_without_aes() {
    let never = with_target(desk().with("pwdLastSet", &["0"]));
    assert_eq!(never.confirmed(&proxy(14)), ["target.no_keys"]);
    for types in [&["4"][..], &["7"]] {
        let weak = with_target(desk().with("msDS-SupportedEncryptionTypes", types));
        assert_eq!(weak.confirmed(&proxy(14)), ["target.no_aes"]);
        assert_eq!(weak.confirmed(&Symptom::WeakTicket { stage: Stage::S4u2Proxy }), ["target.no_aes"]);
    }
    let unset = with_target(desk().without("msDS-SupportedEncryptionTypes"));
    assert_eq!(unset.confirmed(&Symptom::WeakTicket { stage: Stage::S4u2Proxy }), ["target.no_aes"]);
    // Nothing is known of the keys of an account that had a password.
    assert_eq!(Case::default().judged(&proxy(14)), [(Cause::TargetNoKeys, Certainty::Possible)]);
}

// Our own account.

#[test]
fn evidence_that_is_not_forwardable_has_its_causes_on_either_side() {
    let seen = Symptom::NotForwardable;
    let protected = format!("{DOMAIN_SID}-525");
    let cases = [
        (with_own(own().with("userAccountControl", &["512"])), "own.no_protocol_transition"),
        (with_own(own().with("userAccountControl", &["17826304"])), "own.sensitive"),
        (with_own(own().member_of(&[&protected])), "own.protected"),
        (with_user(Person::new("alice").with("userAccountControl", &["1049088"])), "user.sensitive"),
        (with_user(Person::new("alice").member_of(&[&protected])), "user.protected"),
    ];
    for (case, expected) in cases {
        assert_eq!(case.confirmed(&seen), [expected]);
        assert!(case.confirmed(&proxy(13)).contains(&expected), "{expected}");
    }
    assert_eq!(Case::default().judged(&seen), [(Cause::NotReplicated, Certainty::Possible)]);
}

#[test]
fn several_causes_that_hold_are_all_told_in_the_order_of_the_table() {
    let both = Case {
        user: Some(Person::new("alice").with("userAccountControl", &["1049088"])),
        ..with_own(own().with("userAccountControl", &["1049088"]))
    };
    assert_eq!(
        both.confirmed(&Symptom::NotForwardable),
        ["own.no_protocol_transition", "user.sensitive", "own.sensitive"]
    );
}

#[test]
fn our_own_name_is_missing_or_on_another_account_or_both() {
    let other = Person::new("web").sid(&sid(1160)).with("servicePrincipalName", &[OWN_SPN]);
    let nameless = own().without("servicePrincipalName");
    for code in [7, 36, 26, 35] {
        let symptom = refused(Stage::S4u2Self, code);
        let missing = Case { own: Some(nameless.clone()), own_spn_holders: Vec::new(), ..Case::default() };
        assert_eq!(missing.confirmed(&symptom), ["own.spn_missing"], "{code}");
        let elsewhere =
            Case { own: Some(nameless.clone()), own_spn_holders: vec![other.clone()], ..Case::default() };
        assert_eq!(elsewhere.confirmed(&symptom), ["own.spn_elsewhere", "own.spn_missing"], "{code}");
        let twice = Case { own_spn_holders: vec![own(), other.clone()], ..Case::default() };
        assert_eq!(twice.confirmed(&symptom), ["own.spn_elsewhere"], "{code}");
    }
}

#[test]
fn a_computer_has_the_names_that_its_class_host_stands_for() {
    let computer = own().with("servicePrincipalName", &["host/broker.corp.example"]);
    let case = Case { own: Some(computer), own_spn_holders: Vec::new(), ..Case::default() };
    assert_eq!(case.judged(&refused(Stage::S4u2Self, 7)), [(Cause::NotReplicated, Certainty::Possible)]);
}

#[test]
fn a_key_is_old_or_wrong_by_its_version() {
    let wrong = refused(Stage::As, 24);
    let with = |versions: Option<Vec<u32>>| Case { key_versions: versions, ..Case::default() };
    assert_eq!(with(Some(vec![2])).confirmed(&wrong), ["own.key_version"]);
    assert_eq!(with(Some(vec![4, 2])).confirmed(&wrong), ["own.key_version"]);
    assert_eq!(with(Some(vec![3])).confirmed(&wrong), ["own.key_wrong"]);
    assert_eq!(with(Some(Vec::new())).confirmed(&wrong), ["own.key_version"]);
    assert_eq!(with(None).confirmed(&wrong), ["own.password_wrong"]);
    assert_eq!(with(Some(vec![2])).confirmed(&Symptom::UnknownKey), ["own.key_version"]);
    // An old keytab keeps eight bits: 259 is 3 there.
    let late = Case { own: Some(own().with("msDS-KeyVersionNumber", &["259"])), ..Case::default() };
    assert_eq!(late.confirmed(&wrong), ["own.key_wrong"]);
    let hidden = Case { own: Some(own().without("msDS-KeyVersionNumber")), ..Case::default() };
    let told = hidden.judged(&wrong);
    assert_eq!(
        told,
        [(Cause::OwnKeyVersion, Certainty::Possible), (Cause::OwnKeyWrong, Certainty::Possible)]
    );
}

#[test]
fn every_state_of_our_own_account_is_told() {
    let state = |attribute: &str, value: &str| with_own(own().with(attribute, &[value]));
    let computed = "msDS-User-Account-Control-Computed";
    for (case, code, expected) in [
        (state("userAccountControl", "16777730"), 18, "own.disabled"),
        (state(computed, "16"), 18, "own.locked"),
        (state("accountExpires", "133136929190000000"), 18, "own.expired"),
        (state("accountExpires", "133136929190000000"), 1, "own.expired"),
        (state(computed, "8388608"), 23, "own.password_expired"),
        (state("msDS-SupportedEncryptionTypes", "4"), 14, "own.no_aes"),
        (Case { own: None, ..Case::default() }, 6, "own.unknown"),
    ] {
        assert_eq!(case.confirmed(&refused(Stage::As, code)), [expected]);
    }
    let weak = state("msDS-SupportedEncryptionTypes", "4");
    assert_eq!(weak.confirmed(&Symptom::WeakTicket { stage: Stage::S4u2Self }), ["own.no_aes"]);
}

#[test]
fn a_state_of_our_own_account_shows_in_requests_for_people_too() {
    let symptom = refused(Stage::S4u2Self, 18);
    let disabled = with_own(own().with("userAccountControl", &["16777730"]));
    assert_eq!(disabled.confirmed(&symptom), ["own.disabled"]);
    let both = Case { user: Some(Person::new("alice").with("userAccountControl", &["514"])), ..disabled };
    assert_eq!(both.confirmed(&symptom), ["user.disabled", "own.disabled"]);
    let sensitive = with_own(own().with("userAccountControl", &["17826304"]));
    assert_eq!(sensitive.confirmed(&refused(Stage::S4u2Self, 13)), ["own.sensitive"]);
}

// The person.

#[test]
fn every_state_of_the_persons_account_is_told() {
    let state = |attribute: &str, value: &str| with_user(Person::new("alice").with(attribute, &[value]));
    let computed = "msDS-User-Account-Control-Computed";
    let never = with_user(Person::new("alice").with("logonHours", &[[0; 21]]));
    for (case, stage, code, expected) in [
        (state("userAccountControl", "514"), Stage::S4u2Self, 18, "user.disabled"),
        (state("userAccountControl", "514"), Stage::S4u2Self, 12, "user.disabled"),
        (state(computed, "16"), Stage::S4u2Self, 18, "user.locked"),
        (state("accountExpires", "133136929190000000"), Stage::S4u2Self, 18, "user.expired"),
        (state("accountExpires", "133136929190000000"), Stage::S4u2Self, 1, "user.expired"),
        (never, Stage::S4u2Self, 12, "user.outside_logon_hours"),
        (state(computed, "8388608"), Stage::S4u2Proxy, 23, "user.password_expired"),
        (Case::default(), Stage::S4u2Self, 6, "user.unknown_to_kdc"),
    ] {
        assert_eq!(case.confirmed(&refused(stage, code)), [expected]);
    }
}

#[test]
fn a_person_whose_account_is_in_order_is_kept_out_by_a_policy_perhaps() {
    assert_eq!(
        Case::default().judged(&refused(Stage::S4u2Self, 12)),
        [(Cause::UserPolicy, Certainty::Possible)]
    );
}

// The domain.

#[test]
fn clocks_are_compared_with_the_directorys() {
    let apart =
        |seconds: u64| Case { server_time: Some(now() + Duration::from_secs(seconds)), ..Case::default() };
    let behind = Case { server_time: Some(now() - Duration::from_secs(600)), ..Case::default() };
    for symptom in [Symptom::ClocksDiffer, refused(Stage::As, 37), proxy(32), proxy(33)] {
        assert_eq!(apart(600).confirmed(&symptom), ["clock.skew"]);
        assert_eq!(behind.confirmed(&symptom), ["clock.skew"]);
        assert_eq!(apart(2).judged(&symptom), [(Cause::NotReplicated, Certainty::Possible)]);
        let silent = Case { server_time: None, ..Case::default() };
        assert_eq!(silent.judged(&symptom), [(Cause::ClockSkew, Certainty::Possible)]);
    }
}

#[test]
fn stale_tickets_and_unknown_codes_have_a_cause_that_the_directory_cannot_tell() {
    for code in [20, 31, 41] {
        assert_eq!(Case::default().judged(&proxy(code)), [(Cause::Stale, Certainty::Possible)], "{code}");
    }
    assert_eq!(Case::default().judged(&proxy(4711)), [(Cause::Other, Certainty::Possible)]);
}

#[test]
fn a_key_version_that_is_missing_explains_a_bad_one() {
    let old = Case { key_versions: Some(vec![2]), ..Case::default() };
    assert_eq!(old.confirmed(&refused(Stage::S4u2Self, 44)), ["own.key_version"]);
}

// All of it.

#[test]
fn without_the_directory_every_candidate_is_possible_and_none_is_lost() {
    for stage in [Stage::As, Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
        for code in 0..100 {
            let symptom = refused(stage, code);
            let told = judge(&symptom, None);
            assert!(!told.is_empty());
            assert_eq!(told.iter().map(|(cause, _)| *cause).collect::<Vec<_>>(), candidates(&symptom));
            assert!(told.iter().all(|(_, certainty)| *certainty == Certainty::Possible));
        }
    }
}

#[test]
fn a_cause_is_confirmed_only_where_it_could_show_itself_so() {
    let nothing_right = Case {
        own: Some(Person::new("svc-broker").sid(&sid(1150)).with("userAccountControl", &["1049090"])),
        own_spn_holders: vec![Person::new("web").sid(&sid(1160))],
        user: Some(Person::new("alice").with("userAccountControl", &["1049090"])),
        holders: Vec::new(),
        computer: Some(Person::new("desk1$").sid(&sid(1300)).with("userAccountControl", &["4098"])),
        server_time: Some(now() + Duration::from_secs(600)),
        key_versions: Some(vec![1]),
        spn: SPN,
    };
    for stage in [Stage::As, Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
        for code in 0..100 {
            let symptom = refused(stage, code);
            let told = nothing_right.judged(&symptom);
            if told != [(Cause::NotReplicated, Certainty::Possible)] {
                let fits = |(cause, _): &(Cause, Certainty)| candidates(&symptom).contains(cause);
                assert!(told.iter().all(fits), "{stage} {code}: {told:?}");
            }
        }
    }
}

#[test]
fn an_account_that_the_directory_does_not_show_makes_nothing_certain() {
    let blind = Case {
        own: None,
        own_spn_holders: Vec::new(),
        user: None,
        holders: Vec::new(),
        computer: None,
        ..Case::default()
    };
    let told = blind.judged(&proxy(13));
    assert!(
        told.len() > 3 && told.iter().all(|(_, certainty)| *certainty == Certainty::Possible),
        "{told:?}"
    );
}
