use super::*;
use crate::testing::{DOMAIN_SID, Person};

const LIST: &[u8] = include_bytes!("../../fuzz/corpus/security_descriptor/as_windows_writes");
const GROUP: &[u8] = include_bytes!("../../fuzz/corpus/security_descriptor/a_group");
const DENIED: &[u8] = include_bytes!("../../fuzz/corpus/security_descriptor/denied_first");

fn broker() -> Person {
    Person::new("svc-broker").sid(&format!("{DOMAIN_SID}-1150"))
}

fn read(person: &Person) -> ServiceAccount {
    ServiceAccount::from_entry(&person.entry()).unwrap()
}

fn desk() -> Person {
    Person::new("desk1$").sid(&format!("{DOMAIN_SID}-1300"))
}

#[test]
fn every_attribute_has_its_type() {
    let account = read(
        &broker()
            .with("userAccountControl", &["16843264"])
            .with("servicePrincipalName", &["HTTP/broker.corp.example", "HTTP/broker"])
            .with("msDS-AllowedToDelegateTo", &["TERMSRV/desk1.corp.example"])
            .with("msDS-SupportedEncryptionTypes", &["24"])
            .with("msDS-KeyVersionNumber", &["3"])
            .with("pwdLastSet", &["133136929190000000"])
            .with("accountExpires", &["0"]),
    );
    assert!(account.user_account_control.has(UserAccountControl::TRUSTED_TO_AUTH_FOR_DELEGATION));
    assert!(account.has_spn("http/BROKER.corp.example") && !account.has_spn("HTTP/broker.corp"));
    assert!(account.may_delegate_to("termsrv/desk1.corp.example"));
    assert!(!account.may_delegate_to("TERMSRV/desk1") && !account.may_delegate_to("HTTP/broker"));
    assert_eq!(Some(EncryptionTypes(24)), account.supported_encryption_types);
    assert_eq!((Some(3), Password::Set), (account.key_version_number, account.password));
    assert_eq!(
        (AccountExpires::Never, AllowedToAct::NoList),
        (account.account_expires, account.allowed_to_act)
    );
}

#[test]
fn what_is_absent_is_told_from_what_is_nothing() {
    let account = read(&desk().without("accountExpires"));
    assert_eq!(
        (None, None, Password::Unknown),
        (account.supported_encryption_types, account.key_version_number, account.password)
    );
    assert_eq!(Password::NeverSet, read(&desk().with("pwdLastSet", &["0"])).password);
    assert_eq!(AccountExpires::Never, account.account_expires);
    let without = Person::new("desk1$").without("userAccountControl");
    assert!(ServiceAccount::from_entry(&without.entry()).is_err());
}

#[test]
fn only_aes_counts_as_an_encryption_type() {
    for (bits, aes) in [(0, false), (4, false), (7, false), (8, true), (16, true), (24, true), (28, true)] {
        assert_eq!(aes, EncryptionTypes(bits).has_aes(), "{bits}");
    }
}

#[test]
fn a_list_lets_the_account_act_that_it_names() {
    let open = read(&desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &[LIST]));
    assert_eq!(Some(ActingForOthers::Allowed), open.lets_act(&read(&broker())));
    assert_eq!(Some(ActingForOthers::NotNamed), open.lets_act(&read(&desk())));
    assert_eq!(None, read(&desk()).lets_act(&read(&broker())));
}

#[test]
fn a_list_lets_the_members_of_a_group_act() {
    let open = read(&desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &[GROUP]));
    assert_eq!(
        Some(ActingForOthers::Allowed),
        open.lets_act(&read(&broker().member_of(&[&format!("{DOMAIN_SID}-2001")])))
    );
    assert_eq!(Some(ActingForOthers::NotNamed), open.lets_act(&read(&broker())));
    let denied = read(&desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &[DENIED]));
    assert_eq!(Some(ActingForOthers::Denied), denied.lets_act(&read(&broker())));
}

#[test]
fn a_list_that_cannot_be_read_is_none() {
    let account = read(&desk().with("msDS-AllowedToActOnBehalfOfOtherIdentity", &["O:BA"]));
    assert_eq!(AllowedToAct::Unreadable(SecurityDescriptorError::Truncated), account.allowed_to_act);
    assert_eq!(None, account.lets_act(&read(&broker())));
}

#[test]
fn a_member_of_protected_users_is_one_of_its_own_domain() {
    assert!(read(&broker().member_of(&[&format!("{DOMAIN_SID}-525")])).is_protected());
    assert!(!read(&broker().member_of(&["S-1-5-21-1-2-3-525"])).is_protected());
}

#[test]
fn values_that_no_directory_sends_are_refused() {
    let many: Vec<String> = (0..=MAXIMUM_VALUES).map(|number| format!("HTTP/{number}")).collect();
    let long = "x".repeat(MAXIMUM_LENGTH + 1);
    for person in [
        desk().with("servicePrincipalName", &many),
        desk().with("servicePrincipalName", &[&long]),
        desk().with("servicePrincipalName", &[[0xff_u8]]),
        desk().with("tokenGroups", &["S-1-5-18"]),
        desk().with("pwdLastSet", &["yesterday"]),
        desk().with("accountExpires", &["-1"]),
    ] {
        assert!(ServiceAccount::from_entry(&person.entry()).is_err());
    }
}

#[test]
fn the_class_host_stands_for_others_and_not_for_all() {
    assert_eq!(Some("host/desk1.corp.example"), host_spn("HTTP/desk1.corp.example").as_deref());
    assert_eq!(Some("host/desk1:80"), host_spn("http/desk1:80").as_deref());
    for other in ["TERMSRV/desk1", "vnc/desk1", "host/desk1", "desk1", ""] {
        assert_eq!(None, host_spn(other), "{other:?}");
    }
}

#[test]
fn the_host_of_a_name_is_told_from_port_and_service() {
    assert_eq!(Some("desk1.corp.example"), host_of("HTTP/desk1.corp.example:8080/x"));
    assert_eq!(Some("dc1"), host_of("ldap/dc1/corp.example"));
    assert_eq!((None, None), (host_of("desk1"), host_of("HTTP/")));
}
