//! Accounts as they are read, and every reason not to use one.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::testing::{DOMAIN_SID, Person};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn alice() -> Person {
    Person::new("alice")
}

fn now() -> SystemTime {
    // 2026-11-21
    NOW + Duration::from_secs(1_795_219_200)
}

fn refusal(person: &Person) -> NotUsable {
    person.account().check_usable(now()).unwrap_err()
}

fn not_a_person(person: &Person) -> NotAPerson {
    match refusal(person) {
        NotUsable::NotAPerson(reason) => reason,
        other => panic!("{other}"),
    }
}

fn problem(person: &Person) -> (Attribute, AttributeProblem) {
    let error = Account::from_entry(&person.entry()).unwrap_err();
    (error.attribute, error.problem)
}

#[test]
fn every_attribute_has_its_type() {
    let account = alice().account();
    assert_eq!(format!("{DOMAIN_SID}-1103"), account.object_sid.to_string());
    assert_eq!("00112233-4455-6677-8899-aabbccddeeff", account.object_guid.to_string());
    assert_eq!("alice", account.sam_account_name);
    assert_eq!(Some(Upn::parse("alice@corp.example").unwrap()), account.user_principal_name);
    assert_eq!(UserAccountControl::NORMAL_ACCOUNT, account.user_account_control);
    assert_eq!(Some(UserAccountControl(0)), account.computed_account_control);
    assert_eq!((AccountExpires::Never, None), (account.account_expires, account.lockout_time));
    assert_eq!(UNIX_EPOCH + Duration::from_secs(1_704_067_200), account.when_created);
    assert_eq!((Some(513), 0x3000_0000), (account.primary_group_id, account.sam_account_type));
    assert_eq!("corp.example", account.dns_domain());
    assert_eq!(
        vec![account.object_sid.sibling(513)],
        account.groups.iter().map(|g| g.sid.clone()).collect::<Vec<_>>()
    );
}

#[test]
fn an_account_without_an_explicit_name_answers_to_the_implicit_one() {
    let account = alice().without("userPrincipalName").account();
    assert!(account.answers_to(&Upn::parse("ALICE@Corp.Example").unwrap()));
    assert!(!account.answers_to(&Upn::parse("alice@other.example").unwrap()));
    assert!(!account.answers_to(&Upn::parse("bob@corp.example").unwrap()));
}

#[test]
fn an_account_with_another_explicit_name_answers_to_both() {
    let account = alice().with("userPrincipalName", &["1234567890@mil"]).account();
    assert!(account.answers_to(&Upn::parse("1234567890@MIL").unwrap()));
    assert!(account.answers_to(&Upn::parse("alice@corp.example").unwrap()));
}

#[test]
fn a_missing_attribute_is_named() {
    for attribute in [
        Attribute::OBJECT_SID,
        Attribute::OBJECT_GUID,
        Attribute::SAM_ACCOUNT_NAME,
        Attribute::USER_ACCOUNT_CONTROL,
        Attribute::ACCOUNT_EXPIRES,
        Attribute::WHEN_CREATED,
        Attribute::SAM_ACCOUNT_TYPE,
        Attribute::TOKEN_GROUPS,
    ] {
        assert_eq!((attribute, AttributeProblem::Missing), problem(&alice().without(attribute.as_str())));
    }
}

#[test]
fn a_malformed_attribute_is_named() {
    for (attribute, value) in [
        (Attribute::OBJECT_SID, "S-1-5-18"),
        (Attribute::OBJECT_GUID, "00112233-4455-6677-8899-aabbccddeeff"),
        (Attribute::SAM_ACCOUNT_NAME, "host/alice"),
        (Attribute::SAM_ACCOUNT_NAME, "alice@corp.example"),
        (Attribute::SAM_ACCOUNT_NAME, ""),
        (Attribute::USER_PRINCIPAL_NAME, "alice"),
        (Attribute::USER_ACCOUNT_CONTROL, "enabled"),
        (Attribute::ACCOUNT_EXPIRES, "-1"),
        (Attribute::ACCOUNT_EXPIRES, "never"),
        (Attribute::LOCKOUT_TIME, "17"),
        (Attribute::WHEN_CREATED, "2024-01-01"),
        (Attribute::SAM_ACCOUNT_TYPE, ""),
        (Attribute::TOKEN_GROUPS, "Domain Users"),
        (Attribute::LOGON_HOURS, ""),
        (Attribute::LOGON_HOURS, "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        let person = alice().with(attribute.as_str(), &[value]);
        assert_eq!((attribute, AttributeProblem::Malformed), problem(&person), "{value:?}");
    }
}

#[test]
fn an_object_outside_every_domain_is_no_account() {
    let person = alice().at("CN=alice,O=Corp");
    assert_eq!((Attribute::DISTINGUISHED_NAME, AttributeProblem::Malformed), problem(&person));
}

#[test]
fn more_groups_than_a_token_holds_are_refused() {
    let sids: Vec<String> = (0..=MAXIMUM_GROUPS).map(|rid| format!("{DOMAIN_SID}-{rid}")).collect();
    let person = alice().member_of(&sids.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((Attribute::TOKEN_GROUPS, AttributeProblem::Incomplete), problem(&person));
}

#[test]
fn an_ordinary_account_may_be_used() {
    assert_eq!(Ok(()), alice().account().check_usable(now()));
}

#[test]
fn a_smart_card_requirement_and_an_old_password_do_not_matter() {
    // SMARTCARD_REQUIRED, and UF_PASSWORD_EXPIRED among the computed bits.
    let person = alice()
        .with("userAccountControl", &["262656"])
        .with("msDS-User-Account-Control-Computed", &["8388608"]);
    assert_eq!(Ok(()), person.account().check_usable(now()));
}

#[test]
fn a_disabled_account_is_refused() {
    let refusal = refusal(&alice().with("userAccountControl", &["514"]));
    assert_eq!(NotUsable::Disabled { user_account_control: UserAccountControl(514) }, refusal);
    assert_eq!("the account is disabled: userAccountControl is 0x202", refusal.to_string());
    assert_eq!(Attribute::USER_ACCOUNT_CONTROL, refusal.attribute());
}

#[test]
fn an_account_expires_at_the_very_moment() {
    // 2026-11-21 00:00:00 UTC
    let account = alice().with("accountExpires", &["134396928000000000"]).account();
    let AccountExpires::At(moment) = account.account_expires else { panic!("expires") };
    assert_eq!(now(), moment);
    assert_eq!(Ok(()), account.check_usable(moment - Duration::from_nanos(100)));
    let refusal = account.check_usable(moment).unwrap_err();
    assert_eq!(NotUsable::Expired { account_expires: moment }, refusal);
    assert_eq!(Attribute::ACCOUNT_EXPIRES, refusal.attribute());
}

#[test]
fn zero_and_the_largest_number_mean_that_an_account_never_expires() {
    for text in ["0", "9223372036854775807"] {
        assert_eq!(AccountExpires::Never, alice().with("accountExpires", &[text]).account().account_expires);
    }
}

#[test]
fn a_locked_account_is_refused_by_the_computed_attribute() {
    let refusal = refusal(&alice().with("msDS-User-Account-Control-Computed", &["16"]));
    assert_eq!(NotUsable::Locked { computed_account_control: UserAccountControl::LOCKOUT }, refusal);
    assert_eq!(Attribute::COMPUTED_ACCOUNT_CONTROL, refusal.attribute());
}

#[test]
fn a_lockout_that_is_over_does_not_matter() {
    let person = alice().with("lockoutTime", &["133136929190000000"]);
    assert_eq!(Ok(()), person.account().check_usable(now()));
}

#[test]
fn a_lockout_that_nobody_computes_is_refused() {
    let person =
        alice().with("lockoutTime", &["133136929190000000"]).without("msDS-User-Account-Control-Computed");
    assert_eq!(Attribute::LOCKOUT_TIME, refusal(&person).attribute());
}

#[test]
fn an_account_is_refused_outside_of_its_hours() {
    assert_eq!(Ok(()), alice().with("logonHours", &[[0xff; 21]]).account().check_usable(now()));
    let never = refusal(&alice().with("logonHours", &[[0; 21]]));
    assert_eq!(Attribute::LOGON_HOURS, never.attribute());
    assert_eq!(
        "the account may not log on at this hour: logonHours does not hold Saturday 00:00 UTC",
        never.to_string()
    );
    // The first hour of Saturday, and nothing else.
    let mut hours = [0; 21];
    hours[18] = 1;
    let account = alice().with("logonHours", &[hours]).account();
    let hour = Duration::from_secs(3600);
    assert_eq!(Ok(()), account.check_usable(now() + hour - Duration::from_nanos(1)));
    assert!(matches!(account.check_usable(now() + hour), Err(NotUsable::OutsideLogonHours { .. })));
    assert!(account.check_usable(now() - Duration::from_nanos(1)).is_err());
}

#[test]
fn a_password_that_must_be_changed_does_not_matter() {
    let person = alice().with("pwdLastSet", &["0"]).with("msDS-User-Account-Control-Computed", &["8388608"]);
    assert_eq!(Ok(()), person.account().check_usable(now()));
}

#[test]
fn a_protected_user_is_refused() {
    let group = format!("{DOMAIN_SID}-525");
    let refusal = refusal(&alice().member_of(&[&format!("{DOMAIN_SID}-513"), &group]));
    assert_eq!(NotUsable::ProtectedUser { group: group.parse().unwrap() }, refusal);
    assert_eq!(Attribute::TOKEN_GROUPS, refusal.attribute());
}

#[test]
fn the_protected_users_of_another_domain_do_not_matter() {
    let person = alice().member_of(&["S-1-5-21-1-2-3-525"]);
    assert_eq!(Ok(()), person.account().check_usable(now()));
}

#[test]
fn a_sensitive_account_is_refused() {
    let refusal = refusal(&alice().with("userAccountControl", &["1049088"]));
    assert_eq!(NotUsable::NotDelegated { user_account_control: UserAccountControl(0x10_0200) }, refusal);
}

#[test]
fn a_computer_is_not_a_person() {
    let computer = Person::new("desk1$")
        .without("userPrincipalName")
        .with("objectClass", &["top", "person", "organizationalPerson", "user", "computer"])
        .with("sAMAccountType", &["805306369"])
        .with("userAccountControl", &["4096"])
        .with("primaryGroupID", &["515"]);
    assert_eq!(NotAPerson::ObjectClass("computer".to_owned()), not_a_person(&computer));
}

#[test]
fn every_mark_of_another_kind_of_account_is_enough() {
    for (attribute, value, reason) in [
        ("sAMAccountType", "805306370", NotAPerson::SamAccountType(0x3000_0002)),
        ("sAMAccountType", "268435456", NotAPerson::SamAccountType(0x1000_0000)),
        ("sAMAccountName", "alice$", NotAPerson::SamAccountName("alice$".to_owned())),
        ("userAccountControl", "2560", NotAPerson::UserAccountControl(UserAccountControl(0xa00))),
        ("userAccountControl", "4608", NotAPerson::UserAccountControl(UserAccountControl(0x1200))),
        ("userAccountControl", "8704", NotAPerson::UserAccountControl(UserAccountControl(0x2200))),
        ("userAccountControl", "256", NotAPerson::UserAccountControl(UserAccountControl(0x100))),
        ("userAccountControl", "0", NotAPerson::UserAccountControl(UserAccountControl(0))),
        ("primaryGroupID", "515", NotAPerson::PrimaryGroup(515)),
        ("primaryGroupID", "516", NotAPerson::PrimaryGroup(516)),
        ("primaryGroupID", "521", NotAPerson::PrimaryGroup(521)),
        (
            "objectClass",
            "MSDS-managedServiceAccount",
            NotAPerson::ObjectClass("MSDS-managedServiceAccount".to_owned()),
        ),
    ] {
        let refused = not_a_person(&alice().with(attribute, &[value]));
        assert_eq!((reason, attribute), (refused.clone(), refused.attribute().as_str()));
    }
}

#[test]
fn the_kerberos_service_is_not_a_person() {
    let sid = format!("{DOMAIN_SID}-502");
    assert_eq!(NotAPerson::Krbtgt(sid.parse().unwrap()), not_a_person(&alice().sid(&sid)));
    for name in ["krbtgt", "KRBTGT", "krbtgt_12345"] {
        let refused = not_a_person(&alice().with("sAMAccountName", &[name]));
        assert_eq!("objectSid", refused.attribute().as_str(), "{name}");
    }
}

#[test]
fn the_reason_that_says_most_is_told_first() {
    let mut person = alice()
        .with("sAMAccountType", &["805306369"])
        .with("userAccountControl", &["1049090"])
        .with("accountExpires", &["133136929190000000"])
        .with("msDS-User-Account-Control-Computed", &["16"])
        .with("logonHours", &[[0; 21]])
        .member_of(&[&format!("{DOMAIN_SID}-525")]);
    let mut told = Vec::new();
    for (attribute, value) in [
        ("sAMAccountType", "805306368"),
        ("userAccountControl", "1049088"),
        ("accountExpires", "0"),
        ("msDS-User-Account-Control-Computed", "0"),
    ] {
        told.push(refusal(&person).attribute().as_str());
        person = person.with(attribute, &[value]);
    }
    told.push(refusal(&person).attribute().as_str());
    let person = person.without("logonHours");
    told.push(refusal(&person).attribute().as_str());
    told.push(refusal(&person.member_of(&[&format!("{DOMAIN_SID}-513")])).attribute().as_str());
    assert_eq!(
        vec![
            "sAMAccountType",
            "userAccountControl",
            "accountExpires",
            "msDS-User-Account-Control-Computed",
            "logonHours",
            "tokenGroups",
            "userAccountControl"
        ],
        told
    );
}

proptest! {
    #[test]
    fn no_values_stop_the_reader(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::account(&octets);
    }

    #[test]
    fn no_numbers_stop_the_reader(numbers in prop::collection::vec(any::<i64>(), 6)) {
        let lines: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let text = format!("CN=alice,DC=corp,DC=example\n\n\n\n\n{}\n20240101000000.0Z\n513", lines.join("\n"));
        crate::fuzzing::account(text.as_bytes());
    }
}

#[test]
fn what_binds_the_accounts_own_logon_is_reported_and_forbids_nothing() {
    assert!(Person::new("alice").account().restrictions().is_empty());
    let account = Person::new("alice")
        .with("userWorkstations", &["PC1,PC2"])
        .with("msDS-User-Account-Control-Computed", &["8388608"])
        .with("msDS-AssignedAuthNPolicySilo", &["CN=tier0,CN=AuthN Silos,DC=corp,DC=example"])
        .with("msDS-AssignedAuthNPolicy", &["CN=short,CN=AuthN Policies,DC=corp,DC=example"])
        .account();
    let attributes: Vec<&str> =
        account.restrictions().iter().map(|restriction| restriction.attribute().as_str()).collect();
    assert_eq!(
        [
            "userWorkstations",
            "msDS-User-Account-Control-Computed",
            "msDS-AssignedAuthNPolicySilo",
            "msDS-AssignedAuthNPolicy"
        ],
        attributes.as_slice()
    );
    assert_eq!(Ok(()), account.check_usable(UNIX_EPOCH + Duration::from_secs(1_767_225_600)));
    let words: Vec<String> = account.restrictions().iter().map(ToString::to_string).collect();
    assert!(words[0].contains("PC1,PC2") && words[0].contains("(userWorkstations)"), "{words:?}");
}
